/* The processor's actions on the virtual-APIC page (SDM Vol. 3C 29.1.2 to 29.1.5): virtual_apic.c. Exits are the
 * caller's business. */
#ifndef VX_VIRTUAL_APIC_PRIVATE_H
#define VX_VIRTUAL_APIC_PRIVATE_H

#include "vx_virtual_apic.h"

/* 29.2.1 */
void vapic_evaluate(vx_virtual_apic *v);

void vapic_tpr_virtualization(vx_virtual_apic *v);
void vapic_eoi_virtualization(vx_virtual_apic *v);
/* 29.1.6: the descriptor that an IPI to this virtual APIC ID is posted in; NULL: an APIC-write exit instead. */
vx_posted *vapic_ipi_target(const vx_virtual_apic *v, uint8_t vector, uint32_t id);
void vapic_ipi_virtualization(const vx_virtual_apic *v, uint8_t vector, uint32_t id);
void vapic_self_ipi_virtualization(vx_virtual_apic *v, uint8_t vector);

#endif
