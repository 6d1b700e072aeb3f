/* The memory-management unit: TLBs, paging-structure caches, nested TLB, the one- and two-dimensional page walk, and
 * the data caches that page entries and data share.
 *
 * Hardware only: it knows CR3, PCID, VPID and EPTP, and nothing of who wrote the tables. A shadow scheme is the
 * one-dimensional mode with another root. What a loop of hits needs is inline in vx_mmu_hit.h; all here is the cold
 * side.
 *
 * Sources: Intel SDM Vol. 3A chapter 4 (paging; 4.10 caching of translations), Vol. 3C chapter 28 in the 2016-2019
 * numbering (EPT 28.2, caching 28.3; chapter 29 in later editions); AMD APM Vol. 2, 15.16 and 15.25 (nested paging;
 * read through Linux, Xen and QEMU). Walk order: Bhargava et al., ASPLOS 2008, Fig. 1(b). */
#ifndef VX_MMU_H
#define VX_MMU_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_arena.h"
#include "vx_config.h"
#include "vx_ledger.h"
#include "vx_paging.h"
#include "vx_physmem.h"
#include "vx_record.h"
#include "vx_stats.h"
#include "vx_status.h"
#include "vx_walk_access.h"

typedef struct vx_mmu vx_mmu;

/* Memory comes from the arena; `cpu`, `memory` and `ledger` must outlive the MMU. Starts untranslated: vx_mmu_load. On
 * failure *mmu is untouched. VX_ERR_INPUT where the model's geometry is impossible (vx_model_check lets none through):
 * each kind of access needs one first-level unit, which holds 4K pages, and at most one second-level unit.
 * VX_ERR_NOMEM. */
vx_status vx_mmu_init(vx_mmu **mmu, vx_arena *arena, const vx_cfg_cpu *cpu, vx_physmem *memory, vx_ledger *ledger,
                      vx_msg *msg);

/* ---- what the CPU tells it ---- */

typedef enum vx_nested_kind {
    VX_NESTED_NONE,
    VX_NESTED_EPT, /* entries as SDM Vol. 3C 28.2.2 */
    VX_NESTED_NPT  /* entries in the long-mode guest format; every access is a user access (APM Vol. 2, 15.25.5) */
} vx_nested_kind;

/* Everything that selects or restricts a translation. Plain registers: the caller decodes CR0, CR4, EFER, EPTP. */
typedef struct vx_mmu_control {
    vx_paging_mode paging; /* of the first dimension (guest, native or shadow tables) */
    uint64_t root;         /* CR3's address bits: gpa in two dimensions, hpa in one */
    uint64_t pdpte[4];     /* PAE: latched at MOV CR3 */
    bool wp;               /* CR0.WP */
    bool pse;              /* CR4.PSE: 4M pages in 32-bit paging */
    bool pge, smep, smap;  /* CR4 */
    bool nxe;              /* EFER.NXE */
    bool ac;               /* EFLAGS.AC: lifts SMAP for explicit accesses */
    uint8_t cpl;           /* 3 is user, else supervisor */
    uint16_t pcid;         /* 0 where CR4.PCIDE = 0 */
    uint16_t vpid;         /* 0: VPID off or VMX root; on AMD the ASID */
    vx_nested_kind nested;
    uint64_t nested_root;  /* EPTP[51:12] << 12, or nCR3 */
    uint8_t nested_levels; /* 4 or 5 */
    bool nested_ad;        /* EPTP bit 6: EPT A and D flags */
    /* EPT, by control of the VMCS (SDM Vol. 3C tables 24-7 to 24-9). */
    bool supervisor_shadow_stack;   /* EPTP bit 7 */
    bool mode_based_execute;        /* bit 10 of an entry is execute access for user-mode linear addresses */
    bool paging_write;              /* bit 58 of a leaf allows the processor's own writes to guest tables */
    bool guest_paging_verification; /* bit 57 of a leaf; needs paging_write */
    bool sub_page_write;            /* bit 61 of a 4K leaf: 128-byte sub-pages, through the tables at `sppt` */
    uint64_t sppt;
    bool advanced_information; /* of the processor: bits 11:9 of a violation's qualification */
    uint64_t pml_address;      /* page-modification log, host-physical */
    uint16_t *pml_index;       /* its index, counted down by the MMU; NULL: no logging */
    bool shadow;               /* ledger only: charge one-dimensional walks to walk.shadow */
} vx_mmu_control;

/* Loads the whole control state. Drops nothing by itself: invalidations are operations of their own. Cheap enough for
 * every CPL change where only `cpl` or `ac` differs. */
void vx_mmu_load(vx_mmu *mmu, const vx_mmu_control *control);
const vx_mmu_control *vx_mmu_control_now(const vx_mmu *mmu);

/* ---- translation, cold side ---- */

typedef enum vx_mmu_result {
    VX_MMU_DONE,          /* translated; the first-level TLB now holds it */
    VX_MMU_PAGE_FAULT,    /* #PF of the first dimension: guest's, or hidden where the tables are shadows */
    VX_MMU_NESTED_FAULT,  /* EPT violation or nested page fault */
    VX_MMU_EPT_MISCONFIG, /* SDM Vol. 3C 28.2.3.1 */
    VX_MMU_PML_FULL,      /* page-modification log full (28.2.6): the access has not happened, no flag was set */
    VX_MMU_SPP_EVENT,     /* sub-page permission miss, or misconfiguration (28.2.4) */
} vx_mmu_result;

typedef struct vx_mmu_fault {
    vx_gva gva;
    uint32_t error_code;    /* PAGE_FAULT: P 0, W 1, U 2, RSVD 3, I 4, SS 6 (SDM Vol. 3A, 4.7) */
    vx_gpa gpa;             /* nested: the guest-physical address that failed */
    uint64_t qualification; /* EPT violation: SDM Vol. 3C Table 27-7, without bits 12 and 16; SPP_EVENT: bit 11; NPT:
                               EXITINFO1 (APM Vol. 2, 15.25.6) */
    bool table;             /* nested: the failing access was to a guest table entry, not to the data */
    bool convertible;       /* EPT violation: the entry that decides has bit 63, suppress #VE, clear (25.5.7.1) */
} vx_mmu_fault;

typedef struct vx_mmu_translation {
    vx_hpa hpa;
    vx_page_size page; /* of the TLB entry: the smaller of both dimensions' */
    bool missed;       /* the first level did not hold it */
} vx_mmu_translation;

/* One complete lookup of a canonical address: first level, second level, walk. Counts, charges, fills, sets A and D.
 * What vx_mmu_hit does is included: call it where that said false, or instead. `*translation` is written on DONE,
 * `*fault` otherwise. A fault has dropped what the manual says it drops (VX_OP_PAGE_FAULT, VX_OP_EPT_VIOLATION, counted
 * as such). Untranslated (paging off, one dimension): the address itself, nothing looked up or counted. */
vx_mmu_result vx_mmu_access(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,
                            vx_mmu_fault *fault);

/* The same as vx_mmu_access for a shadow-stack access (SDM Vol. 3A, 4.6.1 and CET's page faults; Vol. 3C 28.2.3.2).
 * LOAD or STORE; CR4.CET and CR0.WP are taken as 1. Always a walk, which looks nothing up in the TLBs and fills none.
 */
vx_mmu_result vx_mmu_access_shadow_stack(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,
                                         vx_mmu_fault *fault);

/* A nested translation alone (page-table store of a trace, MMIO): does the guest-physical address translate with these
 * rights? A walk of its own in the grid's data row; uses and fills the guest-physical caches, no TLB. A violation's
 * bits 7 and 8 are clear: no linear address. DONE in one dimension with hpa = gpa, uncounted. */
vx_mmu_result vx_mmu_access_gpa(vx_mmu *mmu, vx_gpa gpa, vx_access access, vx_hpa *hpa, vx_mmu_fault *fault);

/* Whether a walk of this processor's would call a present EPT entry of this level misconfigured (SDM Vol. 3C 28.2.3.1),
 * without mode-based execute control and paging-write access: for a hypervisor that walks EPT in software. */
bool vx_mmu_ept_misconfigured(const vx_cfg_cpu *cpu, uint64_t entry, unsigned level);

/* The same on AMD: whether a present entry of this level has a bit set that is reserved in nested tables. */
bool vx_mmu_npt_reserved(const vx_cfg_cpu *cpu, uint64_t entry, unsigned level);

/* A walk takes long enough to bring near what the walks of the next references will read: the guest's entry of a
 * reference further ahead, the nested entry of a nearer one, whose guest entry has come. `record` is the one that
 * misses, `stop` one behind the last that may be looked at. Changes nothing that is modelled or counted. */
void vx_mmu_expect(const vx_mmu *mmu, const vx_record *record, const vx_record *stop);

/* Data reference through the caches at its host-physical address; does nothing but under VX_CACHES_ALL. Loads and
 * stores enter at L1, fetches at L2; what the answering level takes longer than the level of entry is charged to
 * mem.data. */
void vx_mmu_data(vx_mmu *mmu, vx_hpa hpa, vx_access access);

/* ---- invalidation (SDM Vol. 3A 4.10.4, Vol. 3C 28.3.3; AMD APM Vol. 2, 15.16) ---- */

typedef enum vx_mmu_op {
    /* By the guest or native OS; they act on the current VPID (and all EP4TA), never on guest-physical mappings. */
    VX_OP_INVLPG,             /* gva */
    VX_OP_INVPCID_ADDRESS,    /* gva, pcid; globals stay */
    VX_OP_INVPCID_CONTEXT,    /* pcid; globals stay */
    VX_OP_INVPCID_ALL_GLOBAL, /* all PCIDs with globals */
    VX_OP_INVPCID_ALL,        /* all PCIDs, globals stay */
    VX_OP_CR3_LOAD,           /* pcid of the new CR3; bit 63 set is no operation at all; globals stay */
    VX_OP_CR4_FLUSH,          /* CR4.PGE changed, PCIDE 1 to 0, SMEP 0 to 1; CR0.PG 1 to 0: everything of this VPID */
    VX_OP_PAGE_FAULT,         /* gva: a page fault drops what it used */
    /* By the hypervisor. */
    VX_OP_INVVPID_ADDRESS,     /* vpid, gva */
    VX_OP_INVVPID_CONTEXT,     /* vpid */
    VX_OP_INVVPID_ALL,         /* all VPIDs but 0 */
    VX_OP_INVVPID_KEEP_GLOBAL, /* vpid; globals stay */
    VX_OP_INVEPT_CONTEXT,      /* nested_root */
    VX_OP_INVEPT_ALL,
    VX_OP_VM_TRANSITION, /* VM entry or exit with VPID off: linear and combined of VPID 0 */
    VX_OP_EPTP_SWITCH,   /* VMFUNC 0 with VPID off: combined of VPID 0 (SDM Vol. 3C, 25.5.6.3) */
    VX_OP_EPT_VIOLATION, /* gva, gpa: combined of that address, guest-physical used for the gpa */
    /* AMD. */
    VX_OP_FLUSH_ALL_ASIDS,        /* TLB_CONTROL 1 */
    VX_OP_FLUSH_ASID,             /* TLB_CONTROL 3: vpid is the ASID */
    VX_OP_FLUSH_ASID_KEEP_GLOBAL, /* TLB_CONTROL 7 */
    VX_OP_INVLPGA,                /* gva, vpid is the ASID */
    VX_OPS
} vx_mmu_op;

/* "invlpg", "vm_transition", ...: rows of the report's flush table. */
const char *vx_mmu_op_name(vx_mmu_op op);

typedef struct vx_mmu_invalidation {
    vx_mmu_op op;
    vx_gva gva;
    vx_gpa gpa;
    uint16_t pcid, vpid;
    uint64_t nested_root;
} vx_mmu_invalidation;

/* Drops what the manual says must go, and exactly what this model's table says may go with it (docs/rooms/mmu.md).
 * Returns the number of TLB entries dropped (caches of the walker not counted). */
uint64_t vx_mmu_invalidate(vx_mmu *mmu, const vx_mmu_invalidation *invalidation);

/* Where a translation is remembered now, for tests and `--check`: which kinds of structure hold it under the current
 * control state, with no side effect. */
typedef struct vx_mmu_presence {
    bool l1d, l1i, l2;              /* a TLB entry would hit (whatever the rights) */
    bool psc_guest;                 /* linear or combined paging-structure entries for the gva */
    bool psc_nested;                /* guest-physical paging-structure entries for the gpa */
    bool ntlb;                      /* the nested TLB holds the gpa */
    vx_mmu_translation translation; /* where any TLB holds it */
} vx_mmu_presence;
/* Counts nothing and touches no replacement state. */
vx_mmu_presence vx_mmu_probe(const vx_mmu *mmu, vx_gva gva, vx_gpa gpa);

/* ---- counters ---- */

/* Rows: guest levels 5 to 1, then the data's gpa. Columns: nested levels 5 to 1, then the guest entry. */
enum { VX_GRID = 6 };

typedef struct vx_tlb_counts {
    uint64_t lookups, hits, misses;
    uint64_t hits_by_page[VX_PAGE_SIZES], fills_by_page[VX_PAGE_SIZES];
} vx_tlb_counts;

typedef struct vx_mmu_counts {
    vx_tlb_counts tlb[VX_CFG_TLBS]; /* same order as the model's units */
    uint64_t walks, walks_aborted;  /* all walks, and those among them that ended in a fault */
    uint64_t gpa_walks;             /* among `walks`: of vx_mmu_access_gpa */
    uint64_t walk_accesses;         /* sum over the grid */
    uint64_t accesses[VX_GRID][VX_GRID], skipped[VX_GRID][VX_GRID], ticks[VX_GRID][VX_GRID];
    uint64_t ad_writes;
    vx_histogram per_walk; /* accesses a walk */
    uint64_t psc_lookups, psc_hits, ntlb_lookups, ntlb_hits;
    uint64_t cache_lookups[VX_CFG_CACHES], cache_hits[VX_CFG_CACHES]; /* page entries and data together */
    uint64_t flushes[VX_OPS], flushed_entries[VX_OPS];
} vx_mmu_counts;

/* Brings the lazily kept sums up to date (hit counters of the inline path) and returns them. */
const vx_mmu_counts *vx_mmu_counts_now(vx_mmu *mmu);

/* Zeroes all counters (end of warm-up); contents stay. */
void vx_mmu_counts_reset(vx_mmu *mmu);

/* Adds one MMU's counters to a total over CPUs of one model. Start from zero. */
void vx_mmu_counts_add(vx_mmu_counts *total, const vx_mmu_counts *part);

/* Declares every counter under "tlb.", "walks." and "caches.": an MMU's, of which vx_mmu_counts_now is to be called
 * before reading, or a total's. */
void vx_mmu_declare(vx_mmu *mmu, vx_stats *stats);
void vx_mmu_counts_declare(vx_mmu_counts *counts, const vx_cfg_cpu *cpu, vx_stats *stats);

/* Identities: lookups = hits + misses of each unit, walk accesses = sum over the grid, ... Writes up to `room` and
 * returns how many there are. */
unsigned vx_mmu_identities(vx_mmu *mmu, vx_identity *identities, unsigned room);

/* Told of every access of every walk, and of every skipped one, in the order of the walk; NULL switches observation
 * off. `ticks` are the exposed ones, as charged. Of an access that a prefix cache or the nested TLB saved, neither
 * address nor value are known: both are 0. */
void vx_mmu_observe(vx_mmu *mmu, vx_walk_observer observer, void *context);

#endif
