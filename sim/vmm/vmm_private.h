/* The hypervisor's insides: VMs, the operations a scheme supplies, and the pool of table pages. */
#ifndef VX_VMM_PRIVATE_H
#define VX_VMM_PRIVATE_H

#include "vx_radix.h"
#include "vx_vmm.h"

/* Pages of memory for tables that a hypervisor builds: taken in order, given back to a free list. */
typedef struct table_pages {
    vx_physmem *memory;
    const vx_gpa_map *map; /* where the hypervisor's memory lies; NULL: its addresses are host-physical */
    uint64_t next, end;    /* never used yet */
    uint64_t free;         /* first free page, each holds the next one's address in its first word; 0: none */
    uint64_t in_use;
} table_pages;

void table_pages_init(table_pages *pages, vx_physmem *memory, const vx_gpa_map *map, uint64_t first, uint64_t end);
/* A zeroed page, or 0 where none is left. */
uint64_t table_pages_take(table_pages *pages);
void table_pages_give(table_pages *pages, uint64_t page);

typedef struct vmm_vm vmm_vm;

/* The tables of a VM with several vCPUs. */
typedef enum vmm_tables {
    VMM_TABLES_OF_ONE,  /* the scheme is for VMs of one vCPU */
    VMM_TABLES_SHARED,  /* one set for all: vmm_scheme.init is called once, and all have one state */
    VMM_TABLES_PRIVATE, /* each vCPU has its own */
} vmm_tables;

/* What a memory algorithm supplies. Each scheme is one file with one const table of these. */
typedef struct vmm_scheme {
    bool needs_ept, needs_npt, needs_vtx; /* of the CPU */
    bool shadow_tables;                   /* the hardware's CR3 names tables that the hypervisor composed */
    bool deprivileged;                    /* the guest runs without VMX: no VMCS, no exits, costs are the scheme's */
    bool (*sensitive)(const vmm_vm *vm, const vx_record *record); /* deprivileged: vx_vcpu_hooks.sensitive */
    vmm_tables tables;
    size_t state_bytes; /* per VM, or vCPU where tables are private; zeroed; vm->state */
    vx_status (*init)(vmm_vm *vm, vx_arena *arena, vx_msg *msg);
    /* Adds what the scheme intercepts to the model's controls. */
    void (*controls)(vmm_vm *vm);
    /* The guest's state was loaded: derive the hardware's registers. */
    void (*load_state)(vmm_vm *vm, const vx_registers *guest);
    /* An exit that concerns memory. False: not the scheme's, the common handler lets the instruction through. */
    bool (*on_exit)(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                    vx_resume *resume);
    bool (*write_protected)(vmm_vm *vm, vx_gpa gpa); /* NULL: never */
    /* See vx_vcpu_hooks; NULL: the scheme never emulates ahead. */
    bool (*emulate)(vmm_vm *vm, const vx_record *record, const uint64_t *payload);
    void (*on_notice)(vmm_vm *vm, const vx_record *record,
                      const uint64_t *payload); /* see vx_vcpu_hooks; may be NULL */
    /* Makes the next access to a page of device memory exit at once (a misconfigured entry); may be NULL. */
    void (*mark_device)(vmm_vm *vm, vx_gpa gpa);
    bool (*reclaim)(vmm_vm *vm); /* see vx_vmm_reclaim; NULL: there are no nested tables to take a page from */
    vx_status (*verify)(vmm_vm *vm, uint64_t *leaves, vx_msg *msg);
} vmm_scheme;

/* One vCPU of a VM: most have no other. */
struct vmm_vm {
    vx_vmm *vmm;
    unsigned index; /* among the vCPUs of all VMs */
    vx_vcpu *vcpu;
    const vx_gpa_map *ram;
    vx_vmcs vmcs;
    vx_vmcb vmcb;
    vx_registers guest;       /* what the guest believes its registers hold */
    uint64_t asid_generation; /* in which vmcb.asid was given; 0: none was */
    void *state;              /* the scheme's */
    vx_posted posted;         /* where posted interrupts are used */
    struct {
        vx_paravirtual_apic shared;
        bool agreed, offered; /* para-virtual EOI: the guest has enabled it; it may use it until the next exit */
        bool begun_last;      /* the last thing was that an interrupt went into service */
        unsigned patched;     /* instructions that write the TPR */
    } paravirtual;
    struct {
        bool used;
        vx_avic unit;
        uint64_t physical_table[VX_AVIC_IDS];
        uint32_t logical_table[256];
        uint32_t *logical_of; /* its entry that names the vCPU; NULL: none */
    } avic;
    struct {
        bool masked;      /* the guest's handler of an NMI runs, as far as software must know that itself */
        bool lends_debug; /* #DB is intercepted for the step behind that IRET alone */
        bool iret_seen;   /* AMD: its IRET has exited, and is executed by the next exit */
    } nmi;
    bool device_retried; /* policy "kvm": the read that has exited is being made again */
    uint32_t cause;      /* reason of the exit being handled, as the processor gave it: what its cost is charged to */
    struct {
        uint64_t pointer12; /* L1's: the EPT pointer of the VMCS, the nCR3 of the VMCB that it made for this guest */
        vx_radix_table table02; /* what the processor walks instead */
    } nested;                   /* the same of all vCPUs of a VM */
    vx_vmcb vmcb01, vmcb02;     /* nested, AMD: nested_svm.c; `vmcb` is VMCB12 then */
};

/* Cost of one exit reason's handler, resolved from the model. */
typedef struct handler_cost {
    uint32_t ticks;
    uint16_t vmreads, vmwrites, lines, pages;
    uint8_t row; /* of the model's table, 0 the default */
} handler_cost;

/* Kinds of exits to L0. */
typedef enum l0_kind {
    L0_REFLECTED,     /* of L2, handed to L1 */
    L0_TABLE02_FILL,  /* of L2, mended in table 02: L1 does not know */
    L0_TABLE01_FILL,  /* of L1, for memory of its own that table 01 does not map */
    L0_TABLE12_STORE, /* of L1, a store to one of its nested tables that L0 protects */
    L0_INSTRUCTION,   /* of L1, of VMX or SVM */
    L0_ALONE,         /* AMD: of L2, which L0 intercepts and L1 does not */
    L0_KINDS
} l0_kind;

/* The hypervisor below, where the other one is nested itself: nested_l0.h. */
typedef struct nested_l0 {
    const vx_cfg_vmm *config;             /* NULL: the hypervisor runs on the processor */
    const vx_cfg_cpu *cpu;                /* the processor; vx_vmm.cpu is the one that L1 is offered */
    struct nested_svm *svm;               /* AMD: nested_svm.c */
    const struct nested_entries *entries; /* of the three tables */
    handler_cost cost[VX_EXIT_ROWS];
    vx_radix_table table01; /* of L1's memory */
    table_pages l1_pages;   /* L1's: table 12 is made of them */
    uint64_t shadowed;      /* host-physical: L0's notes of these pages, a word each (nested_table01.c) */
    struct {
        uint64_t table[8]; /* L1's leaf tables that are out of sync, the first ones */
        unsigned count;    /* of all */
    } unsync;
    uint64_t hardware_ticks;               /* of exits that the one being handled has made so far */
    uint64_t table01_pages, table02_pages; /* held */
    struct {
        uint64_t exits, reflected;
        uint64_t by_kind[L0_KINDS];
        vx_exit_counts by_reason[VX_EXIT_ROWS], l1_by_reason[VX_EXIT_ROWS];
        uint64_t table01_entries, table02_entries; /* leaves written */
        uint64_t table02_prefetched;               /* among table02_entries */
        uint64_t table02_dropped;                  /* leaves taken away */
        uint64_t table12_flags;                    /* A and D flags set in table 12 */
        uint64_t made_again; /* accesses of L2's that exit to L0 alone when L1 lets them through: nested_svm.c */
    } counts;
} nested_l0;

struct vx_vmm {
    const vx_cfg_cpu *cpu;
    const vx_cfg_vmm *config;
    const vmm_scheme *scheme;
    bool vpid;
    vx_physmem *memory;
    const vx_host_layout *layout;
    table_pages pages;
    handler_cost cost[VX_EXIT_ROWS]; /* by vx_exit_reason index */
    struct {
        uint64_t frames;     /* that handlers touch; 0: off */
        vx_mmu_control host; /* translation in VMX root operation */
    } touch;
    nested_l0 l0;
    struct {
        uint64_t generation;
        uint32_t next; /* in this generation */
    } asids;
    bool out_of_tables;
    bool recorded_guests;
    unsigned tpr_instructions;               /* of each guest that can be patched */
    uint32_t store_ticks;                    /* what performing a guest's page-table store costs under this scheme */
    uint64_t bad_gpa;                        /* 0, or a guest-physical address that no nested table can map */
    uint8_t all_ports[VX_IOPM_BYTES];        /* all ones: every port access is intercepted */
    uint8_t msr_bitmap[VX_MSR_BITMAP_BYTES]; /* what guests may read and write themselves is 0 */
    uint8_t msr_bitmap_x2apic[VX_MSR_BITMAP_BYTES]; /* policy "kvm": of guests in x2APIC mode */
    uint8_t msrpm[VX_MSRPM_BYTES];
    vx_vmm_counts counts;
    unsigned vcpus; /* of each VM */
    vx_vmm_kick kick;
    unsigned vm_count; /* vCPUs of all VMs */
    vmm_vm vm[];
};

/* vCPU number i of the same VM. */
static inline vmm_vm *vmm_sibling(vmm_vm *vm, unsigned i) { return vm - vm->index % vm->vmm->vcpus + i; }

/* The schemes' tables: schemes.c lists them. */
extern const vmm_scheme vmm_scheme_ept, vmm_scheme_npt, vmm_scheme_shadow_wp, vmm_scheme_shadow_vtlb,
    vmm_scheme_shadow_kvm, vmm_scheme_shadow_xen_v2, vmm_scheme_shadow_xen_v3;
extern const vmm_scheme vmm_scheme_trap, vmm_scheme_bt;

/* NULL for native. */
const vmm_scheme *vmm_scheme_of(vx_scheme scheme);

/* handler_cost.c */
vx_status handler_cost_resolve(const vx_vmm *vmm, const vx_cfg_vmm *config, handler_cost cost[VX_EXIT_ROWS],
                               vx_msg *msg);
/* Charges the handler of the exit: its ticks and VMCS accesses. */
void handler_cost_charge(vmm_vm *vm, const vx_exit *exit);

/* table_leaves.c: calls a function for every leaf of a table, in order of address, until it fails. */
typedef vx_status (*table_leaf_fn)(void *context, uint64_t address, const vx_radix_spot *spot, vx_msg *msg);
vx_status table_leaves(const vx_radix_table *table, table_leaf_fn leaf, void *context, vx_msg *msg);

/* scheme_ept.c: the largest page that the policy of a model allows around a guest-physical address. */
vx_page_size nested_page_of(const vx_cfg_cpu *cpu, const vx_cfg_vmm *config, uint64_t ram_bytes, uint64_t gpa);

/* exit_controls.c: what every scheme of this model intercepts. */
void exit_controls_common(vmm_vm *vm);
/* AMD: the intercepts alone, and the map of MSRs. */
void exit_controls_svm(const vx_cfg_cpu *cpu, const vx_cfg_vmm *config, vx_vmcb *controls);
void exit_controls_msrpm(const vx_cfg_vmm *config, uint8_t msrpm[VX_MSRPM_BYTES]);
/* asids.c: AMD. Gives the VM an ASID of the present generation. True: a new generation has begun, and all ASIDs must be
 * flushed before it runs. */
void asids_init(vx_vmm *vmm);
bool asids_assign(vmm_vm *vm);
/* The VM is about to run: its VMRUN flushes where it must. */
void asids_dispatch(vmm_vm *vm);

/* svm_entry.c: whether VMRUN would enter with these controls on this CPU: VX_ERR_INPUT names check and field. */
vx_status svm_entry_check(const vx_cfg_vmm *config, const vx_cfg_cpu *cpu, const vx_vmcb *controls, vx_msg *msg);

/* Makes the permission maps that all VMs share. */
void exit_controls_maps(vx_vmm *vmm);

/* device_access_kvm.c: an access to device memory has exited. */
vx_resume device_access_kvm(vmm_vm *vm, const vx_exit *exit, const vx_record *record);

/* exit_controls_kvm.c: what policy "kvm" makes of them; what follows from the guest's state and from an exit. */
void exit_controls_kvm(vmm_vm *vm);
void exit_controls_kvm_svm(const vx_cfg_cpu *cpu, vx_vmcb *controls);
void exit_controls_kvm_maps(vx_vmm *vmm);
/* AMD: an exit out of a PAUSE loop doubles the count, of at most 16 bits. */
void exit_controls_kvm_grow(vx_vmcb *controls, const vx_exit *exit);
void exit_controls_kvm_msrpm(uint8_t msrpm[VX_MSRPM_BYTES]);
void exit_controls_kvm_loaded(vmm_vm *vm);
void exit_controls_kvm_scheduled(vmm_vm *vm); /* back on the processor */
void exit_controls_kvm_handled(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload);

#endif
