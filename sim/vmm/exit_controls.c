/* What a hypervisor intercepts whatever its memory algorithm: external interrupts, HLT, port accesses, CPUID (always),
 * and the control-register bits the host keeps to itself.
 *
 * SDM Vol. 3C 24.6; AMD APM Vol. 2, 15.9. Features are used where the model uses them and the CPU has them. */
#include "vmm_private.h"

static void intel(vmm_vm *vm)
{
    const vx_vmm *vmm = vm->vmm;
    const vx_cfg_vmx *has = &vmm->cpu->vmx;
    vx_vmcs *c = &vm->vmcs;
    c->pin = VX_PIN_EXTERNAL_INTERRUPT_EXITING | VX_PIN_NMI_EXITING;
    c->cpu = VX_CPU_HLT_EXITING | VX_CPU_MWAIT_EXITING | VX_CPU_MONITOR_EXITING | VX_CPU_RDPMC_EXITING |
             VX_CPU_UNCONDITIONAL_IO_EXITING | VX_CPU_MOV_DR_EXITING;
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
#define SVM1_SHUTDOWN (1U << 31)
#define SVM2_VM_INSTRUCTIONS 0x7FU
#define SVM2_WBINVD (1U << 9)
#define SVM2_MONITOR (1U << 10)
#define SVM2_MWAIT (1U << 11)
#define SVM2_XSETBV (1U << 13)

static void amd(vmm_vm *vm)
{
    vx_vmcb *c = &vm->vmcb;
    c->intercepts1 = SVM1_INTR | SVM1_NMI | SVM1_CR0_SEL_WRITE | SVM1_RDPMC | SVM1_CPUID | SVM1_INVD | SVM1_HLT |
                     SVM1_INVLPGA | SVM1_IOIO | SVM1_SHUTDOWN;
    c->intercepts2 = SVM2_VM_INSTRUCTIONS | SVM2_WBINVD | SVM2_MONITOR | SVM2_MWAIT | SVM2_XSETBV;
    c->io_bitmap = vm->vmm->all_ports;
    c->cr_write = 1U << 8;
    c->cr_read = 1U << 8;
    c->asid = vm->index + 1;
    if (!vm->vmm->vpid) c->tlb_control = vm->vmm->cpu->svm.flush_by_asid ? 3 : 1;
}

void exit_controls_common(vmm_vm *vm)
{
    if (vm->vmm->cpu->vendor == VX_VENDOR_AMD)
        amd(vm);
    else
        intel(vm);
}
