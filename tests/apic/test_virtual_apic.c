/* The virtual-APIC page: each virtualization against the manual's pseudocode over all its inputs (SDM Vol. 3C 29.1 to
 * 29.6). Which accesses are virtualized is test_vmcs_apic's. */
#include "test_support.h"
#include "vx_virtual_apic.h"

static uint8_t page[VX_APIC_PAGE_BYTES];

static vx_virtual_apic fresh(uint32_t controls)
{
    memset(page, 0, sizeof page);
    return (vx_virtual_apic){.page = page, .controls = VX_VAPIC_TPR_SHADOW | controls};
}

static uint32_t at(uint32_t offset) { return vx_apic_get(page, offset); }

/* 29.1.2 and 29.1.3 by every VTPR and SVI; no PPR without virtual-interrupt delivery. */
static void tpr_and_ppr_virtualization(void **state)
{
    (void)state;
    for (unsigned vtpr = 0; vtpr < 256; vtpr++)
        for (unsigned svi = 0; svi < 256; svi++) {
            vx_virtual_apic v = fresh(VX_VAPIC_ACCESSES | VX_VAPIC_DELIVERY);
            v.svi = (uint8_t)svi;
            v.tpr_threshold = 15; /* means nothing here */
            vx_apic_put(page, 0xA0, UINT32_MAX);
            assert_int_equal(vx_virtual_apic_write(&v, 0x80, 4, 0xABCDEF00 | vtpr).exit, VX_VAPIC_NO_EXIT);
            assert_int_equal(at(0x80), vtpr); /* bytes 3:1 are cleared */
            assert_int_equal(at(0xA0), vtpr / 16 >= svi / 16 ? vtpr : svi / 16 * 16);
            v = fresh(VX_VAPIC_ACCESSES);
            v.svi = (uint8_t)svi;
            (void)vx_virtual_apic_write(&v, 0x80, 4, vtpr);
            assert_int_equal(at(0xA0), 0);
        }
}

/* 29.2.1 by every RVI and VPPR, with the window control off and on. */
static void evaluation(void **state)
{
    (void)state;
    for (unsigned rvi = 0; rvi < 256; rvi++)
        for (unsigned vtpr = 0; vtpr < 256; vtpr++)
            for (unsigned window = 0; window < 2; window++) {
                vx_virtual_apic v = fresh(VX_VAPIC_DELIVERY | (window ? VX_VAPIC_WINDOW : 0U));
                v.rvi = (uint8_t)rvi;
                vx_apic_put(page, 0x80, vtpr);
                assert_int_equal(vx_virtual_apic_enter(&v).exit, VX_VAPIC_NO_EXIT);
                assert_int_equal(v.recognized, !window && rvi / 16 > vtpr / 16);
            }
}

static void delivery(void **state)
{
    (void)state;
    vx_virtual_apic v = fresh(VX_VAPIC_DELIVERY);
    vx_apic_vector_set(page, 0x200, 0x63);
    vx_apic_vector_set(page, 0x200, 0x45);
    assert_int_equal(vx_virtual_apic_deliver(&v), 0); /* not evaluated */
    v.rvi = 0x63;
    (void)vx_virtual_apic_enter(&v);
    assert_int_equal(vx_virtual_apic_deliver(&v), 0x63);
    assert_int_equal(v.svi, 0x63);
    assert_int_equal(v.rvi, 0x45);
    assert_int_equal(at(0xA0), 0x60);
    assert_int_equal(at(0x130), 1U << 3);
    assert_int_equal(at(0x230), 0);
    assert_int_equal(vx_virtual_apic_deliver(&v), 0); /* recognition has ceased */
    v.rvi = 0xF1;                                     /* software's change alone causes no evaluation */
    assert_int_equal(vx_virtual_apic_deliver(&v), 0);
}

static void eoi_virtualization(void **state)
{
    (void)state;
    for (unsigned exits = 0; exits < 2; exits++)
        for (unsigned msr = 0; msr < 2; msr++) {
            vx_virtual_apic v = fresh((msr ? VX_VAPIC_X2APIC : VX_VAPIC_ACCESSES) | VX_VAPIC_DELIVERY);
            v.svi = 0x71;
            v.rvi = 0x52;
            vx_apic_vector_set(page, 0x100, 0x71);
            vx_apic_vector_set(page, 0x100, 0x34);
            vx_apic_vector_set(page, 0x200, 0x52);
            if (exits) v.eoi_exit[1] = 1ULL << (0x71 - 64);
            vx_vapic_outcome outcome =
                msr ? vx_virtual_apic_wrmsr(&v, 0x80B, 0) : vx_virtual_apic_write(&v, 0xB0, 4, 0x12345678);
            assert_int_equal(outcome.exit, exits ? VX_VAPIC_EXIT_EOI : VX_VAPIC_NO_EXIT);
            assert_int_equal(outcome.qualification, exits ? 0x71 : 0);
            assert_int_equal(at(0xB0), 0);
            assert_int_equal(v.svi, 0x34);
            assert_int_equal(at(0xA0), 0x30);
            assert_int_equal(v.recognized, !exits); /* after an exit the VM entry evaluates */
            (void)vx_virtual_apic_enter(&v);
            assert_true(v.recognized);
        }
}

static void self_ipi_virtualization(void **state)
{
    (void)state;
    for (unsigned vector = 16; vector < 256; vector++)
        for (unsigned msr = 0; msr < 2; msr++) {
            vx_virtual_apic v = fresh((msr ? VX_VAPIC_X2APIC : VX_VAPIC_ACCESSES) | VX_VAPIC_DELIVERY);
            v.rvi = 0x60;
            vx_vapic_outcome outcome =
                msr ? vx_virtual_apic_wrmsr(&v, 0x83F, vector) : vx_virtual_apic_write(&v, 0x300, 4, 0x40000 | vector);
            assert_int_equal(outcome.exit, VX_VAPIC_NO_EXIT);
            assert_true(vx_apic_vector_test(page, 0x200, (uint8_t)vector));
            assert_int_equal(v.rvi, vector > 0x60 ? vector : 0x60);
            assert_true(v.recognized);
        }
}

/* Reserved bits of the three special WRMSRs are checked as in hardware (29.5). */
static void wrmsr_reserved_bits(void **state)
{
    (void)state;
    static const struct {
        uint32_t msr;
        uint64_t legal;
    } rows[] = {{0x808, 0xFF}, {0x80B, 0}, {0x83F, 0xFF}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned bit = 0; bit < 64; bit++) {
            vx_virtual_apic v = fresh(VX_VAPIC_X2APIC | VX_VAPIC_DELIVERY);
            bool faults = vx_virtual_apic_wrmsr(&v, rows[i].msr, 1ULL << bit).exit == VX_VAPIC_FAULT;
            assert_int_equal(faults, !(rows[i].legal >> bit & 1));
        }
    vx_virtual_apic v = fresh(VX_VAPIC_X2APIC); /* without delivery only the TPR is special */
    assert_false(vx_virtual_apic_wrmsr(&v, 0x80B, 1).virtualized);
    assert_false(vx_virtual_apic_wrmsr(&v, 0x83F, 0x51).virtualized);
    assert_false(vx_virtual_apic_wrmsr(&v, 0x830, 0).virtualized);
    v = fresh(VX_VAPIC_X2APIC | VX_VAPIC_DELIVERY);
    vx_vapic_outcome illegal = vx_virtual_apic_wrmsr(&v, 0x83F, 0x0F);
    assert_int_equal(illegal.exit, VX_VAPIC_EXIT_WRITE);
    assert_int_equal(illegal.qualification, 0x3F0);
}

static void rdmsr_reads_the_page(void **state)
{
    (void)state;
    for (uint32_t msr = 0x7FF; msr <= 0x900; msr++)
        for (unsigned registers = 0; registers < 2; registers++) {
            vx_virtual_apic v = fresh(VX_VAPIC_X2APIC | (registers ? VX_VAPIC_REGISTERS : 0U));
            for (unsigned i = 0; i < sizeof page; i++) page[i] = (uint8_t)(i * 7);
            uint64_t value, expected;
            bool apic = msr >= 0x800 && msr <= 0x8FF;
            bool from_page = apic && (registers || msr == 0x808);
            assert_int_equal(vx_virtual_apic_rdmsr(&v, msr, &value).virtualized, from_page);
            if (!from_page) continue;
            memcpy(&expected, page + ((msr & 0xFF) << 4), 8);
            assert_true(value == expected);
        }
}

static void cr8(void **state)
{
    (void)state;
    for (unsigned priority = 0; priority < 16; priority++)
        for (unsigned threshold = 0; threshold < 16; threshold++) {
            vx_virtual_apic v = fresh(0);
            v.tpr_threshold = (uint8_t)threshold;
            vx_apic_put(page, 0x80, 0x12345678);
            vx_vapic_outcome outcome = vx_virtual_apic_set_cr8(&v, (uint8_t)priority);
            assert_int_equal(outcome.exit, priority < threshold ? VX_VAPIC_EXIT_BELOW_THRESHOLD : VX_VAPIC_NO_EXIT);
            assert_int_equal(at(0x80), priority << 4);
            uint8_t read;
            assert_true(vx_virtual_apic_cr8(&v, &read));
            assert_int_equal(read, priority);
        }
    vx_virtual_apic off = {.page = page};
    uint8_t read;
    assert_false(vx_virtual_apic_set_cr8(&off, 1).virtualized);
    assert_false(vx_virtual_apic_cr8(&off, &read));
}

/* 26.7.7: the threshold exits right after entry only with APIC accesses virtualized and without virtual delivery. */
static void entry_below_the_threshold(void **state)
{
    (void)state;
    for (uint32_t set = 0; set < 4; set++)
        for (unsigned threshold = 0; threshold < 16; threshold++)
            for (unsigned priority = 0; priority < 16; priority++) {
                bool accesses = set & 1, delivers = set & 2;
                vx_virtual_apic v = fresh((accesses ? VX_VAPIC_ACCESSES : 0U) | (delivers ? VX_VAPIC_DELIVERY : 0U));
                v.tpr_threshold = (uint8_t)threshold;
                vx_apic_put(page, 0x80, 0xFF00 | priority << 4);
                bool exits = accesses && !delivers && threshold > priority;
                assert_int_equal(vx_virtual_apic_enter(&v).exit,
                                 exits ? VX_VAPIC_EXIT_BELOW_THRESHOLD : VX_VAPIC_NO_EXIT);
                assert_int_equal(at(0x80), priority << 4);
            }
}

/* A partial write changes its bytes alone, and what follows looks at the whole register. */
static void partial_accesses(void **state)
{
    (void)state;
    vx_virtual_apic v = fresh(VX_VAPIC_ACCESSES | VX_VAPIC_REGISTERS | VX_VAPIC_DELIVERY);
    vx_apic_put(page, 0x300, 0x40000);
    assert_int_equal(vx_virtual_apic_write(&v, 0x300, 1, 0x99).exit, VX_VAPIC_NO_EXIT); /* a whole self-IPI now */
    assert_true(vx_apic_vector_test(page, 0x200, 0x99));
    assert_int_equal(vx_virtual_apic_write(&v, 0x312, 2, 0x5566).exit, VX_VAPIC_NO_EXIT);
    assert_int_equal(at(0x310), 0x55000000); /* bytes 2:0 are cleared */
    assert_int_equal(vx_virtual_apic_write(&v, 0xF1, 1, 1).exit, VX_VAPIC_EXIT_WRITE);
    assert_int_equal(at(0xF0), 0x100);
    uint32_t value = 1;
    assert_true(vx_virtual_apic_read(&v, 0x311, 1, &value).virtualized);
    assert_int_equal(value, 0);
    assert_true(vx_virtual_apic_read(&v, 0x313, 1, &value).virtualized);
    assert_int_equal(value, 0x55);
    assert_int_equal(vx_virtual_apic_read(&v, 0x312, 4, &value).exit, VX_VAPIC_EXIT_ACCESS);
}

static void posted_descriptor(void **state)
{
    (void)state;
    vx_posted posted;
    vx_posted_init(&posted, 0xF2, 0x01020304);
    assert_int_equal(vx_posted_vector(&posted), 0xF2);
    assert_int_equal(vx_posted_destination(&posted), 0x01020304);
    assert_int_equal(posted.bytes[34], 0xF2); /* bits 279:272 */
    assert_int_equal(posted.bytes[36], 0x04); /* bits 319:288 */
    assert_true(vx_posted_post(&posted, 0x51));
    assert_true(vx_posted_outstanding(&posted));
    assert_int_equal(posted.bytes[10], 2);       /* bit 51H of PIR */
    assert_int_equal(posted.bytes[32], 1);       /* bit 256 */
    assert_false(vx_posted_post(&posted, 0x90)); /* outstanding already */
    vx_virtual_apic v = fresh(VX_VAPIC_DELIVERY);
    v.rvi = 0x60;
    vx_virtual_apic_process_posted(&v, &posted);
    assert_false(vx_posted_outstanding(&posted));
    for (unsigned i = 0; i < 32; i++) assert_int_equal(posted.bytes[i], 0);
    assert_int_equal(posted.bytes[34], 0xF2);
    assert_true(vx_apic_vector_test(page, 0x200, 0x51) && vx_apic_vector_test(page, 0x200, 0x90));
    assert_int_equal(v.rvi, 0x90);
    assert_true(v.recognized);
    vx_posted_suppress(&posted, true);
    assert_false(vx_posted_post(&posted, 0x52)); /* suppressed: pending all the same */
    assert_false(vx_posted_outstanding(&posted));
    vx_posted_suppress(&posted, false);
    assert_true(vx_posted_post(&posted, 0x52));
    v.rvi = 0xA0; /* a higher RVI stays */
    vx_virtual_apic_process_posted(&v, &posted);
    assert_int_equal(v.rvi, 0xA0);
    vx_virtual_apic_process_posted(&v, &posted); /* empty: harmless */
    assert_int_equal(v.rvi, 0xA0);
}

/* Every exit is decided before anything changes: deciding twice and doing agree. */
static void deciding_changes_nothing(void **state)
{
    (void)state;
    for (uint32_t controls = 0; controls < 32; controls++)
        for (uint32_t offset = 0; offset < 0x400; offset += 4) {
            vx_virtual_apic v = {.page = page, .controls = controls, .tpr_threshold = 7, .svi = 0x51};
            for (unsigned i = 0; i < sizeof page; i++) page[i] = (uint8_t)(i ^ 0x5A);
            v.eoi_exit[1] = 1ULL << (0x51 - 64);
            vx_vapic_outcome first = vx_virtual_apic_exit_of_write(&v, offset, 4, 0x40061);
            for (unsigned i = 0; i < sizeof page; i++) assert_int_equal(page[i], (uint8_t)(i ^ 0x5A));
            vx_vapic_outcome then = vx_virtual_apic_write(&v, offset, 4, 0x40061);
            assert_true(first.exit == then.exit && first.virtualized == then.virtualized &&
                        first.qualification == then.qualification);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tpr_and_ppr_virtualization),
        cmocka_unit_test(evaluation),
        cmocka_unit_test(delivery),
        cmocka_unit_test(eoi_virtualization),
        cmocka_unit_test(self_ipi_virtualization),
        cmocka_unit_test(wrmsr_reserved_bits),
        cmocka_unit_test(rdmsr_reads_the_page),
        cmocka_unit_test(cr8),
        cmocka_unit_test(entry_below_the_threshold),
        cmocka_unit_test(partial_accesses),
        cmocka_unit_test(posted_descriptor),
        cmocka_unit_test(deciding_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
