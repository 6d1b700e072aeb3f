/* IPI virtualization (SDM Vol. 3C 29.1.6, 29.4.3.2, 29.5): which commands the processor sends by itself, where they go,
 * and which exit as APIC writes. Every command against the manual's list, by the page and by the MSR. */
#include "test_support.h"
#include "vx_virtual_apic.h"

enum { VCPUS = 3, LAST = 3, HOLE = 2, COMMANDS = 1 << 11, EXIT_WRITE_OFFSET = 0x300, NV = 0xF2 };

typedef struct ipi_world {
    uint8_t page[VX_APIC_PAGE_BYTES];
    vx_posted posted[VCPUS];
    vx_posted *table[LAST + 1]; /* one entry is not valid */
    vx_virtual_apic vapic;
    unsigned notified;
    const vx_posted *last;
} ipi_world;

static void notify(void *context, const vx_posted *posted)
{
    ipi_world *w = context;
    w->notified++;
    w->last = posted;
}

static void init(ipi_world *w, uint32_t controls)
{
    *w = (ipi_world){.table = {&w->posted[0], &w->posted[1], NULL, &w->posted[2]}};
    for (unsigned i = 0; i < VCPUS; i++) vx_posted_init(&w->posted[i], NV, 0x100 * (i + 1));
    w->vapic = (vx_virtual_apic){.page = w->page,
                                 .controls = VX_VAPIC_TPR_SHADOW | VX_VAPIC_IPIS | controls,
                                 .pid_table = w->table,
                                 .last_pid_index = LAST,
                                 .notify = notify,
                                 .context = w};
}

static bool requested(const vx_posted *posted, uint8_t vector) { return posted->bytes[vector / 8] >> vector % 8 & 1; }

static vx_vapic_outcome by_page(ipi_world *w, uint32_t command, uint32_t id)
{
    vx_apic_put(w->page, VX_APIC_ICR_HIGH, id << 24);
    return vx_virtual_apic_write(&w->vapic, VX_APIC_ICR_LOW, 4, command);
}

static vx_vapic_outcome by_msr(ipi_world *w, uint32_t command, uint32_t id)
{
    return vx_virtual_apic_wrmsr(&w->vapic, 0x830, (uint64_t)id << 32 | command);
}

/* Bits of the command beside the vector: delivery mode 10:8, logical 11, status 12, level 14, trigger 15, shorthand
 * 19:18. Bit 14 is of no consequence. */
static bool sent_by_processor(uint32_t command)
{
    return !(command >> 8 & 7) && !(command >> 11 & 1) && !(command >> 12 & 1) && !(command >> 15 & 1) &&
           !(command >> 18 & 3);
}

static uint32_t command_of(unsigned n)
{
    static const uint8_t vectors[] = {0x0F, 0x10, 0x51, 0xFE};
    uint32_t bits = n >> 2;
    uint32_t low = bits & 0x1F, level = bits >> 5 & 3, shorthand = bits >> 7 & 3;
    return vectors[n & 3] | low << 8 | level << 14 | shorthand << 18;
}

static void commands(void **state)
{
    (void)state;
    for (unsigned msr = 0; msr < 2; msr++)
        for (unsigned n = 0; n < COMMANDS; n++)
            for (uint32_t id = 0; id <= LAST + 1; id++) {
                static ipi_world w;
                init(&w, msr ? VX_VAPIC_X2APIC : VX_VAPIC_ACCESSES);
                uint32_t command = command_of(n);
                uint8_t vector = (uint8_t)command;
                bool exists = id <= LAST && id != HOLE;
                bool sent = sent_by_processor(command) && vector >= 16 && exists;
                vx_vapic_outcome foreseen =
                    msr ? vx_virtual_apic_exit_of_wrmsr(&w.vapic, 0x830, (uint64_t)id << 32 | command)
                        : (vx_apic_put(w.page, VX_APIC_ICR_HIGH, id << 24),
                           vx_virtual_apic_exit_of_write(&w.vapic, VX_APIC_ICR_LOW, 4, command));
                vx_vapic_outcome outcome = msr ? by_msr(&w, command, id) : by_page(&w, command, id);
                assert_true(outcome.virtualized);
                assert_int_equal(outcome.exit, sent ? VX_VAPIC_NO_EXIT : VX_VAPIC_EXIT_WRITE);
                assert_int_equal(foreseen.exit, outcome.exit);
                if (!sent) assert_int_equal(outcome.qualification, EXIT_WRITE_OFFSET);
                assert_int_equal(w.notified, sent);
                for (unsigned i = 0; i < VCPUS; i++)
                    assert_int_equal(requested(&w.posted[i], vector), sent && w.table[id] == &w.posted[i]);
                if (sent) assert_ptr_equal(w.last, w.table[id]);
            }
}

/* A notification goes out where none is outstanding and none is suppressed. */
static void one_notification_is_enough(void **state)
{
    (void)state;
    static ipi_world w;
    init(&w, VX_VAPIC_ACCESSES);
    (void)by_page(&w, 0x51, 1);
    (void)by_page(&w, 0x61, 1);
    assert_int_equal(w.notified, 1);
    assert_int_equal(vx_posted_vector(w.last), NV);
    assert_int_equal(vx_posted_destination(w.last), 0x200);
    assert_true(requested(&w.posted[1], 0x51) && requested(&w.posted[1], 0x61));
    vx_posted_suppress(&w.posted[0], true);
    (void)by_page(&w, 0x51, 0);
    assert_int_equal(w.notified, 1);
    assert_true(requested(&w.posted[0], 0x51));
}

/* The receiver's processor takes it as any posted interrupt: no exit on either side. */
static void from_one_guest_to_the_other(void **state)
{
    (void)state;
    static ipi_world w;
    init(&w, VX_VAPIC_ACCESSES);
    uint8_t page[VX_APIC_PAGE_BYTES] = {0};
    vx_virtual_apic receiver = {.page = page, .controls = VX_VAPIC_TPR_SHADOW | VX_VAPIC_DELIVERY};
    assert_int_equal(by_page(&w, 0x51, 3).exit, VX_VAPIC_NO_EXIT);
    vx_virtual_apic_process_posted(&receiver, &w.posted[2]);
    assert_int_equal(vx_virtual_apic_deliver(&receiver), 0x51);
}

/* Reserved bits: #GP of the WRMSR, an APIC-write exit by the page. Without the control the ICR is not virtualized. */
static void reserved_bits_and_no_control(void **state)
{
    (void)state;
    static const unsigned reserved[] = {13, 16, 17, 20, 25, 31};
    static ipi_world w;
    for (unsigned i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        init(&w, VX_VAPIC_X2APIC);
        assert_int_equal(by_msr(&w, 1U << reserved[i] | 0x51, 0).exit, VX_VAPIC_FAULT);
        init(&w, VX_VAPIC_ACCESSES);
        assert_int_equal(by_page(&w, 1U << reserved[i] | 0x51, 0).exit, VX_VAPIC_EXIT_WRITE);
        assert_int_equal(w.notified, 0);
    }
    init(&w, VX_VAPIC_ACCESSES);
    w.vapic.controls &= ~(uint32_t)VX_VAPIC_IPIS;
    assert_int_equal(by_page(&w, 0x51, 0).exit, VX_VAPIC_EXIT_ACCESS);
    w.vapic.controls = VX_VAPIC_TPR_SHADOW | VX_VAPIC_X2APIC;
    assert_false(by_msr(&w, 0x51, 0).virtualized);
    /* A self-IPI is virtual-interrupt delivery's, where that is on too. */
    init(&w, VX_VAPIC_ACCESSES | VX_VAPIC_DELIVERY);
    assert_int_equal(by_page(&w, 1U << 18 | 0x51, 0).exit, VX_VAPIC_NO_EXIT);
    assert_int_equal(w.notified, 0);
    assert_true(vx_apic_vector_test(w.page, VX_APIC_IRR, 0x51));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands),
        cmocka_unit_test(one_notification_is_enough),
        cmocka_unit_test(from_one_guest_to_the_other),
        cmocka_unit_test(reserved_bits_and_no_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
