/* The local APIC's insides, shared by the files local_apic*.c. */
#ifndef VX_APIC_PRIVATE_H
#define VX_APIC_PRIVATE_H

#include "vx_apic.h"

/* LVT entries: bits. */
enum {
    LVT_MASKED = 1 << 16,
    LVT_TIMER_MODE = 3 << 17,
    TIMER_ONE_SHOT = 0 << 17,
    TIMER_PERIODIC = 1 << 17,
    TIMER_TSC_DEADLINE = 2 << 17,
};

static inline uint32_t apic_get(const vx_apic *apic, uint32_t offset) { return vx_apic_get(apic->setup.page, offset); }
static inline void apic_put(vx_apic *apic, uint32_t offset, uint32_t value)
{
    vx_apic_put(apic->setup.page, offset, value);
}

/* local_apic_registers.c: RDMSR and WRMSR of 800H to 8FFH. */
vx_apic_result apic_x2apic_read(vx_apic *apic, uint32_t msr, vx_tick now, uint64_t *value);
vx_apic_result apic_x2apic_write(vx_apic *apic, uint32_t msr, uint64_t value, vx_tick now);

/* local_apic_timer.c */
uint32_t apic_timer_count(const vx_apic *apic, vx_tick now);
void apic_timer_start(vx_apic *apic, uint32_t initial, vx_tick now);
void apic_timer_divide(vx_apic *apic, uint32_t divide, vx_tick now);
/* The timer's LVT entry has been written. */
void apic_timer_mode_written(vx_apic *apic);
void apic_timer_set_deadline(vx_apic *apic, uint64_t deadline, vx_tick now);
uint64_t apic_timer_deadline(const vx_apic *apic);

/* local_apic_sources.c: all entries masked, as while the APIC is disabled by software. */
void apic_mask_sources(vx_apic *apic);

#endif
