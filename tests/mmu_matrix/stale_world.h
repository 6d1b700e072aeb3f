/* The machine of the property test: several guests, native and shadow processes on one MMU, whose tables software
 * changes at random, obeying the manual's rules on what to invalidate after which change (SDM Vol. 3A, 4.10.4.2 and
 * 4.10.4.3; Vol. 3C, 28.3.3.3 and 28.3.3.4) and no more than these. */
#ifndef STALE_WORLD_H
#define STALE_WORLD_H

#include "invalidation_rule.h"
#include "vx_mmu.h"
#include "vx_radix.h"
#include "vx_random.h"

enum { STALE_SLOTS_MAX = 32, STALE_VMS_MAX = 7, STALE_PROCESSES = 2, STALE_VIEWS = 2, STALE_POOL_PAGES = 1024 };
enum { STALE_QUARANTINE = 256, STALE_RAISED = 64 };

/* Table pages of one owner, recycled: a stale paging-structure entry then points into somebody else's table. */
typedef struct stale_pool {
    uint64_t free[STALE_POOL_PAGES]; /* as the table spells addresses */
    unsigned frees;
    uint64_t quarantine[STALE_QUARANTINE]; /* unlinked, but not yet invalidated */
    unsigned quarantined;
} stale_pool;

typedef struct stale_table {
    const vx_radix *format;
    uint64_t root;
    uint64_t base; /* where the table's addresses begin in host-physical memory */
    stale_pool *pool;
} stale_table;

/* A nested table, and where its rights were raised without an INVEPT: violations there may be spurious. */
typedef struct stale_view {
    stale_table table;
    uint64_t raised_from[STALE_RAISED], raised_to[STALE_RAISED];
    unsigned raised;
} stale_view;

typedef struct stale_slot {
    uint64_t gva;
    bool kernel; /* shared by the processes; may be global */
} stale_slot;

typedef struct stale_process {
    stale_table table;
    uint16_t pcid;
    bool deferred;                /* changed while not running: needs a flushing MOV to CR3 before it runs again */
    bool raised[STALE_SLOTS_MAX]; /* rights were raised without an invalidation: a fault may be spurious, once */
} stale_process;

typedef struct stale_vm {
    const char *name;
    vx_paging_mode paging;
    vx_nested_kind nested;
    uint16_t vpid;
    bool pcids; /* CR4.PCIDE */
    bool nested_ad, wp, ac;
    uint8_t cpl;
    unsigned resumed; /* process that runs when the guest does */
    unsigned views;   /* EPTPs of this guest: 0 in one dimension */
    stale_view view[STALE_VIEWS];
    uint8_t nested_levels;
    stale_pool pool; /* of its own tables */
    uint64_t base;   /* host-physical address of the guest's first GiB, where its tables are */
    stale_process process[STALE_PROCESSES];
    stale_slot slot[STALE_SLOTS_MAX];
    unsigned slots;
} stale_vm;

/* Told of every invalidation, around it. */
typedef struct stale_machine stale_machine;
typedef void (*stale_watch)(stale_machine *machine, const vx_mmu_invalidation *operand);

struct stale_machine {
    vx_physmem memory;
    vx_mmu *mmu; /* set by the test */
    vx_random random;
    vx_vendor vendor;
    stale_pool nested_pool; /* of nested tables */
    stale_vm vm[STALE_VMS_MAX];
    unsigned vms;
    unsigned now_vm, now_process, now_view;
    stale_watch invalidate; /* performs it */
    void *watch_context;
    uint64_t edits, invalidations, switches;
};

typedef struct stale_guest_spec {
    const char *name;
    vx_paging_mode paging;
    vx_nested_kind nested;
    uint8_t nested_levels;
    uint16_t vpid;
    bool pcids, nested_ad;
    unsigned views;
} stale_guest_spec;

/* `stream` names the random stream, so that each setting goes its own way under one seed. */
void stale_machine_open(stale_machine *machine, const stale_guest_spec *guests, unsigned count, uint64_t seed,
                        const char *stream, vx_vendor vendor);
void stale_machine_close(stale_machine *machine);

uint64_t stale_below(stale_machine *machine, uint64_t bound);
/* A page of guest memory that edits of the nested table are about. */
uint64_t stale_random_gpa(stale_machine *machine);
bool stale_chance(stale_machine *machine, unsigned percent);

/* The control state of a process under a view, and loading the running one's. */
vx_mmu_control stale_control(const stale_machine *machine, unsigned vm, unsigned process, unsigned view);
void stale_load(stale_machine *machine);

/* Performs an invalidation through the watcher. */
void stale_invalidate(stale_machine *machine, vx_mmu_invalidation operand);

/* One random change of the running guest's tables, of its nested table, of the context, of the rights flags. */
void stale_edit_guest(stale_machine *machine);
void stale_edit_nested(stale_machine *machine);
void stale_switch(stale_machine *machine);
void stale_change_rights(stale_machine *machine);

/* The hypervisor's answer to an EPT violation at gpa: maps it, or grants all rights. */
void stale_nested_fault(stale_machine *machine, vx_gpa gpa);
/* The guest's answer to a page fault: maps the page. */
void stale_page_fault(stale_machine *machine, uint64_t gva);

/* ---- tables (stale_tables.c) ---- */

/* What one change of an entry asks for. */
typedef enum stale_need { STALE_NEEDS_NOTHING, STALE_RAISED_RIGHTS, STALE_NEEDS_INVALIDATION } stale_need;

typedef struct stale_change {
    stale_need need;
    bool upper;        /* the entry referenced a table: every page below is concerned */
    uint64_t from, to; /* addresses the entry translated, [from, to] */
} stale_change;

uint64_t stale_page(stale_pool *pool, const vx_physmem *memory, uint64_t base);
void stale_release(stale_pool *pool);
stale_table stale_table_new(stale_machine *machine, const vx_radix *format, stale_pool *pool, uint64_t base);

/* Makes the entry for `address` at `level` what it should be, making tables above it and turning a large page in the
 * way into a table of nothing. Tables it unlinks go to quarantine. */
stale_change stale_write(stale_machine *machine, const stale_table *table, uint64_t address, unsigned level,
                         uint64_t entry, uint64_t upper);
/* Level and value of the present entry that ends the walk, or of the first absent one. */
unsigned stale_find(const stale_machine *machine, const stale_table *table, uint64_t address, unsigned lowest,
                    vx_hpa *at, uint64_t *entry);
bool stale_leaf_level(const vx_radix *format, unsigned level);

#endif
