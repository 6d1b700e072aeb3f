/* The VMX instructions: faults in wrong modes, every VM-instruction error, fields, regions, invalidations. */
#include <stdio.h>
#include <string.h>

#include "test_support.h"
#include "vmx_machine.h"

static bool error_seen[32];

static void expect_error(const machine *m, vx_vmx_result result, unsigned number)
{
    assert_int_equal(result.kind, VX_VMX_FAIL_VALID);
    assert_int_equal(result.number, number);
    assert_int_equal(vx_vmcs_get(&m->vmx.vmcs, VX_VMCS_INSTRUCTION_ERROR), number);
    assert_int_equal(m->vmx.state.rflags & 0x8D5, 0x40); /* ZF */
    assert_non_null(vx_vmx_error_text(number));
    error_seen[number] = true;
}
static void expect_invalid(const machine *m, vx_vmx_result result)
{
    assert_int_equal(result.kind, VX_VMX_FAIL_INVALID);
    assert_int_equal(m->vmx.state.rflags & 0x8D5, 1); /* CF */
}
static void expect_success(const machine *m, vx_vmx_result result)
{
    assert_int_equal(result.kind, VX_VMX_SUCCEED);
    assert_int_equal(m->vmx.state.rflags & 0x8D5, 0);
}
static void expect_fault(vx_vmx_result result, unsigned vector)
{
    assert_int_equal(result.kind, VX_VMX_FAULT);
    assert_int_equal(result.number, vector);
    assert_int_equal(result.error_code, 0);
}

/* ---- all instructions alike ---- */

static const uint64_t descriptor[2] = {1, 0};
static vx_vmx_result do_vmxon(vx_vmx *v) { return vx_vmx_vmxon(v, VMXON_REGION); }
static vx_vmx_result do_vmclear(vx_vmx *v) { return vx_vmx_vmclear(v, VMCS_B); }
static vx_vmx_result do_vmptrld(vx_vmx *v) { return vx_vmx_vmptrld(v, VMCS_B); }
static vx_vmx_result do_vmread(vx_vmx *v) { return vx_vmx_vmread(v, VX_VMCS_GUEST_RIP); }
static vx_vmx_result do_vmwrite(vx_vmx *v) { return vx_vmx_vmwrite(v, VX_VMCS_GUEST_RIP, 0); }
static vx_vmx_result do_invept(vx_vmx *v) { return vx_vmx_invept(v, 2, descriptor); }
static vx_vmx_result do_invvpid(vx_vmx *v) { return vx_vmx_invvpid(v, 1, descriptor); }

static const struct {
    vx_vmx_result (*run)(vx_vmx *);
    uint32_t reason; /* in non-root operation */
} instructions[] = {
    {do_vmxon, 27},        {vx_vmx_vmxoff, 26}, {do_vmclear, 19}, {do_vmptrld, 21},
    {vx_vmx_vmptrst, 22},  {do_vmread, 23},     {do_vmwrite, 25}, {vx_vmx_vmlaunch, 20},
    {vx_vmx_vmresume, 24}, {vx_vmx_vmcall, 18}, {do_invept, 50},  {do_invvpid, 53},
};
enum { INSTRUCTIONS = sizeof instructions / sizeof *instructions };

static void outside_vmx_operation(void **state)
{
    machine *m = *state;
    for (unsigned i = 1; i < INSTRUCTIONS; i++) { /* all but VMXON */
        machine_reset(m);
        expect_fault(instructions[i].run(&m->vmx), 6);
    }
    expect_fault(vx_vmx_vmfunc(&m->vmx, 0, 0), 6);
}

static void wrong_modes_in_root(void **state)
{
    machine *m = *state;
    for (unsigned i = 0; i < INSTRUCTIONS; i++) {
        machine_ready(m);
        m->vmx.state.segment[VX_CS].rights = 0xC09B; /* compatibility mode */
        expect_fault(instructions[i].run(&m->vmx), 6);
        m->vmx.state.segment[VX_CS].rights = 0xA09B;
        m->vmx.state.rflags |= 1 << 17; /* virtual-8086 mode */
        expect_fault(instructions[i].run(&m->vmx), 6);
        m->vmx.state.rflags = 2;
        m->vmx.state.segment[VX_SS].rights |= 3 << 5; /* CPL 3 */
        expect_fault(instructions[i].run(&m->vmx), 13);
        assert_int_equal(m->vmx.mode, VX_VMX_ROOT);
    }
    expect_fault(vx_vmx_vmfunc(&m->vmx, 0, 0), 6);
}

static void all_exit_in_non_root(void **state)
{
    machine *m = *state;
    for (unsigned i = 0; i < INSTRUCTIONS; i++) {
        machine_launched(m);
        vx_vmx_result result = instructions[i].run(&m->vmx);
        assert_int_equal(result.kind, VX_VMX_EXIT);
        assert_int_equal(result.number, instructions[i].reason);
        assert_int_equal(machine_read(m, VX_VMCS_EXIT_REASON), instructions[i].reason);
        assert_int_equal(m->vmx.mode, VX_VMX_ROOT);
    }
}

/* ---- VMXON ---- */

static void vmxon_conditions(void **state)
{
    machine *m = *state;
    vx_vmx *v = &m->vmx;
    machine_reset(m);
    v->state.cr4 &= ~(1ULL << 13);
    expect_fault(do_vmxon(v), 6);
    machine_reset(m);
    v->state.cr0 &= ~1ULL;
    expect_fault(do_vmxon(v), 6);
    machine_reset(m);
    v->state.a20m = true;
    expect_fault(do_vmxon(v), 13);
    machine_reset(m);
    v->state.segment[VX_SS].rights |= 1 << 5;
    expect_fault(do_vmxon(v), 13);
    machine_reset(m);
    v->state.cr0 &= ~(1ULL << 5); /* NE */
    expect_fault(do_vmxon(v), 13);
    machine_reset(m);
    v->state.cr4 |= 1ULL << 40;
    expect_fault(do_vmxon(v), 13);
    for (unsigned control = 0; control < 8; control++) {
        machine_reset(m);
        v->state.feature_control = control;
        vx_vmx_result result = do_vmxon(v);
        if ((control & 5) == 5)
            expect_success(m, result);
        else
            expect_fault(result, 13);
    }
    static const uint64_t bad[] = {VMXON_REGION + 1, VMXON_REGION + 0x800, 1ULL << 40, SHADOW_REGION, FOREIGN_REGION};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        machine_reset(m);
        expect_invalid(m, vx_vmx_vmxon(v, bad[i]));
        assert_int_equal(v->mode, VX_VMX_OFF);
    }
    machine_reset(m);
    v->state.monitor_armed = true;
    expect_success(m, do_vmxon(v));
    assert_true(v->state.init_blocked && !v->state.monitor_armed);
    assert_int_equal(vx_vmx_vmptrst(v).value, UINT64_MAX);
    expect_invalid(m, do_vmxon(v)); /* error 15 needs a current VMCS */
    expect_success(m, vx_vmx_vmxoff(v));
    assert_false(v->state.init_blocked);
    expect_fault(vx_vmx_vmxoff(v), 6);
    v->caps.vmx = false;
    expect_fault(do_vmxon(v), 6);
}

/* ---- error numbers ---- */

static void every_error_number(void **state)
{
    machine *m = *state;
    vx_vmx *v = &m->vmx;
    machine_ready(m);
    expect_error(m, vx_vmx_vmcall(v), 1);
    expect_error(m, vx_vmx_vmclear(v, VMCS_B + 1), 2);
    expect_error(m, vx_vmx_vmclear(v, 1ULL << 40), 2);
    expect_error(m, vx_vmx_vmclear(v, VMXON_REGION), 3);
    expect_error(m, vx_vmx_vmresume(v), 5);
    expect_error(m, vx_vmx_vmptrld(v, 8), 9);
    expect_error(m, vx_vmx_vmptrld(v, UINT64_MAX & ~0xFFFULL), 9);
    expect_error(m, vx_vmx_vmptrld(v, VMXON_REGION), 10);
    expect_error(m, vx_vmx_vmptrld(v, FOREIGN_REGION), 11);
    expect_error(m, vx_vmx_vmread(v, 0x482C), 12);
    expect_error(m, vx_vmx_vmread(v, 1ULL << 32), 12);
    expect_error(m, vx_vmx_vmwrite(v, 0x4013, 0), 12); /* no high half */
    expect_error(m, vx_vmx_vmwrite(v, VX_VMCS_EXIT_REASON, 0), 13);
    expect_error(m, vx_vmx_vmwrite(v, VX_VMCS_GUEST_PHYSICAL_ADDRESS + 1, 0), 13);
    expect_error(m, do_vmxon(v), 15);
    v->state.interruptibility = VX_BLOCKING_MOV_SS;
    expect_error(m, vx_vmx_vmlaunch(v), 26);
    expect_error(m, vx_vmx_vmresume(v), 26); /* before the launch state is looked at */
    v->state.interruptibility = VX_BLOCKING_STI;
    expect_error(m, vx_vmx_invept(v, 0, descriptor), 28);
    machine_write(m, VX_VMCS_CR3_TARGET_COUNT, 5);
    expect_error(m, vx_vmx_vmlaunch(v), 7);
    machine_write(m, VX_VMCS_CR3_TARGET_COUNT, 0);
    machine_write(m, VX_VMCS_HOST_CR0, 0);
    expect_error(m, vx_vmx_vmlaunch(v), 8);
    machine_launched(m);
    machine_cpuid(m);
    expect_error(m, vx_vmx_vmlaunch(v), 4);
    expect_success(m, vx_vmx_vmxoff(v));
    expect_success(m, do_vmxon(v));
    expect_success(m, vx_vmx_vmptrld(v, VMCS_A));
    expect_error(m, vx_vmx_vmresume(v), 6);
    expect_success(m, vx_vmx_vmclear(v, VMCS_A)); /* cures it */
    expect_success(m, vx_vmx_vmptrld(v, VMCS_A));
    assert_int_equal(vx_vmx_vmlaunch(v).kind, VX_VMX_ENTERED);
}

static void without_current_vmcs(void **state)
{
    machine *m = *state;
    vx_vmx *v = &m->vmx;
    machine_ready(m);
    expect_success(m, vx_vmx_vmclear(v, VMCS_A));
    expect_invalid(m, vx_vmx_vmlaunch(v));
    expect_invalid(m, vx_vmx_vmresume(v));
    expect_invalid(m, do_vmread(v));
    expect_invalid(m, do_vmwrite(v));
    expect_invalid(m, vx_vmx_vmcall(v));
    expect_invalid(m, vx_vmx_vmclear(v, VMXON_REGION));
    expect_success(m, vx_vmx_vmptrld(v, SHADOW_REGION));
    expect_invalid(m, vx_vmx_vmlaunch(v)); /* a shadow VMCS cannot be entered */
    machine_write(m, VX_VMCS_GUEST_RIP, 7);
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_RIP), 7);
    v->caps.allowed1[VX_WORD_CPU2] &= ~(uint64_t)VX_CPU2_VMCS_SHADOWING;
    expect_error(m, vx_vmx_vmptrld(v, SHADOW_REGION), 11);
}

/* ---- fields and regions ---- */

static void read_back_of_every_field(void **state)
{
    machine *m = *state;
    machine_ready(m);
    m->vmx.caps.misc |= VX_VMX_MISC_VMWRITE_ANY;
    const vx_vmcs_field *f;
    for (unsigned i = 0; (f = vx_vmcs_field_at(i)) != NULL; i++) {
        uint64_t value = 0x0123456789ABCDEFULL * (2 * i + 1);
        machine_write(m, f->encoding, value);
        unsigned bytes = vx_vmcs_bytes_of(f->encoding);
        assert_int_equal(machine_read(m, f->encoding), bytes == 8 ? value : value & ((1ULL << 8 * bytes) - 1));
        if (vx_vmcs_width_of(f->encoding) == VX_VMCS_64)
            assert_int_equal(machine_read(m, f->encoding | 1U), value >> 32);
    }
}

/* Outside 64-bit mode operands have 32 bits: encodings too. */
static void narrow_operands(void **state)
{
    machine *m = *state;
    machine_ready(m);
    m->vmx.state.efer = 0;
    m->vmx.state.segment[VX_CS].rights = 0xC09B;
    machine_write(m, VX_VMCS_TSC_OFFSET, 0x1111222233334444);
    assert_int_equal(machine_read(m, VX_VMCS_TSC_OFFSET), 0x33334444);
    machine_write(m, VX_VMCS_TSC_OFFSET + 1, 0x55556666);
    assert_int_equal(vx_vmcs_get(&m->vmx.vmcs, VX_VMCS_TSC_OFFSET), 0x5555666633334444);
    assert_int_equal(vx_vmx_vmread(&m->vmx, 1ULL << 32 | VX_VMCS_TSC_OFFSET).value, 0x33334444);
}

/* As kvm-unit-tests does: the region of a cleared VMCS is copied, and the copy loaded. */
static void cleared_region_can_be_copied(void **state)
{
    machine *m = *state;
    machine_launched(m);
    machine_cpuid(m);
    machine_write(m, VX_VMCS_GUEST_RIP, 0x1234);
    expect_success(m, vx_vmx_vmclear(&m->vmx, VMCS_A));
    memcpy(m->memory.base + VMCS_B, m->memory.base + VMCS_A, (m->vmx.caps.basic >> 32) & 0x1FFF);
    expect_success(m, vx_vmx_vmptrld(&m->vmx, VMCS_B));
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_RIP), 0x1234);
    assert_int_equal(vx_vmx_vmptrst(&m->vmx).value, VMCS_B);
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED); /* its launch state is clear */
}

/* Two VMCSs in turn: each keeps its data and its launch state. */
static void switching_between_two(void **state)
{
    machine *m = *state;
    machine_launched(m);
    machine_cpuid(m);
    machine_write(m, VX_VMCS_GUEST_RSP, 0xA);
    expect_success(m, vx_vmx_vmclear(&m->vmx, VMCS_B));
    expect_success(m, vx_vmx_vmptrld(&m->vmx, VMCS_B));
    machine_write(m, VX_VMCS_GUEST_RSP, 0xB);
    expect_error(m, vx_vmx_vmresume(&m->vmx), 5);
    expect_success(m, vx_vmx_vmptrld(&m->vmx, VMCS_A));
    expect_success(m, vx_vmx_vmptrld(&m->vmx, VMCS_A)); /* again: nothing is lost */
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_RSP), 0xA);
    assert_int_equal(vx_vmx_vmresume(&m->vmx).kind, VX_VMX_ENTERED);
    machine_cpuid(m);
    expect_success(m, vx_vmx_vmptrld(&m->vmx, VMCS_B));
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_RSP), 0xB);
}

/* A region full of ones: fields have no bits beyond their width. */
static void garbage_in_a_region(void **state)
{
    machine *m = *state;
    machine_ready(m);
    memset(m->memory.base + VMCS_B + 8, 0xFF, 4088);
    expect_success(m, vx_vmx_vmptrld(&m->vmx, VMCS_B));
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_CS_SELECTOR), 0xFFFF);
    expect_error(m, vx_vmx_vmlaunch(&m->vmx), 4);
    expect_success(m, vx_vmx_vmclear(&m->vmx, VMCS_B));
    expect_success(m, vx_vmx_vmptrld(&m->vmx, VMCS_B));
    expect_error(m, vx_vmx_vmlaunch(&m->vmx), 7);
}

/* ---- INVEPT, INVVPID ---- */

static void invalidations(void **state)
{
    machine *m = *state;
    vx_vmx *v = &m->vmx;
    machine_ready(m);
    const uint64_t eptp[2] = {0x5000 | 3 << 3 | 6, 0}, bad_eptp[2] = {0x5000 | 3 << 3 | 1, 0};
    vx_vmx_result result = vx_vmx_invept(v, 1, eptp);
    expect_success(m, result);
    assert_true(result.drops && result.drop.op == VX_OP_INVEPT_CONTEXT && result.drop.nested_root == 0x5000);
    result = vx_vmx_invept(v, 2, bad_eptp);
    expect_success(m, result);
    assert_true(result.drops && result.drop.op == VX_OP_INVEPT_ALL);
    expect_error(m, vx_vmx_invept(v, 1, bad_eptp), 28);
    expect_error(m, vx_vmx_invept(v, 3, eptp), 28);

    static const vx_mmu_op ops[] = {VX_OP_INVVPID_ADDRESS, VX_OP_INVVPID_CONTEXT, VX_OP_INVVPID_ALL,
                                    VX_OP_INVVPID_KEEP_GLOBAL};
    const uint64_t good[2] = {5, 0x1000}, zero[2] = {0, 0x1000}, reserved[2] = {1 << 16 | 5, 0},
                   far[2] = {5, 1ULL << 60};
    for (uint64_t type = 0; type < 4; type++) {
        result = vx_vmx_invvpid(v, type, good);
        expect_success(m, result);
        assert_true(result.drops && result.drop.op == ops[type] && result.drop.vpid == 5);
        if (type == 2)
            expect_success(m, vx_vmx_invvpid(v, type, zero));
        else
            expect_error(m, vx_vmx_invvpid(v, type, zero), 28);
        expect_error(m, vx_vmx_invvpid(v, type, reserved), 28);
        if (type == 0) expect_error(m, vx_vmx_invvpid(v, type, far), 28);
    }
    expect_error(m, vx_vmx_invvpid(v, 4, good), 28);
    v->caps.ept_vpid &= ~VX_VPID_CAP_TYPE(3);
    expect_error(m, vx_vmx_invvpid(v, 3, good), 28);
    v->caps.ept_vpid = 0;
    expect_fault(vx_vmx_invept(v, 1, eptp), 6);
    expect_fault(vx_vmx_invvpid(v, 1, good), 6);
}

static void all_reachable_errors_were_seen(void **state)
{
    (void)state;
    unsigned reachable = 0, named = 0;
    for (unsigned number = 0; number < 32; number++) {
        named += vx_vmx_error_text(number) != NULL;
        reachable += vx_vmx_error_reachable(number);
        if (vx_vmx_error_reachable(number) && !error_seen[number]) fail_msg("error %u was never seen", number);
    }
    printf(
        "coverage: VM-instruction errors %u of %u in the manual (the others belong to SMM's dual-monitor treatment)\n",
        reachable, named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outside_vmx_operation),
        cmocka_unit_test(wrong_modes_in_root),
        cmocka_unit_test(all_exit_in_non_root),
        cmocka_unit_test(vmxon_conditions),
        cmocka_unit_test(every_error_number),
        cmocka_unit_test(without_current_vmcs),
        cmocka_unit_test(read_back_of_every_field),
        cmocka_unit_test(narrow_operands),
        cmocka_unit_test(cleared_region_can_be_copied),
        cmocka_unit_test(switching_between_two),
        cmocka_unit_test(garbage_in_a_region),
        cmocka_unit_test(invalidations),
        cmocka_unit_test(all_reachable_errors_were_seen),
    };
    return cmocka_run_group_tests_name("vmx_instructions", tests, machine_open, machine_close);
}
