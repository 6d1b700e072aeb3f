/* How the modelled OS uses its local APIC: private to the room. */
#ifndef VX_PRIORITY_HABITS_H
#define VX_PRIORITY_HABITS_H

#include "guest_state.h"

/* The most that an interrupt's handler queues of it: TPR writes, EOI, and the timer's deadline; and boot: CPL, mode,
 * enabling, the entry for performance counters, para-virtual EOI, the timer's five, CPL. */
enum {
    VX_PRIORITY_RECORDS = 19,
    VX_PRIORITY_WORDS = 2 * 17 + 1,
    VX_PRIORITY_BOOT_RECORDS = 11,
    VX_PRIORITY_BOOT_WORDS = 17
};

/* Queues a write of a register of the local APIC, by its page or by its MSR, which alone is wider than 32 bits. */
void vx_priority_write(const vx_guest *guest, uint32_t offset, uint64_t value, vx_queue *queue);

/* Queues what the OS does to its APIC at boot: x2APIC mode where it uses that, and enabling it. */
void vx_priority_boot(vx_guest *guest, vx_queue *queue);

/* Queues the raise or the fall of the task priority, in the kernel. */
void vx_priority_raise(vx_guest *guest, vx_queue *queue);
void vx_priority_lower(vx_guest *guest, vx_queue *queue);

/* Queues the accesses of a handler of `vector`: its TPR writes, the last of which restores what was, and the EOI. */
void vx_priority_of_handler(vx_guest *guest, uint8_t vector, vx_queue *queue);

/* Sets the timer for the next tick, where that is not periodic: from the timer's handler. */
void vx_timer_again(vx_guest *guest, vx_queue *queue);

/* The same of an NMI: a performance counter's entry is masked when it signals, and the handler unmasks it. */
void vx_priority_of_nmi(vx_guest *guest, vx_queue *queue);

#endif
