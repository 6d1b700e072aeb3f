/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pages of the guest hold page tables now, and what stores do to them.
 *
 * A page is live from when a root or a live upper entry names it until none does. A root stays live after CR3 has left
 * it, for a return is likely; but once it has been stored to ROOT_STORES times while not current it is dropped (a
 * freed root becomes data), and a return to it takes a new snapshot: always right. */
#ifndef PAGE_TABLES_H
#define PAGE_TABLES_H

#include "guest_access.h"
#include "record_stream.h"

typedef struct vxr_table {
    uint64_t frame;
    uint32_t links; /* live entries that name it */
    uint8_t level;
    uint8_t root;          /* 0: no root; else 1 + stores while not current */
    uint32_t place;        /* in the list of roots */
    uint8_t entries[4096]; /* as last known; levels above 1 */
} vxr_table;

typedef struct vxr_tables {
    const vxr_control *control;
    const vxr_ram *ram;
    vxr_stream *stream;
    vxr_paging paging; /* the control state's when it was last looked at */
    vxr_table **live;  /* by frame number; NULL: holds no table */
    uint64_t frames;
    vxr_table **roots;
    uint32_t root_count, root_room;
    uint64_t current[4]; /* frames + 1 of the roots in use */
    uint64_t made;       /* pages that have become live so far */
} vxr_tables;

bool vxr_tables_init(vxr_tables *tables, const vxr_control *control, const vxr_ram *ram, vxr_stream *stream);

static inline bool vxr_tables_hold(const vxr_tables *tables, uint64_t gpa)
{
    return gpa >> 12 < tables->frames && tables->live[gpa >> 12];
}

/* CR3 has, or is about to get, this value. */
void vxr_tables_load(vxr_tables *tables, uint64_t cr3);
/* Paging was switched or its mode changed: all tables are forgotten, and found again from CR3. */
void vxr_tables_restart(vxr_tables *tables);
/* Puts a snapshot of every live page: the start of a recording. */
void vxr_tables_tell(vxr_tables *tables);
/* A REP instruction has begun to store to a live page: guests fill pages with these, and write no entries. A root that
 * is not in use has been freed, and goes. True: the page is live no more. */
bool vxr_tables_refilled(vxr_tables *tables, uint64_t gpa);
/* A store has been made to a live page. `gva`: of its first byte, or GVA_UNKNOWN. */
void vxr_tables_stored(vxr_tables *tables, uint64_t gpa, unsigned bytes, uint64_t gva);

#endif
