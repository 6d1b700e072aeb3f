/* One clear sentence for each way a model can be wrong, with file and line. */
#include "test_support.h"

#include <string.h>

#include "vx_model.h"

#define HEAD "<cpu name=\"m\" title=\"M\" vendor=\"intel\">\n"
#define L1D                                                                                                            \
    "<tlb name=\"d\" class=\"l1d\" accesses=\"load store\" assumed=\"yes\">"                                           \
    "<array entries=\"64\" ways=\"4\" pages=\"4k\"/></tlb>\n"
#define L1I                                                                                                            \
    "<tlb name=\"i\" class=\"l1i\" accesses=\"fetch\" assumed=\"yes\">"                                                \
    "<array entries=\"64\" ways=\"4\" pages=\"4k\"/></tlb>\n"
#define CPU(line4) HEAD L1D L1I line4 "\n</cpu>"
#define VMM_HEAD "<vmm name=\"v\" title=\"V\">\n<memory schemes=\"shadow-wp\" assumed=\"yes\"/>\n"
#define DEFAULT "<handler reason=\"default\" ticks=\"1\" assumed=\"yes\"/>\n"

typedef struct error_row {
    vx_model_kind kind;
    const char *text, *message;
} error_row;

static const error_row spelling[] = {
    {VX_MODEL_CPU, "<cpu name=\"m\"", "m.xml:1: attributes construct error"},
    {VX_MODEL_CPU, "<vmm/>", "m.xml:1: the root element is <vmm>, not <cpu>"},
    {VX_MODEL_CPU, CPU("<coer mhz=\"1\"/>"), "m.xml:4: <cpu> holds no <coer>, did you mean 'core'?"},
    {VX_MODEL_CPU, CPU("<nothing/>"), "m.xml:4: <cpu> holds no <nothing>"},
    {VX_MODEL_CPU, CPU("<cost vmexit_tics=\"1\" assumed=\"yes\"/>"),
     "m.xml:4: <cost> has no attribute 'vmexit_tics', did you mean 'vmexit_ticks'?"},
    {VX_MODEL_CPU, CPU("<cost zzz=\"1\" assumed=\"yes\"/>"), "m.xml:4: <cost> has no attribute 'zzz'"},
    {VX_MODEL_CPU, CPU("<core>2000</core>"), "m.xml:4: <core> holds text; values are attributes"},
    {VX_MODEL_CPU, "<cpu name=\"m\" title=\"M\" vendor=\"intel\" source=\"all of it\"/>",
     "m.xml:1: <cpu> has no attribute 'source'"},
    {VX_MODEL_CPU, CPU("<core xmlns=\"urn:x\" mhz=\"1\"/>"), "m.xml:4: a model has no namespaces (element 'core')"},
    {VX_MODEL_CPU, CPU("<core xml:lang=\"en\"/>"), "m.xml:4: a model has no namespaces (attribute 'lang')"},
    {VX_MODEL_CPU, "<cpu extends=\"nehalem\"/>", "m.xml:1: a model read from memory cannot extend 'nehalem'"},
};

static const error_row values[] = {
    {VX_MODEL_CPU, CPU("<cost vmexit_ticks=\"1\"/>"), "m.xml:4: cpu.cost.vmexit_ticks has neither source nor assumed"},
    {VX_MODEL_CPU, CPU("<vmx vmx=\"yes\"/>"), "m.xml:4: cpu.vmx.vmx has neither source nor assumed"},
    {VX_MODEL_CPU, CPU("<core mhz=\"1\" source=\"\"/>"), "m.xml:4: <core>: source is empty"},
    {VX_MODEL_CPU, CPU("<core mhz=\"1\" assumed=\"no\"/>"), "m.xml:4: <core>: assumed can only be \"yes\""},
    {VX_MODEL_CPU, CPU("<core mhz=\"fast\" assumed=\"yes\"/>"),
     "m.xml:4: cpu.core.mhz: 'fast' is not a number from 1 to 20000 (MHz)"},
    {VX_MODEL_CPU, CPU("<core mhz=\"20001\" assumed=\"yes\"/>"),
     "m.xml:4: cpu.core.mhz: '20001' is not a number from 1 to 20000 (MHz)"},
    {VX_MODEL_CPU, CPU("<core mhz=\"1\" assumed=\"yes\"/>\n<core mhz=\"2\" assumed=\"yes\"/>"),
     "m.xml:5: cpu.core.mhz is given twice"},
    {VX_MODEL_CPU, CPU(L1D), "m.xml:4: cpu.tlb 'd' is given twice"},
    {VX_MODEL_CPU, CPU("<tlb class=\"l2\"/>"), "m.xml:4: <tlb> has no name"},
    {VX_MODEL_CPU, CPU("<tlb name=\"a.b\"/>"), "m.xml:4: cpu.tlb: 'a.b': a name within a path has no '.'"},
    {VX_MODEL_CPU, CPU("<tlb name=\"a b\"/>"),
     "m.xml:4: cpu.tlb.name: 'a b' is not 1 to 31 characters (letters, digits, '_', '-', '+', '.')"},
    {VX_MODEL_CPU, HEAD L1D L1I "</cpu>\n<cpu/>", "m.xml:5: Extra content at the end of the document"},
    {VX_MODEL_CPU, "<cpu name=\"m\" title=\"M\"/>", "m.xml:1: cpu.vendor is missing"},
    {VX_MODEL_CPU, CPU("<tlb name=\"x\" class=\"l2\" assumed=\"yes\"/>"), "m.xml:4: cpu.tlb.x.accesses is missing"},
    {VX_MODEL_CPU,
     CPU("<tlb name=\"x\" class=\"l2\" accesses=\"load\" assumed=\"yes\">\n<array ways=\"4\" pages=\"4k\"/></tlb>\n"
         "<core mhz=\"1\" assumed=\"yes\"/>"),
     "m.xml:5: cpu.tlb.x.array.0.entries is missing"},
    {VX_MODEL_CPU, "<cpu/>", "m.xml:1: cpu.name is missing"},
    {VX_MODEL_VM, "<vm name=\"g\" title=\"G\" levels=\"6\"/>",
     "m.xml:1: vm.levels: '6' is not a number from 2 to 5 (levels)"},
};

static const error_row rules[] = {
    {VX_MODEL_CPU, HEAD L1D "</cpu>", "m.xml:1: no first-level cpu.tlb serves fetch"},
    {VX_MODEL_CPU,
     CPU("<tlb name=\"x\" class=\"l1d\" accesses=\"store\" assumed=\"yes\">"
         "<array entries=\"4\" ways=\"4\" pages=\"4k\"/></tlb>"),
     "m.xml:4: cpu.tlb.d and cpu.tlb.x both serve store"},
    {VX_MODEL_CPU,
     CPU("<tlb name=\"x\" class=\"l1d\" accesses=\"fetch\" assumed=\"yes\">"
         "<array entries=\"4\" ways=\"4\" pages=\"4k\"/></tlb>"),
     "m.xml:4: cpu.tlb.x: class l1d serves no fetches"},
    {VX_MODEL_CPU,
     CPU("<tlb name=\"x\" class=\"l1i\" accesses=\"load\" assumed=\"yes\">"
         "<array entries=\"4\" ways=\"4\" pages=\"4k\"/></tlb>"),
     "m.xml:4: cpu.tlb.x: class l1i serves fetches only"},
    {VX_MODEL_CPU,
     HEAD L1I "<tlb name=\"d\" class=\"l1d\" accesses=\"load store\" assumed=\"yes\">"
              "<array entries=\"4\" ways=\"4\" pages=\"2m\"/></tlb></cpu>",
     "m.xml:3: cpu.tlb.d holds no 4k pages"},
    {VX_MODEL_CPU,
     HEAD L1I "<tlb name=\"d\" class=\"l1d\" accesses=\"load store\" hit_ticks=\"1\" assumed=\"yes\">"
              "<array entries=\"4\" ways=\"4\" pages=\"4k\"/></tlb></cpu>",
     "m.xml:3: cpu.tlb.d.hit_ticks: a first-level hit costs nothing beyond the instruction"},
    {VX_MODEL_CPU, CPU("<tlb name=\"x\" class=\"l2\" accesses=\"load\" assumed=\"yes\"/>"),
     "m.xml:4: cpu.tlb.x has no <array>"},
    {VX_MODEL_CPU,
     CPU("<tlb name=\"x\" class=\"l2\" accesses=\"load\" assumed=\"yes\">"
         "<array entries=\"512\" ways=\"5\" pages=\"4k\"/></tlb>"),
     "m.xml:4: cpu.tlb.x.array.0.ways 5 does not divide cpu.tlb.x.array.0.entries 512"},
    {VX_MODEL_CPU,
     CPU("<tlb name=\"x\" class=\"l2\" accesses=\"load\" assumed=\"yes\">"
         "<array entries=\"96\" ways=\"4\" pages=\"4k\"/></tlb>"),
     "m.xml:4: cpu.tlb.x.array.0 has 24 sets (96 entries, 4 ways): not a power of two"},
    {VX_MODEL_CPU,
     CPU("<tlb name=\"x\" class=\"l2\" accesses=\"load\" assumed=\"yes\">"
         "<array entries=\"96\" ways=\"6\" pages=\"4k\" replacement=\"plru\"/></tlb>"),
     "m.xml:4: cpu.tlb.x.array.0.ways 6: plru needs a power of two up to 64"},
    {VX_MODEL_CPU,
     CPU("<tlb name=\"x\" class=\"l2\" accesses=\"load\" assumed=\"yes\">"
         "<array entries=\"64\" ways=\"4\" pages=\"4k\"/><array entries=\"64\" ways=\"8\" pages=\"4k\"/></tlb>"),
     "m.xml:4: cpu.tlb.x: two arrays hold 4k pages, but have unlike numbers of sets"},
    {VX_MODEL_CPU, CPU("<psc kind=\"physical\" assumed=\"yes\"/>"),
     "m.xml:4: cpu.psc.kind physical needs cpu.psc.physical.entries"},
    {VX_MODEL_CPU, CPU("<psc kind=\"prefix\" assumed=\"yes\"><nested><pde entries=\"12\" ways=\"5\"/></nested></psc>"),
     "m.xml:4: cpu.psc.nested.pde.ways 5 does not divide cpu.psc.nested.pde.entries 12"},
    {VX_MODEL_CPU, CPU("<ntlb entries=\"16\" ways=\"0\" assumed=\"yes\"/>"),
     "m.xml:4: cpu.ntlb.ways 0 does not divide cpu.ntlb.entries 16"},
    {VX_MODEL_CPU, CPU("<memory><l2 bytes=\"1m\" ways=\"8\" assumed=\"yes\"/></memory>"),
     "m.xml:4: cpu.memory.l2 needs cpu.memory.l1d"},
    {VX_MODEL_CPU, CPU("<memory><l1d bytes=\"12m\" ways=\"16\" assumed=\"yes\"/></memory>"),
     "m.xml:4: cpu.memory.l1d: 12582912 bytes in 16 ways of 64-byte lines do not make a power of two of sets"},
    {VX_MODEL_CPU, CPU("<memory><l1d bytes=\"48k\" assumed=\"yes\"/></memory>"), /* the default of ways is 1 */
     "m.xml:1: cpu.memory.l1d: 49152 bytes in 1 ways of 64-byte lines do not make a power of two of sets"},
    {VX_MODEL_CPU, CPU("<memory caches=\"walks\"/>"), "m.xml:4: cpu.memory.caches needs cpu.memory.l1d"},
    {VX_MODEL_CPU, CPU("<memory walk_entry_level=\"2\" assumed=\"yes\"><l1d bytes=\"32k\" ways=\"8\"/></memory>"),
     "m.xml:4: cpu.memory.walk_entry_level 2: cpu.memory.l2 does not exist"},
    {VX_MODEL_CPU, CPU("<vmx vmx=\"yes\" ept=\"yes\" assumed=\"yes\"/>"),
     "m.xml:4: cpu.vmx.ept needs cpu.vmx.secondary_controls"},
    {VX_MODEL_CPU, CPU("<vmx vmx=\"yes\" secondary_controls=\"yes\" unrestricted_guest=\"yes\" assumed=\"yes\"/>"),
     "m.xml:4: cpu.vmx.unrestricted_guest needs cpu.vmx.ept"},
    {VX_MODEL_CPU, CPU("<svm npt=\"yes\" assumed=\"yes\"/>"), "m.xml:4: cpu.svm.npt needs cpu.svm.svm"},
    {VX_MODEL_CPU, CPU("<svm svm=\"yes\" asids=\"64\" assumed=\"yes\"/>"), "m.xml:4: cpu.svm.svm needs cpu.vendor amd"},
    {VX_MODEL_CPU, CPU("<paging virtual_bits=\"50\" assumed=\"yes\"/>"),
     "m.xml:4: cpu.paging.virtual_bits is 48 or 57, not 50"},
    {VX_MODEL_VMM, VMM_HEAD "</vmm>", "m.xml:1: the first vmm.handler is not 'default'"},
    {VX_MODEL_VMM, VMM_HEAD DEFAULT DEFAULT "</vmm>", "m.xml:4: vmm.handler 'default' is given twice"},
    {VX_MODEL_VMM, VMM_HEAD "<memory ept_ad=\"yes\" assumed=\"yes\"/>" DEFAULT "</vmm>",
     "m.xml:3: vmm.memory.ept_ad needs ept in vmm.memory.schemes"},
    {VX_MODEL_VMM, VMM_HEAD "<apic apicv=\"yes\" assumed=\"yes\"/>" DEFAULT "</vmm>",
     "m.xml:3: vmm.apic.apicv needs vmm.apic.flexpriority (the TPR shadow)"},
    {VX_MODEL_VM, "<vm name=\"g\" title=\"G\" levels=\"2\" page=\"1g\"/>",
     "m.xml:1: vm.page 1g needs vm.levels 4 or 5"},
    {VX_MODEL_VM, "<vm name=\"g\" title=\"G\" page=\"4m\"/>", "m.xml:1: vm.page 4m needs vm.levels 2"},
    {VX_MODEL_VM, "<vm name=\"g\" title=\"G\" ram_bytes=\"1048577\"/>",
     "m.xml:1: vm.ram_bytes is not a multiple of 4096"},
};

static void check_rows(const error_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vx_model *model = (vx_model *)0x1; /* stays as it was */
        vx_msg msg = {""};
        vx_status status = vx_model_parse(&model, rows[i].kind, rows[i].text, strlen(rows[i].text), "m.xml", &msg);
        if (status == VX_OK) fail_msg("accepted, but expected: %s", rows[i].message);
        assert_string_equal(msg.text, rows[i].message);
        assert_int_equal(status, VX_ERR_INPUT);
        assert_ptr_equal(model, (vx_model *)0x1);
    }
}

static void spelling_errors(void **state)
{
    (void)state;
    check_rows(spelling, sizeof spelling / sizeof *spelling);
}

static void value_errors(void **state)
{
    (void)state;
    check_rows(values, sizeof values / sizeof *values);
}

static void broken_rules(void **state)
{
    (void)state;
    check_rows(rules, sizeof rules / sizeof *rules);
}

static void the_rows_before_the_errors_are_right(void **state)
{
    static const char text[] = CPU("");
    vx_model *model;
    vx_msg msg = {""};
    (void)state;
    if (vx_model_parse(&model, VX_MODEL_CPU, text, strlen(text), "m.xml", &msg) != VX_OK) fail_msg("%s", msg.text);
    vx_model_close(model);
}

static void more_than_the_arrays_hold_is_refused(void **state)
{
    char text[4096];
    vx_model *model;
    vx_msg msg = {""};
    (void)state;
    int used = snprintf(text, sizeof text, HEAD);
    for (unsigned i = 0; i <= VX_CFG_TLBS; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "<tlb name=\"t%u\"/>\n", i);
    used += snprintf(text + used, sizeof text - (size_t)used, "</cpu>");
    assert_int_equal(vx_model_parse(&model, VX_MODEL_CPU, text, (size_t)used, "m.xml", &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "m.xml:10: more than 8 <tlb>");
}

static void unknown_models_and_files(void **state)
{
    vx_model *model;
    vx_model_kind kind;
    vx_msg msg;
    (void)state;
    assert_int_equal(vx_model_open(&model, VX_MODEL_CPU, "nehalam", &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "no cpu model 'nehalam', did you mean 'nehalem'?");
    assert_int_equal(vx_model_open(&model, VX_MODEL_CPU, "./none.xml", &msg), VX_ERR_IO);
    assert_string_equal(msg.text, "./none.xml: No such file or directory");
    assert_int_equal(vx_model_open(&model, VX_MODEL_CPU, NULL, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "a cpu model has no default");
    assert_int_equal(vx_model_kind_of(&kind, "textbok", &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "no vmm model 'textbok', did you mean 'textbook'?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rows_before_the_errors_are_right),
        cmocka_unit_test(spelling_errors),
        cmocka_unit_test(value_errors),
        cmocka_unit_test(broken_rules),
        cmocka_unit_test(more_than_the_arrays_hold_is_refused),
        cmocka_unit_test(unknown_models_and_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
