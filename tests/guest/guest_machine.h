/* A machine that believes nothing: executes what the modelled OS queues on memory of its own, and checks each record
 * against what hardware and the rest of memory allow. Its TLB never forgets by itself, so that a missing INVLPG shows.
 */
#ifndef VX_TEST_GUEST_MACHINE_H
#define VX_TEST_GUEST_MACHINE_H

#include "test_support.h"
#include "vx_guest.h"
#include "vx_physmem.h"
#include "vx_queue.h"
#include "vx_radix.h"

enum { MACHINE_CACHED = 1 << 16 };

typedef struct machine_translation {
    bool valid;
    uint64_t cr3; /* address and PCID bits */
    uint64_t gva, frame;
    vx_page_size size;
} machine_translation;

typedef struct guest_machine {
    const vx_radix *format;
    vx_physmem memory;
    uint64_t frames;
    uint8_t *table_level; /* of each frame that is a table, else 0 */
    uint32_t *table_root; /* frame of the root above a linked table */
    uint32_t *data_root;  /* frame of the root of the process that a data frame belongs to; 0: free */
    uint64_t cr0, cr3, cr4, efer, pdpte[4];
    unsigned cpl;
    uint64_t instructions;
    machine_translation *cached;
    size_t cached_count;
    uint64_t invlpgs, data_frames, tables;
} guest_machine;

/* One guest with its arena, queue and machine; booted. */
typedef struct guest_rig {
    vx_arena arena;
    vx_queue queue;
    vx_guest *guest;
    guest_machine machine;
    vx_cfg_guest config;
    vx_msg msg;
} guest_rig;

/* What the tests vary; the rest: 1000 handler instructions, slices of 10 million. */
vx_cfg_guest rig_config(unsigned levels, vx_page_size page, vx_table_placement tables, uint64_t ram_bytes);
void rig_open(guest_rig *rig, const vx_cfg_guest *config, unsigned processes, uint64_t seed);
void rig_close(guest_rig *rig);

/* Executes and empties the queue. */
void rig_drain(guest_rig *rig);

/* What a user's reference to this address does: a fault where it does not translate. Returns the fault's status. */
vx_status rig_touch(guest_rig *rig, uint64_t gva);

/* The translation of the current process: present or not, size and frame. */
machine_translation machine_walk(guest_machine *machine, uint64_t gva);

/* The process of this root is gone: its data frames are free. */
void machine_forget(guest_machine *machine, uint64_t root);

#endif
