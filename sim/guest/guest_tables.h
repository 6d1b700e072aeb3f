/* The kernel's own image of its page tables, and the records that each change of it queues.
 *
 * The image lies in a reserved memory as large as guest RAM, each table at its guest-physical address, so it costs what
 * the tables cost. It is what the kernel wrote: A and D bits, which the hardware sets in simulated memory, never show.
 */
#ifndef VX_GUEST_TABLES_H
#define VX_GUEST_TABLES_H

#include <stdint.h>

#include "frame_pool.h"
#include "vx_guest.h"
#include "vx_physmem.h"
#include "vx_radix.h"

typedef struct vx_guest_tables {
    const vx_radix *format;
    vx_physmem image;
    vx_frame_pool *pool;
} vx_guest_tables;

/* A page that was mapped. */
typedef struct vx_guest_page {
    vx_gva gva;
    uint64_t frame; /* address */
    vx_page_size size;
} vx_guest_page;

enum {
    VX_GUEST_PDPTES = 4,
    VX_GUEST_ROOT_PAGES = 1 + VX_GUEST_PDPTES /* most table pages that a new process needs (PAE) */
};

/* levels: 2 to 5. The image is freed by vx_guest_tables_fini. Below, `counts` are those of the CPU that acts. */
vx_status vx_guest_tables_init(vx_guest_tables *tables, unsigned levels, uint64_t ram_bytes, vx_frame_pool *pool,
                               vx_msg *msg);
void vx_guest_tables_fini(vx_guest_tables *tables);

/* The top table of a new process, queued with PT_PAGE_NEW; PAE: with its four page directories, whose entries go to
 * `pdpte` (SDM Vol. 3A, 4.4.1), and below 4 GiB, where a 32-bit CR3 reaches. VX_ERR_INPUT: the RAM is used up. */
vx_status vx_guest_tables_new_root(vx_guest_tables *tables, vx_guest_counts *counts, uint64_t *root,
                                   uint64_t pdpte[VX_GUEST_PDPTES], vx_queue *queue, vx_msg *msg);

/* Where the image's lookup of an address ends. */
vx_radix_spot vx_guest_tables_lookup(vx_guest_tables *tables, uint64_t root, vx_gva gva);

/* The level whose leaf maps a page of this size; 0: the format has none. */
unsigned vx_guest_tables_leaf_level(const vx_radix *format, vx_page_size size);

/* Maps an absent page; the pool must hold the tables that this needs. */
void vx_guest_tables_map(vx_guest_tables *tables, vx_guest_counts *counts, uint64_t root, const vx_guest_page *page,
                         vx_queue *queue);

/* Clears the leaf of a mapped page, with INVLPG. The frame is the caller's to give back, once no CPU can reach it. */
vx_guest_page vx_guest_tables_unmap(vx_guest_tables *tables, vx_guest_counts *counts, uint64_t root, vx_gva gva,
                                    vx_queue *queue);

/* Gives back every data frame below this root; the tables stay as they are. */
void vx_guest_tables_free_data(vx_guest_tables *tables, uint64_t root);

#endif
