/* extends: what is inherited, what is replaced, and chains that are refused. */
#include "test_support.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vx_model.h"

static char folder[] = "/tmp/vexit-test-XXXXXX";
static char cpus[64];
static char saved[4096]; /* the search path before */

static int make_folder(void **state)
{
    (void)state;
    const char *before = getenv("VEXIT_MODELS");
    snprintf(saved, sizeof saved, "%s", before ? before : "");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(cpus, sizeof cpus, "%s/cpu", folder);
    if (mkdir(cpus, 0700) != 0) return -1;
    return setenv("VEXIT_MODELS", folder, 1);
}

static int remove_folder(void **state)
{
    (void)state;
    rmdir(cpus);
    rmdir(folder);
    return setenv("VEXIT_MODELS", saved, 1);
}

static void path_of(const char *name, char path[128]) { snprintf(path, 128, "%s/%s.xml", cpus, name); }

static void put(const char *name, const char *text)
{
    char path[128];
    path_of(name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void drop(const char *name)
{
    char path[128];
    path_of(name, path);
    unlink(path);
}

static const char base_text[] = "<cpu name=\"base\" title=\"B\" vendor=\"intel\">\n"
                                "<tlb name=\"d\" class=\"l1d\" accesses=\"load store\" source=\"s1\">\n"
                                "<array entries=\"64\" ways=\"4\" pages=\"4k\"/>\n"
                                "<array entries=\"32\" ways=\"4\" pages=\"2m\"/></tlb>\n"
                                "<tlb name=\"i\" class=\"l1i\" accesses=\"fetch\" source=\"s1\">\n"
                                "<array entries=\"64\" ways=\"4\" pages=\"4k\"/></tlb>\n"
                                "<cost vmexit_ticks=\"900\" vmentry_ticks=\"100\" source=\"s2\"/>\n"
                                "</cpu>";

static bool from_of_exit(void *context, const vx_model_value *value)
{
    if (strcmp(value->path, "cpu.cost.vmexit_ticks") == 0) snprintf(context, 64, "%s|%s", value->from, value->source);
    return true;
}

static void values_are_inherited_and_replaced(void **state)
{
    vx_model *model;
    vx_msg msg = {""};
    char from[64] = "";
    (void)state;
    put("base", base_text);
    put("child", "<cpu name=\"child\" extends=\"base\" title=\"C\">\n"
                 "<tlb name=\"d\"><array entries=\"128\" ways=\"8\" pages=\"4k\" assumed=\"yes\"/></tlb>\n"
                 "<cost vmexit_ticks=\"700\" assumed=\"yes\"/>\n</cpu>");
    if (vx_model_open(&model, VX_MODEL_CPU, "child", &msg) != VX_OK) fail_msg("%s", msg.text);
    const vx_cfg_cpu *cpu = vx_model_cpu(model);
    assert_string_equal(cpu->name, "child");
    assert_int_equal(cpu->vendor, VX_VENDOR_INTEL);
    assert_int_equal(cpu->tlb_count, 2);
    assert_int_equal(cpu->tlb[0].array_count, 1); /* arrays replace arrays */
    assert_int_equal(cpu->tlb[0].array[0].entries, 128);
    assert_int_equal(cpu->tlb[0].accesses, 3); /* the unit's other values stay */
    assert_int_equal(cpu->tlb[1].array[0].entries, 64);
    assert_int_equal(cpu->cost.vmexit_ticks, 700);
    assert_int_equal(cpu->cost.vmentry_ticks, 100);
    vx_model_each(model, from_of_exit, from);
    assert_string_equal(from, "child.xml:3|");
    vx_model_close(model);

    assert_int_equal(vx_model_open(&model, VX_MODEL_CPU, "base", &msg), VX_OK);
    vx_model_each(model, from_of_exit, from);
    assert_string_equal(from, "base.xml:7|s2");
    vx_model_close(model);
    drop("child");
    drop("base");
}

static void a_base_may_be_a_file_beside(void **state)
{
    vx_model *model;
    vx_msg msg = {""};
    (void)state;
    put("base", base_text);
    put("child", "<cpu name=\"child\" extends=\"base.xml\" title=\"C\"/>");
    if (vx_model_open(&model, VX_MODEL_CPU, "child", &msg) != VX_OK) fail_msg("%s", msg.text);
    assert_int_equal(vx_model_cpu(model)->cost.vmexit_ticks, 900);
    vx_model_close(model);
    drop("child");
    drop("base");
}

static void refused(const char *name, const char *format)
{
    vx_model *model;
    vx_msg msg = {""}, expected;
    assert_int_equal(vx_model_open(&model, VX_MODEL_CPU, name, &msg), VX_ERR_INPUT);
    int length = snprintf(expected.text, sizeof expected.text, "%s/", cpus);
    snprintf(expected.text + length, sizeof expected.text - (size_t)length, "%s", format);
    assert_string_equal(msg.text, expected.text);
}

static void circles_are_refused(void **state)
{
    (void)state;
    put("a", "<cpu name=\"a\" title=\"A\" extends=\"b\"/>");
    put("b", "<cpu name=\"b\" title=\"B\" extends=\"a\"/>");
    refused("a", "b.xml:1: extends 'a', which extends it in turn");
    put("a", "<cpu name=\"a\" title=\"A\" extends=\"a\"/>");
    refused("a", "a.xml:1: extends 'a', which extends it in turn");
    drop("a");
    drop("b");
}

static void long_chains_are_refused(void **state)
{
    char name[8], text[128];
    (void)state;
    for (int i = 1; i <= 9; i++) {
        snprintf(name, sizeof name, "c%d", i);
        snprintf(text, sizeof text, "<cpu name=\"c%d\" title=\"C\" extends=\"c%d\"/>", i, i + 1);
        put(name, text);
    }
    refused("c1", "c8.xml:1: more than 8 models extend one another");
    for (int i = 1; i <= 9; i++) {
        snprintf(name, sizeof name, "c%d", i);
        drop(name);
    }
}

static void an_unknown_base_and_a_wrong_name(void **state)
{
    (void)state;
    put("base", base_text);
    put("a", "<cpu name=\"a\" title=\"A\" extends=\"bse\"/>");
    refused("a", "a.xml:1: extends: no cpu model 'bse', did you mean 'base'?");
    put("a", "<cpu name=\"b\" title=\"A\" extends=\"base\"/>");
    refused("a", "a.xml: the model is named 'b', its file 'a'");
    put("a", "<cpu name=\"a\" extends=\"base\"><core mhz=\"0\" assumed=\"yes\"/></cpu>");
    refused("a", "a.xml:1: cpu.core.mhz: '0' is not a number from 1 to 20000 (MHz)");
    drop("a");
    drop("base");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_inherited_and_replaced),
        cmocka_unit_test(a_base_may_be_a_file_beside),
        cmocka_unit_test(circles_are_refused),
        cmocka_unit_test(long_chains_are_refused),
        cmocka_unit_test(an_unknown_base_and_a_wrong_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
