/* What a machine is: plain structs that the hardware rooms are built from. No XML here (vx_model.h reads it).
 *
 * Every field is a leaf of the effective configuration with a dotted path (`--set cpu.tlb.l2.hit_ticks=9`), a unit, a
 * range, and a provenance (source or assumed): the tables in sim/model/xml/keys_*.c say so for each. Values are
 * validated before any room sees them: sets are powers of two, names unique, counts within the arrays. */
#ifndef VX_CONFIG_H
#define VX_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_setassoc.h"

enum {
    VX_CFG_NAME = 32,
    VX_CFG_TLBS = 8,
    VX_CFG_TLB_ARRAYS = 4,
    VX_CFG_CACHES = 3,
    VX_CFG_EXITS = 80, /* exit-cost rows of a hypervisor */
};

typedef enum vx_vendor { VX_VENDOR_INTEL, VX_VENDOR_AMD } vx_vendor;

/* ---- translation lookaside buffers ---- */

typedef enum vx_tlb_class { VX_TLB_L1D, VX_TLB_L1I, VX_TLB_L2, VX_TLB_CLASSES } vx_tlb_class; /* "l1d" "l1i" "l2" */

/* One physical array of a TLB. Bit n of `pages`: holds entries of vx_page_size n. */
typedef struct vx_cfg_tlb_array {
    uint32_t entries;
    uint32_t ways; /* = entries: fully associative */
    uint8_t pages;
    vx_replacement replacement;
} vx_cfg_tlb_array;

/* One lookup unit: its arrays are searched at the same time. Where two arrays of a unit hold the same page size, the
 * page-number bit just above the set index picks the array (assumed; no vendor documents it). */
typedef struct vx_cfg_tlb {
    char name[VX_CFG_NAME]; /* "l1d", "l1d-store", "l2-code", ... */
    vx_tlb_class level;
    uint8_t accesses;   /* bit n: serves vx_access n */
    uint32_t hit_ticks; /* exposed cost of a hit; 0 for first-level units */
    uint8_t array_count;
    vx_cfg_tlb_array array[VX_CFG_TLB_ARRAYS];
} vx_cfg_tlb;

/* ---- what the page walker remembers ---- */

typedef enum vx_psc_kind {
    VX_PSC_NONE,
    VX_PSC_PREFIX,  /* Intel: per level, by address prefix (SDM Vol. 3A, 4.10.3) */
    VX_PSC_PHYSICAL /* AMD: one page-walk cache, by the physical address of the entry */
} vx_psc_kind;      /* "none" "prefix" "physical" */

typedef struct vx_cfg_psc {
    vx_psc_kind kind;
    /* prefix: entries and ways of the cache that holds level-n entries (n = 2 PDE, 3 PDPTE, 4 PML4E, 5 PML5E; 0
     * entries: none), for guest (linear and combined mappings) and for nested (guest-physical mappings). */
    uint32_t guest_entries[6], guest_ways[6];
    uint32_t nested_entries[6], nested_ways[6];
    /* physical: the one cache. Level-1 guest entries are never cached in it; level-1 nested entries are where
     * `physical_nested_leaf` is set. */
    uint32_t physical_entries, physical_ways;
    bool physical_nested_leaf;
    uint32_t hit_ticks;
    vx_replacement replacement;
} vx_cfg_psc;

/* Nested TLB: guest-physical page to host-physical frame. entries 0: none. */
typedef struct vx_cfg_ntlb {
    uint32_t entries, ways;
    uint32_t hit_ticks;
    bool tables; /* serves the guest-physical addresses of guest table pages */
    bool data;   /* serves the data's guest-physical address */
    vx_replacement replacement;
} vx_cfg_ntlb;

/* ---- caches and memory ---- */

typedef struct vx_cfg_cache {
    uint64_t bytes; /* 0: this level does not exist */
    uint32_t ways;
    uint32_t hit_ticks; /* load-to-use */
    vx_replacement replacement;
} vx_cfg_cache;

typedef enum vx_cache_mode {
    VX_CACHES_FIXED, /* a page-entry access costs walk_access_ticks; data costs nothing of its own */
    VX_CACHES_WALKS, /* page-entry accesses go through the caches, data does not */
    VX_CACHES_ALL    /* page-entry accesses and data share the caches */
} vx_cache_mode;     /* "fixed" "walks" "all" */

typedef struct vx_cfg_memory {
    vx_cache_mode caches;
    vx_cfg_cache level[VX_CFG_CACHES]; /* [0] L1D; instruction fetches are looked up from L2 on */
    uint32_t memory_ticks;             /* beyond the last level */
    uint32_t walk_access_ticks;        /* fixed mode: one page-entry access */
    uint8_t walk_entry_level;          /* cache level (1 to 3) where page walks enter the hierarchy */
} vx_cfg_memory;

/* ---- the processor ---- */

typedef struct vx_cfg_core {
    uint32_t cpi_milli;           /* base cycles per 1000 instructions */
    uint32_t mhz;                 /* nominal frequency: turns ticks into seconds */
    uint32_t walkers;             /* page walks in flight at once: exposed walk cycles are divided by it */
    uint32_t walk_exposure_milli; /* share of walk cycles that the core cannot hide, 0 to 1000 */
} vx_cfg_core;

/* Paging features (SDM Vol. 3A, 4.1.4). */
typedef struct vx_cfg_paging {
    uint8_t physical_bits; /* MAXPHYADDR */
    uint8_t virtual_bits;  /* 48 or 57 */
    bool long_mode, nx, pge, pcid, invpcid, smep, smap;
    bool page_2m, page_1g, pse36;
} vx_cfg_paging;

/* Instructions and modes that VMX checks ask for: CR4's supported bits, and what a guest's state may hold. */
typedef struct vx_cfg_isa {
    bool fsgsbase, xsave, smx, umip, pku, pks, cet, uintr, sgx, rtm;
} vx_cfg_isa;

typedef struct vx_cfg_vmx {
    bool vmx;                /* VMXON exists */
    bool secondary_controls; /* secondary processor-based controls */
    bool ept, ept_1g, ept_5level, ept_ad, ept_execute_only;
    bool vpid, invvpid;
    bool tpr_shadow, virtualize_apic_accesses; /* together: FlexPriority */
    bool apic_register_virtualization, virtual_interrupt_delivery, posted_interrupts;
    bool unrestricted_guest, pause_loop_exiting, preemption_timer, pml, vmfunc, vmcs_shadowing, tsc_scaling;
    /* Further controls, as vx_vmx_caps.h turns them into capability MSRs (SDM Vol. 3D, Appendix A). */
    bool true_controls, virtual_nmis, monitor_trap_flag, msr_bitmaps, perf_global_ctrl, pat, efer;
    bool descriptor_table_exiting, rdtscp, virtualize_x2apic, wbinvd_exiting, rdrand_exiting, rdseed_exiting;
    bool encls_exiting, enclv_exiting, ept_violation_ve, xsaves, processor_trace, pt_guest_physical, pasid_translation;
    bool mode_based_execute, spp, ept_shadow_stack, user_wait, pconfig, bus_lock_detection, instruction_timeout;
    bool tertiary_controls, loadiwkey_exiting, hlat, ept_paging_write, guest_paging_verification, ipi_virtualization;
    bool spec_ctrl_virtualization, bndcfgs, uinv, lbr_ctl, cet_state, pkrs, save_perf_global_ctrl, busy_shadow_stack;
    bool zero_length_injection, vmwrite_any, any_error_code;
    bool page_fracturing; /* a single-page flush in a guest drops everything where 2M guest pages are splintered */
} vx_cfg_vmx;

typedef struct vx_cfg_svm {
    bool svm, npt, npt_1g, npt_5level, flush_by_asid, decode_assists, nrips, vmcb_clean, pause_filter, pause_threshold;
    bool avic, vgif, vnmi, virtual_vmload, lbr_virtualization, svm_lock, tsc_ratio, spec_ctrl, bus_lock_threshold;
    uint32_t asids;
} vx_cfg_svm;

/* Hardware costs in ticks. */
typedef struct vx_cfg_cost {
    uint32_t vmexit_ticks; /* VM exit alone; where a source gives the round trip only, exit = round trip, entry 0 */
    uint32_t vmentry_ticks;
    uint32_t vmread_ticks, vmwrite_ticks;
    uint32_t syscall_ticks;         /* SYSCALL to SYSRET without the kernel's work */
    uint32_t page_fault_ticks;      /* native: exception delivery, the OS's handler and return */
    uint32_t port_in_ticks;         /* native IN */
    uint32_t interrupt_ticks;       /* delivery through the IDT and IRET */
    uint32_t ipi_ticks;             /* from a write of the ICR until the interrupt is at the other APIC */
    uint32_t privileged_trap_ticks; /* #GP or #UD from user level to a handler and back, for trap-and-emulate */
} vx_cfg_cost;

typedef struct vx_cfg_cpu {
    char name[VX_CFG_NAME];
    char title[64];     /* "Intel Core i7 (Nehalem), 45 nm, 2008" */
    uint32_t signature; /* CPUID.1:EAX; 0 where none is given */
    vx_vendor vendor;
    vx_cfg_core core;
    vx_cfg_paging paging;
    uint8_t tlb_count;
    vx_cfg_tlb tlb[VX_CFG_TLBS];
    vx_cfg_psc psc;
    vx_cfg_ntlb ntlb;
    vx_cfg_memory memory;
    vx_cfg_isa isa;
    vx_cfg_vmx vmx;
    vx_cfg_svm svm;
    vx_cfg_cost cost;
} vx_cfg_cpu;

/* ---- the hypervisor ---- */

typedef enum vx_placement { VX_PLACE_LINEAR, VX_PLACE_SCATTERED } vx_placement; /* "linear" "scattered" */

/* Software cost of one exit reason's handler. `reason` is spelled as in `vexit list reasons`. */
typedef struct vx_cfg_handler {
    char reason[VX_CFG_NAME];
    uint32_t ticks; /* handler without hardware and without VMCS accesses */
    uint16_t vmreads, vmwrites;
    uint16_t lines, pages; /* what the handler touches of its own: indirect cost */
} vx_cfg_handler;

/* Whose habits decide what is intercepted beyond what the memory algorithm needs. */
typedef enum vx_exit_policy {
    VX_EXITS_PLAIN, /* every sensitive instruction that the controls can name, as a textbook does */
    VX_EXITS_KVM,   /* as KVM of Linux 6.1: pass-through MSRs, CR masks, debug registers lazily */
    VX_EXIT_POLICIES
} vx_exit_policy; /* "plain" "kvm" */

/* When a guest's writes of its task priority reach the hypervisor where the processor's help lets it choose (V_TPR of
 * AMD; the TPR shadow of Intel has the threshold instead). */
typedef enum vx_tpr_policy {
    VX_TPR_TRAP_ALL,   /* always */
    VX_TPR_TRAP_MASKED /* only while an interrupt is pending that the task priority holds back: Xen's rule, and KVM's */
} vx_tpr_policy;       /* "all" "masked" */

/* How a shadow scheme with out-of-sync leaf tables behaves (shadow-kvm). */
typedef struct vx_cfg_shadow {
    uint32_t prefetch;     /* aligned window of entries that one fill looks at; 1: no prefetch */
    uint32_t flood_writes; /* emulated stores to one upper table, unused in between, until its shadow goes; 0: never */
    uint32_t previous_roots; /* roots kept beside the current one */
    uint32_t quota_ratio;    /* one shadow page for so many guest pages; 0: no quota */
    uint32_t quota_least;    /* ... and at least so many */
    uint32_t private_pages;  /* guest pages of the hypervisor's own (TSS, APIC access page) that count for the quota
                                on Intel processors */
    bool invlpg_maps;        /* INVLPG maps the entry's new value at once, where its A flag is set */
} vx_cfg_shadow;

/* Which tables lose their shadows when the guest stores one zero entry after another to them. */
typedef enum vx_early_unshadow {
    VX_UNSHADOW_OFF,
    VX_UNSHADOW_LOWER, /* those that no CR3 or PDPTE names */
    VX_UNSHADOW_ALL,
    VX_UNSHADOWS
} vx_early_unshadow; /* "off" "lower" "all" */

enum { VX_CFG_OOS_PAGES = 16, VX_CFG_OOS_FIXUPS = 4 }; /* at most */

/* How Xen shadows (shadow-xen-v2, shadow-xen-v3). */
typedef struct vx_cfg_xen_shadow {
    uint32_t prefetch;                /* entries that one fill may map, its own included */
    uint32_t oos_pages;               /* shadow-xen-v3: leaf tables that may be out of sync at a time */
    uint32_t oos_fixups;              /* ... and writable mappings of each of them */
    vx_early_unshadow early_unshadow; /* which tables a row of zero stores takes the shadows from */
    uint32_t emulate_ahead;           /* PAE guests: instructions emulated behind a page-table store, in search of its
                                         second half */
    uint32_t pool_pages;              /* memory for shadows: pages a vCPU */
    uint32_t pool_mib_pages;          /* ... and pages for each MiB of the guest's; 0 both: no limit */
} vx_cfg_xen_shadow;

typedef struct vx_cfg_vmm {
    char name[VX_CFG_NAME];
    char title[64];
    uint32_t schemes;         /* bit n: allows vx_scheme n */
    vx_page_size nested_page; /* largest page the EPT/NPT policy uses */
    vx_placement placement;   /* where guest frames lie in host memory */
    vx_exit_policy exits;
    uint32_t nested_prefetch; /* EPT and NPT: aligned window of 4 KiB pages that one first touch maps; 1: itself */
    uint32_t reclaim_ticks;   /* EPT and NPT: the host takes a page of the guest's away each so many ticks; 0: never */
    vx_cfg_shadow shadow;
    vx_cfg_xen_shadow xen;
    bool vpid; /* uses VPID where the CPU has it */
    bool flexpriority, apicv, avic;
    bool preemption_timer;     /* ends the guest's run when the guest's APIC timer is due; else the host's timer does */
    bool pv_eoi, tpr_patching; /* agreements with guests that know of them: fewer exits without hardware */
    vx_tpr_policy tpr_trap;
    uint32_t eoi_ticks;    /* handler of an EOI by a path of its own; 0: none, it is emulated as any access */
    bool apic_page_mapped; /* exit policy kvm: the APIC-access page is mapped without APICv as well */
    bool ept_ad;
    uint32_t asids;
    uint32_t slice_ticks;         /* scheduler's time slice */
    uint32_t shadow_fill_ticks;   /* mend one shadow entry */
    uint32_t emulate_store_ticks; /* emulate one guest page-table store */
    /* Without VT-x. Operations of a guest under binary translation, whole; and the emulation of one trapped instruction
     * of a deprivileged guest, beyond the trap itself. */
    uint32_t trap_emulate_ticks;
    uint32_t bt_syscall_ticks, bt_page_fault_ticks, bt_port_in_ticks, bt_privileged_ticks, bt_store_ticks;
    uint8_t handler_count;
    vx_cfg_handler handler[VX_CFG_EXITS]; /* [0] is "default" and serves reasons without a row */
} vx_cfg_vmm;

/* ---- schemes ---- */

typedef enum vx_scheme {
    VX_SCHEME_NATIVE,
    VX_SCHEME_SHADOW_WP,
    VX_SCHEME_SHADOW_VTLB,
    VX_SCHEME_SHADOW_KVM,
    VX_SCHEME_SHADOW_XEN_V2,
    VX_SCHEME_SHADOW_XEN_V3,
    VX_SCHEME_EPT,
    VX_SCHEME_NPT,
    VX_SCHEME_TRAP,
    VX_SCHEME_BT,
    VX_SCHEMES
} vx_scheme; /* "native" "shadow-wp" "shadow-vtlb" "shadow-kvm" "shadow-xen-v2" "shadow-xen-v3" "ept" "npt" "trap" "bt"
              */

/* ---- the modelled guest OS (user-level traces) ---- */

/* How a guest OS reaches its local APIC. */
typedef enum vx_apic_access {
    VX_APIC_ACCESS_NONE,  /* not at all: its timer tick needs no APIC */
    VX_APIC_ACCESS_PAGE,  /* TPR and EOI by the APIC's page: 32-bit Windows */
    VX_APIC_ACCESS_CR8,   /* TPR by CR8, EOI by the page: 64-bit Windows */
    VX_APIC_ACCESS_X2APIC /* both by MSRs */
} vx_apic_access;         /* "none" "page" "cr8" "x2apic" */

/* How the guest OS's tick comes about. */
typedef enum vx_guest_timer {
    VX_GUEST_TIMER_NONE,     /* not from its APIC: as tick_instructions says */
    VX_GUEST_TIMER_PERIODIC, /* the APIC's timer, set once */
    VX_GUEST_TIMER_ONE_SHOT, /* set again in each handler, by the initial count */
    VX_GUEST_TIMER_DEADLINE, /* ... by IA32_TSC_DEADLINE */
    VX_GUEST_TIMERS
} vx_guest_timer; /* "none" "periodic" "one-shot" "deadline" */

/* What the traces of a guest's several vCPUs are. */
typedef enum vx_smp_traces {
    VX_SMP_AUTO,     /* threads where all replay one --trace, else processes */
    VX_SMP_THREADS,  /* of one process: they share its memory */
    VX_SMP_PROCESSES /* of their own */
} vx_smp_traces;     /* "auto" "threads" "processes" */

/* Interrupt-priority habits. */
typedef struct vx_cfg_priority {
    vx_apic_access apic;
    uint64_t raise_instructions; /* the OS raises its task priority at each multiple of this; 0: never */
    uint64_t hold_instructions;  /* ... and lowers it so many instructions later */
    uint8_t level;               /* task priority while raised, TPR bits 7:4 */
    uint8_t per_interrupt;       /* TPR writes that an interrupt handler makes */
    bool pv_eoi;                 /* dismisses interrupts by KVM's para-virtual EOI where that is offered */
    uint32_t tpr_instructions;   /* of its code that write the TPR and that a hypervisor can patch; 0: none */
    uint64_t nmi_instructions;   /* a performance counter overflows so often, with an NMI; 0: never */
    vx_guest_timer timer;        /* of its APIC */
    uint32_t timer_period;       /* ticks */
} vx_cfg_priority;

typedef enum vx_table_placement {
    VX_TABLES_CLUSTERED,   /* table pages together, apart from data */
    VX_TABLES_INTERLEAVED, /* allocated from the same pool as data, in order of need */
    VX_TABLES_SCATTERED    /* spread at random over the RAM */
} vx_table_placement;      /* "clustered" "interleaved" "scattered" */

typedef struct vx_cfg_guest {
    char name[VX_CFG_NAME];
    char title[64];
    vx_page_size page; /* 4k; 2m: aligned 2 MiB regions as transparent huge pages; 1g */
    vx_table_placement tables;
    uint8_t levels; /* 2 (32-bit), 3 (PAE), 4 or 5 */
    uint64_t ram_bytes;
    uint64_t slice_instructions; /* time slice of the guest's processes */
    uint64_t tick_instructions;  /* timer tick; 0: none */
    uint64_t unmap_every;        /* unmap the oldest page after this many faults (with INVLPG); 0: never */
    uint64_t unmap_instructions; /* unmap the oldest page whenever this many instructions have passed; 0: never */
    bool pcid;                   /* the guest OS uses PCIDs; levels 4 and 5 only */
    vx_smp_traces vcpus;         /* what their traces are */
    vx_cfg_priority priority;
    uint32_t fault_instructions; /* length of the guest's page-fault and timer handlers */
} vx_cfg_guest;

#endif
