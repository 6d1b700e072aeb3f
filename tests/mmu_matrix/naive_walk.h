/* The oracle of the property test: a translation by reading every table, with no cache of any kind, straight from the
 * manual (SDM Vol. 3A, 4.3-4.7; Vol. 3C, 28.2.2 and 28.2.3.2). It shares no code with the walker under test, changes
 * nothing, and reports which entries a hardware walk would have used. */
#ifndef NAIVE_WALK_H
#define NAIVE_WALK_H

#include "vx_mmu.h"

enum { NAIVE_ENTRIES_MAX = 40 };

typedef struct naive_entry {
    vx_hpa at;
    uint8_t bytes; /* 4 or 8 */
    uint8_t level; /* 1 to 5 */
    bool nested;   /* of the second dimension */
    bool leaf;
    bool table_write; /* nested: the access it served was to a guest table entry */
} naive_entry;

typedef struct naive_walk {
    vx_mmu_result result;
    uint32_t error_code; /* of a page fault */
    vx_gpa gpa;          /* of a nested fault */
    bool table;          /* nested fault on a guest table entry */
    bool nested_found;   /* the last nested translation met no entry that was not present */
    bool mapped;         /* every entry was present, whatever the rights: hpa and sizes hold */
    bool global;
    vx_hpa hpa;
    vx_page_size page, guest_page; /* of the TLB entry (smaller of both); of the first dimension */
    naive_entry entry[NAIVE_ENTRIES_MAX];
    unsigned entries;
} naive_walk;

/* The second dimension alone, for a guest-physical address. */
naive_walk naive_translate_gpa(const vx_physmem *memory, const vx_mmu_control *control, vx_gpa gpa, vx_access access);

naive_walk naive_translate(const vx_physmem *memory, const vx_mmu_control *control, vx_gva gva, vx_access access);

#endif
