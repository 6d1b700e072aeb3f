/* I/O and MSR bitmaps, VMREAD and VMWRITE bitmaps at their boundaries (SDM Vol. 3C 24.6.4, 24.6.9, 24.6.15, 25.1.3). */
#include <string.h>

#include "exit_rows.h"
#include "test_support.h"
#include "vx_vmcs.h"

static const vx_exit_context context = {0};

static bool ask(const vx_vmcs *vmcs, vx_record_kind kind, unsigned size, uint64_t addr, vx_exit *exit)
{
    vx_record record = {.kind = (uint8_t)kind, .size = (uint8_t)size, .addr = addr};
    return vx_vmcs_exits(vmcs, &context, &record, NULL, exit);
}

/* Every port as the only one trapped, every access size around it, in and out; no other port may exit. */
static void an_access_exits_by_the_bit_of_any_port_it_touches(void **state)
{
    (void)state;
    uint8_t bitmap[8192] = {0};
    const vx_vmcs vmcs = {.cpu = B(25), .io_bitmap = bitmap};
    for (uint32_t trapped = 0; trapped < 0x10000; trapped++) {
        bitmap[trapped >> 3] = (uint8_t)(1 << (trapped & 7));
        for (uint32_t bytes = 1; bytes <= 4; bytes *= 2)
            for (int64_t port = (int64_t)trapped - 5; port <= (int64_t)trapped + 5; port++) {
                if (port < 0 || port > 0xFFFF) continue;
                bool wraps = port + bytes > 0x10000, touches = port <= trapped && trapped < port + bytes;
                vx_exit exit;
                assert_int_equal(ask(&vmcs, VX_REC_IO_IN, bytes, (uint64_t)port, &exit), touches || wraps);
                assert_int_equal(ask(&vmcs, VX_REC_IO_OUT, bytes, (uint64_t)port, &exit), touches || wraps);
            }
        bitmap[trapped >> 3] = 0;
    }
}

/* FFFFH is the last port: accesses that continue at 0 exit whatever the bitmaps say, even without any. */
static void accesses_that_wrap_always_exit(void **state)
{
    (void)state;
    const vx_vmcs vmcs = {.cpu = B(25)};
    static const struct {
        uint64_t port;
        unsigned bytes;
        bool exits;
    } cases[] = {{0xFFFF, 1, false}, {0xFFFF, 2, true}, {0xFFFF, 4, true},  {0xFFFE, 2, false},
                 {0xFFFE, 4, true},  {0xFFFD, 4, true}, {0xFFFC, 4, false}, {0x0000, 4, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vx_exit exit;
        assert_int_equal(ask(&vmcs, VX_REC_IO_OUT, cases[i].bytes, cases[i].port, &exit), cases[i].exits);
        if (!cases[i].exits) continue;
        assert_int_equal(exit.reason, 30);
        assert_int_equal(exit.qualification, (cases[i].bytes - 1) | cases[i].port << 16);
    }
}

/* ---- MSRs: read low, read high, write low, write high, 1 KiB each ---- */

enum { MSR_BITS = 4096 * 8 };

/* The one record that bit n of the bitmap is about. */
static void msr_of_bit(uint32_t n, bool *write, uint64_t *msr)
{
    *write = n >= MSR_BITS / 2;
    *msr = n % 0x2000 + ((n / 0x2000) % 2 ? 0xC0000000 : 0);
}

static void each_bit_of_the_msr_bitmap_is_one_msr_and_direction(void **state)
{
    (void)state;
    uint8_t bitmap[4096] = {0};
    const vx_vmcs vmcs = {.cpu = B(28), .msr_bitmap = bitmap};
    for (uint32_t n = 0; n < MSR_BITS; n++) {
        bool write;
        uint64_t msr;
        msr_of_bit(n, &write, &msr);
        bitmap[n >> 3] = (uint8_t)(1 << (n & 7));
        vx_exit exit;
        assert_int_equal(ask(&vmcs, VX_REC_RDMSR, 0, msr, &exit), !write);
        if (!write) assert_int_equal(exit.reason, 31);
        assert_int_equal(ask(&vmcs, VX_REC_WRMSR, 0, msr, &exit), write);
        if (write) assert_int_equal(exit.reason, 32);
        assert_int_equal(exit.qualification, 0);
        assert_false(ask(&vmcs, VX_REC_RDMSR, 0, msr ^ 1, &exit));
        assert_false(ask(&vmcs, VX_REC_WRMSR, 0, msr ^ 0xC0000000, &exit));
        bitmap[n >> 3] = 0;
    }
}

static void msrs_outside_of_both_ranges_always_exit(void **state)
{
    (void)state;
    const vx_vmcs vmcs = {.cpu = B(28)};
    static const struct {
        uint64_t msr;
        bool exits;
    } cases[] = {{0x0, false},        {0x1FFF, false},     {0x2000, true},     {0x40000000, true}, {0xBFFFFFFF, true},
                 {0xC0000000, false}, {0xC0001FFF, false}, {0xC0002000, true}, {0xFFFFFFFF, true}, {0x100000000, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vx_exit exit;
        assert_int_equal(ask(&vmcs, VX_REC_RDMSR, 0, cases[i].msr, &exit), cases[i].exits);
        assert_int_equal(ask(&vmcs, VX_REC_WRMSR, 0, cases[i].msr, &exit), cases[i].exits);
    }
}

/* An EFER_LOAD record stands for its WRMSR: write bitmap for high MSRs, bit 80H. */
static void loading_efer_is_wrmsr_c0000080(void **state)
{
    (void)state;
    uint8_t bitmap[4096] = {0};
    const vx_vmcs vmcs = {.cpu = B(28), .msr_bitmap = bitmap};
    vx_exit exit;
    for (uint32_t byte = 0; byte < sizeof bitmap; byte++) {
        bitmap[byte] = 0xFF;
        assert_int_equal(ask(&vmcs, VX_REC_EFER_LOAD, 0, 0xD01, &exit), byte == 3072 + 0x80 / 8);
        bitmap[byte] = 0;
    }
    bitmap[3072 + 0x80 / 8] = 1;
    assert_true(ask(&vmcs, VX_REC_EFER_LOAD, 0, 0xD01, &exit));
    assert_int_equal(exit.reason, 32);
    bitmap[3072 + 0x80 / 8] = 0xFE;
    assert_false(ask(&vmcs, VX_REC_EFER_LOAD, 0, 0xD01, &exit));
}

static void vmcs_shadowing_by_field(void **state)
{
    (void)state;
    uint8_t reads[4096] = {0}, writes[4096] = {0};
    const vx_vmcs vmcs = {.cpu = SECONDARY, .cpu2 = B(14), .vmread_bitmap = reads, .vmwrite_bitmap = writes};
    for (uint64_t field = 0; field < 0x8000; field++) {
        reads[field >> 3] = (uint8_t)(1 << (field & 7));
        vx_exit exit;
        assert_true(ask(&vmcs, VX_REC_VMX, 23, field, &exit));
        assert_false(ask(&vmcs, VX_REC_VMX, 25, field, &exit));
        assert_false(ask(&vmcs, VX_REC_VMX, 23, field ^ 1, &exit));
        reads[field >> 3] = 0;
    }
    writes[0x6800 >> 3] = 1;
    vx_exit exit;
    assert_true(ask(&vmcs, VX_REC_VMX, 25, 0x6800, &exit));
    assert_false(ask(&vmcs, VX_REC_VMX, 23, 0x6800, &exit));
    assert_true(ask(&vmcs, VX_REC_VMX, 25, 0x8000, &exit));
}

static void enabled_vm_functions_do_not_exit(void **state)
{
    (void)state;
    for (uint64_t function = 0; function < 64; function++) {
        vx_vmcs vmcs = {.cpu = SECONDARY, .cpu2 = B(13), .vm_functions = 1ULL << function};
        vx_exit exit;
        assert_false(ask(&vmcs, VX_REC_VMX, 59, function, &exit));
        assert_true(ask(&vmcs, VX_REC_VMX, 59, function ^ 1, &exit));
        assert_int_equal(exit.reason, 59);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_access_exits_by_the_bit_of_any_port_it_touches),
        cmocka_unit_test(accesses_that_wrap_always_exit),
        cmocka_unit_test(each_bit_of_the_msr_bitmap_is_one_msr_and_direction),
        cmocka_unit_test(msrs_outside_of_both_ranges_always_exit),
        cmocka_unit_test(loading_efer_is_wrmsr_c0000080),
        cmocka_unit_test(vmcs_shadowing_by_field),
        cmocka_unit_test(enabled_vm_functions_do_not_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
