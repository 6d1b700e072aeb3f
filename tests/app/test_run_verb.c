/* vexit run: the JSON contract, repeatability, what each scheme may and may not do, and which part of a trace counts.
 */
#include <string.h>

#include "cli.h"
#include "test_support.h"

#define COMPILER CLI_TRACE("compiler.vxt")
#define SQLITE CLI_TRACE("sqlite.vxt")

/* Counting ends behind the block of instructions, or the fault handler, that reaches the limit. */
enum { BLOCK = 64 };
#define NO_HANDLER "--set vm.fault_instructions=0 "

static const char *const schemes[] = {"native", "shadow-wp", "shadow-vtlb", "ept", "ept+vpid"};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

static void documents_keep_the_contract(void **state)
{
    static const char *const traces[] = {COMPILER, SQLITE};
    (void)state;
    for (unsigned t = 0; t < 2; t++)
        for (unsigned s = 0; s < SCHEMES; s++) {
            json_t *document =
                cli_document("run --trace %s --cpu nehalem --scheme %s --check --max 500k", traces[t], schemes[s]);
            cli_check_document(document);
            assert_true(json_is_true(cli_at(document, "/complete")));
            assert_string_equal(cli_text(document, "/verb"), "run");
            assert_string_equal(cli_text(document, "/trace/path"), traces[t]);
            assert_string_equal(cli_text(document, "/runs/0/name"), schemes[s]);
            assert_int_equal(cli_count(document, "/trace/replayed"), cli_count(document, "/runs/0/references"));
            json_decref(document);
        }
}

static void whole_traces_are_replayed_whole(void **state)
{
    (void)state;
    json_t *document = cli_document("run --trace %s --cpu nehalem --scheme native", SQLITE);
    assert_int_equal(cli_count(document, "/trace/references"), 5000000);
    assert_int_equal(cli_count(document, "/trace/replayed"), 5000000);
    assert_int_equal(cli_count(document, "/runs/0/references"), 5000000);
    json_decref(document);
}

static void same_command_same_bytes(void **state)
{
    (void)state;
    const char *line = "run --trace " SQLITE " --cpu nehalem --scheme ept --max 1m --json -";
    assert_int_equal(cli_line("%s", line), 0);
    char *first = strdup(cli_out);
    assert_int_equal(cli_line("%s", line), 0);
    assert_string_equal(cli_out, first);
    free(first);
}

/* --json FILE writes what --json - prints, and the text goes to standard output then. */
static void files_hold_what_standard_output_would(void **state)
{
    (void)state;
    const char *line = "run --trace " SQLITE " --cpu nehalem --scheme ept --max 100k";
    assert_int_equal(cli_line("%s --json -", line), 0);
    char *printed = strdup(cli_out);
    assert_int_equal(cli_line("%s --json r.json", line), 0);
    assert_non_null(strstr(cli_out, "EPT_VIOLATION"));
    assert_true(cli_folder_holds("r.json"));
    char *written = cli_slurp("r.json", NULL);
    assert_string_equal(written, printed);
    free(written);
    free(printed);
    remove("r.json");
    assert_int_equal(cli_line("%s --csv -", line), 0);
    assert_non_null(strstr(cli_out, "cycles.total"));
    assert_true(cli_folder_holds(NULL));
}

static void native_never_exits(void **state)
{
    (void)state;
    json_t *document = cli_document("run --trace %s --cpu nehalem --scheme native --max 500k", COMPILER);
    assert_int_equal(cli_count_or_0(document, "/runs/0/exits/total"), 0);
    assert_int_equal(json_object_size(cli_at(document, "/runs/0/exits/by_reason")), 0);
    assert_int_equal(cli_count(document, "/runs/0/cycles/by_cause/exit.hardware"), 0);
    assert_int_equal(cli_count(document, "/runs/0/cycles/by_cause/exit.software"), 0);
    assert_true(json_is_null(cli_at(document, "/runs/0/vmm")));
    json_decref(document);
}

/* Two processes in turn load CR3 at each switch; every 16th fault unmaps a page, with INVLPG. */
#define SWITCHES                                                                                                       \
    "--trace " COMPILER "," SQLITE " --cpu nehalem --max 3m --set vm.slice_instructions=100000 "                       \
    "--set vm.unmap_every=16"

static void ept_lets_cr3_and_invlpg_through(void **state)
{
    (void)state;
    for (unsigned s = 3; s < SCHEMES; s++) {
        json_t *document = cli_document("run " SWITCHES " --scheme %s", schemes[s]);
        cli_check_document(document);
        assert_true(cli_count(document, "/runs/0/paging/os/switches") > 10);
        assert_true(cli_count(document, "/runs/0/paging/os/unmaps") > 10);
        assert_true(cli_count(document, "/runs/0/exits/by_reason/EPT_VIOLATION/count") > 0);
        assert_int_equal(cli_count(document, "/runs/0/exits/by_reason/EPT_VIOLATION/number"), 48);
        assert_null(cli_at(document, "/runs/0/exits/by_reason/INVLPG"));
        assert_null(cli_at(document, "/runs/0/exits/by_reason/CR_ACCESS"));
        json_decref(document);
    }
}

static void shadow_paging_pays_for_cr3_and_invlpg(void **state)
{
    (void)state;
    for (unsigned s = 1; s < 3; s++) {
        json_t *document = cli_document("run " SWITCHES " --scheme %s --check", schemes[s]);
        cli_check_document(document);
        /* Every switch loads CR3, and so does each process's first turn. */
        assert_true(cli_count(document, "/runs/0/exits/by_reason/CR_ACCESS/count") >=
                    cli_count(document, "/runs/0/paging/os/switches"));
        assert_int_equal(cli_count(document, "/runs/0/exits/by_reason/CR_ACCESS/number"), 28);
        bool virtual_tlb = s == 2;
        assert_int_equal(cli_at(document, "/runs/0/exits/by_reason/INVLPG") != NULL, virtual_tlb);
        json_decref(document);
    }
}

/* VPID off: each exit and each entry drops everything. VPID on: neither drops anything. */
static void vpid_keeps_translations_over_exits(void **state)
{
    (void)state;
    json_t *off = cli_document("run --trace %s --cpu nehalem --scheme ept --max 1m", COMPILER);
    json_t *on = cli_document("run --trace %s --cpu nehalem --scheme ept --vpid on --max 1m", COMPILER);
    json_t *named = cli_document("run --trace %s --cpu nehalem --scheme ept+vpid --max 1m", COMPILER);
    assert_true(json_equal(on, named));
    assert_int_equal(cli_count(off, "/runs/0/tlb/flushes/vm_transition/count"),
                     2 * cli_count(off, "/runs/0/exits/total"));
    assert_int_equal(cli_count(on, "/runs/0/tlb/flushes/vm_transition/count"), 0);
    assert_int_equal(cli_count(on, "/runs/0/exits/total"), cli_count(off, "/runs/0/exits/total"));
    assert_true(cli_count(on, "/runs/0/tlb/l2/misses") < cli_count(off, "/runs/0/tlb/l2/misses"));
    json_decref(off);
    json_decref(on);
    json_decref(named);
}

/* A nested hypervisor handles what it would handle alone; L0 has more to do. VMCS shadowing takes the VMREADs and
 * VMWRITEs away. Both hypervisors map 4 KiB pages: each violation of L1's is followed by one that L0 mends in EPT02. */
static void a_nested_hypervisor_multiplies_exits(void **state)
{
    (void)state;
    json_t *flat = cli_document("run --trace %s --cpu nehalem --scheme ept+vpid --max 1m", COMPILER);
    json_t *nested =
        cli_document("run --trace %s --cpu nehalem --scheme ept+vpid --nested textbook --max 1m --check", COMPILER);
    json_t *shadowing = cli_document("run --trace %s --cpu nehalem --scheme ept+vpid --nested textbook --max 1m "
                                     "--set cpu.vmx.vmcs_shadowing=yes",
                                     COMPILER);
    cli_check_document(nested);
    uint64_t exits = cli_count(flat, "/runs/0/exits/total");
    uint64_t violations = cli_count(flat, "/runs/0/exits/by_reason/EPT_VIOLATION/count");
    uint64_t accesses = cli_count(flat, "/runs/0/vmcs/reads") + cli_count(flat, "/runs/0/vmcs/writes");
    uint64_t of_l1 = cli_count(nested, "/runs/0/nested/l0_exits/by_kind/ept01_fill");
    assert_in_range(of_l1, violations,
                    violations + cli_count(nested, "/runs/0/nested/ept12/table_pages")); /* what L1 clears */
    assert_int_equal(cli_count(nested, "/runs/0/exits/total"), exits + violations);
    assert_int_equal(cli_count(nested, "/runs/0/nested/l1_exits"), exits);
    assert_int_equal(cli_count(nested, "/runs/0/nested/l1_by_reason/EPT_VIOLATION/count"), violations);
    assert_int_equal(cli_count(nested, "/runs/0/nested/l0_exits/by_kind/reflected"), exits);
    assert_int_equal(cli_count(nested, "/runs/0/nested/l0_exits/by_kind/ept02_fill"), violations);
    assert_int_equal(cli_count(nested, "/runs/0/nested/l0_exits/by_kind/vmx_instruction"), exits + accesses);
    assert_int_equal(cli_count(nested, "/runs/0/nested/l0_exits/total"), 2 * exits + accesses + violations + of_l1);
    assert_int_equal(cli_count(shadowing, "/runs/0/nested/l0_exits/total"), 2 * exits + violations + of_l1);
    assert_true(cli_count(nested, "/runs/0/cycles/total") > cli_count(shadowing, "/runs/0/cycles/total"));
    assert_true(cli_count(shadowing, "/runs/0/cycles/total") > cli_count(flat, "/runs/0/cycles/total"));
    json_decref(flat);
    json_decref(nested);
    json_decref(shadowing);
}

/* Of each page size: L2 walks the smaller of both, and L1's exits are those of its own size. */
static void nested_page_sizes(void **state)
{
    (void)state;
    static const char *const sizes[] = {"4k", "2m"};
    uint64_t l1[2][2], accesses[2][2];
    for (unsigned i = 0; i < 4; i++) {
        /* kvm-6.1 has pages of 2 MiB, textbook of 4 KiB. */
        json_t *document = cli_document("run --trace %s --cpu nehalem --scheme ept+vpid --set vmm.nested_page=%s "
                                        "--nested %s --max 300k --check",
                                        COMPILER, sizes[i & 1], i >> 1 ? "kvm-6.1" : "textbook");
        l1[i >> 1][i & 1] = cli_count(document, "/runs/0/nested/l1_exits");
        accesses[i >> 1][i & 1] = cli_count(document, "/runs/0/walks/accesses");
        json_decref(document);
    }
    assert_int_equal(l1[0][0], l1[1][0]);
    assert_int_equal(l1[0][1], l1[1][1]);
    assert_true(l1[0][1] < l1[0][0]);
    assert_true(accesses[1][1] < accesses[0][0] && accesses[1][1] < accesses[0][1] && accesses[1][1] < accesses[1][0]);
}

static void a_nested_report_tells_who_exited(void **state)
{
    (void)state;
    const char *line = "run --trace " SQLITE " --cpu nehalem --scheme ept --nested kvm-6.1 --max 100k";
    static const char *const shown[] = {"in a VM of kvm-6.1",
                                        "L2 EXIT, to L1",
                                        "EXIT, to L0",
                                        "VMRESUME",
                                        "exits of L2 that L0 reflected to L1\n",
                                        "exits of L2 that L0 mended in EPT02\n",
                                        "exits of L1 for memory that EPT01 lacked\n"};
    assert_int_equal(cli_line("%s", line), 0);
    for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++) assert_non_null(strstr(cli_out, shown[i]));
    assert_int_equal(cli_line("%s --csv -", line), 0);
    assert_non_null(strstr(cli_out, "nested.l0_exits.by_kind.ept02_fill"));
    assert_non_null(strstr(cli_out, "nested.l1_by_reason.EPT_VIOLATION.count"));
}

/* ---- which part counts ---- */

static void assert_about(uint64_t value, uint64_t wanted) { assert_in_range(value, wanted, wanted + BLOCK); }

static void max_ends_counting(void **state)
{
    (void)state;
    json_t *document = cli_document("run --trace %s --cpu nehalem " NO_HANDLER "--scheme ept --max 500k", COMPILER);
    assert_about(cli_count(document, "/runs/0/instructions"), 500000);
    json_decref(document);
}

/* What warms up is run and not counted: the same references as without, less those before; first touches are behind. */
static void warm_up_resets_the_counters(void **state)
{
    (void)state;
    json_t *cold = cli_document("run --trace %s --cpu nehalem " NO_HANDLER "--scheme ept+vpid --max 300k", COMPILER);
    json_t *both = cli_document("run --trace %s --cpu nehalem " NO_HANDLER "--scheme ept+vpid --max 600k", COMPILER);
    json_t *warm =
        cli_document("run --trace %s --cpu nehalem " NO_HANDLER "--scheme ept+vpid --warmup 300k --max 300k", COMPILER);
    cli_check_document(warm);
    assert_about(cli_count(warm, "/runs/0/instructions"), 300000);
    static const char *const sums[] = {"/runs/0/references", "/runs/0/exits/total", "/runs/0/walks/count",
                                       "/runs/0/tlb/l1d/lookups", "/runs/0/paging/guest_faults"};
    for (unsigned i = 0; i < sizeof sums / sizeof *sums; i++) {
        uint64_t sum = cli_count(cold, sums[i]) + cli_count(warm, sums[i]), whole = cli_count(both, sums[i]);
        assert_in_range(sum, whole - 2 * BLOCK, whole + 2 * BLOCK);
    }
    assert_true(cli_count(warm, "/runs/0/exits/total") < cli_count(cold, "/runs/0/exits/total"));
    assert_int_equal(cli_count(warm, "/runs/0/window/warmup"), 300000);
    assert_int_equal(cli_count(warm, "/runs/0/window/max"), 300000);
    json_decref(cold);
    json_decref(both);
    json_decref(warm);
}

/* What is skipped of a user-level trace is not run: its pages are touched for the first time behind it. */
static void skip_leaves_out(void **state)
{
    (void)state;
    json_t *all = cli_document("run --trace %s --cpu nehalem --scheme native", SQLITE);
    json_t *rest = cli_document("run --trace %s --cpu nehalem --scheme native --skip 3m", SQLITE);
    uint64_t in_trace = cli_count(all, "/trace/instructions");
    /* The fault handler's instructions come on top; they are none of the trace's. */
    json_t *few = cli_document("run --trace %s --cpu nehalem --scheme native --skip %llu", SQLITE,
                               (unsigned long long)(in_trace - 1000));
    assert_in_range(cli_count(few, "/runs/0/reference_kinds/fetches"), 1000 - BLOCK, 1000 + BLOCK);
    assert_in_range(cli_count(rest, "/runs/0/reference_kinds/fetches"), in_trace - 3000000 - BLOCK,
                    in_trace - 3000000 + BLOCK);
    json_decref(all);
    json_decref(rest);
    json_decref(few);
}

static void no_less(const json_t *before, const json_t *after)
{
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)before, path, value)
    {
        size_t length = strlen(path);
        bool extreme = length > 4 && strcmp(path + length - 4, ".min") == 0; /* the least can only fall */
        const json_t *later = json_object_get(after, path);
        assert_non_null(later);
        if (!extreme && json_integer_value(later) < json_integer_value(value)) fail_msg("%s falls", path);
    }
}

/* Snapshots count on from where counting began; the last of them stands at the end and equals the totals. */
static void intervals_add_up(void **state)
{
    (void)state;
    json_t *document = cli_document(
        "run --trace %s --cpu nehalem " NO_HANDLER "--scheme ept --warmup 100k --max 900k --interval 100k", COMPILER);
    cli_check_document(document);
    const json_t *intervals = cli_at(document, "/runs/0/intervals");
    assert_int_equal(json_array_size(intervals), 9);
    for (size_t i = 0; i < 9; i++) {
        const json_t *now = json_array_get(intervals, i);
        assert_about((uint64_t)json_integer_value(json_object_get(now, "instructions")), (i + 1) * 100000);
        if (i) no_less(json_array_get(intervals, i - 1), now);
    }
    const json_t *last = json_array_get(intervals, 8);
    static const struct {
        const char *flat, *deep;
    } same[] = {{"instructions", "/runs/0/instructions"},     {"references", "/runs/0/references"},
                {"cycles.total", "/runs/0/cycles/total"},     {"exits.total", "/runs/0/exits/total"},
                {"walks.accesses", "/runs/0/walks/accesses"}, {"tlb.l2.misses", "/runs/0/tlb/l2/misses"}};
    for (unsigned i = 0; i < sizeof same / sizeof *same; i++)
        assert_int_equal(json_integer_value(json_object_get(last, same[i].flat)), cli_count(document, same[i].deep));
    json_decref(document);
}

static void seeds_choose(void **state)
{
    (void)state;
    const char *line = "run --trace gen:random:bytes=64m,refs=200k --cpu nehalem --scheme ept";
    json_t *one = cli_document("%s", line), *same = cli_document("%s --seed 1", line);
    json_t *two = cli_document("%s --seed 2", line);
    assert_true(json_equal(one, same));
    assert_int_equal(cli_count(two, "/runs/0/seed"), 2);
    assert_int_equal(cli_count(one, "/runs/0/references"), cli_count(two, "/runs/0/references"));
    assert_int_not_equal(cli_count(one, "/runs/0/tlb/l2/misses"), cli_count(two, "/runs/0/tlb/l2/misses"));
    json_decref(one);
    json_decref(same);
    json_decref(two);
}

/* The shipped traces' first 400,000 instructions, as files that a test can afford to replay whole many times. */
#define FIRST "compiler-cut.vxt"
#define SECOND "sqlite-cut.vxt"

static void cut_traces(void)
{
    assert_int_equal(cli_line("trace cut %s --max 400k -o " FIRST, COMPILER), 0);
    assert_int_equal(cli_line("trace cut %s --max 400k -o " SECOND, SQLITE), 0);
}

static void remove_traces(void)
{
    remove(FIRST);
    remove(SECOND);
}

/* Two traces are two processes with address spaces of their own; each is replayed whole. */
static void processes_share_the_cpu(void **state)
{
    (void)state;
    cut_traces();
    json_t *document = cli_document("run --trace " FIRST "," SECOND " --cpu nehalem --scheme ept --check "
                                    "--set vm.slice_instructions=50000");
    json_t *first = cli_document("run --trace " FIRST " --cpu nehalem --scheme ept");
    json_t *second = cli_document("run --trace " SECOND " --cpu nehalem --scheme ept");
    cli_check_document(document);
    assert_int_equal(json_array_size(cli_at(document, "/trace")), 2);
    assert_int_equal(cli_count(document, "/trace/0/replayed"), cli_count(first, "/trace/references"));
    assert_int_equal(cli_count(document, "/trace/1/replayed"), cli_count(second, "/trace/references"));
    static const char *const sums[] = {"/runs/0/references", "/runs/0/paging/guest_faults"};
    for (unsigned i = 0; i < sizeof sums / sizeof *sums; i++)
        assert_int_equal(cli_count(document, sums[i]), cli_count(first, sums[i]) + cli_count(second, sums[i]));
    assert_true(cli_count(document, "/runs/0/paging/os/switches") > 10);
    json_decref(document);
    json_decref(first);
    json_decref(second);
    remove_traces();
}

/* Each VM runs its trace whole, as if alone, but for the exits that end its slices. */
static void vms_share_the_cpu(void **state)
{
    (void)state;
    cut_traces();
    for (unsigned s = 1; s < SCHEMES; s++) {
        json_t *alone = cli_document("run --trace " FIRST " --cpu nehalem --scheme %s", schemes[s]);
        json_t *both = cli_document("run --trace " FIRST " --cpu nehalem --scheme %s --vms 2 --check "
                                    "--set vmm.scheduler.slice_ticks=100000",
                                    schemes[s]);
        cli_check_document(both);
        assert_int_equal(cli_count(both, "/trace/replayed"), cli_count(alone, "/trace/replayed"));
        assert_int_equal(cli_count(both, "/runs/0/vms/vm0/instructions"), cli_count(alone, "/runs/0/instructions"));
        assert_int_equal(cli_count(both, "/runs/0/vms/vm1/instructions"), cli_count(alone, "/runs/0/instructions"));
        uint64_t preempted = cli_count(both, "/runs/0/exits/by_reason/EXTERNAL_INTERRUPT/count");
        assert_true(preempted > 4);
        assert_int_equal(cli_count(both, "/runs/0/vms/switches"), preempted);
        assert_int_equal(cli_count(both, "/runs/0/exits/total"),
                         2 * cli_count(alone, "/runs/0/exits/total") + preempted);
        json_decref(alone);
        json_decref(both);
    }
    remove_traces();
}

/* A VM whose trace is at its end leaves the CPU by an exit: without VPID nothing it cached serves the next. */
static void a_vm_that_ends_leaves_nothing(void **state)
{
    (void)state;
    cut_traces();
    for (unsigned s = 1; s < SCHEMES; s++) {
        json_t *alone = cli_document("run --trace " FIRST " --cpu nehalem --scheme %s", schemes[s]);
        json_t *both = cli_document("run --trace " FIRST " --cpu nehalem --scheme %s --vms 2 "
                                    "--set vmm.scheduler.slice_ticks=1000000000",
                                    schemes[s]);
        assert_int_equal(cli_count(both, "/runs/0/vms/switches"), 1);
        assert_int_equal(cli_count(both, "/runs/0/vms/vm0/exits"), cli_count(alone, "/runs/0/exits/total") + 1);
        assert_int_equal(cli_count(both, "/runs/0/vms/vm1/exits"), cli_count(alone, "/runs/0/exits/total"));
        json_decref(alone);
        json_decref(both);
    }
    remove_traces();
}

/* The repeated --trace is the next VM's; a list is one VM's processes. */
static void traces_go_to_their_vms(void **state)
{
    (void)state;
    cut_traces();
    json_t *document = cli_document("run --trace " FIRST "," SECOND " --trace " SECOND " --cpu nehalem --scheme ept");
    json_t *first = cli_document("run --trace " FIRST " --cpu nehalem --scheme ept");
    json_t *second = cli_document("run --trace " SECOND " --cpu nehalem --scheme ept");
    uint64_t one = cli_count(first, "/runs/0/instructions"), other = cli_count(second, "/runs/0/instructions");
    assert_int_equal(cli_count(document, "/runs/0/vms/vm0/instructions"), one + other);
    assert_int_equal(cli_count(document, "/runs/0/vms/vm1/instructions"), other);
    assert_int_equal(json_array_size(cli_at(document, "/trace")), 3);
    assert_string_equal(cli_text(document, "/trace/2/path"), SECOND);
    json_decref(document);
    json_decref(first);
    json_decref(second);
    remove_traces();
}

static void the_guest_model_decides_page_sizes(void **state)
{
    (void)state;
    json_t *small = cli_document("run --trace %s --cpu haswell --scheme ept --vm linux-4k --max 500k", COMPILER);
    json_t *large = cli_document("run --trace %s --cpu haswell --scheme ept --vm linux-thp --max 500k", COMPILER);
    assert_int_equal(cli_count(small, "/runs/0/paging/os/pages_mapped/2m"), 0);
    assert_true(cli_count(large, "/runs/0/paging/os/pages_mapped/2m") > 0);
    assert_true(cli_count(large, "/runs/0/paging/guest_faults") < cli_count(small, "/runs/0/paging/guest_faults"));
    json_decref(small);
    json_decref(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_keep_the_contract),
        cmocka_unit_test(whole_traces_are_replayed_whole),
        cmocka_unit_test(same_command_same_bytes),
        cmocka_unit_test(files_hold_what_standard_output_would),
        cmocka_unit_test(native_never_exits),
        cmocka_unit_test(ept_lets_cr3_and_invlpg_through),
        cmocka_unit_test(shadow_paging_pays_for_cr3_and_invlpg),
        cmocka_unit_test(vpid_keeps_translations_over_exits),
        cmocka_unit_test(a_nested_hypervisor_multiplies_exits),
        cmocka_unit_test(nested_page_sizes),
        cmocka_unit_test(a_nested_report_tells_who_exited),
        cmocka_unit_test(max_ends_counting),
        cmocka_unit_test(warm_up_resets_the_counters),
        cmocka_unit_test(skip_leaves_out),
        cmocka_unit_test(intervals_add_up),
        cmocka_unit_test(seeds_choose),
        cmocka_unit_test(processes_share_the_cpu),
        cmocka_unit_test(vms_share_the_cpu),
        cmocka_unit_test(a_vm_that_ends_leaves_nothing),
        cmocka_unit_test(traces_go_to_their_vms),
        cmocka_unit_test(the_guest_model_decides_page_sizes),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
