/* What the files of this room share: the OS's state, of the whole and of each CPU, and the few steps that several of
 * its actions are made of. */
#ifndef VX_GUEST_STATE_H
#define VX_GUEST_STATE_H

#include "address_space.h"
#include "frame_pool.h"
#include "guest_tables.h"
#include "schedule.h"
#include "vx_guest.h"

/* What the CPUs of one OS share. */
typedef struct vx_guest_kernel {
    vx_frame_pool pool;
    vx_guest_tables tables;
    vx_page_order order;
    vx_address_space *spaces; /* VX_GUEST_PROCESSES_MAX; the first are the first CPU's traces' initial ones, in order */
    unsigned space_count;
    unsigned *threads; /* of each of the first CPU's traces: CPUs that have not come to its end */
    uint64_t faults_until_unmap;
    vx_guest *cpu[VX_GUEST_CPUS_MAX];
    unsigned cpus;
    uint64_t calls[VX_GUEST_CPUS_MAX]; /* of each CPU: those whose shootdown it has yet to answer, as bits */
} vx_guest_kernel;

/* One CPU. */
struct vx_guest {
    vx_cfg_guest config; /* of the OS */
    vx_guest_kernel *kernel;
    unsigned number;   /* its local APIC's ID */
    unsigned owner;    /* whose processes it runs: the first CPU's (as threads of them), or its own */
    bool online;       /* some of its traces have not ended */
    uint64_t answered; /* see vx_guest_take_answered */
    vx_guest_counts counts;
    vx_schedule schedule;
    unsigned *of_trace; /* which space each trace executes now */
    unsigned current;   /* which space CR3 names */
    struct {
        uint64_t unanswered; /* CPUs that may still hold a translation, as bits; 0: none under way */
        vx_guest_page page;  /* unmapped by this CPU, */
        unsigned space;      /* ... from there */
    } shootdown;
    vx_tick (*now)(const void *context);
    const void *clock;
    uint8_t level;    /* task priority, 0 to 15 */
    bool slice_ended; /* the next timer interrupt switches processes */
};

static inline vx_address_space *vx_guest_space(const vx_guest *guest) { return &guest->kernel->spaces[guest->current]; }

/* Queues the entry to the kernel's handler: its privilege level and the instructions it executes. */
void vx_guest_enter_kernel(const vx_guest *guest, vx_queue *queue);
/* Queues the return to user code. */
void vx_guest_leave_kernel(vx_queue *queue);
/* Whether the current process has a page that may go: more pages than it keeps. */
bool vx_guest_may_unmap(const vx_guest *guest);
/* Queues the unmapping of its oldest page. */
void vx_guest_unmap_oldest(vx_guest *guest, vx_queue *queue);

#endif
