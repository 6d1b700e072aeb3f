/* Who may access which register, what a write keeps, errors, and the modes of IA32_APIC_BASE (SDM Vol. 3A Table 10-1,
 * Table 10-6, 10.5.3, 10.12.5). Offsets and bits are numbers here, not our names. */
#include "apic_world.h"

static apic_world world;

/* Every register of the manual's two tables; R and W: xAPIC page, r and w: x2APIC MSR; `kept`: what a write of all ones
 * leaves (with the bits that read as one anyway), `legal`: what WRMSR takes without #GP. */
static const struct {
    uint16_t offset;
    const char *access;
    uint32_t kept;
    uint64_t legal;
} registers[] = {
    {0x020, "RWr", 0xFF000000, 0},
    {0x030, "Rr", 0x01060014, 0},
    {0x080, "RWrw", 0xFF, 0xFF},
    {0x090, "R", 0, 0},
    {0x0A0, "Rr", 0, 0},
    {0x0B0, "RWw", 0, 0},
    {0x0C0, "R", 0, 0},
    {0x0D0, "RWr", 0xFF000000, 0},
    {0x0E0, "RW", 0xFFFFFFFF, 0},
    {0x0F0, "RWrw", 0x11FF, 0x11FF},
    {0x280, "RWrw", 0, 0},
    {0x2F0, "RWrw", 0x107FF, 0x117FF},
    {0x300, "RWrw", 0xCCFFF, 0xFFFFFFFF000CDFFF},
    {0x310, "RW", 0xFF000000, 0},
    {0x320, "RWrw", 0x700FF, 0x710FF},
    {0x330, "RWrw", 0x107FF, 0x117FF},
    {0x340, "RWrw", 0x107FF, 0x117FF},
    {0x350, "RWrw", 0x1A7FF, 0x1F7FF},
    {0x360, "RWrw", 0x1A7FF, 0x1F7FF},
    {0x370, "RWrw", 0x100FF, 0x110FF},
    {0x380, "RWrw", 0xFFFFFFFF, 0xFFFFFFFF},
    {0x390, "Rr", 0, 0},
    {0x3E0, "RWrw", 0xB, 0xB},
    {0x3F0, "w", 0, 0xFF},
};

static int row_of(unsigned offset)
{
    for (size_t i = 0; i < sizeof registers / sizeof *registers; i++)
        if (registers[i].offset == offset) return (int)i;
    return -1;
}

static bool is_vector_register(unsigned offset) { return offset >= 0x100 && offset <= 0x270; }

static bool may(unsigned offset, char how)
{
    if (is_vector_register(offset)) return how == 'R' || how == 'r';
    int row = row_of(offset);
    return row >= 0 && strchr(registers[row].access, how);
}

static uint32_t errors(apic_world *w)
{
    world_write(w, 0, 0x280, 0);
    return world_read(w, 0, 0x280);
}

static void the_page_answers_as_the_table_says(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < 4096; offset += 16) {
        world_init(&world);
        bool exists = may(offset, 'R') || may(offset, 'W');
        (void)world_read(&world, 0, offset);
        assert_int_equal(errors(&world), exists ? 0 : 0x80);
        if (offset == 0x320) world_write(&world, 0, 0x320, 0); /* the timer's mode reaches other registers */
        uint32_t before = world_read(&world, 0, offset);
        (void)errors(&world);
        world_write(&world, 0, offset, UINT32_MAX); /* the ICR: a reserved delivery mode, so that nothing is sent */
        assert_int_equal(errors(&world), exists ? 0 : 0x80);
        assert_int_equal(world.sent, 0);
        if (offset == 0x280) continue;
        uint32_t expected = !may(offset, 'W') ? before : registers[row_of(offset)].kept;
        if (offset == 0x390) expected = 0;
        assert_int_equal(world_read(&world, 0, offset), expected);
    }
}

static void msrs_fault_as_the_table_says(void **state)
{
    (void)state;
    for (uint32_t msr = 0x800; msr <= 0x8FF; msr++) {
        unsigned offset = (msr & 0xFF) << 4;
        uint64_t value;
        world_init(&world);
        assert_int_equal(vx_apic_rdmsr(&world.apic[0], msr, 0, &value), VX_APIC_FAULT); /* xAPIC mode */
        assert_int_equal(vx_apic_wrmsr(&world.apic[0], msr, 0, 0), VX_APIC_FAULT);
        world_x2apic(&world);
        assert_int_equal(vx_apic_rdmsr(&world.apic[0], msr, 0, &value),
                         may(offset, 'r') ? VX_APIC_DONE : VX_APIC_FAULT);
        for (unsigned bit = 0; bit < 64; bit++) {
            world_init(&world);
            world_x2apic(&world);
            bool legal = may(offset, 'w') && (registers[row_of(offset)].legal >> bit & 1);
            assert_int_equal(vx_apic_wrmsr(&world.apic[0], msr, 1ULL << bit, 0), legal ? VX_APIC_DONE : VX_APIC_FAULT);
        }
        uint32_t word;
        assert_int_equal(vx_apic_read(&world.apic[0], offset, 0, &word), VX_APIC_ABSENT); /* the page is gone */
        assert_int_equal(vx_apic_write(&world.apic[0], offset, 0, 0), VX_APIC_ABSENT);
    }
}

/* SVR bit 12 and the timer's mode are reserved where the processor lacks the feature. */
static void features_decide_reserved_bits(void **state)
{
    (void)state;
    world_init(&world);
    vx_apic_setup setup = world.apic[0].setup;
    setup.eoi_suppression = setup.tsc_deadline = false;
    vx_apic_init(&world.apic[0], &setup);
    assert_int_equal(world_read(&world, 0, 0x30), 0x60014);
    uint64_t value;
    assert_int_equal(vx_apic_rdmsr(&world.apic[0], 0x6E0, 0, &value), VX_APIC_FAULT);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x6E0, 0, 0), VX_APIC_FAULT);
    world_x2apic(&world);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x80F, 0x1100, 0), VX_APIC_FAULT);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x832, 0x40000, 0), VX_APIC_FAULT);
    setup.x2apic = false;
    vx_apic_init(&world.apic[0], &setup);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x1B, 0xFEE00C00, 0), VX_APIC_FAULT);
}

static void power_up_state(void **state)
{
    (void)state;
    world_init(&world);
    vx_apic_init(&world.apic[2], &world.apic[2].setup);
    static const uint16_t zero[] = {0x80, 0xA0, 0xD0, 0x280, 0x300, 0x310, 0x380, 0x390, 0x3E0};
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++) assert_int_equal(world_read(&world, 2, zero[i]), 0);
    for (unsigned at = 0x100; at <= 0x270; at += 16) assert_int_equal(world_read(&world, 2, at), 0);
    for (unsigned at = 0x320; at <= 0x370; at += 16) assert_int_equal(world_read(&world, 2, at), 0x10000);
    assert_int_equal(world_read(&world, 2, 0xE0), 0xFFFFFFFF);
    assert_int_equal(world_read(&world, 2, 0xF0), 0xFF);
    assert_int_equal(world_read(&world, 2, 0x20), 2U << 24);
}

/* While disabled by software, LVT entries are masked and stay so (10.4.7.2). */
static void software_disable_masks_the_sources(void **state)
{
    (void)state;
    world_init(&world);
    for (unsigned at = 0x320; at <= 0x370; at += 16) world_write(&world, 0, at, 0x40);
    world_write(&world, 0, 0xF0, 0xFF);
    for (unsigned at = 0x320; at <= 0x370; at += 16) {
        assert_int_equal(world_read(&world, 0, at), 0x10040);
        world_write(&world, 0, at, 0x41);
        assert_int_equal(world_read(&world, 0, at), 0x10041);
    }
    const vx_interrupt_message fixed = {.vector = 0x50}, nmi = {.delivery = VX_DELIVERY_NMI};
    assert_false(vx_apic_accept(&world.apic[0], &fixed));
    assert_true(vx_apic_accept(&world.apic[0], &nmi));
    world_write(&world, 0, 0xF0, 0x1FF);
    world_write(&world, 0, 0x350, 0x41);
    assert_int_equal(world_read(&world, 0, 0x350), 0x41);
}

/* Figure 10-27: all sixteen pairs of modes. 0 disabled, 1 invalid, 2 xAPIC, 3 x2APIC: {EN, EXTD}. */
static void every_transition(void **state)
{
    (void)state;
    static const bool legal[4][4] = {
        {true, false, true, false}, {0}, {true, false, true, true}, {true, false, false, true}};
    static const vx_apic_mode modes[4] = {VX_APIC_DISABLED, VX_APIC_DISABLED, VX_APIC_XAPIC, VX_APIC_X2APIC};
    for (unsigned from = 0; from < 4; from++)
        for (unsigned to = 0; to < 4 && from != 1; to++) {
            world_init(&world);
            vx_apic *apic = &world.apic[1];
            if (from != 2) assert_int_equal(vx_apic_wrmsr(apic, 0x1B, 0xFEE00000 | from << 10, 0), VX_APIC_DONE);
            uint64_t before, after;
            (void)vx_apic_rdmsr(apic, 0x1B, 0, &before);
            vx_apic_result result = vx_apic_wrmsr(apic, 0x1B, 0xFEE00000 | to << 10, 0);
            assert_int_equal(result, legal[from][to] ? VX_APIC_DONE : VX_APIC_FAULT);
            (void)vx_apic_rdmsr(apic, 0x1B, 0, &after);
            if (result == VX_APIC_FAULT) assert_true(before == after);
            assert_int_equal(vx_apic_mode_of(apic), modes[result == VX_APIC_FAULT ? from : to]);
        }
}

static void base_register_checks(void **state)
{
    (void)state;
    world_init(&world);
    uint64_t base;
    (void)vx_apic_rdmsr(&world.apic[0], 0x1B, 0, &base);
    assert_true(base == 0xFEE00900); /* the bootstrap processor */
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x1B, 0xFEE00800, 0), VX_APIC_DONE);
    (void)vx_apic_rdmsr(&world.apic[0], 0x1B, 0, &base);
    assert_true(base == 0xFEE00900); /* BSP is read only */
    static const unsigned reserved[] = {0, 1, 7, 9, 40, 52, 63};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x1B, 0xFEE00800 | 1ULL << reserved[i], 0), VX_APIC_FAULT);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x1B, 0xFFFEE00800, 0), VX_APIC_DONE); /* relocated */
}

static void x2apic_identity(void **state)
{
    (void)state;
    world_init(&world);
    vx_apic_setup setup = world.apic[0].setup;
    setup.id = 0x123;
    vx_apic_init(&world.apic[0], &setup);
    world_write(&world, 0, 0xF0, 0x1FF);
    world_x2apic(&world);
    uint64_t value;
    (void)vx_apic_rdmsr(&world.apic[0], 0x802, 0, &value);
    assert_int_equal(value, 0x123);
    (void)vx_apic_rdmsr(&world.apic[0], 0x80D, 0, &value);
    assert_int_equal(value, 0x120008); /* cluster 12H, bit 3 */
    vx_apic_reset(&world.apic[0]);     /* INIT leaves the mode */
    assert_int_equal(vx_apic_mode_of(&world.apic[0]), VX_APIC_X2APIC);
    (void)vx_apic_rdmsr(&world.apic[0], 0x80D, 0, &value);
    assert_int_equal(value, 0x120008);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x1B, 0xFEE00000, 0), VX_APIC_DONE);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x1B, 0xFEE00800, 0), VX_APIC_DONE);
    assert_int_equal(world_read(&world, 0, 0x20), 0x23U << 24);
}

/* 10.5.3: errors gather until ESR is written, which shows them; the error interrupt comes with the first. */
static void errors_gather_until_esr_is_written(void **state)
{
    (void)state;
    world_init(&world);
    world_write(&world, 0, 0x370, 0x33);
    (void)world_read(&world, 0, 0x40);
    assert_int_equal(world_requested(&world, 0x33), 1);
    assert_int_equal(world_read(&world, 0, 0x280), 0);
    assert_int_equal(vx_apic_acknowledge(&world.apic[0]), 0x33);
    world_write(&world, 0, 0x300, 0x40005); /* vector 5 to itself: illegal */
    assert_int_equal(world_requested(&world, 0x33), 0);
    assert_int_equal(errors(&world), 0x80 | 0x20);
    world_write(&world, 0, 0x300, 0x40005);
    assert_int_equal(world_requested(&world, 0x33), 1);
    assert_int_equal(errors(&world), 0x20);
    assert_int_equal(errors(&world), 0);
    const vx_interrupt_message illegal = {.vector = 15};
    assert_false(vx_apic_accept(&world.apic[0], &illegal));
    assert_int_equal(errors(&world), 0x40);
    world_x2apic(&world);
    world_wrmsr(&world, 0, 0x300, 0x41150); /* x2APICs send no lowest-priority IPIs */
    world_wrmsr(&world, 0, 0x3F0, 3);
    world_wrmsr(&world, 0, 0x280, 0);
    uint64_t value;
    (void)vx_apic_rdmsr(&world.apic[0], 0x828, 0, &value);
    assert_int_equal(value, 0x30);
    assert_int_equal(world.sent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_answers_as_the_table_says),
        cmocka_unit_test(msrs_fault_as_the_table_says),
        cmocka_unit_test(features_decide_reserved_bits),
        cmocka_unit_test(power_up_state),
        cmocka_unit_test(software_disable_masks_the_sources),
        cmocka_unit_test(every_transition),
        cmocka_unit_test(base_register_checks),
        cmocka_unit_test(x2apic_identity),
        cmocka_unit_test(errors_gather_until_esr_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
