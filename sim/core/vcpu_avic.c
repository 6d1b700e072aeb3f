/* AVIC in the step: the guest's accesses to its APIC's page, and interrupts that others put into it.
 *
 * Where the VMCB has AVIC on, the processor reads and writes the backing page itself. What it does not do it leaves to
 * software: by a fault (AVIC_UNACCELERATED_ACCESS instead of the access) or by a trap (the same, or
 * AVIC_INCOMPLETE_IPI, behind it). Interrupts are taken from the page at VMRUN, when the task priority falls, and when
 * a doorbell rings: who has one for the guest (another processor, the IOMMU) writes the page and rings. Rules and
 * sources: vx_svm_interrupts.h.
 *
 * NOT MODELLED: x2AVIC (a hypervisor turns AVIC off where the guest goes to x2APIC mode); the walk of the nested tables
 * that allows an access to the page. */
#include "vcpu_private.h"

enum { SVM_EXIT_INCOMPLETE_IPI = 0x401, SVM_EXIT_UNACCELERATED = 0x402 };

bool vcpu_avic(const vx_vcpu *v) { return v->apic && v->vmcb && v->vmcb->avic; }

static void leave(vx_vcpu *v, const vx_avic_outcome *outcome, const vx_record *record, const uint64_t *payload)
{
    if (outcome->exit == VX_AVIC_NO_EXIT) return;
    bool ipi = outcome->exit == VX_AVIC_INCOMPLETE_IPI;
    const vx_exit exit = {.reason = ipi ? SVM_EXIT_INCOMPLETE_IPI : SVM_EXIT_UNACCELERATED,
                          .qualification = outcome->info1,
                          .information2 = outcome->info2};
    (void)vcpu_take_exit(v, &exit, record, payload);
}

bool vcpu_avic_access(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    bool read = record->kind == VX_REC_APIC_READ, write = record->kind == VX_REC_APIC_WRITE;
    if (!(read || write) || !vcpu_avic(v)) return false;
    uint32_t offset = (uint32_t)record->addr & 0xFFF, value;
    vx_avic_outcome outcome =
        read ? vx_avic_read(v->vmcb->avic, offset, &value) : vx_avic_write(v->vmcb->avic, offset, (uint32_t)payload[0]);
    leave(v, &outcome, record, payload);
    return true;
}

/* The page is written by whoever has the interrupt, which then rings. Edges: what is level triggered is software's. */
bool vcpu_avic_posts(vx_vcpu *v, uint8_t vector)
{
    if (!vcpu_avic(v)) return false;
    vx_apic_vector_set(v->vmcb->avic->page, VX_APIC_IRR, vector);
    vx_apic_vector_clear(v->vmcb->avic->page, VX_APIC_TMR, vector);
    return true;
}
