/* AVIC in the step: what exits of the guest's accesses to its APIC's page, and that interrupts put there are taken
 * without exits. Rules of the accesses: tests/apic/test_svm_interrupts.c. */
#include "exit_rows.h"
#include "test_support.h"
#include "vcpu_world.h"

enum { ID = 0 };

typedef struct avic_world {
    vcpu_world vcpu;
    uint64_t physical[2];
    uint32_t logical[256];
    uint8_t other[VX_APIC_PAGE_BYTES];
    unsigned doorbells;
    vx_avic avic;
    vx_vmcb vmcb;
} avic_world;

static uint8_t *backing(void *context, uint64_t address)
{
    avic_world *w = context;
    return address ? w->other : w->vcpu.apic_page;
}

static void doorbell(void *context, uint32_t host_id)
{
    avic_world *w = context;
    assert_int_equal(host_id, 3);
    w->doorbells++;
}

static void open_world(avic_world *w, bool other_runs)
{
    vcpu_world_open(&w->vcpu, &(vcpu_world_options){.hypervisor = true, .apic = true});
    w->vcpu.resume = VX_RESUME_NEXT;
    w->vcpu.cpu.vendor = VX_VENDOR_AMD;
    w->doorbells = 0;
    w->physical[0] = VX_AVIC_VALID | VX_AVIC_RUNNING;
    w->physical[1] = VX_AVIC_VALID | 0x1000 | (other_runs ? VX_AVIC_RUNNING | 3 : 0);
    w->avic = (vx_avic){.page = w->vcpu.apic_page,
                        .id = ID,
                        .physical_table = w->physical,
                        .last_index = 1,
                        .logical_table = w->logical,
                        .backing = backing,
                        .doorbell = doorbell,
                        .context = w};
    w->vmcb = (vx_vmcb){.asid = 1, .avic = &w->avic, .interrupt = {.v_intr_masking = true}};
    vx_vcpu_virtualize(w->vcpu.vcpu, NULL, &w->vmcb, false);
}

static void write_page(avic_world *w, uint32_t offset, uint32_t value)
{
    vcpu_do(&w->vcpu, VX_REC_APIC_WRITE, 4, offset, (const uint64_t[]){value, 0xFEE00000 | offset}, 2);
}
static void read_page(avic_world *w, uint32_t offset)
{
    vcpu_do(&w->vcpu, VX_REC_APIC_READ, 4, offset, (const uint64_t[]){0, 0xFEE00000 | offset}, 2);
}

static void accesses_exit_by_register(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset, value;
        bool write, exits;
        uint32_t reason;
        uint64_t info1, info2;
    } rows[] = {
        {0x080, 0x50, true, false, 0, 0, 0},                                 /* TPR */
        {0x080, 0, false, false, 0, 0, 0},                                   /* ... read */
        {0x0B0, 0, true, false, 0, 0, 0},                                    /* EOI */
        {0x310, 1U << 24, true, false, 0, 0, 0},                             /* ICR, destination */
        {0x380, 1000, true, true, 0x402, 1ULL << 32 | 0x380, 0},             /* timer: a trap */
        {0x390, 0, false, true, 0x402, 0x390, 0},                            /* its count: a fault */
        {0x0F0, 0x1FF, true, true, 0x402, 1ULL << 32 | 0x0F0, 0},            /* SVR: a trap */
        {0x0A0, 0, true, true, 0x402, 1ULL << 32 | 0x0A0, 0},                /* PPR: a fault */
        {0x300, 0x400, true, true, 0x401, 1ULL << 56 | 0x400, 0},            /* an NMI as IPI */
        {0x300, 0x51, true, true, 0x401, 1ULL << 56 | 0x51, 1ULL << 32 | 1}, /* to one that does not run */
        {0x300, 0x40051, true, false, 0, 0, 0},                              /* to itself */
    };
    avic_world w;
    open_world(&w, false);
    unsigned exits = 0;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].write)
            write_page(&w, rows[i].offset, rows[i].value);
        else
            read_page(&w, rows[i].offset);
        if (w.vcpu.exit_count != exits + rows[i].exits) fail_msg("row %u", i);
        exits = w.vcpu.exit_count;
        if (!rows[i].exits) continue;
        const vx_exit *exit = &w.vcpu.exits[exits - 1];
        if (exit->reason != rows[i].reason || exit->qualification != rows[i].info1 ||
            exit->information2 != rows[i].info2)
            fail_msg("row %u: exit %#x, %#llx, %#llx", i, exit->reason, (unsigned long long)exit->qualification,
                     (unsigned long long)exit->information2);
    }
    assert_int_equal(w.vcpu.vector_count, 0); /* 51H is held back by the task priority */
    assert_true(vx_apic_vector_test(w.other, VX_APIC_IRR, 0x51));
    vcpu_world_close(&w.vcpu);
}

static void a_doorbell_needs_no_exit(void **state)
{
    (void)state;
    avic_world w;
    open_world(&w, true);
    memset(w.other, 0, sizeof w.other);
    write_page(&w, 0x310, 1U << 24);
    write_page(&w, 0x300, 0x51);
    assert_int_equal(w.vcpu.exit_count, 0);
    assert_int_equal(w.doorbells, 1);
    assert_true(vx_apic_vector_test(w.other, VX_APIC_IRR, 0x51));
    vcpu_world_close(&w.vcpu);
}

/* CR8 and the TPR are the page's; what was put there is taken as soon as they and RFLAGS.IF let it in. */
static void interrupts_are_taken_from_the_page(void **state)
{
    (void)state;
    for (unsigned cr8 = 0; cr8 < 2; cr8++) {
        avic_world w;
        open_world(&w, true);
        if (cr8)
            vcpu_do(&w.vcpu, VX_REC_CR_WRITE, 8, 6, NULL, 0);
        else
            write_page(&w, 0x080, 0x60);
        assert_int_equal(vx_vcpu_cr8(w.vcpu.vcpu), 6);
        vx_vcpu_interrupt(w.vcpu.vcpu, 0x51);
        assert_int_equal(vx_vcpu_drain(w.vcpu.vcpu, &w.vcpu.msg), VX_OK);
        assert_int_equal(w.vcpu.vector_count, 0);
        vcpu_do(&w.vcpu, VX_REC_CLI, 0, 0, NULL, 0);
        if (cr8)
            vcpu_do(&w.vcpu, VX_REC_CR_WRITE, 8, 4, NULL, 0);
        else
            write_page(&w, 0x080, 0x4F);
        assert_int_equal(w.vcpu.vector_count, 0);
        vcpu_do(&w.vcpu, VX_REC_STI, 0, 0, NULL, 0);
        assert_int_equal(w.vcpu.vector_count, 1);
        assert_int_equal(w.vcpu.vectors[0], 0x51);
        assert_true(vx_apic_vector_test(w.vcpu.apic_page, VX_APIC_ISR, 0x51));
        write_page(&w, 0x0B0, 0);
        assert_false(vx_apic_vector_test(w.vcpu.apic_page, VX_APIC_ISR, 0x51));
        assert_int_equal(w.vcpu.exit_count, 0);
        vcpu_world_close(&w.vcpu);
    }
}

/* The end of a level-triggered interrupt is software's to tell. */
static void a_level_ends_with_an_exit(void **state)
{
    (void)state;
    avic_world w;
    open_world(&w, true);
    vx_vcpu_interrupt(w.vcpu.vcpu, 0x51);
    vx_apic_vector_set(w.vcpu.apic_page, VX_APIC_TMR, 0x51);
    assert_int_equal(vx_vcpu_drain(w.vcpu.vcpu, &w.vcpu.msg), VX_OK);
    write_page(&w, 0x0B0, 0);
    assert_int_equal(w.vcpu.exit_count, 1);
    assert_int_equal(w.vcpu.exits[0].reason, 0x402);
    assert_int_equal(w.vcpu.exits[0].information2, 0x51);
    vcpu_world_close(&w.vcpu);
}

/* Without AVIC the page is device memory, as before. */
static void off_it_does_nothing(void **state)
{
    (void)state;
    avic_world w;
    open_world(&w, true);
    w.vmcb.avic = NULL;
    vx_vcpu_interrupt(w.vcpu.vcpu, 0x51);
    assert_int_equal(vcpu_counts(&w.vcpu)->exits, 1);
    assert_int_equal(w.vcpu.exits[0].reason, 0x60);
    vcpu_world_close(&w.vcpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accesses_exit_by_register),
        cmocka_unit_test(a_doorbell_needs_no_exit),
        cmocka_unit_test(interrupts_are_taken_from_the_page),
        cmocka_unit_test(a_level_ends_with_an_exit),
        cmocka_unit_test(off_it_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
