/* VMRUN and #VMEXIT: what is loaded, saved and restored; clean bits; what #VMEXIT says of the instruction. */
#include <string.h>

#include "svm_world.h"
#include "test_support.h"

static const vx_record vmmcall = {.kind = VX_REC_VMMCALL}, cpuid = {.kind = VX_REC_CPUID};
static const vx_svm_bytes three = {.length = 3};

static vx_svm_outcome do_vmmcall(svm_world *world) { return vx_svm_execute(&world->svm, &vmmcall, NULL, 0, &three); }

/* Intercepts VMMCALL, so that the guest can come back. */
static void open_world(svm_world *world)
{
    svm_world_open(world, false);
    svm_put(world, VX_VMCB_INTERCEPTS2, 3);
}

/* The registers that VMRUN loads and #VMEXIT saves, with values that nothing normalizes. */
static const struct {
    vx_vmcb_field field;
    uint64_t value;
} loaded[] = {
    {VX_VMCB_ES_SELECTOR, 0x23},
    {VX_VMCB_ES_ATTRIBUTES, 0xCF3},
    {VX_VMCB_ES_LIMIT, 0xFFFFFFFF},
    {VX_VMCB_ES_BASE, 0x1000},
    {VX_VMCB_CS_SELECTOR, 0x33},
    {VX_VMCB_CS_ATTRIBUTES, 0x2FB},
    {VX_VMCB_CS_LIMIT, 0xFFFFF},
    {VX_VMCB_CS_BASE, 0xFFFF800000000000},
    {VX_VMCB_SS_SELECTOR, 0x2B},
    {VX_VMCB_SS_ATTRIBUTES, 0xCF3},
    {VX_VMCB_SS_LIMIT, 0x1234},
    {VX_VMCB_SS_BASE, 0x2000},
    {VX_VMCB_DS_SELECTOR, 0x2B},
    {VX_VMCB_DS_ATTRIBUTES, 0xCF3},
    {VX_VMCB_DS_LIMIT, 0x4321},
    {VX_VMCB_DS_BASE, 0x3000},
    {VX_VMCB_GDTR_LIMIT, 0x7F},
    {VX_VMCB_GDTR_BASE, 0xFFFFFE0000001000},
    {VX_VMCB_IDTR_LIMIT, 0xFFF},
    {VX_VMCB_IDTR_BASE, 0xFFFFFE0000000000},
    {VX_VMCB_CPL, 3},
    {VX_VMCB_EFER, 0x1D01},
    {VX_VMCB_CR4, 0x6F0},
    {VX_VMCB_CR3, 0x12345000},
    {VX_VMCB_CR0, 0x80050033},
    {VX_VMCB_DR7, 0x401},
    {VX_VMCB_DR6, 0xFFFF0FF1},
    {VX_VMCB_RFLAGS, 0x246},
    {VX_VMCB_RIP, 0x401234},
    {VX_VMCB_RSP, 0x7FFFFFFF0},
    {VX_VMCB_RAX, 0xDEADBEEF},
    {VX_VMCB_CR2, 0xCAFE},
    {VX_VMCB_SPEC_CTRL, 1},
};
enum { LOADED = sizeof loaded / sizeof *loaded };

static void vmrun_loads_the_guest_and_vmexit_saves_it_unchanged(void **state)
{
    (void)state;
    svm_world world;
    open_world(&world);
    for (unsigned i = 0; i < LOADED; i++) svm_put(&world, loaded[i].field, loaded[i].value);
    svm_enter(&world);
    for (unsigned i = 0; i < LOADED; i++) assert_true(vx_svm_register(&world.svm, loaded[i].field) == loaded[i].value);
    svm_expect_exit(&world, do_vmmcall(&world), 0x81);
    for (unsigned i = 0; i < LOADED; i++)
        if (svm_field(&world, loaded[i].field) != loaded[i].value)
            fail_msg("%s is 0x%llx", vx_vmcb_describe(loaded[i].field)->name,
                     (unsigned long long)svm_field(&world, loaded[i].field));
    svm_world_close(&world);
}

static void vmexit_restores_the_host(void **state)
{
    (void)state;
    svm_world world;
    open_world(&world);
    static const vx_vmcb_field kept[] = {VX_VMCB_ES_BASE,   VX_VMCB_CS_SELECTOR, VX_VMCB_SS_LIMIT, VX_VMCB_DS_BASE,
                                         VX_VMCB_GDTR_BASE, VX_VMCB_IDTR_LIMIT,  VX_VMCB_RSP};
    for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++) vx_svm_set_register(&world.svm, kept[i], 0x110 + i);
    vx_svm_set_register(&world.svm, VX_VMCB_RFLAGS, 0x246);
    const uint64_t cr0 = vx_svm_register(&world.svm, VX_VMCB_CR0), cr3 = vx_svm_register(&world.svm, VX_VMCB_CR3);
    svm_enter(&world);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_RSP) == 0x7FF000);
    svm_expect_exit(&world, do_vmmcall(&world), 0x81);
    for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_int_equal(vx_svm_register(&world.svm, kept[i]), 0x110 + i);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_CR0) == cr0 && vx_svm_register(&world.svm, VX_VMCB_CR3) == cr3);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_RFLAGS) == 0x246);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_RAX) == SVM_VMCB);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_RIP) == 0xFFFFFFFF81000003); /* behind VMRUN */
    assert_int_equal(vx_svm_register(&world.svm, VX_VMCB_DR7), 0x400);
    assert_int_equal(vx_svm_register(&world.svm, VX_VMCB_DR6), 0xFFFF0FF0); /* the guest's: nothing keeps the host's */
    svm_world_close(&world);
}

/* What hardware forces: LMA follows LME and PG, DR7 bit 10, RFLAGS bit 1; bases are canonical. */
static void vmrun_normalizes(void **state)
{
    (void)state;
    svm_world world;
    open_world(&world);
    svm_put(&world, VX_VMCB_EFER, 0x1901); /* LME without LMA */
    svm_put(&world, VX_VMCB_DR7, 0);
    svm_put(&world, VX_VMCB_RFLAGS, 0);
    static const vx_vmcb_field bases[] = {VX_VMCB_ES_BASE, VX_VMCB_CS_BASE,   VX_VMCB_SS_BASE,
                                          VX_VMCB_DS_BASE, VX_VMCB_GDTR_BASE, VX_VMCB_IDTR_BASE};
    for (unsigned i = 0; i < 6; i++) svm_put(&world, bases[i], i % 2 ? 0xAAAA800000000000 : 0xAAAA7FFFFFFFF000);
    svm_enter(&world);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_EFER) == 0x1D01);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_DR7) == 0x400 && vx_svm_register(&world.svm, VX_VMCB_RFLAGS) == 2);
    for (unsigned i = 0; i < 6; i++)
        assert_true(vx_svm_register(&world.svm, bases[i]) == (i % 2 ? 0xFFFF800000000000 : 0x7FFFFFFFF000));
    svm_world_close(&world);
}

static void g_pat_belongs_to_nested_paging(void **state)
{
    (void)state;
    for (unsigned np = 0; np < 2; np++) {
        svm_world world;
        open_world(&world);
        svm_put(&world, VX_VMCB_G_PAT, 0x0606060606060606);
        svm_put(&world, VX_VMCB_NP_CONTROL, np);
        svm_enter(&world);
        assert_true(vx_svm_register(&world.svm, VX_VMCB_G_PAT) == (np ? 0x0606060606060606 : 0x0007040600070406));
        svm_expect_exit(&world, do_vmmcall(&world), 0x81);
        assert_true(vx_svm_register(&world.svm, VX_VMCB_G_PAT) == 0x0007040600070406);
        svm_world_close(&world);
    }
}

/* kvm-unit-tests svm_lbrv_*: without LBR virtualization guest and host share the records; with it they do not. */
static void branch_records_with_and_without_virtualization(void **state)
{
    (void)state;
    for (unsigned on = 0; on < 2; on++) {
        svm_world world;
        open_world(&world);
        vx_svm_set_register(&world.svm, VX_VMCB_BR_FROM, 0x1111);
        svm_put(&world, VX_VMCB_BR_FROM, 0x2222);
        svm_put(&world, VX_VMCB_VIRT_EXT, on);
        svm_enter(&world);
        assert_int_equal(vx_svm_register(&world.svm, VX_VMCB_BR_FROM), on ? 0x2222 : 0x1111);
        vx_svm_set_register(&world.svm, VX_VMCB_BR_FROM, 0x3333);
        svm_expect_exit(&world, do_vmmcall(&world), 0x81);
        assert_int_equal(vx_svm_register(&world.svm, VX_VMCB_BR_FROM), on ? 0x1111 : 0x3333);
        assert_int_equal(svm_field(&world, VX_VMCB_BR_FROM), on ? 0x3333 : 0x2222);
        svm_world_close(&world);
    }
}

/* ---- clean bits: for each group one field, changed in memory behind the processor's back ---- */

static const struct {
    unsigned bit;
    vx_vmcb_field field;
    uint64_t first, second;
} groups[] = {
    {5, VX_VMCB_CR3, 0x11000, 0x22000},     {6, VX_VMCB_DR6, 0xFFFF0FF0, 0xFFFF0FF1},
    {7, VX_VMCB_IDTR_BASE, 0x5000, 0x6000}, {8, VX_VMCB_CPL, 0, 3},
    {9, VX_VMCB_CR2, 0x77, 0x88},
};

static uint64_t seen_at_second_entry(unsigned group, bool feature, uint64_t clean, bool other_vmcb_between)
{
    svm_world world;
    open_world(&world);
    world.cpu.svm.vmcb_clean = feature;
    svm_put(&world, groups[group].field, groups[group].first);
    svm_put(&world, VX_VMCB_CLEAN, 0xFFFFFFFF); /* nothing is known yet: all is read */
    svm_enter(&world);
    assert_true(vx_svm_register(&world.svm, groups[group].field) == groups[group].first);
    svm_expect_exit(&world, do_vmmcall(&world), 0x81);
    if (other_vmcb_between) {
        vx_vmcb_image image;
        vx_vmcb_fetch(&image, &world.memory, (vx_hpa){SVM_VMCB});
        vx_vmcb_store(&image, &world.memory, (vx_hpa){SVM_VMCB2});
        vx_svm_set_register(&world.svm, VX_VMCB_RAX, SVM_VMCB2);
        svm_enter(&world);
        assert_int_equal(do_vmmcall(&world).result, VX_SVM_EXITED);
        vx_svm_set_register(&world.svm, VX_VMCB_RAX, SVM_VMCB);
    }
    svm_put(&world, groups[group].field, groups[group].second);
    svm_put(&world, VX_VMCB_CLEAN, clean);
    svm_enter(&world);
    uint64_t seen = vx_svm_register(&world.svm, groups[group].field);
    svm_world_close(&world);
    return seen;
}

static void a_clean_field_is_not_read_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof groups / sizeof *groups; i++) {
        const uint64_t bit = 1ULL << groups[i].bit, first = groups[i].first, second = groups[i].second;
        assert_true(seen_at_second_entry(i, true, bit, false) == first);
        assert_true(seen_at_second_entry(i, true, 0xFFFFFFFF & ~bit, false) == second);
        assert_true(seen_at_second_entry(i, true, bit, true) == second);
        assert_true(seen_at_second_entry(i, false, 0xFFFFFFFF, false) == second);
    }
}

static void clean_controls_are_the_old_ones_for_the_checks_too(void **state)
{
    (void)state;
    svm_world world;
    open_world(&world);
    svm_enter(&world);
    svm_expect_exit(&world, do_vmmcall(&world), 0x81);
    svm_put(&world, VX_VMCB_INTERCEPTS2, 0);
    svm_put(&world, VX_VMCB_GUEST_ASID, 0);
    svm_put(&world, VX_VMCB_CLEAN, 5); /* intercepts and ASID */
    svm_enter(&world);
    svm_expect_exit(&world, do_vmmcall(&world), 0x81);
    svm_put(&world, VX_VMCB_CLEAN, 4);
    svm_expect_exit(&world, vx_svm_vmrun(&world.svm, NULL), UINT64_MAX);
    svm_put(&world, VX_VMCB_CLEAN, 5); /* a failed VMRUN has made everything unknown */
    svm_expect_exit(&world, vx_svm_vmrun(&world.svm, NULL), UINT64_MAX);
    svm_world_close(&world);
}

static void a_failed_vmrun_leaves_the_host_running(void **state)
{
    (void)state;
    svm_world world;
    open_world(&world);
    svm_put(&world, VX_VMCB_GUEST_ASID, 0);
    svm_put(&world, VX_VMCB_EVENTINJ, 0x80000020);
    svm_put(&world, VX_VMCB_EXITINFO1, 77);
    const uint64_t rsp = vx_svm_register(&world.svm, VX_VMCB_RSP);
    svm_expect_exit(&world, vx_svm_vmrun(&world.svm, &three), UINT64_MAX);
    assert_int_equal(svm_field(&world, VX_VMCB_EXITINFO1), 0);
    assert_int_equal(svm_field(&world, VX_VMCB_EXITINTINFO), 0);
    assert_int_equal(svm_field(&world, VX_VMCB_EVENTINJ), 0x20);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_RSP) == rsp);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_RIP) == 0xFFFFFFFF81000003);
    svm_put(&world, VX_VMCB_GUEST_ASID, 1);
    svm_enter(&world);
    svm_world_close(&world);
}

static void an_illegal_host_state_shuts_down(void **state)
{
    (void)state;
    static const struct {
        vx_vmcb_field field;
        uint64_t value;
    } broken[] = {
        {VX_VMCB_EFER, 0xD00}, {VX_VMCB_CR0, 0x1A0000001}, {VX_VMCB_CR4, 1ULL << 40 | 0x20}, {VX_VMCB_CR3, 1ULL << 60}};
    for (unsigned i = 0; i < sizeof broken / sizeof *broken; i++) {
        svm_world world;
        open_world(&world);
        svm_enter(&world);
        vx_vmcb_write(&world.memory, (vx_hpa){SVM_HSAVE}, broken[i].field, broken[i].value);
        assert_int_equal(do_vmmcall(&world).result, VX_SVM_SHUTDOWN);
        assert_int_equal(vx_svm_vmrun(&world.svm, NULL).result, VX_SVM_SHUTDOWN);
        assert_int_equal(vx_svm_take(&world.svm).result, VX_SVM_SHUTDOWN);
        svm_world_close(&world);
    }
}

/* ---- what #VMEXIT says of the instruction ---- */

static void nrip_is_of_instruction_intercepts(void **state)
{
    (void)state;
    for (unsigned nrips = 0; nrips < 2; nrips++) {
        svm_world world;
        open_world(&world);
        world.cpu.svm.nrips = nrips;
        svm_put(&world, VX_VMCB_INTERCEPTS1, 1 << 18 | 1); /* CPUID, INTR */
        svm_put(&world, VX_VMCB_NRIP, 0x5555);
        svm_enter(&world);
        svm_expect_exit(&world, vx_svm_execute(&world.svm, &cpuid, NULL, 0, &(vx_svm_bytes){.length = 2}), 0x72);
        assert_int_equal(svm_field(&world, VX_VMCB_NRIP), nrips ? 0x401002 : 0x5555);
        assert_int_equal(svm_field(&world, VX_VMCB_RIP), 0x401000);
        svm_enter(&world);
        vx_svm_signal(&world.svm, VX_SVM_INTR, 0x30);
        svm_expect_exit(&world, vx_svm_take(&world.svm), 0x60);
        assert_int_equal(svm_field(&world, VX_VMCB_NRIP), nrips ? 0 : 0x5555);
        svm_world_close(&world);
    }
}

static void decode_assists_name_the_operands(void **state)
{
    (void)state;
    static const struct {
        vx_record record;
        vx_vmcb_field field;
        uint64_t intercept, code, info1;
    } cases[] = {
        {{.kind = VX_REC_CR_WRITE, .size = 3, .addr = 1}, VX_VMCB_CR_WRITE, 8, 0x13, 1ULL << 63 | 11},
        {{.kind = VX_REC_CR_READ, .size = 0}, VX_VMCB_CR_READ, 1, 0x00, 1ULL << 63 | 11},
        {{.kind = VX_REC_DR_WRITE, .size = 7}, VX_VMCB_DR_WRITE, 0x80, 0x37, 11},
        {{.kind = VX_REC_CLTS}, VX_VMCB_CR_WRITE, 1, 0x10, 0},
        {{.kind = VX_REC_INVLPG, .addr = 0x7000}, VX_VMCB_INTERCEPTS1, 1 << 25, 0x79, 0x7000},
        {{.kind = VX_REC_INT_N, .size = 0x80}, VX_VMCB_INTERCEPTS1, 1 << 21, 0x75, 0x80},
    };
    for (unsigned assists = 0; assists < 2; assists++)
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            svm_world world;
            open_world(&world);
            world.cpu.svm.decode_assists = assists;
            svm_put(&world, cases[i].field, cases[i].intercept);
            svm_enter(&world);
            const vx_svm_bytes bytes = {.length = 3, .gpr = 11, .fetched = 2, .bytes = {0x0F, 0x22}};
            svm_expect_exit(&world, vx_svm_execute(&world.svm, &cases[i].record, NULL, 0, &bytes), cases[i].code);
            assert_true(svm_field(&world, VX_VMCB_EXITINFO1) == (assists ? cases[i].info1 : 0));
            assert_int_equal(svm_field(&world, VX_VMCB_BYTES_FETCHED), 0); /* page faults only */
            svm_world_close(&world);
        }
}

static void a_data_page_fault_brings_the_instruction_s_bytes(void **state)
{
    (void)state;
    for (unsigned assists = 0; assists < 2; assists++)
        for (unsigned fetch = 0; fetch < 2; fetch++) {
            svm_world world;
            open_world(&world);
            world.cpu.svm.decode_assists = assists;
            svm_put(&world, VX_VMCB_EXCEPTIONS, 1 << 14);
            svm_enter(&world);
            const vx_svm_bytes bytes = {.fetched = 15, .bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
            const uint32_t error = fetch ? 0x15 : 6;
            svm_expect_exit(&world, vx_svm_exception(&world.svm, 14, error, 0xBAD000, &bytes), 0x4E);
            assert_int_equal(svm_field(&world, VX_VMCB_EXITINFO1), error);
            assert_int_equal(svm_field(&world, VX_VMCB_EXITINFO2), 0xBAD000);
            const uint8_t *at = world.memory.base + SVM_VMCB + 0xD0;
            assert_int_equal(at[0], assists && !fetch ? 15 : 0);
            for (unsigned i = 0; i < 15; i++) assert_int_equal(at[1 + i], assists && !fetch ? bytes.bytes[i] : 0);
            assert_int_equal(svm_field(&world, VX_VMCB_AVIC_BACKING_PAGE), 0);
            assert_int_equal(svm_field(&world, VX_VMCB_CR2), 0); /* intercepted: CR2 is not written */
            svm_world_close(&world);
        }
}

static void ioio_names_the_next_instruction(void **state)
{
    (void)state;
    svm_world world;
    open_world(&world);
    svm_put(&world, VX_VMCB_INTERCEPTS1, 1 << 27);
    memset(world.memory.base + SVM_IOPM, 0xFF, 0x3000);
    svm_enter(&world);
    const vx_record in = {.kind = VX_REC_IO_IN, .size = 1, .addr = 0x71};
    svm_expect_exit(&world, vx_svm_execute(&world.svm, &in, NULL, 0, &(vx_svm_bytes){.length = 2}), 0x7B);
    assert_int_equal(svm_field(&world, VX_VMCB_EXITINFO1), 0x00710011);
    assert_int_equal(svm_field(&world, VX_VMCB_EXITINFO2), 0x401002);
    svm_world_close(&world);
}

/* KVM svm.c, cr_trap and efer_trap: after the write, EXITINFO1 is the new value. */
static void write_traps_come_after_the_write(void **state)
{
    (void)state;
    static const struct {
        vx_record record;
        unsigned bit;
        uint64_t code, info1;
        vx_vmcb_field field;
    } cases[] = {
        {{.kind = VX_REC_EFER_LOAD, .addr = 0x1D00}, 15, 0x8F, 0x1D00, VX_VMCB_EFER},
        {{.kind = VX_REC_CR_WRITE, .size = 0, .addr = 0x80050033}, 16, 0x90, 0x80050033, VX_VMCB_CR0},
        {{.kind = VX_REC_LMSW, .addr = 0xB}, 16, 0x90, 0x8001003B, VX_VMCB_CR0},
        {{.kind = VX_REC_CLTS}, 16, 0x90, 0x80010033, VX_VMCB_CR0},
        {{.kind = VX_REC_CR_WRITE, .size = 3, .addr = 0x9000}, 19, 0x93, 0x9000, VX_VMCB_CR3},
        {{.kind = VX_REC_CR_WRITE, .size = 4, .addr = 0xA0}, 20, 0x94, 0xA0, VX_VMCB_CR4},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        svm_world world;
        open_world(&world);
        svm_put(&world, VX_VMCB_INTERCEPTS2, 1U << cases[i].bit | 1);
        svm_enter(&world);
        svm_expect_exit(&world, vx_svm_execute(&world.svm, &cases[i].record, NULL, 0, &three), cases[i].code);
        assert_true(svm_field(&world, VX_VMCB_EXITINFO1) == cases[i].info1);
        assert_true(svm_field(&world, cases[i].field) == cases[i].info1);
        assert_int_equal(svm_field(&world, VX_VMCB_RIP), 0x401003);
        svm_world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vmrun_loads_the_guest_and_vmexit_saves_it_unchanged),
        cmocka_unit_test(vmexit_restores_the_host),
        cmocka_unit_test(vmrun_normalizes),
        cmocka_unit_test(g_pat_belongs_to_nested_paging),
        cmocka_unit_test(branch_records_with_and_without_virtualization),
        cmocka_unit_test(a_clean_field_is_not_read_again),
        cmocka_unit_test(clean_controls_are_the_old_ones_for_the_checks_too),
        cmocka_unit_test(a_failed_vmrun_leaves_the_host_running),
        cmocka_unit_test(an_illegal_host_state_shuts_down),
        cmocka_unit_test(nrip_is_of_instruction_intercepts),
        cmocka_unit_test(decode_assists_name_the_operands),
        cmocka_unit_test(a_data_page_fault_brings_the_instruction_s_bytes),
        cmocka_unit_test(ioio_names_the_next_instruction),
        cmocka_unit_test(write_traps_come_after_the_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
