/* Control registers and exceptions: masks, read shadows, CR3 targets, exception bitmap, page-fault mask and match
 * (SDM Vol. 3C 25.1.3, 25.2, 24.6.3, 24.6.6, 24.6.7; Table 27-3; 27.2.2). */
#include <string.h>

#include "exit_rows.h"
#include "test_support.h"
#include "vx_random.h"
#include "vx_vmcs.h"

static const vx_exit_context protected_mode = {.cr0 = 0x80000011};
static const vx_exit_context real_mode = {.cr0 = 0x10};

static bool ask(const vx_vmcs *vmcs, vx_record_kind kind, unsigned size, uint64_t addr, vx_exit *exit)
{
    vx_record record = {.kind = (uint8_t)kind, .size = (uint8_t)size, .addr = addr};
    memset(exit, 0xA5, sizeof *exit);
    return vx_vmcs_exits(vmcs, &protected_mode, &record, NULL, exit);
}

static void assert_cr_access(const vx_exit *exit, uint64_t qualification)
{
    assert_int_equal(exit->reason, 28);
    assert_int_equal(exit->qualification, qualification);
}

/* MOV to CR0 and CR4: each of the 64 bits, owned or not, shadow 0 or 1, written 0 or 1. */
static void mov_to_cr0_and_cr4_compare_owned_bits_with_the_shadow(void **state)
{
    (void)state;
    for (unsigned cr = 0; cr <= 4; cr += 4)
        for (int n = 0; n < 64; n++)
            for (int bits = 0; bits < 8; bits++) {
                uint64_t one = 1ULL << n, mask = bits & 1 ? one : 0, shadow = bits & 2 ? one : 0,
                         value = bits & 4 ? one : 0;
                vx_vmcs vmcs = {0};
                if (cr == 0)
                    vmcs.cr0_mask = mask, vmcs.cr0_shadow = shadow, vmcs.cr4_mask = ~mask, vmcs.cr4_shadow = ~value;
                else
                    vmcs.cr4_mask = mask, vmcs.cr4_shadow = shadow, vmcs.cr0_mask = ~mask, vmcs.cr0_shadow = ~value;
                vx_exit exit;
                bool owned = bits & 1, differs = shadow != value;
                assert_int_equal(ask(&vmcs, VX_REC_CR_WRITE, cr, value, &exit), owned && differs);
                if (owned && differs) assert_cr_access(&exit, cr);
            }
}

static void many_bits_at_once(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "cr");
    for (int round = 0; round < 20000; round++) {
        vx_vmcs vmcs = {.cr0_mask = vx_random_u64(&random), .cr0_shadow = vx_random_u64(&random)};
        uint64_t value = vx_random_u64(&random);
        if (round % 2) value = (vmcs.cr0_shadow & vmcs.cr0_mask) | (value & ~vmcs.cr0_mask); /* agrees where owned */
        bool expected = false;
        for (int n = 0; n < 64; n++)
            expected |= (vmcs.cr0_mask >> n & 1) && (vmcs.cr0_shadow >> n & 1) != (value >> n & 1);
        vx_exit exit;
        assert_int_equal(ask(&vmcs, VX_REC_CR_WRITE, 0, value, &exit), expected);
        if (round % 2) assert_false(expected);
    }
}

static void reads_of_cr0_cr2_cr4_never_exit(void **state)
{
    (void)state;
    const vx_vmcs vmcs = {
        .pin = UINT32_MAX, .cpu = UINT32_MAX, .cpu2 = UINT32_MAX, .cr0_mask = ~0ULL, .cr4_mask = ~0ULL};
    vx_exit exit;
    assert_false(ask(&vmcs, VX_REC_CR_READ, 0, 1, &exit));
    assert_false(ask(&vmcs, VX_REC_CR_READ, 2, 1, &exit));
    assert_false(ask(&vmcs, VX_REC_CR_READ, 4, 1, &exit));
    assert_false(ask(&vmcs, VX_REC_CR_WRITE, 2, 1, &exit));
}

static void clts_exits_when_mask_and_shadow_have_ts(void **state)
{
    (void)state;
    for (int bits = 0; bits < 4; bits++) {
        vx_vmcs vmcs = {.cr0_mask = bits & 1 ? 8 : 0xFFFFFFF7, .cr0_shadow = bits & 2 ? 8 : 0xFFFFFFF7};
        vx_exit exit;
        assert_int_equal(ask(&vmcs, VX_REC_CLTS, 0, 0, &exit), bits == 3);
        if (bits == 3) assert_cr_access(&exit, 0x20);
    }
}

/* All 16 masks x 16 shadows x 16 operands of the low four bits. */
static void lmsw_sets_pe_but_never_clears_it(void **state)
{
    (void)state;
    for (uint64_t mask = 0; mask < 16; mask++)
        for (uint64_t shadow = 0; shadow < 16; shadow++)
            for (uint64_t source = 0; source < 16; source++) {
                bool sets_pe = (mask & 1) && (source & 1) && !(shadow & 1), changes = false;
                for (int n = 1; n < 4; n++) changes |= (mask >> n & 1) && (source >> n & 1) != (shadow >> n & 1);
                vx_vmcs vmcs = {.cr0_mask = mask | 0xFFFFFFF0, .cr0_shadow = shadow};
                vx_exit exit;
                assert_int_equal(ask(&vmcs, VX_REC_LMSW, 0, source | 0xABC0, &exit), sets_pe || changes);
                if (sets_pe || changes) assert_cr_access(&exit, 0x30 | (source | 0xABC0) << 16);
            }
}

static void only_the_counted_cr3_targets_are_free(void **state)
{
    (void)state;
    for (uint32_t count = 0; count <= 4; count++)
        for (uint64_t i = 0; i < 6; i++) {
            vx_vmcs vmcs = {.cpu = B(15), .cr3_target_count = count, .cr3_target = {0x1000, 0x2000, 0x3000, 0x4000}};
            vx_exit exit;
            uint64_t value = (i + 1) * 0x1000;
            assert_int_equal(ask(&vmcs, VX_REC_CR_WRITE, 3, value, &exit), i >= count);
            if (i >= count) assert_cr_access(&exit, 3);
            vmcs.cpu = 0;
            assert_false(ask(&vmcs, VX_REC_CR_WRITE, 3, value, &exit));
        }
    vx_vmcs vmcs = {.cpu = B(15), .cr3_target_count = 1, .cr3_target = {0x1000}};
    vx_exit exit;
    assert_true(ask(&vmcs, VX_REC_CR_WRITE, 3, 0x1001, &exit)); /* the whole operand is compared */
    vmcs.cr3_target_count = UINT32_MAX;                         /* illegal: no entry; must not read past the four */
    assert_true(ask(&vmcs, VX_REC_CR_WRITE, 3, 0x9000, &exit));
}

/* 29.1.2, 29.3: MOV to CR8 with the TPR shadow. */
static void cr8_below_the_threshold_exits(void **state)
{
    (void)state;
    for (uint32_t threshold = 0; threshold < 16; threshold++)
        for (uint64_t cr8 = 0; cr8 < 16; cr8++) {
            vx_vmcs vmcs = {.cpu = B(21), .tpr_threshold = threshold};
            vx_exit exit;
            assert_int_equal(ask(&vmcs, VX_REC_CR_WRITE, 8, cr8, &exit), cr8 < threshold);
            if (cr8 < threshold) {
                assert_int_equal(exit.reason, 43);
                assert_int_equal(exit.qualification, 0);
            }
            vmcs.cpu = B(21) | SECONDARY, vmcs.cpu2 = B(9); /* virtual-interrupt delivery evaluates instead */
            assert_false(ask(&vmcs, VX_REC_CR_WRITE, 8, cr8, &exit));
            vmcs.cpu = B(21) | B(19); /* CR8-load exiting comes first */
            assert_true(ask(&vmcs, VX_REC_CR_WRITE, 8, cr8, &exit));
            assert_cr_access(&exit, 8);
            vmcs.cpu = 0; /* no shadow, no threshold */
            assert_false(ask(&vmcs, VX_REC_CR_WRITE, 8, cr8, &exit));
        }
}

/* ---- exceptions ---- */

static bool raise(const vx_vmcs *vmcs, const vx_exit_context *context, unsigned vector, uint64_t error_code,
                  vx_exit *exit)
{
    vx_record record = {.kind = VX_REC_EXCEPTION, .size = (uint8_t)vector, .addr = 0xCAFE, .count = 1};
    memset(exit, 0xA5, sizeof *exit);
    return vx_vmcs_exits(vmcs, context, &record, &error_code, exit);
}

/* {vector, interruption information with valid bit, type and error-code bit}; SDM Vol. 3A Table 6-1, Vol. 3C 27.2.2. */
static const struct {
    unsigned vector;
    uint32_t information;
} vectors[] = {
    {0, 0x80000300},  {1, 0x80000301},  {3, 0x80000603},  {4, 0x80000604},  {5, 0x80000305},
    {6, 0x80000306},  {7, 0x80000307},  {8, 0x80000B08},  {9, 0x80000309},  {10, 0x80000B0A},
    {11, 0x80000B0B}, {12, 0x80000B0C}, {13, 0x80000B0D}, {14, 0x80000B0E}, {16, 0x80000310},
    {17, 0x80000B11}, {18, 0x80000312}, {19, 0x80000313}, {20, 0x80000314}, {21, 0x80000B15},
};

static void the_bitmap_selects_exceptions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        for (unsigned bit = 0; bit < 32; bit++) {
            unsigned vector = vectors[i].vector;
            vx_vmcs vmcs = {.exception_bitmap = 1U << bit};
            vx_exit exit;
            assert_int_equal(raise(&vmcs, &protected_mode, vector, 0x14, &exit), bit == vector);
            if (bit != vector) continue;
            assert_int_equal(exit.reason, 0);
            assert_int_equal(exit.interruption, vectors[i].information);
            assert_int_equal(exit.error_code, vectors[i].information & 0x800 ? 0x14 : 0);
            assert_int_equal(exit.qualification, vector == 14 ? 0xCAFE : 0);
        }
}

static void real_mode_pushes_no_error_code(void **state)
{
    (void)state;
    const vx_vmcs vmcs = {.exception_bitmap = UINT32_MAX};
    vx_exit exit;
    assert_true(raise(&vmcs, &real_mode, 13, 0x14, &exit));
    assert_int_equal(exit.interruption, 0x8000030D);
    assert_int_equal(exit.error_code, 0);
}

static void an_nmi_follows_its_pin_control(void **state)
{
    (void)state;
    vx_vmcs vmcs = {.exception_bitmap = UINT32_MAX};
    vx_exit exit;
    assert_false(raise(&vmcs, &protected_mode, 2, 0, &exit));
    vmcs = (vx_vmcs){.pin = B(3)};
    assert_true(raise(&vmcs, &protected_mode, 2, 0, &exit));
    assert_int_equal(exit.interruption, 0x80000202);
}

static void vectors_beyond_31_are_no_exceptions(void **state)
{
    (void)state;
    const vx_vmcs vmcs = {.exception_bitmap = UINT32_MAX};
    vx_exit exit;
    for (unsigned vector = 32; vector < 256; vector++) assert_false(raise(&vmcs, &protected_mode, vector, 0, &exit));
}

/* PFEC & mask = match: as bit 14 says; otherwise the reverse. All error codes, masks and matches of five bits. */
static void page_faults_by_mask_and_match(void **state)
{
    (void)state;
    unsigned exits = 0;
    for (uint32_t code = 0; code < 32; code++)
        for (uint32_t mask = 0; mask < 32; mask++)
            for (uint32_t match = 0; match < 32; match++)
                for (uint32_t bit = 0; bit < 2; bit++) {
                    vx_vmcs vmcs = {.exception_bitmap = bit << 14, .page_fault_mask = mask, .page_fault_match = match};
                    bool expected = (code & mask) == match ? bit == 1 : bit == 0;
                    vx_exit exit;
                    assert_int_equal(vx_vmcs_page_fault_exits(&vmcs, code), expected);
                    assert_int_equal(raise(&vmcs, &protected_mode, 14, code, &exit), expected);
                    exits += expected;
                }
    assert_in_range(exits, 1, 32 * 32 * 32 * 2 - 1);
    /* The manual's two recipes: all page faults, no page faults. */
    const vx_vmcs all = {.exception_bitmap = B(14)}, none = {.exception_bitmap = B(14), .page_fault_match = UINT32_MAX};
    for (uint32_t code = 0; code < 32; code++) {
        assert_true(vx_vmcs_page_fault_exits(&all, code));
        assert_false(vx_vmcs_page_fault_exits(&none, code));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mov_to_cr0_and_cr4_compare_owned_bits_with_the_shadow),
        cmocka_unit_test(many_bits_at_once),
        cmocka_unit_test(reads_of_cr0_cr2_cr4_never_exit),
        cmocka_unit_test(clts_exits_when_mask_and_shadow_have_ts),
        cmocka_unit_test(lmsw_sets_pe_but_never_clears_it),
        cmocka_unit_test(only_the_counted_cr3_targets_are_free),
        cmocka_unit_test(cr8_below_the_threshold_exits),
        cmocka_unit_test(the_bitmap_selects_exceptions),
        cmocka_unit_test(real_mode_pushes_no_error_code),
        cmocka_unit_test(an_nmi_follows_its_pin_control),
        cmocka_unit_test(vectors_beyond_31_are_no_exceptions),
        cmocka_unit_test(page_faults_by_mask_and_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
