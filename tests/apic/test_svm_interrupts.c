/* AMD: V_TPR and V_IRQ, and AVIC's registers, IPIs and exits (as Linux 6.1's avic.c expects them). */
#include "test_support.h"
#include "vx_svm_interrupts.h"

enum { VCPUS = 4 };

static uint8_t pages[VCPUS][VX_APIC_PAGE_BYTES];
static uint64_t physical_table[VCPUS + 1]; /* the last one is not valid */
static uint32_t logical_table[256];
static unsigned rung; /* bit n: doorbell of host processor 10h + n */
static vx_avic avic;

static uint8_t *backing(void *context, uint64_t address)
{
    (void)context;
    return pages[address >> 12];
}

static void doorbell(void *context, uint32_t host_id)
{
    (void)context;
    rung |= 1U << (host_id - 0x10);
}

/* vCPU 0 sends; 1 and 2 run, 3 does not. */
static void begin(void)
{
    memset(pages, 0, sizeof pages);
    memset(logical_table, 0, sizeof logical_table);
    for (unsigned i = 0; i < VCPUS; i++) {
        physical_table[i] = VX_AVIC_VALID | (i != 3 ? VX_AVIC_RUNNING : 0) | (uint64_t)i << 12 | (0x10U + i);
        logical_table[i] = VX_AVIC_LOGICAL_VALID | i;
        vx_apic_put(pages[i], 0xE0, UINT32_MAX);
    }
    rung = 0;
    avic = (vx_avic){.page = pages[0],
                     .physical_table = physical_table,
                     .last_index = VCPUS,
                     .logical_table = logical_table,
                     .backing = backing,
                     .doorbell = doorbell};
}

static unsigned requested(uint8_t vector)
{
    unsigned who = 0;
    for (unsigned i = 0; i < VCPUS; i++) who |= (unsigned)vx_apic_vector_test(pages[i], 0x200, vector) << i;
    return who;
}

static void virtual_interrupt_truth_table(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 8; bits++)
        for (unsigned priority = 0; priority < 16; priority++)
            for (unsigned tpr = 0; tpr < 16; tpr++) {
                vx_svm_interrupt i = {.v_irq = bits & 1,
                                      .v_ign_tpr = bits & 2,
                                      .v_intr_prio = (uint8_t)priority,
                                      .v_tpr = (uint8_t)tpr,
                                      .v_intr_vector = 0x51};
                bool expected = (bits & 1) && (bits & 4) && ((bits & 2) || priority > tpr);
                assert_int_equal(vx_svm_virtual_interrupt(&i, bits & 4), expected);
                if (!expected) continue;
                assert_int_equal(vx_svm_take_virtual_interrupt(&i), 0x51);
                assert_false(vx_svm_virtual_interrupt(&i, true));
            }
    vx_svm_interrupt i = {.v_intr_masking = true};
    uint8_t priority;
    assert_true(vx_svm_set_cr8(&i, 9));
    assert_true(vx_svm_cr8(&i, &priority));
    assert_int_equal(priority, 9);
    i.v_intr_masking = false;
    assert_false(vx_svm_set_cr8(&i, 1) || vx_svm_cr8(&i, &priority));
}

static bool in(const uint16_t *list, size_t count, unsigned offset)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == offset) return true;
    return false;
}

static void registers(void **state)
{
    (void)state;
    static const uint16_t traps[] = {0x20,  0xC0,  0xD0,  0xE0,  0xF0,  0x280, 0x320,
                                     0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3E0};
    static const uint16_t free[] = {0x80, 0xB0, 0x310};
    for (unsigned offset = 0; offset < 0x1000; offset += 4) {
        begin();
        uint32_t value;
        bool trap = in(traps, sizeof traps / 2, offset), quick = in(free, sizeof free / 2, offset);
        bool vectors = offset % 16 == 0 && offset >= 0x100 && offset < 0x280;
        bool readable = trap || quick || vectors || offset == 0x30 || offset == 0xA0 || offset == 0x300;
        vx_avic_outcome read = vx_avic_read(&avic, offset, &value);
        assert_int_equal(read.exit, readable ? VX_AVIC_NO_EXIT : VX_AVIC_UNACCELERATED_FAULT);
        if (!readable) assert_int_equal(read.info1, offset & 0xFF0);
        if (offset == 0x300) continue;
        vx_avic_outcome write = vx_avic_write(&avic, offset, 0x12);
        if (quick) {
            assert_int_equal(write.exit, VX_AVIC_NO_EXIT);
            continue;
        }
        assert_int_equal(write.exit, trap ? VX_AVIC_UNACCELERATED_TRAP : VX_AVIC_UNACCELERATED_FAULT);
        assert_true(write.info1 == ((offset & 0xFF0) | 1ULL << 32));
        assert_int_equal(vx_apic_get(pages[0], offset), trap ? 0x12 : offset == 0xE0 ? 0xFFFFFFFF : 0);
    }
}

static void interprocessor_interrupts(void **state)
{
    (void)state;
    static const struct {
        uint32_t high, low, format;
        unsigned who, rings;
        int why; /* -1: complete */
        uint32_t index;
    } rows[] = {
        {1, 0x00051, 0xF, 2, 2, -1, 0},    {0, 0x00051, 0xF, 1, 0, -1, 0},     {3, 0x00051, 0xF, 8, 0, 1, 3},
        {4, 0x00051, 0xF, 0, 0, 2, 4},     {9, 0x00051, 0xF, 0, 0, 2, 9},      {0xFF, 0x00051, 0xF, 0xF, 6, 1, 3},
        {0, 0x40051, 0xF, 1, 0, -1, 0},    {0, 0x80051, 0xF, 0xF, 6, 1, 3},    {0, 0xC0051, 0xF, 0xE, 6, 1, 3},
        {0x06, 0x00851, 0xF, 6, 6, -1, 0}, {0x0A, 0x00851, 0xF, 0xA, 2, 1, 3}, {0x12, 0x00851, 0xF, 2, 2, 2, 4},
        {0x06, 0x00851, 0x0, 6, 6, -1, 0}, {0x13, 0x00851, 0x0, 0, 0, 2, 0},   {1, 0x00151, 0xF, 0, 0, 0, 0},
        {1, 0x00451, 0xF, 0, 0, 0, 0},     {1, 0x08051, 0xF, 0, 0, 0, 0},      {1, 0x0000F, 0xF, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        vx_apic_put(pages[0], 0xE0, rows[i].format << 28 | 0x0FFFFFFF);
        assert_int_equal(vx_avic_write(&avic, 0x310, rows[i].high << 24).exit, VX_AVIC_NO_EXIT);
        vx_avic_outcome outcome = vx_avic_write(&avic, 0x300, rows[i].low);
        assert_int_equal(outcome.exit, rows[i].why < 0 ? VX_AVIC_NO_EXIT : VX_AVIC_INCOMPLETE_IPI);
        if (rows[i].why >= 0) {
            assert_true(outcome.info1 == ((uint64_t)rows[i].high << 56 | rows[i].low));
            assert_true(outcome.info2 == ((uint64_t)rows[i].why << 32 | rows[i].index));
        }
        assert_int_equal(requested(0x51), rows[i].who);
        assert_int_equal(rung, rows[i].rings);
    }
}

static void delivery_and_eoi(void **state)
{
    (void)state;
    begin();
    vx_apic_vector_set(pages[0], 0x200, 0x51);
    vx_apic_vector_set(pages[0], 0x200, 0x61);
    vx_avic_set_cr8(&avic, 6);
    assert_int_equal(vx_avic_deliver(&avic), 0);
    assert_int_equal(vx_avic_write(&avic, 0x80, 0x50).exit, VX_AVIC_NO_EXIT);
    assert_int_equal(vx_avic_deliver(&avic), 0x61);
    assert_int_equal(vx_avic_deliver(&avic), 0);
    vx_apic_vector_set(pages[0], 0x180, 0x61); /* level triggered: software tells the I/O APIC */
    vx_avic_outcome outcome = vx_avic_write(&avic, 0xB0, 0);
    assert_int_equal(outcome.exit, VX_AVIC_UNACCELERATED_TRAP);
    assert_true(outcome.info1 == (0xB0 | 1ULL << 32));
    assert_int_equal(outcome.info2, 0x61);
    assert_true(vx_apic_vector_test(pages[0], 0x100, 0x61));
    vx_apic_vector_clear(pages[0], 0x180, 0x61);
    assert_int_equal(vx_avic_write(&avic, 0xB0, 0).exit, VX_AVIC_NO_EXIT);
    assert_false(vx_apic_vector_test(pages[0], 0x100, 0x61));
    vx_avic_set_cr8(&avic, 0);
    assert_int_equal(vx_avic_deliver(&avic), 0x51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(virtual_interrupt_truth_table),
        cmocka_unit_test(registers),
        cmocka_unit_test(interprocessor_interrupts),
        cmocka_unit_test(delivery_and_eoi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
