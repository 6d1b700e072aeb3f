/* The small world of the invalidation tests: 3 VPIDs x 2 PCIDs, each once in one dimension (linear mappings) and once
 * under each of 2 EPTPs (combined and guest-physical mappings), with the same few linear addresses mapped in all of
 * them to frames that tell the contexts apart.
 *
 * Each context has three pages: NEAR (not global) and GLOBAL share every paging-structure entry; FAR (not global)
 * shares none with them, for its entry in the root table is another one. Beside NEAR and FAR stands a page of the same
 * page table that is never touched before the operation under test: where it translates to tells which
 * paging-structure entries a walk used. */
#ifndef MATRIX_WORLD_H
#define MATRIX_WORLD_H

#include "vx_mmu.h"
#include "vx_radix.h"

enum { MATRIX_VPIDS = 3, MATRIX_PCIDS = 2, MATRIX_EPTS = 2 };
enum { MATRIX_ONE_DIMENSION = MATRIX_EPTS }; /* the "EPT" of a context without one */
enum { MATRIX_CONTEXTS_MAX = MATRIX_VPIDS * MATRIX_PCIDS * (MATRIX_EPTS + 1) };
enum { MATRIX_PATCHES_MAX = 1024 };

typedef enum matrix_page { MATRIX_NEAR, MATRIX_GLOBAL, MATRIX_FAR, MATRIX_PAGES } matrix_page;

/* Values at both ends of the fields, so that a tag cut short shows. */
extern const uint16_t matrix_vpid[MATRIX_VPIDS];
extern const uint16_t matrix_pcid[MATRIX_PCIDS];
extern const uint64_t matrix_gva[MATRIX_PAGES];
extern const uint64_t matrix_gpa[2]; /* data pages reached by guest-physical address alone */

/* Linear addresses next to NEAR and FAR (GLOBAL has none: its page table is NEAR's), guest-physical ones likewise. */
enum { MATRIX_SIBLING = 0x5000 };

/* Where a linear or guest-physical address leads by the tables as built and as changed behind the MMU's back. */
typedef struct matrix_target {
    vx_hpa before, after;
} matrix_target;

typedef struct matrix_context {
    unsigned vpid, pcid, ept; /* indices; ept MATRIX_ONE_DIMENSION: none */
    vx_mmu_control control;
    matrix_target page[MATRIX_PAGES], sibling[MATRIX_PAGES];
} matrix_context;

typedef struct matrix_patch {
    vx_hpa at;
    uint64_t before, after;
} matrix_patch;

typedef struct matrix_world {
    vx_physmem memory;
    uint64_t next_hpa;
    uint64_t next_gpa[MATRIX_EPTS];
    uint64_t guest_base[MATRIX_EPTS]; /* host-physical address of the guest's memory */
    vx_radix_table ept[MATRIX_EPTS], ept_after[MATRIX_EPTS];
    uint64_t global_before[MATRIX_VPIDS][MATRIX_EPTS + 1], global_after[MATRIX_VPIDS][MATRIX_EPTS + 1];
    matrix_target gpa[MATRIX_EPTS][2], gpa_sibling[MATRIX_EPTS][2];
    matrix_context context[MATRIX_CONTEXTS_MAX];
    unsigned contexts;
    matrix_patch patch[MATRIX_PATCHES_MAX];
    unsigned patches;
} matrix_world;

/* Builds tables and contexts. On AMD VPIDs are ASIDs, the nested tables are NPT's, and ASID 0, the host's, has no
 * nested context (APM Vol. 2, 15.5.1: VMRUN refuses ASID 0). Fails the running test where memory ends. */
void matrix_world_open(matrix_world *world, vx_vendor vendor);
void matrix_world_close(matrix_world *world);

/* Puts every table entry as built, or as changed: leaves of touched pages lead to other frames, and the root entries
 * above them to other tables. */
void matrix_world_restore(matrix_world *world);
void matrix_world_change(matrix_world *world);

/* What the walker under test has besides its TLBs. */
typedef struct matrix_variant {
    const char *name;
    vx_psc_kind psc;
    bool physical_nested_leaf;
    bool ntlb;
    bool split_tlbs; /* an array per page size instead of one for all */
} matrix_variant;

enum { MATRIX_VARIANTS = 5 };
extern const matrix_variant matrix_variants[MATRIX_VARIANTS];

/* A processor with TLBs and walker caches large enough to lose nothing for want of room. */
void matrix_cpu(vx_cfg_cpu *cpu, vx_vendor vendor, const matrix_variant *variant);

/* An MMU with an arena and a ledger of its own. */
typedef struct matrix_mmu {
    vx_arena arena;
    vx_ledger ledger;
    vx_mmu *mmu;
} matrix_mmu;

void matrix_mmu_open(matrix_mmu *unit, const vx_cfg_cpu *cpu, vx_physmem *memory);
void matrix_mmu_close(matrix_mmu *unit);

#endif
