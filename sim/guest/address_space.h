/* A process of the modelled OS: its tables, its PCID, and its pages in the order in which they were mapped. */
#ifndef VX_ADDRESS_SPACE_H
#define VX_ADDRESS_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "guest_tables.h"
#include "vx_addr.h"
#include "vx_arena.h"
#include "vx_status.h"

typedef struct vx_address_space {
    uint64_t identity; /* as the trace's PROCESS records name it; meaningful where `named` */
    bool named;
    bool touched;                    /* has faulted */
    uint16_t pcid;                   /* 1 to 4095; 0: the OS uses none */
    unsigned trace;                  /* whose references it executes, */
    unsigned owner;                  /* ... of which CPU's */
    uint64_t stale;                  /* with PCIDs: CPUs that must flush before they run it again, as bits */
    uint64_t root;                   /* gpa of the top table */
    uint64_t pdpte[VX_GUEST_PDPTES]; /* PAE; else 0 */
    uint64_t oldest, newest;         /* frames of the first and last page in the order of mapping; 0: none */
    uint64_t pages;                  /* how many are in that order */
} vx_address_space;

/* The value of CR3 that selects it (SDM Vol. 3A, Table 4-12 and 4.10.1). */
static inline uint64_t vx_address_space_cr3(const vx_address_space *space) { return space->root | space->pcid; }

/* One mapped page, kept at its first frame's number: a queue link that needs no allocation, since a frame belongs to
 * one page of one process at the most. */
typedef struct vx_mapped_page {
    vx_gva gva;
    uint64_t next; /* frame of the page mapped after it; 0: none */
} vx_mapped_page;

/* The order in which pages were mapped, of all processes. Kept only where something is unmapped. */
typedef struct vx_page_order {
    vx_mapped_page *of_frame; /* NULL: not kept */
} vx_page_order;

vx_status vx_page_order_init(vx_page_order *order, vx_arena *arena, bool kept, uint64_t frames, vx_msg *msg);
void vx_page_order_append(vx_page_order *order, vx_address_space *space, vx_gva gva, uint64_t frame_address);
/* Takes the oldest page out; the process must have one. */
vx_gva vx_page_order_take(vx_page_order *order, vx_address_space *space);
/* The oldest page, which stays. */
vx_gva vx_page_order_oldest(const vx_page_order *order, const vx_address_space *space);

#endif
