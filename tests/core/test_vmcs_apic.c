/* The APIC-access page and the x2APIC's MSRs, every offset and access size (SDM Vol. 3C 29.4.2, 29.4.3, 29.5). */
#include <string.h>

#include "exit_rows.h"
#include "test_support.h"
#include "vx_vmcs.h"

enum { TPR_SHADOW = B(21), ACCESSES = B(0), X2APIC = B(4), REGISTERS = B(8), DELIVERY = B(9) };

static const vx_exit_context context = {0};

static bool ask(const vx_vmcs *vmcs, vx_record_kind kind, unsigned size, uint64_t addr, uint64_t value, vx_exit *exit)
{
    vx_record record = {.kind = (uint8_t)kind, .size = (uint8_t)size, .addr = addr, .count = 2};
    uint64_t payload[2] = {value, 0xFEE00000};
    return vx_vmcs_exits(vmcs, &context, &record, payload, exit);
}

/* The manual's lists of ranges, first offsets; each range is four bytes. */
static const uint16_t readable[] = {0x020, 0x030, 0x080, 0x0B0, 0x0D0, 0x0E0, 0x0F0, 0x100, 0x110, 0x120, 0x130,
                                    0x140, 0x150, 0x160, 0x170, 0x180, 0x190, 0x1A0, 0x1B0, 0x1C0, 0x1D0, 0x1E0,
                                    0x1F0, 0x200, 0x210, 0x220, 0x230, 0x240, 0x250, 0x260, 0x270, 0x280, 0x300,
                                    0x310, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3E0};
static const uint16_t writable[] = {0x020, 0x080, 0x0B0, 0x0D0, 0x0E0, 0x0F0, 0x280, 0x300, 0x310,
                                    0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3E0};

static bool within(const uint16_t *ranges, size_t count, unsigned offset, unsigned bytes)
{
    for (size_t i = 0; i < count; i++)
        if (offset >= ranges[i] && offset + bytes <= ranges[i] + 4U) return true;
    return false;
}
#define WITHIN(ranges, offset, bytes) within(ranges, sizeof(ranges) / sizeof((ranges)[0]), offset, bytes)

static bool virtualized(bool write, uint32_t cpu, uint32_t cpu2, unsigned offset, unsigned bytes)
{
    if (!(cpu & TPR_SHADOW) || bytes > 4) return false;
    if ((offset & 0xC) || ((offset + bytes - 1) & 0xC)) return false;
    if (offset == 0x80) return true;
    if ((cpu2 & DELIVERY) && (offset == 0xB0 || offset == 0x300)) return true;
    if (!(cpu2 & REGISTERS)) return false;
    return write ? WITHIN(writable, offset, bytes) : WITHIN(readable, offset, bytes);
}

/* Every offset x size x combination of the four controls. A virtualized write of 0 exits as an APIC write unless it
 * goes to TPR, to the high half of ICR, or to EOI under virtual-interrupt delivery. */
static void every_offset_and_size(void **state)
{
    (void)state;
    unsigned reads = 0, writes = 0, apic_writes = 0;
    for (unsigned controls = 0; controls < 16; controls++)
        for (unsigned offset = 0; offset < 4096; offset++)
            for (unsigned bytes = 1; bytes <= 16; bytes *= 2) {
                uint32_t cpu2 =
                    (controls & 1 ? ACCESSES : 0) | (controls & 2 ? REGISTERS : 0) | (controls & 4 ? DELIVERY : 0);
                const vx_vmcs vmcs = {.cpu = SECONDARY | (controls & 8 ? TPR_SHADOW : 0), .cpu2 = cpu2};
                bool page = controls & 1;
                vx_exit exit;
                bool exits = ask(&vmcs, VX_REC_APIC_READ, bytes, offset, 0, &exit);
                assert_int_equal(exits, page && !virtualized(false, vmcs.cpu, cpu2, offset, bytes));
                if (exits) {
                    assert_int_equal(exit.reason, 44);
                    assert_int_equal(exit.qualification, offset);
                    reads++;
                }
                exits = ask(&vmcs, VX_REC_APIC_WRITE, bytes, offset, 0, &exit);
                bool direct = page && !virtualized(true, vmcs.cpu, cpu2, offset, bytes);
                bool quiet =
                    offset == 0x80 || (offset >= 0x310 && offset < 0x314) || (offset == 0xB0 && (cpu2 & DELIVERY));
                assert_int_equal(exits, page && (direct || !quiet));
                if (!exits) continue;
                assert_int_equal(exit.reason, direct ? 44 : 56);
                assert_int_equal(exit.qualification, direct ? 0x1000 + offset : offset);
                writes++;
                apic_writes += !direct;
            }
    print_message("%u reads, %u writes exit, %u of these after the write\n", reads, writes, apic_writes);
    assert_true(reads > 0 && writes > apic_writes && apic_writes > 0);
}

/* 29.1.2 after a write of the TPR: below the threshold exits, unless interrupts are delivered virtually. */
static void a_tpr_write_below_the_threshold_exits(void **state)
{
    (void)state;
    for (uint32_t threshold = 0; threshold < 16; threshold++)
        for (uint64_t tpr = 0; tpr < 256; tpr++) {
            vx_vmcs vmcs = {.cpu = SECONDARY | TPR_SHADOW, .cpu2 = ACCESSES, .tpr_threshold = threshold};
            vx_exit exit;
            bool below = (tpr >> 4) < threshold;
            assert_int_equal(ask(&vmcs, VX_REC_APIC_WRITE, 4, 0x80, tpr, &exit), below);
            if (below) assert_int_equal(exit.reason, 43);
            vmcs.cpu2 = ACCESSES | DELIVERY;
            assert_false(ask(&vmcs, VX_REC_APIC_WRITE, 4, 0x80, tpr, &exit));
            vmcs.cpu |= B(28), vmcs.cpu2 = X2APIC; /* the same through the MSR */
            assert_int_equal(ask(&vmcs, VX_REC_WRMSR, 0, 0x808, tpr, &exit), below);
            vmcs.cpu2 = 0;
            assert_false(ask(&vmcs, VX_REC_WRMSR, 0, 0x808, tpr, &exit));
        }
}

/* Virtual-interrupt delivery sends a fixed, edge-triggered interrupt to itself without an exit, and nothing else. */
static void self_ipis_need_no_software(void **state)
{
    (void)state;
    static const struct {
        uint64_t icr;
        bool exits;
    } cases[] = {
        {0x40030, false}, {0x400FF, false},
        {0x40010, false}, {0x4000F, true}, /* vectors 0 to 15 are illegal */
        {0x00030, true},  {0x80030, true},
        {0xC0030, true},  {0x40130, true}, /* other shorthands, lowest priority */
        {0x48030, true},  {0x41030, true},
        {0x42030, true},  {0x50030, true}, /* level, pending, reserved */
        {0x140030, true}, {0x44030, false},
        {0x40830, false}, {0x40430, true}, /* reserved; level assert; logical; NMI */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vx_vmcs vmcs = {.cpu = SECONDARY | TPR_SHADOW, .cpu2 = ACCESSES | DELIVERY};
        vx_exit exit;
        assert_int_equal(ask(&vmcs, VX_REC_APIC_WRITE, 4, 0x300, cases[i].icr, &exit), cases[i].exits);
        if (cases[i].exits) {
            assert_int_equal(exit.reason, 56);
            assert_int_equal(exit.qualification, 0x300);
        }
    }
}

static void x2apic_self_ipi_needs_a_legal_vector(void **state)
{
    (void)state;
    for (uint64_t vector = 0; vector < 256; vector++) {
        vx_vmcs vmcs = {.cpu = SECONDARY | TPR_SHADOW | B(28), .cpu2 = X2APIC | DELIVERY};
        vx_exit exit;
        assert_int_equal(ask(&vmcs, VX_REC_WRMSR, 0, 0x83F, vector, &exit), vector < 16);
        if (vector < 16) {
            assert_int_equal(exit.reason, 56);
            assert_int_equal(exit.qualification, 0x3F0);
        }
        vmcs.cpu2 = X2APIC;
        assert_false(ask(&vmcs, VX_REC_WRMSR, 0, 0x83F, vector, &exit));
    }
}

/* The bitmap is looked at before the MSR is virtualized. */
static void an_intercepted_x2apic_msr_is_an_msr_exit(void **state)
{
    (void)state;
    uint8_t bitmap[4096] = {0};
    bitmap[2048 + 0x808 / 8] = 1;
    const vx_vmcs vmcs = {
        .cpu = SECONDARY | TPR_SHADOW | B(28), .cpu2 = X2APIC, .tpr_threshold = 15, .msr_bitmap = bitmap};
    vx_exit exit;
    assert_true(ask(&vmcs, VX_REC_WRMSR, 0, 0x808, 0, &exit));
    assert_int_equal(exit.reason, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_offset_and_size),
        cmocka_unit_test(a_tpr_write_below_the_threshold_exits),
        cmocka_unit_test(self_ipis_need_no_software),
        cmocka_unit_test(x2apic_self_ipi_needs_a_legal_vector),
        cmocka_unit_test(an_intercepted_x2apic_msr_is_an_msr_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
