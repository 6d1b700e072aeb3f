/* A local APIC: xAPIC page and x2APIC MSRs, priorities, interrupt commands, local vector table, timer.
 *
 * It is complete in itself: a processor's own, or a hypervisor's software model of a guest's. Registers live in a page
 * that the caller gives (vx_apic_page.h), so that the second kind can share it with the processor's APIC
 * virtualization. Time is the caller's: calls take `now` in ticks, and vx_apic_timer_due says when the timer wants
 * attention.
 *
 * SDM Vol. 3A chapter 10 (11 in editions since 2023): 10.4 states, 10.5 local vector table, errors and timer, 10.6
 * IPIs, 10.8 handling, priorities, EOI, 10.9 spurious interrupts, 10.12 x2APIC.
 *
 * NOT MODELLED: the APIC bus of the P6 and its arbitration IDs; focus processors; remote read; level-sensitive LINT
 * pins; extended APIC space of AMD; accesses of other than 32 bits; delivery status (commands are accepted at once). */
#ifndef VX_APIC_H
#define VX_APIC_H

#include "vx_apic_page.h"
#include "vx_interrupt_message.h"
#include "vx_tick.h"

typedef struct vx_apic vx_apic;

typedef struct vx_apic_setup {
    uint8_t *page; /* VX_APIC_PAGE_BYTES; the caller's, lives as long as the APIC */
    uint32_t id;   /* x2APIC ID; its low 8 bits are the xAPIC ID */
    bool bootstrap;
    bool x2apic, tsc_deadline, eoi_suppression; /* features (CPUID.01H:ECX[21], [24]; version register bit 24) */
    uint8_t physical_bits;                      /* MAXPHYADDR: bits of IA32_APIC_BASE */
    uint32_t timer_ticks;                       /* ticks of one count with divisor 1: at least 1 */
    /* An interrupt command was given; the receiver delivers (vx_apic_bus_deliver), now or later. */
    void (*send)(void *bus, const vx_interrupt_message *message);
    /* A level-triggered interrupt was dismissed: EOI broadcast to the I/O APICs. NULL: nobody listens. */
    void (*end_of_interrupt)(void *bus, uint8_t vector);
    void *bus;
} vx_apic_setup;

/* What the core hears besides fixed interrupts: bits of vx_apic.events. */
enum {
    VX_APIC_EVENT_NMI = 1 << 0,
    VX_APIC_EVENT_SMI = 1 << 1,
    VX_APIC_EVENT_INIT = 1 << 2,
    VX_APIC_EVENT_STARTUP = 1 << 3,
    VX_APIC_EVENT_EXTINT = 1 << 4,
};

typedef enum vx_apic_mode { VX_APIC_DISABLED, VX_APIC_XAPIC, VX_APIC_X2APIC } vx_apic_mode;

/* Errors, bits of the error status register (Figure 10-9). */
enum {
    VX_APIC_ERROR_REDIRECTIBLE_IPI = 1 << 4,
    VX_APIC_ERROR_SEND_VECTOR = 1 << 5,
    VX_APIC_ERROR_RECEIVE_VECTOR = 1 << 6,
    VX_APIC_ERROR_REGISTER = 1 << 7,
};

struct vx_apic {
    vx_apic_setup setup;
    uint64_t base;          /* IA32_APIC_BASE */
    uint32_t errors;        /* since the last write of the ESR */
    uint8_t events;         /* pending to the core; who takes one clears it */
    uint8_t startup_vector; /* of the STARTUP event: execution starts at vector * 4096 */
    struct {
        bool running;
        uint32_t mode;     /* LVT bits 18:17 that it runs by: the page's may have been written past the APIC */
        uint32_t count;    /* at `since` */
        vx_tick since;     /* when `count` was current */
        uint64_t deadline; /* IA32_TSC_DEADLINE; 0: disarmed */
    } timer;
};

/* Power-up: xAPIC mode, enabled in IA32_APIC_BASE, disabled by software (10.4.7.1). */
void vx_apic_init(vx_apic *apic, const vx_apic_setup *setup);

/* The state after INIT: as after power-up, but the ID and the mode stay (10.4.7.3, 10.12.5.1). */
void vx_apic_reset(vx_apic *apic);

/* Of IA32_APIC_BASE bits 11 (enabled) and 10 (x2APIC), 10.12.1. */
vx_apic_mode vx_apic_mode_of(const vx_apic *apic);

/* SVR bit 8. */
static inline bool vx_apic_software_enabled(const vx_apic *apic)
{
    return vx_apic_get(apic->setup.page, VX_APIC_SVR) >> 8 & 1;
}

/* ---- registers ---- */

typedef enum vx_apic_result {
    VX_APIC_DONE,
    VX_APIC_FAULT, /* #GP(0): MSR accesses only */
    VX_APIC_ABSENT /* no APIC answers at this address in this mode: an ordinary access to memory */
} vx_apic_result;

/* A 32-bit access to the xAPIC page. Reserved registers log "illegal register address", read as 0 and ignore writes. */
vx_apic_result vx_apic_read(vx_apic *apic, uint32_t offset, vx_tick now, uint32_t *value);
vx_apic_result vx_apic_write(vx_apic *apic, uint32_t offset, uint32_t value, vx_tick now);

/* RDMSR and WRMSR of 800H to 8FFH, IA32_APIC_BASE and IA32_TSC_DEADLINE. */
vx_apic_result vx_apic_rdmsr(vx_apic *apic, uint32_t msr, vx_tick now, uint64_t *value);
vx_apic_result vx_apic_wrmsr(vx_apic *apic, uint32_t msr, uint64_t value, vx_tick now);

/* CR8: TPR bits 7:4 (10.8.6.1). */
uint8_t vx_apic_cr8(const vx_apic *apic);
void vx_apic_set_cr8(vx_apic *apic, uint8_t priority);

/* ---- priorities and handling, 10.8 ---- */

/* The vector that the core is offered now: the highest requested one whose class is above the processor priority's; 0
 * where there is none. */
uint8_t vx_apic_pending(const vx_apic *apic);

/* The core takes the interrupt: request to in-service. Returns the vector; the spurious one (10.9) where nothing is
 * offered any more. */
uint8_t vx_apic_acknowledge(vx_apic *apic);

/* Dismisses the highest interrupt in service: what a write of EOI does. Returns its vector, or 0. */
uint8_t vx_apic_end_of_interrupt(vx_apic *apic);

/* Computes the PPR register anew; for software that wrote the page itself. */
void vx_apic_update_priority(vx_apic *apic);

/* Arbitration priority, by which lowest-priority delivery chooses (10.6.2.4). */
uint8_t vx_apic_arbitration_priority(const vx_apic *apic);

/* ---- receiving ---- */

/* Is this APIC among the destinations? Shorthands too; lowest-priority chooses one of those. */
bool vx_apic_matches(const vx_apic *apic, const vx_interrupt_message *message);

/* The message reaches this APIC. False where it does not take it (disabled, or an illegal vector). */
bool vx_apic_accept(vx_apic *apic, const vx_interrupt_message *message);

/* A local source signals: one of the LVT offsets. False where its entry is masked or invalid. */
bool vx_apic_raise(vx_apic *apic, uint32_t lvt_offset);

/* Logs errors (VX_APIC_ERROR_*), and signals the error entry for the first since the last write of the ESR. */
void vx_apic_error(vx_apic *apic, uint32_t errors);

/* ---- timer, 10.5.4 ---- */

/* Signals what has become due by `now`; called by every access itself. */
void vx_apic_timer_advance(vx_apic *apic, vx_tick now);

/* When the timer interrupts next; VX_TICK_NEVER where it does not (stopped, or masked). */
vx_tick vx_apic_timer_due(const vx_apic *apic);

/* ---- several APICs ---- */

enum { VX_APIC_BUS_MAX = 256 };

typedef struct vx_apic_bus {
    vx_apic *apic[VX_APIC_BUS_MAX];
    unsigned count;
} vx_apic_bus;

/* Delivers to every destination, or with lowest-priority delivery to the one with the lowest arbitration priority; of
 * equals the first on the bus takes it (the manual leaves that to the chipset). Returns how many accepted it. */
unsigned vx_apic_bus_deliver(vx_apic_bus *bus, const vx_interrupt_message *message);

#endif
