/* A few local APICs on a bus that delivers at once and remembers what was sent. */
#ifndef APIC_WORLD_H
#define APIC_WORLD_H

#include "test_support.h"
#include "vx_apic.h"

enum { WORLD_APICS = 4 };

typedef struct apic_world {
    vx_apic apic[WORLD_APICS];
    uint8_t page[WORLD_APICS][VX_APIC_PAGE_BYTES];
    vx_apic_bus bus;
    unsigned sent, accepted; /* messages, and how many APICs took them */
    vx_interrupt_message last;
    unsigned broadcasts; /* EOI */
    uint8_t last_eoi;
} apic_world;

/* IDs 0 to 3, all features, enabled by software in xAPIC mode; a timer count is one tick. */
void world_init(apic_world *world);
/* All of them to x2APIC mode. */
void world_x2apic(apic_world *world);

/* Which APICs have requested the vector: bit n for APIC n. */
unsigned world_requested(const apic_world *world, uint8_t vector);

uint32_t world_read(apic_world *world, unsigned apic, uint32_t offset);
void world_write(apic_world *world, unsigned apic, uint32_t offset, uint32_t value);
void world_wrmsr(apic_world *world, unsigned apic, uint32_t offset, uint64_t value);

/* A fixed, edge-triggered interrupt arrives. */
void world_interrupt(apic_world *world, unsigned apic, uint8_t vector);

#endif
