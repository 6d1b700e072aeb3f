/* A small world for tests of hypervisors: one VM with vCPU, MMU and hypervisor, and a guest made by hand whose tables
 * are written through records, as a trace would. No fault handler: a page fault that reaches the guest ends the
 * reference and is kept for the test to see. */
#ifndef VMM_WORLD_H
#define VMM_WORLD_H

#include "vx_mmu.h"
#include "vx_radix.h"
#include "vx_vmm.h"

typedef struct vmm_options {
    bool amd;
    vx_scheme scheme;
    bool vpid;
    vx_paging_mode mode;
    vx_page_size nested_page;
    bool linear;               /* guest frames in order; else scattered */
    uint64_t ram_bytes;        /* 0: 64 MiB */
    uint64_t table_bytes;      /* 0: as vx_host_layout_make says */
    unsigned tpr_instructions; /* that can be patched */
    bool recorded;             /* the guest may flush late */
    uint16_t lines, pages;     /* that each handler touches of its own */
    bool no_secondary;         /* a CPU of the first generation */
    bool tpr_shadow;           /* a CPU that has it */
    bool pause_loops;          /* a CPU that tells them */
    bool vmcs_shadowing;       /* a CPU that has it */
    const vx_cfg_vmm *l0;      /* a hypervisor below */
    bool ept_ad;               /* a hypervisor that uses A and D flags in EPT */
    bool no_execute_only;      /* a CPU without execute-only pages in EPT */
    vx_exit_policy exits;
    uint32_t nested_prefetch, quota_ratio, quota_least;
    bool apic;                                               /* the guest has one, enabled by software */
    void (*adjust)(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor); /* last change before they are used; NULL: none */
    const vx_cfg_xen_shadow *xen;                            /* NULL: as Xen 3.3, without a limit to its memory */
} vmm_options;

/* What became of the reference made last. */
typedef struct vmm_outcome {
    bool faulted; /* a page fault reached the guest: at `fault`, with `error_code` */
    vx_gva fault;
    uint32_t error_code;
    uint64_t gpa; /* else what was reached; ~0 where no placement leads there */
} vmm_outcome;

typedef struct vmm_world {
    vmm_options options;
    vx_arena arena;
    vx_physmem memory;
    vx_ledger ledger;
    vx_cfg_cpu cpu;
    vx_cfg_vmm config;
    vx_host_layout layout;
    vx_mmu *mmu;
    vx_queue queue;
    vx_vmm *vmm; /* NULL: native */
    vx_vcpu *vcpu;
    vx_msg msg;
    vx_status status; /* of the last record */
    const vx_radix *format;
    uint64_t next_page; /* guest pages handed out so far */
    uint64_t root;      /* the current CR3 */
    vmm_outcome outcome;
    vx_hpa reached;
    vx_apic apic;
    uint8_t apic_page[VX_APIC_PAGE_BYTES];
    uint8_t vectors[256]; /* delivered to the guest, whose handlers do nothing: the test says when IRET comes */
    unsigned vector_count;
    uint32_t *frame_of_host; /* inverse of the placement: host frame to guest frame + 1 */
} vmm_world;

/* A hypervisor at plain figures: every handler 1000 ticks and 10 VMREADs, fill 100, emulation 300. */
vx_cfg_vmm vmm_test_config(void);

void vmm_world_open(vmm_world *world, const vmm_options *options);
void vmm_world_close(vmm_world *world);
/* Opened and booted, with `pages` small pages from `gva` on (`leaf` as in vmm_map), and with counters at zero. */
void vmm_world_open_pages(vmm_world *world, const vmm_options *options, uint64_t gva, unsigned pages, uint64_t leaf);

/* Executes one record; false where it ended in an error (world->status) other than a fault that reached the guest. */
bool vmm_do(vmm_world *world, vx_record_kind kind, unsigned size, uint64_t addr, const uint64_t *payload,
            unsigned words);

/* Comes to the boundary of an instruction: what waits is delivered. */
void vmm_boundary(vmm_world *world);

/* One reference, and what became of it. */
vmm_outcome vmm_touch(vmm_world *world, vx_access access, uint64_t gva);
/* The same where it must reach memory; returns the guest-physical address. */
uint64_t vmm_reach(vmm_world *world, vx_access access, uint64_t gva);

/* Loads from `gva` on, 2 MiB apart, `most` of them: before the last the hypervisor's memory for tables must be used up,
 * which ends the run. */
void vmm_use_up_tables(vmm_world *world, uint64_t gva, unsigned most);

void vmm_cr_write(vmm_world *world, unsigned number, uint64_t value);
void vmm_invlpg(vmm_world *world, uint64_t gva);
void vmm_cpl(vmm_world *world, unsigned cpl);

/* ---- the guest's tables ---- */

/* A page of guest memory, never handed out before. */
uint64_t vmm_page(vmm_world *world);
uint64_t vmm_large_page(vmm_world *world, vx_page_size size);
/* A new top table, known to the trace (PAE: with its four directories). */
uint64_t vmm_root(vmm_world *world);
/* The guest's state with this root: paging of the world's mode on, WP, NXE, CPL 0. */
void vmm_boot(vmm_world *world, uint64_t root);
/* Where the entry of a level lies (guest-physical), or 0 where no table leads there. */
uint64_t vmm_entry_at(const vmm_world *world, uint64_t root, uint64_t gva, unsigned level);
uint64_t vmm_read(const vmm_world *world, uint64_t gpa);
/* A page-table store; `gva` may be VX_GVA_UNKNOWN. */
void vmm_pt_store(vmm_world *world, uint64_t gva, uint64_t gpa, uint64_t value);
/* Four bytes of an entry of eight. */
void vmm_pt_store_half(vmm_world *world, uint64_t gva, uint64_t gpa, uint32_t value);
/* Maps a page, making tables as needed (upper entries allow everything); `leaf` as in vx_radix_map. */
void vmm_map(vmm_world *world, uint64_t root, uint64_t gva, uint64_t frame, vx_page_size size, uint64_t leaf);
/* An address under entry `index` of the top table, plus `offset`. */
uint64_t vmm_address(const vmm_world *world, unsigned index, uint64_t offset);

/* ---- what is counted ---- */

const vx_vmm_counts *vmm_counts(const vmm_world *world);
uint64_t vmm_exits(const vmm_world *world);
/* Exits of one reason, by name. */
uint64_t vmm_exits_for(const vmm_world *world, const char *reason);
uint64_t vmm_flushes(vmm_world *world, vx_mmu_op op);
void vmm_reset_counts(vmm_world *world);
/* The hypervisor's self-check: it must hold; returns the number of leaves. */
uint64_t vmm_verify(vmm_world *world);

#define VMM_USER_PAGE (VX_PTE_P | VX_PTE_W | VX_PTE_U)

#endif
