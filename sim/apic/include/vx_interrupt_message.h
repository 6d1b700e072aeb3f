/* An interrupt on its way to local APICs: what an ICR, an I/O APIC's redirection entry and an MSI say alike.
 *
 * SDM Vol. 3A: 10.6.1 (ICR), 10.6.2 (destinations), 10.11 (message-signalled interrupts), 10.12.9 and 10.12.10
 * (x2APIC). NOT MODELLED: the redirection hint's choice among physical destinations; extended destination IDs of
 * hypervisors; remappable messages (the IOMMU's). */
#ifndef VX_INTERRUPT_MESSAGE_H
#define VX_INTERRUPT_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Delivery modes, as encoded in bits 10:8 of ICR, LVT, redirection entries and MSI data. */
typedef enum vx_delivery {
    VX_DELIVERY_FIXED = 0,
    VX_DELIVERY_LOWEST_PRIORITY = 1,
    VX_DELIVERY_SMI = 2,
    VX_DELIVERY_RESERVED = 3,
    VX_DELIVERY_NMI = 4,
    VX_DELIVERY_INIT = 5,
    VX_DELIVERY_STARTUP = 6,
    VX_DELIVERY_EXTINT = 7
} vx_delivery;

/* Destination shorthands, bits 19:18 of the ICR. */
typedef enum vx_shorthand { VX_SHORTHAND_NONE, VX_SHORTHAND_SELF, VX_SHORTHAND_ALL, VX_SHORTHAND_OTHERS } vx_shorthand;

#define VX_APIC_NOBODY UINT32_MAX /* the source of a device's message */

typedef struct vx_interrupt_message {
    uint8_t vector;
    vx_delivery delivery;
    vx_shorthand shorthand;
    bool logical;         /* destination mode */
    bool level;           /* trigger mode */
    bool wide;            /* 32-bit destination (x2APIC): FFFFFFFFH, not FFH, is everyone */
    uint32_t destination; /* unused with a shorthand */
    uint32_t source;      /* ID of the sending APIC, or VX_APIC_NOBODY */
} vx_interrupt_message;

/* Reads an interrupt command. `wide`: from an x2APIC, with a 32-bit destination; otherwise `destination` is 8 bits.
 * False where the command sends nothing: INIT level de-assert (since the Pentium 4 a no-op), a reserved delivery mode,
 * or a combination of shorthand and delivery mode that Table 10-3 calls invalid. IPIs are edge triggered whatever bit
 * 15 says (10.6.1). */
bool vx_interrupt_message_from_icr(vx_interrupt_message *message, uint32_t low, uint32_t destination, bool wide,
                                   uint32_t source);

/* Reads a message-signalled interrupt: a write of `data` to `address`. False where the address is no FEExxxxxH, the
 * delivery mode is reserved, or startup (which MSIs cannot send). */
bool vx_interrupt_message_from_msi(vx_interrupt_message *message, uint64_t address, uint32_t data);

/* Its inverse for tests and device models: address and data of an xAPIC message (8-bit destination). */
void vx_interrupt_message_to_msi(const vx_interrupt_message *message, uint64_t *address, uint32_t *data);

#endif
