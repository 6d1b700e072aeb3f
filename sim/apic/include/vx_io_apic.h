/* An I/O APIC: 24 pins, a redirection entry each, indirect registers.
 *
 * Intel 82093AA data sheet (register set, redirection table, remote IRR); its EOI register as in version 20H (ICH and
 * later). NOT MODELLED: the APIC bus and its arbitration register's use; delivery status (messages are accepted at
 * once); remappable entries (the IOMMU's). */
#ifndef VX_IO_APIC_H
#define VX_IO_APIC_H

#include "vx_interrupt_message.h"

enum { VX_IO_APIC_PINS = 24 };

/* Offsets in its page. */
enum { VX_IO_APIC_SELECT = 0x00, VX_IO_APIC_WINDOW = 0x10, VX_IO_APIC_EOI = 0x40 };

/* Fields of a redirection entry besides vector 7:0, delivery mode 10:8 and destination 63:56. */
#define VX_IO_APIC_LOGICAL (1ULL << 11)
#define VX_IO_APIC_ACTIVE_LOW (1ULL << 13)
#define VX_IO_APIC_REMOTE_IRR (1ULL << 14)
#define VX_IO_APIC_LEVEL (1ULL << 15)
#define VX_IO_APIC_MASKED (1ULL << 16)

typedef struct vx_io_apic {
    uint8_t id; /* bits 27:24 of register 0 */
    uint8_t select;
    uint64_t entry[VX_IO_APIC_PINS];
    uint32_t lines; /* bit n: pin n's line is at its active level */
    void (*send)(void *bus, const vx_interrupt_message *message);
    void *bus;
} vx_io_apic;

/* All entries masked. */
void vx_io_apic_init(vx_io_apic *io, uint8_t id, void (*send)(void *bus, const vx_interrupt_message *message),
                     void *bus);

/* 32-bit accesses to its page: VX_IO_APIC_SELECT, VX_IO_APIC_WINDOW, and VX_IO_APIC_EOI, which is written only. Other
 * offsets read as 0 and ignore writes, as do indirect registers that are not there. */
uint32_t vx_io_apic_read(const vx_io_apic *io, uint32_t offset);
void vx_io_apic_write(vx_io_apic *io, uint32_t offset, uint32_t value);

/* A device drives pin `pin` (0 to 23) active or inactive. */
void vx_io_apic_drive(vx_io_apic *io, unsigned pin, bool active);

/* EOI broadcast of a local APIC, or a write of the EOI register: level entries with this vector may interrupt again. */
void vx_io_apic_end_of_interrupt(vx_io_apic *io, uint8_t vector);

#endif
