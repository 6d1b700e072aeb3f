/* Every way to virtualize a local APIC ends in the same architectural state as a plain one: random sequences of guest
 * operations, VX_APIC_SEQUENCES of them (10 thousand; 1 million is the long tier), seed VX_SEED. And what the help
 * saves.
 */
#include "apic_operation.h"
#include "apic_paths.h"

enum { KINDS = 10 }; /* of operations */

static apic_path paths[PATHS];

static void perform(apic_path *p, apic_operation o)
{
    switch (o.what) {
    case 0:
    case 1:
    case 2:
        path_interrupt(p, o.vector, o.flag && o.vector < 0x50);
        break;
    case 3:
    case 4:
        path_set_tpr(p, o.tpr, o.flag);
        break;
    case 5:
        path_self_ipi(p, o.vector);
        break;
    case 6:
        path_enable_interrupts(p, o.flag);
        break;
    default:
        path_eoi(p);
        break;
    }
}

static bool same_state(const apic_path *a, const apic_path *b)
{
    if (a->logged != b->logged || memcmp(a->log, b->log, a->logged * sizeof *a->log) != 0) return false;
    for (uint32_t at = VX_APIC_ISR; at < VX_APIC_ESR; at += 16)
        if (vx_apic_get(a->page, at) != vx_apic_get(b->page, at)) return false;
    return vx_apic_get(a->page, VX_APIC_TPR) == vx_apic_get(b->page, VX_APIC_TPR) &&
           vx_apic_get(a->page, VX_APIC_PPR) == vx_apic_get(b->page, VX_APIC_PPR);
}

static void explain(const apic_path *a, const apic_path *b, uint64_t sequence, unsigned step)
{
    print_message("sequence %llu, step %u: %s differs from %s\n", (unsigned long long)sequence, step,
                  path_names[b->kind], path_names[a->kind]);
    for (unsigned i = 0; i < a->logged || i < b->logged; i++)
        print_message("  %03x %03x\n", i < a->logged ? a->log[i] : 0, i < b->logged ? b->log[i] : 0);
    static const uint16_t registers[] = {0x80,  0xA0,  0x110, 0x120, 0x140, 0x150, 0x160,
                                         0x170, 0x210, 0x220, 0x240, 0x250, 0x260, 0x270};
    for (size_t i = 0; i < sizeof registers / sizeof *registers; i++)
        print_message("  %03x: %08x %08x\n", registers[i], vx_apic_get(a->page, registers[i]),
                      vx_apic_get(b->page, registers[i]));
}

static void every_path_ends_alike(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "apic paths");
    uint64_t exits[PATHS] = {0}, threshold[PATHS] = {0}, eois[PATHS] = {0}, events = 0, count = apic_sequences(10000);
    for (uint64_t sequence = 0; sequence < count; sequence++) {
        for (unsigned i = 0; i < PATHS; i++) path_init(&paths[i], (path_kind)i);
        for (unsigned step = 0; step < APIC_OPERATIONS; step++) {
            apic_operation o = apic_operation_draw(&random, KINDS);
            for (unsigned i = 0; i < PATHS; i++) perform(&paths[i], o);
            for (unsigned i = 1; i < PATHS; i++) assert_int_equal(path_tpr(&paths[i]), path_tpr(&paths[PATH_SOFTWARE]));
        }
        for (unsigned i = 0; i < PATHS; i++) {
            path_settle(&paths[i]);
            if (!same_state(&paths[0], &paths[i])) explain(&paths[0], &paths[i], sequence, APIC_OPERATIONS);
            assert_true(same_state(&paths[0], &paths[i]));
            exits[i] += paths[i].exits;
            threshold[i] += paths[i].threshold_exits;
            eois[i] += paths[i].eoi_exits;
        }
        events += paths[0].logged;
    }
    print_message("%llu sequences, %llu deliveries and EOI broadcasts; exits (threshold, EOI):\n",
                  (unsigned long long)count, (unsigned long long)events);
    for (unsigned i = 1; i < PATHS; i++)
        print_message("  %-16s %10llu (%llu, %llu)\n", path_names[i], (unsigned long long)exits[i],
                      (unsigned long long)threshold[i], (unsigned long long)eois[i]);
    assert_true(events > count);
    assert_true(threshold[PATH_TPR_SHADOW] > 0 && threshold[PATH_TPR_SHADOW] == threshold[PATH_X2APIC]);
    assert_true(threshold[PATH_DELIVERY] == 0 && threshold[PATH_POSTED] == 0 && threshold[PATH_AVIC] == 0);
    /* All that posting leaves is what the EOI-exit bitmap asks for. */
    assert_true(exits[PATH_POSTED] == eois[PATH_POSTED] && exits[PATH_X2APIC_DELIVERY] == eois[PATH_POSTED]);
    assert_true(exits[PATH_AVIC] == eois[PATH_AVIC]);
    assert_true(exits[PATH_DELIVERY] < exits[PATH_REGISTERS] && exits[PATH_REGISTERS] == exits[PATH_TPR_SHADOW]);
}

/* A pending interrupt of lower priority than the TPR: lowering the TPR below it is one exit, and then the delivery;
 * with virtual-interrupt delivery none. By the page (or the MSR) and by CR8. */
static void lowering_the_tpr_exits_once(void **state)
{
    (void)state;
    static const unsigned expected[PATHS] = {
        [PATH_TPR_SHADOW] = 1, [PATH_REGISTERS] = 1, [PATH_X2APIC] = 1, [PATH_V_TPR] = 1};
    for (unsigned kind = 1; kind < PATHS; kind++)
        for (unsigned cr8 = 0; cr8 < 2; cr8++) {
            apic_path *p = &paths[kind];
            if (kind == PATH_V_TPR && !cr8) continue; /* AMD's page of registers exits always */
            path_init(p, (path_kind)kind);
            path_enable_interrupts(p, true);
            path_set_tpr(p, 0x60, cr8);
            path_interrupt(p, 0x51, false);
            assert_int_equal(p->logged, 0);
            unsigned before = p->exits;
            if (kind != PATH_V_TPR) { /* KVM on AMD intercepts every CR8 write while one is held back */
                path_set_tpr(p, 0x70, cr8);
                path_set_tpr(p, 0x50, cr8); /* its own class still holds it back */
            }
            assert_int_equal(p->exits, before);
            assert_int_equal(p->logged, 0);
            path_set_tpr(p, 0x40, cr8);
            assert_int_equal(p->exits - before, expected[kind]);
            assert_int_equal(p->threshold_exits, expected[kind]);
            assert_int_equal(p->logged, 1);
            assert_int_equal(p->log[0], 0x51);
            path_set_tpr(p, 0x20, cr8); /* nothing is pending any more */
            path_set_tpr(p, 0x60, cr8);
            path_set_tpr(p, 0x00, cr8);
            assert_int_equal(p->exits - before, expected[kind]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowering_the_tpr_exits_once),
        cmocka_unit_test(every_path_ends_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
