/* What a hypervisor intercepts whatever its memory algorithm: external interrupts, HLT, port accesses, CPUID (always),
 * MSRs but for those that the processor or the hypervisor switches with the guest, and the control-register bits the
 * host keeps to itself.
 *
 * SDM Vol. 3C 24.6; AMD APM Vol. 2, 15.9. Features are used where the model uses them and the CPU has them. */
#include "vmm_private.h"

#include <string.h>

/* MSRs that belong to the guest while it runs: VM entry and exit switch the SYSENTER MSRs and the bases of FS and GS
 * (SDM Vol. 3C 26.3.2, 27.5.2), the hypervisor the base that SWAPGS swaps in. The same list as KVM of Linux 6.1 lets
 * through (arch/x86/kvm/vmx/vmx.c, vmx_possible_passthrough_msrs), less what this simulator's guests do not have. */
static const uint32_t guest_msrs[] = {0x174, 0x175, 0x176, 0xC0000100, 0xC0000101, 0xC0000102};

/* APM Vol. 2, 15.11: two bits an MSR, 2 KiB a range. */
void exit_controls_msrpm(const vx_cfg_vmm *config, uint8_t msrpm[VX_MSRPM_BYTES])
{
    memset(msrpm, 0xFF, VX_MSRPM_BYTES);
    if (config->exits == VX_EXITS_KVM) {
        exit_controls_kvm_msrpm(msrpm);
        return;
    }
    for (unsigned i = 0; i < sizeof guest_msrs / sizeof *guest_msrs; i++) {
        uint32_t low = guest_msrs[i] & 0x1FFF;
        msrpm[(guest_msrs[i] >= 0xC0000000 ? 2048 : 0) + low / 4] &= (uint8_t) ~(3U << low % 4 * 2);
    }
}

void exit_controls_maps(vx_vmm *vmm)
{
    memset(vmm->all_ports, 0xFF, sizeof vmm->all_ports);
    exit_controls_msrpm(vmm->config, vmm->msrpm);
    if (vmm->config->exits == VX_EXITS_KVM) {
        exit_controls_kvm_maps(vmm);
        return;
    }
    memset(vmm->msr_bitmap, 0xFF, sizeof vmm->msr_bitmap);
    for (unsigned i = 0; i < sizeof guest_msrs / sizeof *guest_msrs; i++) {
        uint32_t low = guest_msrs[i] & 0x1FFF;
        /* SDM Vol. 3C 24.6.9: reads of low and high MSRs, then writes, 1 KiB each. */
        uint8_t *read = vmm->msr_bitmap + (guest_msrs[i] >= 0xC0000000 ? 1024 : 0) + low / 8;
        read[0] &= (uint8_t) ~(1U << low % 8);
        read[2048] &= (uint8_t) ~(1U << low % 8);
    }
}

static void intel(vmm_vm *vm)
{
    const vx_vmm *vmm = vm->vmm;
    const vx_cfg_vmx *has = &vmm->cpu->vmx;
    vx_vmcs *c = &vm->vmcs;
    c->pin = VX_PIN_EXTERNAL_INTERRUPT_EXITING | VX_PIN_NMI_EXITING;
    c->exit_controls = VX_EXIT_CONTROL_ACKNOWLEDGE_INTERRUPT;
    c->cpu = VX_CPU_HLT_EXITING | VX_CPU_MWAIT_EXITING | VX_CPU_MONITOR_EXITING | VX_CPU_RDPMC_EXITING |
             VX_CPU_UNCONDITIONAL_IO_EXITING | VX_CPU_MOV_DR_EXITING | VX_CPU_USE_MSR_BITMAPS;
    c->msr_bitmap = vmm->msr_bitmap;
    /* The host owns the cache-control bits and VMXE; the guest reads what it wrote from the shadows. */
    c->cr0_mask = VX_CR0_CD | VX_CR0_NE | (1ULL << 29);
    c->cr4_mask = VX_CR4_VMXE;
    if (vmm->config->flexpriority && has->tpr_shadow)
        c->cpu |= VX_CPU_TPR_SHADOW;
    else
        c->cpu |= VX_CPU_CR8_LOAD_EXITING | VX_CPU_CR8_STORE_EXITING;
    if (!has->secondary_controls) return;
    c->cpu |= VX_CPU_SECONDARY_CONTROLS;
    c->cpu2 = VX_CPU2_WBINVD_EXITING;
    if (vmm->config->flexpriority && has->tpr_shadow && has->virtualize_apic_accesses)
        c->cpu2 |= VX_CPU2_VIRTUALIZE_APIC_ACCESSES;
    if (vmm->config->apicv && has->tpr_shadow && has->apic_register_virtualization && has->virtual_interrupt_delivery)
        c->cpu2 |= VX_CPU2_APIC_REGISTER_VIRTUALIZATION | VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY;
    if (vmm->vpid) {
        c->cpu2 |= VX_CPU2_VPID;
        c->vpid = (uint16_t)(vm->index + 1);
    }
}

/* AMD's intercept bits: APM Vol. 2, Appendix B, offsets 00Ch and 010h. */
#define SVM1_INTR (1U << 0)
#define SVM1_NMI (1U << 1)
#define SVM1_CR0_SEL_WRITE (1U << 5)
#define SVM1_RDPMC (1U << 15)
#define SVM1_CPUID (1U << 18)
#define SVM1_INVD (1U << 22)
#define SVM1_HLT (1U << 24)
#define SVM1_INVLPGA (1U << 26)
#define SVM1_IOIO (1U << 27)
#define SVM1_MSR (1U << 28)
#define SVM1_SHUTDOWN (1U << 31)
#define SVM2_VM_INSTRUCTIONS 0x7FU
#define SVM2_WBINVD (1U << 9)
#define SVM2_MONITOR (1U << 10)
#define SVM2_MWAIT (1U << 11)
#define SVM2_XSETBV (1U << 13)

void exit_controls_svm(const vx_cfg_cpu *cpu, const vx_cfg_vmm *config, vx_vmcb *c)
{
    c->intercepts1 = SVM1_INTR | SVM1_NMI | SVM1_CR0_SEL_WRITE | SVM1_RDPMC | SVM1_CPUID | SVM1_INVD | SVM1_HLT |
                     SVM1_INVLPGA | SVM1_IOIO | SVM1_MSR | SVM1_SHUTDOWN;
    c->intercepts2 = SVM2_VM_INSTRUCTIONS | SVM2_WBINVD | SVM2_MONITOR | SVM2_MWAIT | SVM2_XSETBV;
    if (config->tpr_trap == VX_TPR_TRAP_ALL) c->cr_write = c->cr_read = 1U << 8;
    c->decode_assists = cpu->svm.decode_assists;
    if (config->exits == VX_EXITS_KVM) exit_controls_kvm_svm(cpu, c);
}

static void amd(vmm_vm *vm)
{
    vx_vmcb *c = &vm->vmcb;
    exit_controls_svm(vm->vmm->cpu, vm->vmm->config, c);
    c->io_bitmap = vm->vmm->all_ports;
    c->msr_bitmap = vm->vmm->msrpm;
    (void)asids_assign(vm);
    if (!vm->vmm->vpid) c->tlb_control = vm->vmm->cpu->svm.flush_by_asid ? 3 : 1;
}

void exit_controls_common(vmm_vm *vm)
{
    if (vm->vmm->cpu->vendor == VX_VENDOR_AMD) {
        amd(vm);
        return;
    }
    intel(vm);
    if (vm->vmm->config->exits == VX_EXITS_KVM) exit_controls_kvm(vm);
}
