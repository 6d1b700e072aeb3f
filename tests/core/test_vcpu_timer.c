/* The APIC timer and the host's in the step: on time to the record, whoever the guest runs under. Costs of the world:
 * an instruction takes 1 tick, a delivery 40, an exit with its entry 700. */
#include "exit_rows.h"
#include "test_support.h"
#include "vcpu_world.h"

enum { PAGE = 0x4000, BLOCK = 10, VECTOR = 0x31, DELIVERY = 40 };

static void run(vcpu_world *world, unsigned blocks)
{
    for (unsigned i = 0; i < blocks; i++) {
        vx_record record = vcpu_fetch(PAGE, BLOCK, 4 * BLOCK);
        if (vcpu_run_all(world, &record, 1, NULL, 0) == VX_STOP_ERROR) fail_msg("%s", world->msg.text);
    }
}

static void write_page(vcpu_world *world, uint32_t offset, uint32_t value)
{
    vcpu_do(world, VX_REC_APIC_WRITE, 4, offset, (const uint64_t[]){value, 0xFEE00000 | offset}, 2);
}

/* The handler of this world's guest: EOI, IRET. */
static void finish(vcpu_world *world)
{
    write_page(world, VX_APIC_EOI, 0);
    vcpu_do(world, VX_REC_IRET, 0, 0, NULL, 0);
}

static void natively_on_time_to_the_record(void **state)
{
    (void)state;
    static const uint32_t counts[] = {5, 95, 100, 101, 999};
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        vcpu_world world;
        vcpu_world_open(&world, &(vcpu_world_options){.apic = true});
        write_page(&world, VX_APIC_DIVIDE, 0xB);
        write_page(&world, VX_APIC_LVT_TIMER, VECTOR);
        vx_tick start = vx_vcpu_now(world.vcpu), due = start + counts[i];
        write_page(&world, VX_APIC_INITIAL_COUNT, counts[i]);
        while (world.vector_count == 0) {
            assert_true(vx_vcpu_now(world.vcpu) < due);
            run(&world, 1);
        }
        assert_int_equal(world.vectors[0], VECTOR);
        assert_true(vx_vcpu_now(world.vcpu) >= due && vx_vcpu_now(world.vcpu) < due + BLOCK + DELIVERY);
        finish(&world);
        run(&world, 2 * counts[i] / BLOCK + 2);
        assert_int_equal(world.vector_count, 1); /* one-shot */
        vcpu_world_close(&world);
    }
}

/* A batch of many records is cut where the timer is due, and the periods do not drift. */
static void periods_do_not_drift(void **state)
{
    (void)state;
    enum { BLOCKS = 5000, PERIOD = 333 };
    static vx_record records[BLOCKS];
    for (unsigned n = 0; n < BLOCKS; n++) records[n] = vcpu_fetch(PAGE, BLOCK, 4 * BLOCK);
    vcpu_world world;
    vcpu_world_open(&world, &(vcpu_world_options){.apic = true});
    write_page(&world, VX_APIC_DIVIDE, 0xB);
    write_page(&world, VX_APIC_LVT_TIMER, 1U << 17 | VECTOR);
    write_page(&world, VX_APIC_INITIAL_COUNT, PERIOD);
    vx_batch batch = {.records = records, .count = BLOCKS};
    vx_run r = {.instruction_limit = UINT64_MAX};
    unsigned taken = 0;
    while (r.position < BLOCKS) { /* the handlers are between runs: one more record at the most before each */
        r.tick_limit = vx_vcpu_now(world.vcpu) + 50;
        assert_int_not_equal(vx_vcpu_run(world.vcpu, &batch, &r, &world.msg), VX_STOP_ERROR);
        for (; taken < world.vector_count; taken++) finish(&world);
    }
    assert_int_equal(world.vector_count, vx_vcpu_now(world.vcpu) / PERIOD);
    vcpu_world_close(&world);
}

/* The host's timer exits once, and is off until it is armed again. */
static void the_hosts_timer_exits(void **state)
{
    (void)state;
    for (unsigned amd = 0; amd < 2; amd++) {
        vcpu_world world;
        const vx_vmcb vmcb = {.asid = 1};
        vcpu_world_open(&world, &(vcpu_world_options){.hypervisor = true, .apic = true});
        if (amd) world.cpu.vendor = VX_VENDOR_AMD;
        vx_vcpu_virtualize(world.vcpu, amd ? NULL : &world.vmcs, amd ? &vmcb : NULL, false);
        for (unsigned i = 1; i <= 3; i++) {
            vx_tick due = vx_vcpu_now(world.vcpu) + 55;
            vx_vcpu_host_timer(world.vcpu, due);
            run(&world, 20);
            assert_int_equal(world.exit_count, i);
            assert_int_equal(world.exits[i - 1].reason, amd ? 0x60 : 1);
            assert_int_equal(world.exits[i - 1].interruption, 0); /* no interrupt of the guest's */
        }
        vx_vcpu_host_timer(world.vcpu, vx_vcpu_now(world.vcpu) + 55);
        vx_vcpu_host_timer(world.vcpu, VX_TICK_NEVER);
        run(&world, 20);
        assert_int_equal(world.exit_count, 3);
        vcpu_world_close(&world);
    }
}

/* Time goes on where the ledger is emptied, and timers with it. */
static void counting_anew_leaves_timers_alone(void **state)
{
    (void)state;
    vcpu_world world;
    vcpu_world_open(&world, &(vcpu_world_options){.apic = true});
    write_page(&world, VX_APIC_DIVIDE, 0xB);
    write_page(&world, VX_APIC_LVT_TIMER, VECTOR);
    write_page(&world, VX_APIC_INITIAL_COUNT, 1000);
    run(&world, 50);
    vx_tick now = vx_vcpu_now(world.vcpu);
    vx_vcpu_counts_reset(world.vcpu);
    vx_vcpu_time_goes_on(world.vcpu, vx_ledger_total(&world.ledger));
    world.ledger = (vx_ledger){0};
    assert_int_equal(vx_vcpu_now(world.vcpu), now);
    run(&world, 49);
    assert_int_equal(world.vector_count, 0);
    run(&world, 1);
    assert_int_equal(world.vector_count, 1);
    vcpu_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(natively_on_time_to_the_record),
        cmocka_unit_test(periods_do_not_drift),
        cmocka_unit_test(the_hosts_timer_exits),
        cmocka_unit_test(counting_anew_leaves_timers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
