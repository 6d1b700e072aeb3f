/* What KVM of Linux 6.1 intercepts, whatever its memory algorithm (arch/x86/kvm/vmx/vmx.c and svm/svm.c, defaults).
 *
 * Intel: CR0 belongs to the host but for TS; of CR4 the guest owns the bits that concern no translation, and PGE where
 * there is EPT; the TSC may be read, SYSENTER and segment bases read and written; in x2APIC mode the TPR too. AMD: CR0
 * writes exit where they change more than TS and MP, and all of them while the guest's CR0 is not what the processor
 * runs with (CD and NW are kept from it); CR4 exits always; the system-call MSRs are the guest's. On both: #UD exits,
 * debug registers exit once and are then the guest's until the next other exit. PAUSE loops exit where
 * the processor can tell. Page faults, CR3 and INVLPG are the
 * memory algorithm's business.
 *
 * NOT MODELLED: UMIP emulation, guests that KVM is told to let execute HLT,
 * MWAIT or PAUSE. */
#include "vmm_private.h"
#include "vx_exception.h"
#include "vx_svm.h"

#include <string.h>

#define EXCEPTIONS (1U << VX_VECTOR_DB | 1U << VX_VECTOR_UD | 1U << VX_VECTOR_AC | 1U << VX_VECTOR_MC)

/* CR4 bits of the guest: PVI, TSD, DE, PCE, OSFXSR, OSXMMEXCPT, FSGSBASE; PGE only where nothing shadows. */
#define CR4_GUEST_OWNED (1ULL << 1 | 1ULL << 2 | 1ULL << 3 | 1ULL << 8 | 1ULL << 9 | 1ULL << 10 | 1ULL << 16)
#define CR0_KEPT (VX_CR0_CD | VX_CR0_NW)

enum {
    MSR_TSC = 0x10,
    MSR_APIC_BASE = 0x1B,
    APIC_BASE_X2APIC = 3 << 10, /* enabled, in x2APIC mode */
    MSR_X2APIC_TPR = 0x808,
    SVM_DR_FIRST = 0x20,
    SVM_DR_PAST = 0x40,
    PLE_GAP = 128,     /* KVM_DEFAULT_PLE_GAP */
    PLE_WINDOW = 4096, /* KVM_VMX_DEFAULT_PLE_WINDOW */
    PLE_COUNT = 3000,  /* KVM_SVM_DEFAULT_PLE_WINDOW: PAUSEs, not ticks */
};

/* SYSENTER_CS, _ESP, _EIP, FS, GS and KernelGS base: of both vendors. */
static const uint32_t shared_msrs[] = {0x174, 0x175, 0x176, 0xC0000100, 0xC0000101, 0xC0000102};
/* STAR, LSTAR, CSTAR, FMASK. On Intel they are loaded lazily, and a write must be seen. */
static const uint32_t amd_msrs[] = {0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084};

/* SDM Vol. 3C 24.6.9: reads of low and high MSRs, then writes, 1 KiB each. */
static void open_intel(uint8_t *map, uint32_t msr, bool read, bool write)
{
    uint32_t low = msr & 0x1FFF;
    uint8_t *byte = map + (msr >= 0xC0000000 ? 1024 : 0) + low / 8, bit = (uint8_t)(1U << low % 8);
    if (read) byte[0] &= (uint8_t)~bit;
    if (write) byte[2048] &= (uint8_t)~bit;
}

/* APM Vol. 2, 15.11: two bits an MSR, 2 KiB a range. */
static void open_amd(uint8_t *map, uint32_t msr)
{
    uint32_t low = msr & 0x1FFF;
    map[(msr >= 0xC0000000 ? 2048 : 0) + low / 4] &= (uint8_t) ~(3U << low % 4 * 2);
}

void exit_controls_kvm_maps(vx_vmm *vmm)
{
    memset(vmm->msr_bitmap, 0xFF, sizeof vmm->msr_bitmap);
    for (unsigned i = 0; i < sizeof shared_msrs / sizeof *shared_msrs; i++)
        open_intel(vmm->msr_bitmap, shared_msrs[i], true, true);
    open_intel(vmm->msr_bitmap, MSR_TSC, true, false);
    memcpy(vmm->msr_bitmap_x2apic, vmm->msr_bitmap, sizeof vmm->msr_bitmap);
    open_intel(vmm->msr_bitmap_x2apic, MSR_X2APIC_TPR, true, true);
}

void exit_controls_kvm_msrpm(uint8_t msrpm[VX_MSRPM_BYTES])
{
    for (unsigned i = 0; i < sizeof shared_msrs / sizeof *shared_msrs; i++) open_amd(msrpm, shared_msrs[i]);
    for (unsigned i = 0; i < sizeof amd_msrs / sizeof *amd_msrs; i++) open_amd(msrpm, amd_msrs[i]);
}

/* Without APICv KVM leaves the APIC page unmapped: the processor never gets to stand in for it. */
static bool maps_apic_page(const vmm_vm *vm)
{
    const vx_cfg_vmx *has = &vm->vmm->cpu->vmx;
    bool apicv = vm->vmm->config->apicv && has->apic_register_virtualization && has->virtual_interrupt_delivery;
    return apicv || vm->vmm->config->apic_page_mapped;
}

void exit_controls_kvm(vmm_vm *vm)
{
    vx_vmcs *c = &vm->vmcs;
    c->exception_bitmap |= EXCEPTIONS;
    c->cr0_mask = ~VX_CR0_TS;
    c->cr4_mask = ~(CR4_GUEST_OWNED | VX_CR4_PGE); /* a shadow scheme takes PGE back */
    if (vm->vmm->cpu->vmx.tpr_shadow) {            /* whatever the model says of FlexPriority */
        c->cpu |= VX_CPU_TPR_SHADOW;
        c->cpu &= ~(VX_CPU_CR8_LOAD_EXITING | VX_CPU_CR8_STORE_EXITING);
    }
    if (!maps_apic_page(vm)) c->cpu2 &= ~VX_CPU2_VIRTUALIZE_APIC_ACCESSES;
    if (!vm->vmm->cpu->vmx.pause_loop_exiting) return;
    c->cpu2 |= VX_CPU2_PAUSE_LOOP_EXITING;
    c->ple_gap = PLE_GAP;
    c->ple_window = PLE_WINDOW;
}

void exit_controls_kvm_svm(const vx_cfg_cpu *cpu, vx_vmcb *c)
{
    c->exceptions |= EXCEPTIONS;
    c->cr_read = c->cr_write = 1U << 4; /* CR8: V_TPR. CR3: a shadow scheme */
    c->dr_read = c->dr_write = 0xFFFF;
    /* Without the filter too: then each PAUSE exits. */
    c->intercepts1 |= VX_SVM_INTERCEPT_PAUSE;
    if (cpu->svm.pause_filter) c->pause_filter_count = PLE_COUNT;
    if (cpu->svm.pause_threshold) c->pause_filter_threshold = PLE_GAP;
}

/* ---- what changes while the guest runs ---- */

static bool is_debug_register(const vmm_vm *vm, uint32_t reason)
{
    if (vm->vmm->cpu->vendor == VX_VENDOR_AMD) return reason >= SVM_DR_FIRST && reason < SVM_DR_PAST;
    return reason == VX_EXIT_DR_ACCESS;
}

/* The first access to a debug register exits and gives them to the guest; the next other exit takes them back. */
static void lend_debug_registers(vmm_vm *vm, bool lend)
{
    if (vm->vmm->cpu->vendor == VX_VENDOR_AMD)
        vm->vmcb.dr_read = vm->vmcb.dr_write = lend ? 0 : 0xFFFF;
    else if (lend)
        vm->vmcs.cpu &= ~VX_CPU_MOV_DR_EXITING;
    else
        vm->vmcs.cpu |= VX_CPU_MOV_DR_EXITING;
}

/* svm_set_cr0: reads and writes of CR0 exit while the processor runs with another one than the guest believes. */
static void watch_cr0(vmm_vm *vm)
{
    uint64_t runs_with = vm->guest.cr0 & ~CR0_KEPT;
    if (vm->vmm->scheme->shadow_tables) runs_with |= VX_CR0_PG | VX_CR0_WP;
    bool watch = runs_with != vm->guest.cr0;
    vm->vmcb.cr_read = (uint16_t)((vm->vmcb.cr_read & ~1U) | watch);
    vm->vmcb.cr_write = (uint16_t)((vm->vmcb.cr_write & ~1U) | watch);
}

static void follow_x2apic(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    if (!record || record->kind != VX_REC_WRMSR || record->addr != MSR_APIC_BASE || record->count == 0) return;
    bool on = (payload[0] & APIC_BASE_X2APIC) == APIC_BASE_X2APIC && (vm->vmcs.cpu & VX_CPU_TPR_SHADOW) &&
              (vm->vmcs.cpu & VX_CPU_SECONDARY_CONTROLS);
    vm->vmcs.msr_bitmap = on ? vm->vmm->msr_bitmap_x2apic : vm->vmm->msr_bitmap;
    if (!on) {
        vm->vmcs.cpu2 &= ~VX_CPU2_VIRTUALIZE_X2APIC;
        return;
    }
    vm->vmcs.cpu2 &= ~VX_CPU2_VIRTUALIZE_APIC_ACCESSES; /* SDM Vol. 3C 26.2.1.1: never both */
    vm->vmcs.cpu2 |= VX_CPU2_VIRTUALIZE_X2APIC;
}

void exit_controls_kvm_grow(vx_vmcb *controls, const vx_exit *exit)
{
    uint32_t count = controls->pause_filter_count * 2U;
    if (exit->reason == VX_SVM_EXIT_PAUSE)
        controls->pause_filter_count = (uint16_t)(count > UINT16_MAX ? UINT16_MAX : count);
}

/* grow_ple_window: each exit out of a PAUSE loop doubles the window. */
static void grow_ple_window(vmm_vm *vm, const vx_exit *exit)
{
    if (vm->vmm->cpu->vendor == VX_VENDOR_AMD) {
        exit_controls_kvm_grow(&vm->vmcb, exit);
        return;
    }
    if (exit->reason != VX_EXIT_PAUSE_INSTRUCTION) return;
    uint32_t window = vm->vmcs.ple_window;
    vm->vmcs.ple_window = window > UINT32_MAX / 2 ? UINT32_MAX : window * 2;
}

/* shrink_ple_window, by the defaults of its parameters: as at the start. */
void exit_controls_kvm_scheduled(vmm_vm *vm)
{
    if (vm->vmcs.ple_window) vm->vmcs.ple_window = PLE_WINDOW;
    if (vm->vmcb.pause_filter_count) vm->vmcb.pause_filter_count = PLE_COUNT;
}

void exit_controls_kvm_loaded(vmm_vm *vm)
{
    if (vm->vmm->cpu->vendor == VX_VENDOR_AMD) watch_cr0(vm);
}

void exit_controls_kvm_handled(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    lend_debug_registers(vm, is_debug_register(vm, exit->reason));
    if (vm->vmm->cpu->vendor == VX_VENDOR_AMD)
        watch_cr0(vm);
    else
        follow_x2apic(vm, record, payload);
    grow_ple_window(vm, exit);
}
