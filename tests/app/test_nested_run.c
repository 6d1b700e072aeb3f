/* vexit run --nested on AMD's processors: what L1 handles is what it would handle alone, and L0 has the rest to do.
 * (On Intel's: test_run_verb.c.) */
#include <string.h>

#include "cli.h"
#include "test_support.h"

#define COMPILER CLI_TRACE("compiler.vxt")
#define FORK CLI_TRACE("linux-fork.vxt")

static uint64_t kind(const json_t *document, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/runs/0/nested/l0_exits/by_kind/%s", name);
    return cli_count(document, path);
}

static uint64_t to_l0(const json_t *document, const char *reason)
{
    char path[80];
    snprintf(path, sizeof path, "/runs/0/nested/l0_exits/by_reason/%s/count", reason);
    return cli_at(document, path) ? cli_count(document, path) : 0;
}

/* Both hypervisors map 4 KiB pages. Barcelona's L1 exits at six instructions on its way into L2, that of Zen 2 at
 * VMRUN. */
static void each_exit_multiplies(void **state)
{
    (void)state;
    static const struct {
        const char *cpu;
        unsigned way;
    } machines[] = {{"barcelona", 6}, {"zen2", 1}};
    for (unsigned i = 0; i < sizeof machines / sizeof *machines; i++) {
        json_t *flat = cli_document("run --trace %s --cpu %s --scheme npt+vpid --max 300k", COMPILER, machines[i].cpu);
        json_t *nested = cli_document("run --trace %s --cpu %s --scheme npt+vpid --nested textbook --max 300k --check",
                                      COMPILER, machines[i].cpu);
        cli_check_document(nested);
        uint64_t exits = cli_count(flat, "/runs/0/exits/total"),
                 npf = cli_count(flat, "/runs/0/exits/by_reason/npf/count");
        assert_int_equal(cli_count(nested, "/runs/0/nested/l1_exits"), exits);
        assert_int_equal(cli_count(nested, "/runs/0/nested/l1_by_reason/npf/count"), npf);
        assert_int_equal(kind(nested, "reflected"), exits);
        assert_true(kind(nested, "npt02_fill") >= npf); /* more by the first store to what was read before */
        assert_true(kind(nested, "npt02_fill") <= 2 * npf);
        assert_int_equal(kind(nested, "npt12_store"), 0);
        assert_int_equal(kind(nested, "svm_instruction"), machines[i].way * exits);
        assert_int_equal(kind(nested, "alone"), 0);
        assert_int_equal(to_l0(nested, "vmrun"), exits);
        assert_int_equal(cli_count(nested, "/runs/0/exits/total"), exits + kind(nested, "npt02_fill"));
        assert_int_equal(cli_count(nested, "/runs/0/instructions"), cli_count(flat, "/runs/0/instructions"));
        assert_true(cli_count(nested, "/runs/0/cycles/total") > cli_count(flat, "/runs/0/cycles/total"));
        json_decref(flat);
        json_decref(nested);
    }
}

/* KVM below KVM drops L2's translations at each reflected exit, tagged or not; alone and tagged it drops none. */
static void kvm_below_kvm_flushes(void **state)
{
    (void)state;
    for (unsigned tagged = 0; tagged < 2; tagged++) {
        const char *scheme = tagged ? "npt+vpid" : "npt";
        json_t *flat = cli_document("run --trace %s --cpu zen2 --vmm kvm-6.1 --scheme %s", FORK, scheme);
        json_t *nested =
            cli_document("run --trace %s --cpu zen2 --vmm kvm-6.1 --scheme %s --nested kvm-6.1 --check", FORK, scheme);
        uint64_t reflected = kind(nested, "reflected"), exits = cli_count(flat, "/runs/0/exits/total");
        assert_int_equal(reflected, exits);
        uint64_t flushed = cli_count(nested, "/runs/0/tlb/flushes/flush_asid/count");
        assert_int_equal(flushed, reflected);
        assert_int_equal(to_l0(nested, "vmrun"), reflected);
        assert_in_range(to_l0(nested, "msr"), reflected, reflected + cli_count(nested, "/runs/0/nested/l1_exits"));
        json_decref(flat);
        json_decref(nested);
    }
}

/* Of each page size: L1's exits are those of its own size, and L2 walks the smaller of both. */
static void page_sizes(void **state)
{
    (void)state;
    uint64_t l1[2][2], accesses[2][2];
    for (unsigned i = 0; i < 4; i++) {
        json_t *document = cli_document("run --trace %s --cpu zen2 --scheme npt+vpid --set vmm.nested_page=%s "
                                        "--nested %s --max 300k --check",
                                        COMPILER, i & 1 ? "2m" : "4k", i >> 1 ? "kvm-6.1" : "textbook");
        l1[i >> 1][i & 1] = cli_count(document, "/runs/0/nested/l1_exits");
        accesses[i >> 1][i & 1] = cli_count(document, "/runs/0/walks/accesses");
        json_decref(document);
    }
    assert_int_equal(l1[0][0], l1[1][0]);
    assert_int_equal(l1[0][1], l1[1][1]);
    assert_true(l1[0][1] < l1[0][0]);
    assert_true(accesses[1][1] < accesses[0][1]);
}

static void a_report_tells_who_exited(void **state)
{
    (void)state;
    const char *line = "run --trace " FORK " --cpu barcelona --vmm kvm-6.1 --scheme npt --nested kvm-6.1";
    static const char *const shown[] = {"in a VM of kvm-6.1",
                                        "L2 EXIT, to L1",
                                        "EXIT, to L0",
                                        "vmrun",
                                        "exits of L2 that L0 mended in NPT02\n",
                                        "exits of L2 that L0 alone intercepts\n",
                                        "exits of L1 for memory that NPT01 lacked\n",
                                        "exits of L1 for stores to NPT12\n",
                                        "exits of L1 on its way into L2\n"};
    assert_int_equal(cli_line("%s", line), 0);
    for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++) assert_non_null(strstr(cli_out, shown[i]));
    assert_int_equal(cli_line("%s --csv -", line), 0);
    assert_non_null(strstr(cli_out, "nested.l0_exits.by_kind.npt02_fill"));
    assert_non_null(strstr(cli_out, "nested.npt02.prefetched"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_exit_multiplies),
        cmocka_unit_test(kvm_below_kvm_flushes),
        cmocka_unit_test(page_sizes),
        cmocka_unit_test(a_report_tells_who_exited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
