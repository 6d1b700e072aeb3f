/* The four virtualizations, evaluation and delivery of virtual interrupts: the pseudocode of SDM Vol. 3C 29.1.2
 * to 29.1.6, 29.2.1 and 29.2.2. PPR is computed, and pending interrupts are evaluated, where the manual says so and
 * nowhere else. */
#include "virtual_apic_private.h"

static bool delivers(const vx_virtual_apic *v) { return v->controls & VX_VAPIC_DELIVERY; }

static void ppr_virtualization(vx_virtual_apic *v)
{
    uint8_t vtpr = (uint8_t)vx_apic_get(v->page, VX_APIC_TPR);
    vx_apic_put(v->page, VX_APIC_PPR, vx_apic_processor_priority(vtpr, v->svi));
}

void vapic_evaluate(vx_virtual_apic *v)
{
    uint8_t vppr = (uint8_t)vx_apic_get(v->page, VX_APIC_PPR);
    v->recognized = !(v->controls & VX_VAPIC_WINDOW) && v->rvi >> 4 > vppr >> 4;
}

void vapic_tpr_virtualization(vx_virtual_apic *v)
{
    if (!delivers(v)) return;
    ppr_virtualization(v);
    vapic_evaluate(v);
}

/* An EOI that exits leaves the evaluation to the VM entry that follows. */
void vapic_eoi_virtualization(vx_virtual_apic *v)
{
    uint8_t vector = v->svi;
    vx_apic_vector_clear(v->page, VX_APIC_ISR, vector);
    v->svi = vx_apic_vector_highest(v->page, VX_APIC_ISR);
    ppr_virtualization(v);
    if (!(v->eoi_exit[vector / 64] >> vector % 64 & 1)) vapic_evaluate(v);
}

void vapic_self_ipi_virtualization(vx_virtual_apic *v, uint8_t vector)
{
    vx_apic_vector_set(v->page, VX_APIC_IRR, vector);
    if (vector > v->rvi) v->rvi = vector;
    vapic_evaluate(v);
}

vx_posted *vapic_ipi_target(const vx_virtual_apic *v, uint8_t vector, uint32_t id)
{
    bool named = v->pid_table && vector >= 16 && id <= v->last_pid_index;
    return named ? v->pid_table[id] : NULL;
}

void vapic_ipi_virtualization(const vx_virtual_apic *v, uint8_t vector, uint32_t id)
{
    vx_posted *target = vapic_ipi_target(v, vector, id);
    if (vx_posted_post(target, vector)) v->notify(v->context, target);
}

vx_vapic_outcome vx_virtual_apic_enter(vx_virtual_apic *v)
{
    v->recognized = false;
    if (!(v->controls & VX_VAPIC_TPR_SHADOW)) return (vx_vapic_outcome){VX_VAPIC_NO_EXIT, false, 0};
    uint32_t vtpr = vx_apic_get(v->page, VX_APIC_TPR) & 0xFF;
    vx_apic_put(v->page, VX_APIC_TPR, vtpr); /* 26.2.1.1: bytes 3:1 may be cleared */
    if (delivers(v)) {
        vapic_tpr_virtualization(v);
        return (vx_vapic_outcome){VX_VAPIC_NO_EXIT, true, 0};
    }
    bool below = (v->controls & VX_VAPIC_ACCESSES) && v->tpr_threshold > vtpr >> 4;
    return (vx_vapic_outcome){below ? VX_VAPIC_EXIT_BELOW_THRESHOLD : VX_VAPIC_NO_EXIT, true, 0};
}

uint8_t vx_virtual_apic_deliver(vx_virtual_apic *v)
{
    if (!v->recognized) return 0;
    uint8_t vector = v->rvi;
    vx_apic_vector_set(v->page, VX_APIC_ISR, vector);
    v->svi = vector;
    vx_apic_put(v->page, VX_APIC_PPR, vector & 0xF0);
    vx_apic_vector_clear(v->page, VX_APIC_IRR, vector);
    v->rvi = vx_apic_vector_highest(v->page, VX_APIC_IRR);
    v->recognized = false;
    return vector;
}
