/* Page tables that random edits change, and an IOMMU whose caches hold nothing beside the one under test.
 *
 * The oracle reads the tables anew for each request, as if everything were flushed before it. The IOMMU under test may
 * answer with an older translation of a page only while an edit of it has not been invalidated; tests keep the edits
 * that are outstanding, and wherever there are none both must agree in outcome, address and reason. */
#ifndef IO_STALE_TABLES_H
#define IO_STALE_TABLES_H

#include "iommu_world.h"
#include "vx_random.h"

enum { STALE_SLOTS = 24, STALE_GIANTS = STALE_SLOTS / 8, STALE_FRAME = 64, STALE_FRAMES = 60 };

/* A slot is a 2 MiB region: one 2M page, or up to four 4K pages of it, or nothing; eight of them lie in a 1 GiB region,
 * which one page may cover. Frames begin at STALE_FRAME, in 2 MiB; STALE_FRAMES is
 * their usual number. */
typedef struct stale_tables {
    const vx_radix *format;
    uint64_t root, upper; /* upper: bits of entries that point to tables */
    uint64_t rights[3];   /* bits of leaves, to choose from */
    unsigned frames;      /* that leaves are of */
    bool large[STALE_SLOTS];
    bool outstanding[STALE_SLOTS];  /* edited since the last invalidation that named it */
    uint64_t covered[STALE_GIANTS]; /* the entry that a 1G page has replaced; 0: there is none */
} stale_tables;

uint64_t stale_address(unsigned slot);
void stale_tables_second(stale_tables *tables, io_world *world, unsigned levels);
void stale_tables_first(stale_tables *tables, io_world *world);
/* Changes something: another page, other rights, none; now and then another page size. Rights that only grow and pages
 * that are new need no invalidation, but here every edit counts as one. */
void stale_tables_edit(stale_tables *tables, io_world *world, vx_random *dice);
void stale_tables_settle(stale_tables *tables, unsigned first, unsigned slots);

typedef struct stale_oracle {
    vx_arena arena;
    vx_iommu *iommu;
    bool any_reason;              /* what is blocked may be blocked for another reason */
    uint64_t agreed, hits, stale; /* hits: among those that agreed; stale: old answers before their invalidation */
} stale_oracle;

void stale_oracle_open(stale_oracle *oracle, io_world *world, const vx_cfg_iommu *config);
void stale_oracle_compare(stale_oracle *oracle, io_world *world, const vx_dma_request *request, bool may_differ);
/* Frees the fault records of both. */
void stale_oracle_clear(stale_oracle *oracle, io_world *world);
/* Says what was seen; a cache that holds nothing would agree too, so that old answers must have occurred. */
void stale_oracle_close(stale_oracle *oracle, uint64_t least_stale, uint64_t least_hits);

#endif
