/* A guest's APIC by AVIC: the tables that the processor looks into, and what its exits leave to software.
 *
 * After KVM of Linux (arch/x86/kvm/svm/avic.c), which uses AVIC with nested paging alone and has it off by default in
 * 6.1: the software APIC's page is the backing page; LDR, DFR and ID writes exit, and the logical table follows them;
 * an IPI of a type that the processor does not send is sent by software; one to a vCPU that does not run has set its
 * IRR, and software wakes it.
 *
 * NOT MODELLED: x2AVIC; posting by the IOMMU (guest virtual APIC mode of AMD-Vi); writes of the APIC's ID. */
#include "guest_avic.h"

enum { SVM_EXIT_INCOMPLETE_IPI = 0x401, SVM_EXIT_UNACCELERATED = 0x402, CLUSTER_MODEL = 0x0, BROADCAST_CLUSTER = 0xF };

/* All backing pages that the table names are those of this VM's vCPUs: its one. */
static uint8_t *backing(void *context, uint64_t address)
{
    (void)address;
    vmm_vm *vm = context;
    return vx_vcpu_apic(vm->vcpu)->setup.page;
}

/* The only processor that runs a vCPU of the VM is the sender's own. */
static void doorbell(void *context, uint32_t host_id) { (void)context, (void)host_id; }

void guest_avic_attach(vmm_vm *vm)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    const vx_vmm *vmm = vm->vmm;
    if (!apic || vmm->cpu->vendor != VX_VENDOR_AMD || !vmm->cpu->svm.avic || !vmm->config->avic) return;
    if (!vm->vmcb.nested_paging || apic->setup.id >= VX_AVIC_IDS) return;
    vm->avic.physical_table[apic->setup.id] = VX_AVIC_VALID | VX_AVIC_RUNNING;
    vm->avic.unit = (vx_avic){.page = apic->setup.page,
                              .id = apic->setup.id,
                              .physical_table = vm->avic.physical_table,
                              .last_index = apic->setup.id,
                              .logical_table = vm->avic.logical_table,
                              .backing = backing,
                              .doorbell = doorbell,
                              .context = vm};
    vm->avic.used = true;
}

/* ---- exits ---- */

bool guest_avic_exit(const vmm_vm *vm, const vx_exit *exit)
{
    return vm->vmm->cpu->vendor == VX_VENDOR_AMD &&
           (exit->reason == SVM_EXIT_INCOMPLETE_IPI || exit->reason == SVM_EXIT_UNACCELERATED);
}

bool guest_avic_incomplete(const vmm_vm *vm, const vx_exit *exit)
{
    if (!guest_avic_exit(vm, exit)) return false;
    return exit->reason == SVM_EXIT_UNACCELERATED || exit->information2 >> 32 == VX_AVIC_IPI_TYPE;
}

/* The entry of the logical table that LDR and DFR name, or NULL: no logical ID, or one that names several. */
static uint32_t *logical_entry(vmm_vm *vm)
{
    const uint8_t *page = vm->avic.unit.page;
    uint32_t logical = vx_apic_get(page, VX_APIC_LDR) >> 24, cluster = logical >> 4;
    bool flat = vx_apic_get(page, VX_APIC_DFR) >> 28 != CLUSTER_MODEL;
    uint32_t bits = flat ? logical : logical & 0xF;
    if (bits == 0 || (!flat && cluster == BROADCAST_CLUSTER)) return NULL;
    unsigned bit = (unsigned)__builtin_ctz(bits);
    return &vm->avic.logical_table[flat ? bit : cluster * 4 + bit];
}

void guest_avic_wrote(vmm_vm *vm, const vx_record *record)
{
    uint32_t offset = (uint32_t)record->addr & 0xFFC;
    if (!vm->avic.used || record->kind != VX_REC_APIC_WRITE || (offset != VX_APIC_LDR && offset != VX_APIC_DFR)) return;
    if (vm->avic.logical_of) *vm->avic.logical_of = 0;
    vm->avic.logical_of = logical_entry(vm);
    if (vm->avic.logical_of) *vm->avic.logical_of = VX_AVIC_LOGICAL_VALID | vm->avic.unit.id;
}

/* ---- the next VM entry ---- */

bool guest_avic_prepare(vmm_vm *vm)
{
    bool on = vm->avic.used && vx_apic_mode_of(vx_vcpu_apic(vm->vcpu)) == VX_APIC_XAPIC;
    vm->vmcb.avic = on ? &vm->avic.unit : NULL;
    return on;
}
