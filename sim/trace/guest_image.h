/* What a system trace has made of its guest so far: the control state and the live page tables, kept while its records
 * pass. It is what a replay must be told to begin in the middle, and what a check walks.
 *
 * NOT KEPT: IF, the APIC and devices; tables that were replaced by LLDT and LTR (their bases are in descriptors). */
#ifndef GUEST_IMAGE_H
#define GUEST_IMAGE_H

#include "vx_paging.h"
#include "vx_physmem.h"
#include "vx_radix.h"
#include "vx_trace.h"

/* The payload of a STATE record, word by word. */
typedef enum image_word {
    IMAGE_CR0,
    IMAGE_CR2,
    IMAGE_CR3,
    IMAGE_CR4,
    IMAGE_EFER,
    IMAGE_PDPTE,
    IMAGE_GDT = IMAGE_PDPTE + 4,
    IMAGE_IDT,
    IMAGE_LDT,
    IMAGE_TSS,
    IMAGE_WORDS
} image_word;

/* A page that holds a page table. */
typedef struct image_page {
    uint64_t gpa; /* + 1; 0: no page */
    uint8_t level;
} image_page;

typedef struct guest_image {
    vx_physmem memory; /* guest-physical; of the live pages alone it holds bytes */
    uint64_t state[IMAGE_WORDS];
    uint8_t cpl;
    bool stateful;     /* a STATE record was among them: else it is no system trace's beginning */
    image_page *pages; /* by a hash of the address; at most half of the slots are taken */
    uint32_t slots, live;
} guest_image;

/* Empty. VX_ERR_NOMEM. */
vx_status guest_image_init(guest_image *image, vx_msg *msg);
void guest_image_fini(guest_image *image);

/* A record has passed. VX_ERR_NOMEM. */
vx_status guest_image_take(guest_image *image, const vx_record *record, const uint64_t *payload, vx_msg *msg);

/* How its paging mode's tables are laid out; NULL: paging is off. */
const vx_radix *guest_image_format(const guest_image *image);
vx_paging_mode guest_image_paging(const guest_image *image);

/* The live pages in the order of their addresses; the caller frees them. NULL: no memory. */
image_page *guest_image_pages(const guest_image *image);

/* The page's entries that are not 0, as a PT_PAGE_NEW record has them: pairs of index and value, to `words` (two a
 * possible entry). Returns how many words. */
unsigned guest_image_entries(const guest_image *image, uint64_t gpa, uint64_t *words);

#endif
