/* VM entries and VM exits: what is loaded, saved, recorded, and what follows from failures. */
#include <string.h>

#include "test_support.h"
#include "vmx_machine.h"

#define B(n) (1ULL << (n))

/* ---- there and back ---- */

/* Fields of the guest-state area that an exit right after the entry may not change. */
static void saved_equals_loaded(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_or(m, VX_VMCS_EXIT_CONTROLS, B(2) | B(18) | B(20) | B(22) | B(30));
    machine_or(m, VX_VMCS_ENTRY_CONTROLS, B(2) | B(13) | B(14) | B(15) | B(16) | B(18) | B(19) | B(20) | B(21) | B(22));
    machine_or(m, VX_VMCS_PIN_CONTROLS, B(6) | B(3) | B(5));
    static const struct {
        uint32_t encoding;
        uint64_t value;
    } values[] = {{VX_VMCS_GUEST_DR7, 0x455},         {VX_VMCS_GUEST_DEBUGCTL, 1},
                  {VX_VMCS_GUEST_SYSENTER_CS, 0x77},  {VX_VMCS_GUEST_SYSENTER_ESP, 0x1234567},
                  {VX_VMCS_GUEST_SYSENTER_EIP, 0x89}, {VX_VMCS_GUEST_PERF_GLOBAL_CTRL, 3},
                  {VX_VMCS_GUEST_BNDCFGS, 0x7001},    {VX_VMCS_GUEST_RTIT_CTL, 0x100},
                  {VX_VMCS_GUEST_UINV, 0x44},         {VX_VMCS_GUEST_S_CET, 3},
                  {VX_VMCS_GUEST_SSP, 0x8880},        {VX_VMCS_GUEST_SSP_TABLE, 0x9990},
                  {VX_VMCS_GUEST_LBR_CTL, 3},         {VX_VMCS_GUEST_PKRS, 0x55555555},
                  {VX_VMCS_PREEMPTION_TIMER, 1000},   {VX_VMCS_GUEST_FS_BASE, 0x123456789AB},
                  {VX_VMCS_GUEST_GDTR_BASE, 0x5000},  {VX_VMCS_GUEST_IDTR_LIMIT, 0xFFF},
                  {VX_VMCS_GUEST_ACTIVITY, 1},        {VX_VMCS_GUEST_INTERRUPTIBILITY, 8},
                  {VX_VMCS_GUEST_LDTR_RIGHTS, 0x82},  {VX_VMCS_GUEST_LDTR_BASE, 0x6000},
                  {VX_VMCS_GUEST_TR_BASE, 0x7000},    {VX_VMCS_GUEST_RFLAGS, 0x202}};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) machine_write(m, values[i].encoding, values[i].value);
    vx_vmcs_image before = m->vmx.vmcs;
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
    vx_vmx_result result = vx_vmx_exit(&m->vmx, &(vx_exit){.reason = VX_EXIT_EXTERNAL_INTERRUPT});
    assert_int_equal(result.kind, VX_VMX_EXIT);
    const vx_vmcs_field *f;
    for (unsigned i = 0; (f = vx_vmcs_field_at(i)) != NULL; i++) {
        if (vx_vmcs_type_of(f->encoding) != VX_VMCS_GUEST) continue;
        if (vx_vmcs_get(&m->vmx.vmcs, f->encoding) != vx_vmcs_get(&before, f->encoding))
            fail_msg("%s was 0x%llx, is 0x%llx", f->name, (unsigned long long)vx_vmcs_get(&before, f->encoding),
                     (unsigned long long)vx_vmcs_get(&m->vmx.vmcs, f->encoding));
    }
}

/* Without the controls that save and load them, these registers pass through a transition. */
static void uncontrolled_registers_stay(void **state)
{
    machine *m = *state;
    machine_ready(m);
    vx_vmx_state *s = &m->vmx.state;
    s->pat = 0x0606060606060606;
    s->dr7 = 0x401;
    s->debugctl = 2;
    s->perf_global_ctrl = 15;
    s->pkrs = 9;
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
    assert_int_equal(s->pat, 0x0606060606060606);
    assert_int_equal(s->dr7, 0x401);
    assert_int_equal(s->debugctl, 2);
    s->perf_global_ctrl = 7;
    machine_cpuid(m);
    assert_int_equal(s->pat, 0x0606060606060606);
    assert_int_equal(s->perf_global_ctrl, 7);
    assert_int_equal(s->dr7, 0x400); /* always set by an exit */
    assert_int_equal(s->debugctl, 0);
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_DR7), 0x400); /* the image's: not saved */
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_PKRS), 9);    /* saved wherever the processor has it */
}

static void host_state_is_loaded(void **state)
{
    machine *m = *state;
    machine_ready(m);
    vx_vmx_state *s = &m->vmx.state;
    machine_write(m, VX_VMCS_HOST_CR3, 0xABC000);
    machine_write(m, VX_VMCS_HOST_RIP, 0xFFFF800000001000);
    machine_write(m, VX_VMCS_HOST_RSP, 0x7777);
    machine_write(m, VX_VMCS_HOST_FS_BASE, 0xF5);
    machine_write(m, VX_VMCS_HOST_GS_BASE, 0x65);
    machine_write(m, VX_VMCS_HOST_TR_BASE, 0x77);
    machine_write(m, VX_VMCS_HOST_GDTR_BASE, 0x67);
    machine_write(m, VX_VMCS_HOST_IDTR_BASE, 0x1D);
    machine_write(m, VX_VMCS_HOST_SYSENTER_EIP, 0x5E);
    machine_write(m, VX_VMCS_HOST_DS_SELECTOR, 0);
    machine_write(m, VX_VMCS_HOST_PAT, 0x0101010101010101);
    machine_or(m, VX_VMCS_EXIT_CONTROLS, B(19) | B(23) | B(26) | B(27) | B(29));
    machine_write(m, VX_VMCS_HOST_PKRS, 0x33);
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
    s->bndcfgs = s->lbr_ctl = 1;
    s->uinv = 3;
    s->cr0 |= B(30) | B(29); /* CD and NW are not modified by the exit */
    s->interruptibility = VX_BLOCKING_STI;
    s->monitor_armed = true;
    s->rflags = 0xFD7;
    machine_cpuid(m);
    assert_int_equal(s->cr0, 0x80000031 | B(30) | B(29));
    assert_int_equal(s->cr3, 0xABC000);
    assert_int_equal(s->rip, 0xFFFF800000001000);
    assert_int_equal(s->rsp, 0x7777);
    assert_int_equal(s->rflags, 2);
    assert_int_equal(s->efer, 0x500);
    assert_int_equal(s->pat, 0x0101010101010101);
    assert_int_equal(s->pkrs, 0x33);
    assert_true(s->bndcfgs == 0 && s->lbr_ctl == 0 && s->uinv == 0);
    assert_int_equal(s->sysenter_eip, 0x5E);
    assert_int_equal(s->segment[VX_CS].rights, 0xA09B);
    assert_int_equal(s->segment[VX_CS].limit, 0xFFFFFFFF);
    assert_int_equal(s->segment[VX_SS].rights, 0xC093);
    assert_int_equal(s->segment[VX_DS].rights & B(16), B(16)); /* a null selector: unusable */
    assert_int_equal(s->segment[VX_TR].rights, 0x8B);
    assert_int_equal(s->segment[VX_TR].limit, 0x67);
    assert_int_equal(s->segment[VX_TR].base, 0x77);
    assert_int_equal(s->segment[VX_FS].base, 0xF5);
    assert_int_equal(s->segment[VX_LDTR].rights, B(16));
    assert_true(s->gdtr_base == 0x67 && s->gdtr_limit == 0xFFFF && s->idtr_base == 0x1D);
    assert_true(s->interruptibility == 0 && !s->monitor_armed && s->activity == VX_ACTIVE);
}

/* An unrestricted guest in real mode; the host gets its paging back. */
static void real_mode_guest(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_or(m, VX_VMCS_CPU_CONTROLS, B(31));
    machine_or(m, VX_VMCS_CPU2_CONTROLS, B(1) | B(7));
    machine_write(m, VX_VMCS_ENTRY_CONTROLS, machine_read(m, VX_VMCS_ENTRY_CONTROLS) & ~B(9));
    machine_write(m, VX_VMCS_GUEST_CR0, 0x20);
    machine_write(m, VX_VMCS_GUEST_CS_RIGHTS, 0x9B);
    machine_write(m, VX_VMCS_GUEST_CS_LIMIT, 0xFFFF);
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
    assert_int_equal(m->vmx.state.cr0 & 0x80000001, 0);
    assert_int_equal(m->vmx.state.efer & 0x400, 0);
    assert_int_equal(m->vmx.state.efer & 0x100, 0x100); /* LME stays while paging is off */
    machine_cpuid(m);
    assert_int_equal(m->vmx.state.cr0 & 0x80000001, 0x80000001);
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_CR0) & 0x80000001, 0);
    /* The guest switches to IA-32e mode by itself: the exit tells so in the entry control (IA32_VMX_MISC[5]). */
    assert_int_equal(vx_vmx_vmresume(&m->vmx).kind, VX_VMX_ENTERED);
    m->vmx.state.cr0 |= 0x80000001;
    m->vmx.state.efer |= 0x500;
    machine_cpuid(m);
    assert_int_equal(machine_read(m, VX_VMCS_ENTRY_CONTROLS) & B(9), B(9));
}

/* ---- information ---- */

static void exit_information_is_recorded(void **state)
{
    machine *m = *state;
    machine_launched(m);
    const vx_exit exit = {.reason = VX_EXIT_EPT_VIOLATION,
                          .reason_flags = VX_EXIT_FLAG_BUS_LOCK,
                          .qualification = 0x181,
                          .interruption = 0,
                          .error_code = 5,
                          .idt_vectoring = B(31) | 0x30E,
                          .idt_vectoring_error = 2,
                          .instruction_length = 3,
                          .instruction_information = 0x1234,
                          .linear = {0x1111},
                          .physical = {0x2222}};
    assert_int_equal(vx_vmx_exit(&m->vmx, &exit).number, 48);
    static const struct {
        uint32_t encoding;
        uint64_t value;
    } rows[] = {{VX_VMCS_EXIT_REASON, 48 | B(26)},
                {VX_VMCS_EXIT_QUALIFICATION, 0x181},
                {VX_VMCS_EXIT_ERROR_CODE, 5},
                {VX_VMCS_IDT_VECTORING_INFO, B(31) | 0x30E},
                {VX_VMCS_IDT_VECTORING_ERROR_CODE, 2},
                {VX_VMCS_EXIT_INSTRUCTION_LENGTH, 3},
                {VX_VMCS_EXIT_INSTRUCTION_INFO, 0x1234},
                {VX_VMCS_GUEST_LINEAR_ADDRESS, 0x1111},
                {VX_VMCS_GUEST_PHYSICAL_ADDRESS, 0x2222}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(machine_read(m, rows[i].encoding), rows[i].value);
}

/* 27.3.3: RF in the saved RFLAGS. */
static void saved_rf(void **state)
{
    machine *m = *state;
    static const struct {
        vx_exit exit;
        int rf; /* 0 cleared, 1 set, 2 kept */
    } rows[] = {{{.reason = VX_EXIT_CPUID}, 0},
                {{.reason = VX_EXIT_HLT}, 0},
                {{.reason = VX_EXIT_EXTERNAL_INTERRUPT}, 2},
                {{.reason = VX_EXIT_INTERRUPT_WINDOW}, 2},
                {{.reason = VX_EXIT_TPR_BELOW_THRESHOLD}, 2},
                {{.reason = VX_EXIT_EPT_VIOLATION}, 1},
                {{.reason = VX_EXIT_APIC_ACCESS}, 1},
                {{.reason = VX_EXIT_EPT_VIOLATION, .idt_vectoring = 0x80000020}, 2},
                {{.reason = VX_EXIT_EXCEPTION_NMI, .interruption = 0x80000B0E}, 1}, /* #PF */
                {{.reason = VX_EXIT_EXCEPTION_NMI, .interruption = 0x80000301}, 2}, /* #DB */
                {{.reason = VX_EXIT_EXCEPTION_NMI, .interruption = 0x80000603}, 2}, /* INT3 */
                {{.reason = VX_EXIT_EXCEPTION_NMI, .interruption = 0x80000202}, 2}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned before = 0; before < 2; before++) {
            machine_launched(m);
            m->vmx.state.rflags = 2 | (uint64_t)before << 16;
            vx_vmx_exit(&m->vmx, &rows[i].exit);
            unsigned expected = rows[i].rf == 2 ? before : (unsigned)rows[i].rf;
            assert_int_equal(machine_read(m, VX_VMCS_GUEST_RFLAGS) >> 16 & 1, expected);
        }
}

/* ---- failed entries, 26.8 ---- */

static void failed_entry(machine *m, unsigned reason, uint64_t qualification)
{
    vx_vmcs_image before = m->vmx.vmcs;
    vx_vmx_result result = vx_vmx_vmlaunch(&m->vmx);
    assert_int_equal(result.kind, VX_VMX_ENTRY_FAILED);
    assert_int_equal(result.number, reason);
    assert_int_equal(machine_read(m, VX_VMCS_EXIT_REASON), 1U << 31 | reason);
    assert_int_equal(machine_read(m, VX_VMCS_EXIT_QUALIFICATION), qualification);
    assert_int_equal(m->vmx.state.rip, 0x100000); /* the host's */
    assert_int_equal(m->vmx.state.rflags, 2);
    assert_int_equal(m->vmx.mode, VX_VMX_ROOT);
    /* Nothing else of the VMCS changes: no guest state, no other information, not the injection's valid bit. */
    vx_vmcs_set(&before, VX_VMCS_EXIT_REASON, 1U << 31 | reason);
    vx_vmcs_set(&before, VX_VMCS_EXIT_QUALIFICATION, qualification);
    assert_memory_equal(&before, &m->vmx.vmcs, sizeof before);
    assert_int_equal(vx_vmx_vmresume(&m->vmx).number, 5); /* and it is not launched */
}

static void failures_load_the_host(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_write(m, VX_VMCS_ENTRY_INTERRUPTION_INFO, B(31) | 0x306);
    machine_write(m, VX_VMCS_GUEST_CR0, 0);
    failed_entry(m, 33, 0);
    machine_ready(m);
    machine_write(m, VX_VMCS_LINK_POINTER, 1);
    failed_entry(m, 33, 4);
    machine_ready(m);
    machine_write(m, VX_VMCS_GUEST_RFLAGS, 0x202);
    machine_write(m, VX_VMCS_GUEST_INTERRUPTIBILITY, 1);
    machine_write(m, VX_VMCS_ENTRY_INTERRUPTION_INFO, B(31) | 0x202);
    failed_entry(m, 33, 3);
}

/* Entries of an MSR area that cannot be loaded: 26.4. */
static void failing_msr_loads(void **state)
{
    machine *m = *state;
    static const struct {
        uint64_t index, value;
    } bad[] = {{0xC0000100, 0},   {0xC0000101, 0},     {0x808, 0},     {0x8FF, 0},         {0x9B, 0},
               {B(32) | 0x10, 0}, {0xC0000082, B(60)}, {0x277, 2},     {0xC0000080, B(1)}, {0xC0000080, 0},
               {0x480, 0},        {0x12345678, 0},     {0x174, B(32)}, {0x38F, B(20)},     {0x3A, 5}};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        machine_ready(m);
        machine_msr(m, MSR_ENTRY_LOAD, 0, 0xC0000102, 0x1111);
        machine_msr(m, MSR_ENTRY_LOAD, 1, bad[i].index, bad[i].value);
        machine_write(m, VX_VMCS_ENTRY_MSR_LOAD_ADDRESS, MSR_ENTRY_LOAD);
        machine_write(m, VX_VMCS_ENTRY_MSR_LOAD_COUNT, 2);
        failed_entry(m, 34, 2);
        assert_int_equal(m->vmx.state.kernel_gs_base, 0x1111); /* the first entry was processed */
    }
}

static void msr_areas(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_msr(m, MSR_ENTRY_LOAD, 0, 0xC0000102, 0xA);
    machine_msr(m, MSR_ENTRY_LOAD, 1, 0xC0000080, 0xD01); /* LMA is not written, NXE and SCE are */
    machine_msr(m, MSR_EXIT_STORE, 0, 0xC0000102, 0);
    machine_msr(m, MSR_EXIT_STORE, 1, 0x480, 0);
    machine_msr(m, MSR_EXIT_LOAD, 0, 0xC0000102, 0xC);
    machine_write(m, VX_VMCS_ENTRY_MSR_LOAD_ADDRESS, MSR_ENTRY_LOAD);
    machine_write(m, VX_VMCS_ENTRY_MSR_LOAD_COUNT, 2);
    machine_write(m, VX_VMCS_EXIT_MSR_STORE_ADDRESS, MSR_EXIT_STORE);
    machine_write(m, VX_VMCS_EXIT_MSR_STORE_COUNT, 2);
    machine_write(m, VX_VMCS_EXIT_MSR_LOAD_ADDRESS, MSR_EXIT_LOAD);
    machine_write(m, VX_VMCS_EXIT_MSR_LOAD_COUNT, 1);
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
    assert_int_equal(m->vmx.state.kernel_gs_base, 0xA);
    assert_int_equal(m->vmx.state.efer, 0xD01);
    m->vmx.state.kernel_gs_base = 0xB;
    machine_cpuid(m);
    assert_int_equal(vx_physmem_read64(&m->memory, (vx_hpa){MSR_EXIT_STORE + 8}), 0xB);
    assert_int_equal(vx_physmem_read64(&m->memory, (vx_hpa){MSR_EXIT_STORE + 24}), m->vmx.caps.basic);
    assert_int_equal(m->vmx.state.kernel_gs_base, 0xC);
}

/* ---- VMX aborts, 27.7 ---- */

static void expect_abort(machine *m, unsigned indicator)
{
    vx_vmx_result result = machine_cpuid(m);
    assert_int_equal(result.kind, VX_VMX_ABORT);
    assert_int_equal(result.number, indicator);
    assert_int_equal(vx_physmem_read32(&m->memory, (vx_hpa){VMCS_A + 4}), indicator);
    assert_int_equal(m->vmx.mode, VX_VMX_SHUTDOWN);
    assert_int_equal(vx_vmx_vmxoff(&m->vmx).kind, VX_VMX_DEAD);
    assert_int_equal(vx_vmx_vmxon(&m->vmx, VMXON_REGION).kind, VX_VMX_DEAD);
    assert_int_equal(machine_cpuid(m).kind, VX_VMX_DEAD);
    assert_int_equal(vx_vmx_boundary(&m->vmx, NULL).kind, VX_VMX_DEAD);
    assert_int_equal(vx_vmx_vmfunc(&m->vmx, 0, 0).kind, VX_VMX_DEAD);
}

static void aborts(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_msr(m, MSR_EXIT_STORE, 0, 0x9E, 0); /* IA32_SMBASE */
    machine_write(m, VX_VMCS_EXIT_MSR_STORE_ADDRESS, MSR_EXIT_STORE);
    machine_write(m, VX_VMCS_EXIT_MSR_STORE_COUNT, 1);
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
    expect_abort(m, 1);

    machine_ready(m);
    machine_msr(m, MSR_EXIT_LOAD, 0, 0x800, 0);
    machine_write(m, VX_VMCS_EXIT_MSR_LOAD_ADDRESS, MSR_EXIT_LOAD);
    machine_write(m, VX_VMCS_EXIT_MSR_LOAD_COUNT, 1);
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
    expect_abort(m, 4);
}

/* A 32-bit host with PAE paging. */
static void narrow_host(machine *m)
{
    machine_ready(m);
    machine_write(m, VX_VMCS_EXIT_CONTROLS, machine_read(m, VX_VMCS_EXIT_CONTROLS) & ~B(9));
    machine_write(m, VX_VMCS_ENTRY_CONTROLS, machine_read(m, VX_VMCS_ENTRY_CONTROLS) & ~B(9));
    machine_write(m, VX_VMCS_GUEST_CS_RIGHTS, 0xC09B);
    machine_write(m, VX_VMCS_HOST_CR3, HOST_PDPTES);
    m->vmx.state.efer = 0;
    m->vmx.state.segment[VX_CS].rights = 0xC09B;
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
}

static void narrow_host_aborts(void **state)
{
    machine *m = *state;
    narrow_host(m);
    vx_physmem_write64(&m->memory, (vx_hpa){HOST_PDPTES + 24}, 0x9001);
    assert_int_equal(machine_cpuid(m).kind, VX_VMX_EXIT);
    assert_int_equal(m->vmx.state.pdpte[3], 0x9001);
    assert_int_equal(m->vmx.state.segment[VX_CS].rights, 0xC09B);
    assert_int_equal(m->vmx.state.efer, 0);
    narrow_host(m);
    vx_physmem_write64(&m->memory, (vx_hpa){HOST_PDPTES + 8}, 3); /* bit 1 is reserved */
    expect_abort(m, 2);
    narrow_host(m);
    m->vmx.state.efer = 0x500; /* the guest has entered IA-32e mode */
    expect_abort(m, 6);
}

/* ---- injection and what is in force after an entry ---- */

static vx_vmx_result inject(machine *m, uint64_t info)
{
    machine_write(m, VX_VMCS_ENTRY_INTERRUPTION_INFO, info);
    vx_vmx_result result = vx_vmx_vmlaunch(&m->vmx);
    assert_int_equal(result.kind, VX_VMX_ENTERED);
    return result;
}

static void injection(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_write(m, VX_VMCS_ENTRY_ERROR_CODE, 7);
    machine_write(m, VX_VMCS_GUEST_ACTIVITY, 1);
    machine_write(m, VX_VMCS_GUEST_RFLAGS, 0x202);
    vx_vmx_result result = inject(m, B(31) | 0x301); /* #DB into HLT */
    assert_int_equal(result.injected, B(31) | 0x301);
    assert_int_equal(m->vmx.state.activity, VX_ACTIVE);
    machine_cpuid(m);
    assert_int_equal(machine_read(m, VX_VMCS_ENTRY_INTERRUPTION_INFO), 0x301); /* the valid bit is cleared */

    machine_ready(m);
    machine_write(m, VX_VMCS_ENTRY_ERROR_CODE, 7);
    result = inject(m, B(31) | B(11) | 0x30E);
    assert_int_equal(result.injected_error, 7);

    machine_ready(m); /* an NMI blocks NMIs */
    inject(m, B(31) | 0x202);
    assert_int_equal(m->vmx.state.interruptibility, VX_BLOCKING_NMI);
    machine_ready(m);
    machine_or(m, VX_VMCS_PIN_CONTROLS, B(3) | B(5));
    inject(m, B(31) | 0x202);
    assert_true(m->vmx.state.virtual_nmi_blocking && m->vmx.state.interruptibility == 0);
    machine_cpuid(m);
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_INTERRUPTIBILITY), 8);
    assert_int_equal(m->vmx.state.interruptibility, 0);
}

static void nmi_exit_blocks_nmis(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_or(m, VX_VMCS_PIN_CONTROLS, B(3));
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
    vx_vmx_result result = vx_vmx_guest_event(&m->vmx, &(vx_guest_event){.kind = VX_EVENT_NMI});
    assert_int_equal(result.kind, VX_VMX_EXIT);
    assert_int_equal(machine_read(m, VX_VMCS_EXIT_INTERRUPTION_INFO), B(31) | 0x202);
    assert_int_equal(m->vmx.state.interruptibility, VX_BLOCKING_NMI);
}

/* 26.7.3: which pending debug exceptions survive an entry. */
static void pending_debug(void **state)
{
    machine *m = *state;
    static const struct {
        uint64_t info, interruptibility;
        bool kept;
    } rows[] = {{0, 0, true},
                {B(31) | 0x306, 0, false},
                {B(31) | 0x480, 0, false},
                {B(31) | 0x480, 2, true},
                {B(31) | 0x603, 2, true},
                {B(31) | 0x501, 2, false}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        machine_ready(m);
        machine_write(m, VX_VMCS_ENTRY_INSTRUCTION_LENGTH, 1);
        machine_write(m, VX_VMCS_GUEST_PENDING_DEBUG, B(12) | 1);
        machine_write(m, VX_VMCS_GUEST_INTERRUPTIBILITY, rows[i].interruptibility);
        inject(m, rows[i].info);
        assert_int_equal(m->vmx.state.pending_debug, rows[i].kept ? B(12) | 1 : 0);
    }
    /* Delivered at the boundary: to the guest, or as an exit where the bitmap says so. */
    machine_ready(m);
    machine_write(m, VX_VMCS_GUEST_PENDING_DEBUG, B(12) | 1);
    inject(m, 0);
    vx_vmx_result result = vx_vmx_boundary(&m->vmx, NULL);
    assert_true(result.kind == VX_VMX_DELIVERS && result.injected == (B(31) | 0x301));
    machine_ready(m);
    machine_write(m, VX_VMCS_GUEST_PENDING_DEBUG, B(14) | 2);
    machine_write(m, VX_VMCS_EXCEPTION_BITMAP, 2);
    inject(m, 0);
    result = vx_vmx_boundary(&m->vmx, NULL);
    assert_true(result.kind == VX_VMX_EXIT && result.number == 0);
    assert_int_equal(machine_read(m, VX_VMCS_EXIT_QUALIFICATION), B(14) | 2);
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_PENDING_DEBUG), 0);
}

/* Everything at once: the exits come in the order of 26.7.7, 26.7.8, 26.7.3, 25.5.1, 26.7.6, 26.7.5. */
static void boundary_priorities(void **state)
{
    machine *m = *state;
    static const uint32_t order[] = {VX_EXIT_TPR_BELOW_THRESHOLD, VX_EXIT_MONITOR_TRAP_FLAG, VX_EXIT_EXCEPTION_NMI,
                                     VX_EXIT_PREEMPTION_TIMER,    VX_EXIT_NMI_WINDOW,        VX_EXIT_INTERRUPT_WINDOW};
    machine_ready(m);
    machine_or(m, VX_VMCS_PIN_CONTROLS, B(3) | B(5) | B(6));
    machine_or(m, VX_VMCS_CPU_CONTROLS, B(2) | B(21) | B(22) | B(31));
    machine_or(m, VX_VMCS_CPU2_CONTROLS, B(0));
    machine_write(m, VX_VMCS_VIRTUAL_APIC_ADDRESS, VIRTUAL_APIC);
    machine_write(m, VX_VMCS_TPR_THRESHOLD, 1);
    machine_write(m, VX_VMCS_PREEMPTION_TIMER, 0);
    machine_write(m, VX_VMCS_EXCEPTION_BITMAP, 2);
    machine_write(m, VX_VMCS_GUEST_RFLAGS, 0x202);
    for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
        machine_write(m, VX_VMCS_GUEST_PENDING_DEBUG, i < 3 ? B(12) : 0);
        machine_write(m, VX_VMCS_ENTRY_INTERRUPTION_INFO, i < 2 ? B(31) | 0x700 : 0);
        if (i == 1) machine_write(m, VX_VMCS_TPR_THRESHOLD, 0);
        if (i == 4) machine_write(m, VX_VMCS_PREEMPTION_TIMER, 1000);
        if (i == 5) machine_write(m, VX_VMCS_CPU_CONTROLS, machine_read(m, VX_VMCS_CPU_CONTROLS) & ~B(22));
        assert_int_equal((i ? vx_vmx_vmresume(&m->vmx) : vx_vmx_vmlaunch(&m->vmx)).kind, VX_VMX_ENTERED);
        vx_vmx_result result = vx_vmx_boundary(&m->vmx, NULL);
        assert_int_equal(result.kind, VX_VMX_EXIT);
        assert_int_equal(result.number, order[i]);
    }
    machine_write(m, VX_VMCS_GUEST_RFLAGS, 2); /* IF is 0: nothing is left */
    assert_int_equal(vx_vmx_vmresume(&m->vmx).kind, VX_VMX_ENTERED);
    assert_int_equal(vx_vmx_boundary(&m->vmx, NULL).kind, VX_VMX_CONTINUES);
}

/* With the control, one instruction is executed before the exit. */
static void monitor_trap_flag(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_or(m, VX_VMCS_CPU_CONTROLS, B(27));
    inject(m, 0);
    assert_int_equal(vx_vmx_boundary(&m->vmx, NULL).kind, VX_VMX_CONTINUES);
    assert_int_equal(vx_vmx_boundary(&m->vmx, NULL).number, VX_EXIT_MONITOR_TRAP_FLAG);
    machine_ready(m);
    machine_or(m, VX_VMCS_CPU_CONTROLS, B(27));
    inject(m, B(31) | 0x306); /* after a vectored event at once */
    assert_int_equal(vx_vmx_boundary(&m->vmx, NULL).number, VX_EXIT_MONITOR_TRAP_FLAG);
}

/* What is pending outside comes in with the rest. */
static void outside_events(void **state)
{
    machine *m = *state;
    machine_ready(m);
    inject(m, 0);
    vx_pending nmi = {.nmi = true};
    vx_vmx_result result = vx_vmx_boundary(&m->vmx, &nmi);
    assert_true(result.kind == VX_VMX_DELIVERS && result.injected == (B(31) | 0x202));
    assert_int_equal(m->vmx.state.interruptibility, VX_BLOCKING_NMI);
    assert_int_equal(vx_vmx_boundary(&m->vmx, &nmi).kind, VX_VMX_CONTINUES); /* blocked now */
    vx_pending init = {.init = true, .nmi = true};
    result = vx_vmx_boundary(&m->vmx, &init);
    assert_true(result.kind == VX_VMX_EXIT && result.number == VX_EXIT_INIT_SIGNAL);
    assert_int_equal(result.boundary.cause, VX_BOUNDARY_INIT);
    assert_int_equal(vx_vmx_boundary(&m->vmx, &init).kind, VX_VMX_CONTINUES); /* root operation blocks INIT */
}

static void preemption_timer(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_or(m, VX_VMCS_PIN_CONTROLS, B(6));
    machine_or(m, VX_VMCS_EXIT_CONTROLS, B(22));
    machine_write(m, VX_VMCS_PREEMPTION_TIMER, 10);
    inject(m, 0);
    m->vmx.state.tsc += 5 * 32; /* counts once in 32 ticks */
    assert_int_equal(vx_vmx_boundary(&m->vmx, NULL).kind, VX_VMX_CONTINUES);
    machine_cpuid(m);
    assert_int_equal(machine_read(m, VX_VMCS_PREEMPTION_TIMER), 5);
    assert_int_equal(vx_vmx_vmresume(&m->vmx).kind, VX_VMX_ENTERED);
    m->vmx.state.tsc += 5 * 32;
    assert_int_equal(vx_vmx_boundary(&m->vmx, NULL).number, VX_EXIT_PREEMPTION_TIMER);
    assert_int_equal(machine_read(m, VX_VMCS_PREEMPTION_TIMER), 0);
}

/* ---- non-root operation ---- */

static void io_bitmaps_of_memory(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_or(m, VX_VMCS_CPU_CONTROLS, B(25));
    machine_write(m, VX_VMCS_IO_BITMAP_A, BITMAP_A);
    machine_write(m, VX_VMCS_IO_BITMAP_B, BITMAP_B);
    m->memory.base[BITMAP_A + 0x60 / 8] = 1;
    m->memory.base[BITMAP_B + (0x8001 - 0x8000) / 8] = 2;
    inject(m, 0);
    vx_guest_event in = {.kind = VX_EVENT_IN, .selector = 0x61, .bytes = 1};
    assert_int_equal(vx_vmx_guest_event(&m->vmx, &in).kind, VX_VMX_CONTINUES);
    in.selector = 0x60;
    assert_int_equal(vx_vmx_guest_event(&m->vmx, &in).number, VX_EXIT_IO_INSTRUCTION);
    assert_int_equal(vx_vmx_vmresume(&m->vmx).kind, VX_VMX_ENTERED);
    in.selector = 0x8001;
    assert_int_equal(vx_vmx_guest_event(&m->vmx, &in).number, VX_EXIT_IO_INSTRUCTION);
}

static void vmcs_shadowing(void **state)
{
    machine *m = *state;
    vx_vmx *v = &m->vmx;
    machine_ready(m);
    machine_or(m, VX_VMCS_CPU_CONTROLS, B(31));
    machine_or(m, VX_VMCS_CPU2_CONTROLS, B(14));
    machine_write(m, VX_VMCS_VMREAD_BITMAP, BITMAP_A);
    machine_write(m, VX_VMCS_VMWRITE_BITMAP, BITMAP_B);
    machine_write(m, VX_VMCS_LINK_POINTER, SHADOW_REGION);
    m->memory.base[BITMAP_B + VX_VMCS_GUEST_CR3 / 8] |= 1 << VX_VMCS_GUEST_CR3 % 8; /* VMWRITE of CR3 exits */
    inject(m, 0);
    assert_int_equal(vx_vmx_vmwrite(v, VX_VMCS_GUEST_RIP, 0xABC).kind, VX_VMX_SUCCEED);
    vx_vmx_result result = vx_vmx_vmread(v, VX_VMCS_GUEST_RIP);
    assert_true(result.kind == VX_VMX_SUCCEED && result.value == 0xABC);
    assert_int_equal(v->mode, VX_VMX_NON_ROOT);
    result = vx_vmx_vmread(v, 0x482C);
    assert_true(result.kind == VX_VMX_FAIL_VALID && result.number == 12);
    assert_int_equal(vx_vmx_vmread(v, VX_VMCS_INSTRUCTION_ERROR).value, 12); /* told in the shadow VMCS */
    result = vx_vmx_vmwrite(v, VX_VMCS_EXIT_REASON, 1);
    assert_true(result.kind == VX_VMX_FAIL_VALID && result.number == 13);
    result = vx_vmx_vmwrite(v, VX_VMCS_GUEST_CR3, 1);
    assert_true(result.kind == VX_VMX_EXIT && result.number == VX_EXIT_VMWRITE);
    assert_int_equal(machine_read(m, VX_VMCS_GUEST_RIP), 0x200000); /* the current VMCS is another */
    machine_write(m, VX_VMCS_LINK_POINTER, UINT64_MAX);
    assert_int_equal(vx_vmx_vmresume(v).kind, VX_VMX_ENTERED);
    assert_int_equal(vx_vmx_vmread(v, VX_VMCS_GUEST_RIP).kind, VX_VMX_FAIL_INVALID);
}

static void eptp_switching(void **state)
{
    machine *m = *state;
    vx_vmx *v = &m->vmx;
    machine_ready(m);
    machine_or(m, VX_VMCS_CPU_CONTROLS, B(31));
    machine_or(m, VX_VMCS_CPU2_CONTROLS, B(1) | B(13));
    machine_write(m, VX_VMCS_VM_FUNCTION_CONTROLS, 1);
    machine_write(m, VX_VMCS_EPTP_LIST_ADDRESS, EPTP_LIST);
    vx_physmem_write64(&m->memory, (vx_hpa){EPTP_LIST + 8}, 0x3000 | 3 << 3 | 6);
    vx_physmem_write64(&m->memory, (vx_hpa){EPTP_LIST + 16}, 0x3000 | 3 << 3 | 5); /* bad memory type */
    inject(m, 0);
    vx_vmx_result result = vx_vmx_vmfunc(v, 0, 1);
    assert_true(result.kind == VX_VMX_CONTINUES && result.drops);
    assert_int_equal(v->controls.eptp, 0x301E);
    assert_int_equal(vx_vmx_vmfunc(v, 64, 0).kind, VX_VMX_FAULT);
    result = vx_vmx_vmfunc(v, 0, 2);
    assert_true(result.kind == VX_VMX_EXIT && result.number == VX_EXIT_VMFUNC);
    assert_int_equal(machine_read(m, VX_VMCS_EXIT_INSTRUCTION_LENGTH), 3);
    assert_int_equal(machine_read(m, VX_VMCS_EPT_POINTER), 0x301E);
    assert_int_equal(machine_read(m, VX_VMCS_EPTP_INDEX), 1);
    assert_int_equal(vx_vmx_vmresume(v).kind, VX_VMX_ENTERED);
    assert_int_equal(vx_vmx_vmfunc(v, 0, 512).kind, VX_VMX_EXIT);
    assert_int_equal(vx_vmx_vmresume(v).kind, VX_VMX_ENTERED);
    assert_int_equal(vx_vmx_vmfunc(v, 1, 0).kind, VX_VMX_EXIT); /* not enabled */
}

/* TLB consequences: with VPID off both transitions drop VPID 0's mappings, with VPID on neither. */
static void translations_dropped(void **state)
{
    machine *m = *state;
    machine_ready(m);
    vx_vmx_result result = inject(m, 0);
    assert_true(result.drops && result.drop.op == VX_OP_VM_TRANSITION);
    assert_true(machine_cpuid(m).drops);
    machine_or(m, VX_VMCS_CPU_CONTROLS, B(31));
    machine_or(m, VX_VMCS_CPU2_CONTROLS, B(5));
    assert_false(vx_vmx_vmresume(&m->vmx).drops);
    assert_false(machine_cpuid(m).drops);
}

/* The structure that decides exits holds its fields whole, both ways. */
static void decision_and_back(void **state)
{
    (void)state;
    vx_vmcs_image image = {{0}}, back = {{0}};
    vx_vmcs decision, again;
    const vx_vmcs_field *f;
    for (unsigned i = 0; (f = vx_vmcs_field_at(i)) != NULL; i++)
        vx_vmcs_set(&image, f->encoding, 0x9E3779B97F4A7C15ULL * (i + 1));
    vx_vmcs_decision(&decision, &image, NULL);
    vx_vmcs_image_decide(&back, &decision);
    unsigned held = 0;
    for (unsigned i = 0; (f = vx_vmcs_field_at(i)) != NULL; i++) {
        uint64_t value = vx_vmcs_get(&back, f->encoding);
        if (value) assert_int_equal(value, vx_vmcs_get(&image, f->encoding));
        held += value != 0;
    }
    assert_in_range(held, 40, 60);
    assert_int_equal(vx_vmcs_get(&back, VX_VMCS_CPU2_CONTROLS), decision.cpu2);
    vx_vmcs_decision(&again, &back, NULL);
    assert_memory_equal(&again, &decision, sizeof again);
}

static bool other_msr(void *context, uint32_t index, bool write, uint64_t *value)
{
    uint64_t *held = context;
    if (index != 0x12345678) return false;
    if (write)
        *held = *value;
    else
        *value = *held;
    return true;
}

static void msrs_of_the_caller(void **state)
{
    machine *m = *state;
    uint64_t held = 0, value = 0;
    machine_reset(m);
    assert_false(vx_vmx_rdmsr(&m->vmx, 0x12345678, &value));
    m->vmx.msr = other_msr;
    m->vmx.msr_context = &held;
    assert_true(vx_vmx_wrmsr(&m->vmx, 0x12345678, 7) && held == 7);
    assert_true(vx_vmx_rdmsr(&m->vmx, 0x12345678, &value) && value == 7);
    assert_false(vx_vmx_wrmsr(&m->vmx, 0x12345679, 7));
    assert_true(vx_vmx_rdmsr(&m->vmx, 0x480, &value) && value == m->vmx.caps.basic);
    m->vmx.caps.isa.cet = false;
    assert_false(vx_vmx_rdmsr(&m->vmx, 0x6A2, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_equals_loaded),
        cmocka_unit_test(uncontrolled_registers_stay),
        cmocka_unit_test(host_state_is_loaded),
        cmocka_unit_test(real_mode_guest),
        cmocka_unit_test(exit_information_is_recorded),
        cmocka_unit_test(saved_rf),
        cmocka_unit_test(failures_load_the_host),
        cmocka_unit_test(failing_msr_loads),
        cmocka_unit_test(msr_areas),
        cmocka_unit_test(aborts),
        cmocka_unit_test(narrow_host_aborts),
        cmocka_unit_test(injection),
        cmocka_unit_test(nmi_exit_blocks_nmis),
        cmocka_unit_test(pending_debug),
        cmocka_unit_test(boundary_priorities),
        cmocka_unit_test(monitor_trap_flag),
        cmocka_unit_test(outside_events),
        cmocka_unit_test(preemption_timer),
        cmocka_unit_test(io_bitmaps_of_memory),
        cmocka_unit_test(vmcs_shadowing),
        cmocka_unit_test(eptp_switching),
        cmocka_unit_test(translations_dropped),
        cmocka_unit_test(decision_and_back),
        cmocka_unit_test(msrs_of_the_caller),
    };
    return cmocka_run_group_tests_name("vmx_transitions", tests, machine_open, machine_close);
}
