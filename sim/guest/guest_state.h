/* What the files of this room share: the OS's state, and the few steps that several of its actions are made of. */
#ifndef VX_GUEST_STATE_H
#define VX_GUEST_STATE_H

#include "address_space.h"
#include "frame_pool.h"
#include "guest_tables.h"
#include "schedule.h"
#include "vx_guest.h"

struct vx_guest {
    vx_cfg_guest config;
    vx_guest_counts counts;
    vx_frame_pool pool;
    vx_guest_tables tables;
    vx_page_order order;
    vx_schedule schedule;
    vx_address_space *spaces; /* VX_GUEST_PROCESSES_MAX; the first are the traces' initial ones, in their order */
    unsigned space_count;
    unsigned *of_trace; /* which space each trace executes now */
    unsigned current;   /* which space CR3 names */
    uint64_t faults_until_unmap;
    vx_tick (*now)(const void *context);
    const void *clock;
    uint8_t level;    /* task priority, 0 to 15 */
    bool slice_ended; /* the next timer interrupt switches processes */
};

static inline vx_address_space *vx_guest_space(vx_guest *guest) { return &guest->spaces[guest->current]; }

/* Queues the entry to the kernel's handler: its privilege level and the instructions it executes. */
void vx_guest_enter_kernel(const vx_guest *guest, vx_queue *queue);
/* Queues the return to user code. */
void vx_guest_leave_kernel(vx_queue *queue);
/* Whether the current process has a page that may go: more pages than it keeps. */
bool vx_guest_may_unmap(const vx_guest *guest);
/* Queues the unmapping of its oldest page. */
void vx_guest_unmap_oldest(vx_guest *guest, vx_queue *queue);
/* Queues MOV to CR3 (and the PDPTEs it latches) where the process is not the current one. */
void vx_guest_switch_to(vx_guest *guest, unsigned space, vx_queue *queue);

#endif
