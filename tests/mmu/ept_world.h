/* EPT by hand for tests of its rules: a page a table, and each table translates GPA through the same index. */
#ifndef VX_EPT_WORLD_H
#define VX_EPT_WORLD_H

#include "test_cpu.h"
#include "test_support.h"
#include "vx_mmu.h"

#define BIT(n) ((uint64_t)1 << (n))
enum { ALL = 7, WB = 6 << 3 };
/* The EPT table of level n is at n pages. */
#define TABLE(level) ((uint64_t)(level) << 12)
#define GPA 0x8040201000ULL /* index 1 in each table */

typedef struct ept_world {
    vx_cfg_cpu cpu;
    vx_arena arena;
    vx_physmem memory;
    vx_ledger ledger;
    vx_mmu *mmu;
    vx_mmu_control control;
    uint16_t pml;
} ept_world;

extern ept_world w;

/* Entries of levels 5 to 1 that allow everything; the page is at 0x7000. MAXPHYADDR 40, 1G pages, no execute-only. */
void open_ept(unsigned levels);
void close_ept(void);
/* After w.control or a table has changed: nothing is cached. */
void load(void);

void write_at(uint64_t at, uint64_t value);
uint64_t read_at(uint64_t at);
static inline uint64_t entry_at(unsigned level) { return TABLE(level) + 8; }

#endif
