/* The vCPU: executes trace records on the MMU, decides by its VMCS or VMCB what exits, and charges the ledger.
 *
 * It is hardware. Software (a hypervisor, a modelled guest OS) is called through vx_vcpu_hooks and never runs the vCPU:
 * it edits tables, registers and the VMCS, or queues records, which the vCPU executes before it retries the reference
 * that made it call. Without a hypervisor (native) it is not in VMX operation and nothing exits.
 *
 * Sources: SDM Vol. 3C chapter 25 (VMX non-root operation); Vol. 3A chapter 4 for what each register write does to
 * cached translations. NOT MODELLED: segmentation, instruction semantics (the trace is the outcome), VM-entry checks,
 * interrupt priorities (recorded interrupts are taken where they stand). */
#ifndef VX_VCPU_H
#define VX_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_apic.h"
#include "vx_arena.h"
#include "vx_config.h"
#include "vx_control_registers.h"
#include "vx_exit.h"
#include "vx_ledger.h"
#include "vx_mmu.h"
#include "vx_physmem.h"
#include "vx_queue.h"
#include "vx_record.h"
#include "vx_stats.h"
#include "vx_tick.h"
#include "vx_vmcs.h"

typedef struct vx_vcpu vx_vcpu;

/* Registers that translation and exits depend on. Under a hypervisor these are what the hardware runs with (shadow CR3,
 * host-owned bits included); what the guest believes is the hypervisor's to keep. */
typedef struct vx_registers {
    uint64_t cr0, cr2, cr3, cr4, efer;
    uint64_t pdpte[4];
    uint8_t cpl;
    bool ac; /* EFLAGS.AC */
} vx_registers;

#define VX_MSR_EFER 0xC0000080U

/* The paging mode that these registers select (SDM Vol. 3A, 4.1.1). */
vx_paging_mode vx_registers_paging(const vx_registers *registers);

/* Software's answer to an exit. */
typedef enum vx_resume {
    VX_RESUME_RETRY, /* execute the record again (a fault was mended) */
    VX_RESUME_NEXT   /* the record was emulated: go on behind it */
} vx_resume;

/* Software's entry points, given at construction. `record` is what was being executed (a reference for faults). */
typedef struct vx_vcpu_hooks {
    void *hypervisor; /* NULL: native, and the three below are unused */
    vx_resume (*on_exit)(void *hypervisor, vx_vcpu *vcpu, const vx_exit *exit, const vx_record *record,
                         const uint64_t *payload);
    /* STATE record: the guest's whole state is (re)loaded by software; sets registers with vx_vcpu_set_registers. */
    void (*on_state)(void *hypervisor, vx_vcpu *vcpu, const vx_registers *guest);
    /* Does a store to this page trap (write-protected guest table)? Asked for page-table stores whose linear address
     * the trace does not know; NULL: never. */
    bool (*write_protected)(void *hypervisor, const vx_vcpu *vcpu, vx_gpa gpa);
    /* The trace tells what the guest's memory or processor holds, by no act of the guest's that could exit: a page has
     * become a table (PT_PAGE_NEW, its entries are written), PDPTEs were latched (PDPTE_LOAD). INVPCID too, where it
     * does not exit. For software that composed the tables the hardware walks; called with those alone. */
    void (*on_notice)(void *hypervisor, vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);
    /* Software is emulating ahead (vx_vcpu_emulate_ahead) and comes to this page-table store: it performs it, if it is
     * one that would trap, and returns true. No exit. NULL: never called. */
    bool (*emulate)(void *hypervisor, vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);
    /* A deprivileged guest (vx_vcpu_virtualize): does this record reach software, by a trap or because software has
     * translated the instruction? Then on_exit is called, with reason 0 but for page faults. */
    bool (*sensitive)(void *hypervisor, const vx_vcpu *vcpu, const vx_record *record);

    void *guest; /* modelled guest OS; NULL: a system trace brings its own */
    /* A page fault reached the guest; queues what its handler does. */
    vx_status (*on_page_fault)(void *guest, vx_gva gva, uint32_t error_code, vx_queue *queue, vx_msg *msg);
    /* An interrupt of the APIC reached the guest through its IDT; queues what the handler does from its first
     * instruction on. Needed with vx_vcpu_setup.apic. */
    vx_status (*on_interrupt)(void *guest, uint8_t vector, vx_queue *queue, vx_msg *msg);

    /* --check: told of every translation that a reference uses, first-level hits too; NULL: off, at no cost. */
    void *checker;
    vx_status (*on_translation)(void *checker, const vx_vcpu *vcpu, vx_gva gva, vx_access access, vx_hpa hpa,
                                vx_msg *msg);
} vx_vcpu_hooks;

typedef struct vx_vcpu_setup {
    const vx_cfg_cpu *cpu;
    vx_mmu *mmu; /* of the physical CPU; several vCPUs may share it in turn */
    vx_physmem *memory;
    const vx_gpa_map *ram; /* where this guest's RAM lies in `memory` */
    vx_ledger *ledger;     /* of the physical CPU */
    vx_queue *queue;       /* drained by this vCPU */
    vx_apic *apic;         /* the guest's local APIC; the caller's. NULL: none, interrupts are the recorded ones. The
                              virtual-APIC page of the VMCS is its page */
    vx_vcpu_hooks hooks;
} vx_vcpu_setup;

/* Memory from the arena. Registers start as zero (paging off, CPL 0), VMX operation off. */
vx_status vx_vcpu_init(vx_vcpu **vcpu, vx_arena *arena, const vx_vcpu_setup *setup, vx_msg *msg);

/* ---- for software ---- */

/* Enters VMX non-root operation (SVM guest mode) from now on; the vCPU keeps the pointer, one of them is NULL. Of the
 * VMCS it writes what the processor does: preemption timer, PML index, EPTP and its index (VMFUNC). Both NULL: the
 * guest runs deprivileged, without VMX; its page faults and what hooks.sensitive names reach software, at no cost but
 * what software charges, and are no VM exits. `shadow_tables`: CR3 will name tables that software composed, so that the
 * ledger charges their walks apart. */
void vx_vcpu_virtualize(vx_vcpu *vcpu, vx_vmcs *vmcs, const vx_vmcb *vmcb, bool shadow_tables);

/* Event injection: a page fault is delivered to the guest at the VM entry that ends the exit being handled. */
void vx_vcpu_inject_page_fault(vx_vcpu *vcpu, vx_gva gva, uint32_t error_code);

/* While it handles an exit with VX_RESUME_NEXT: software performed the access, and it went to `hpa`. For --check. */
void vx_vcpu_emulated(vx_vcpu *vcpu, vx_gva gva, vx_access access, vx_hpa hpa);

/* While it handles an exit with VX_RESUME_NEXT: software goes on emulating for so many instructions, until it has
 * performed one more page-table store (hooks.emulate) or something else exits. References of the instructions in
 * between are made as always. Instructions count by the block that they were fetched in. */
void vx_vcpu_emulate_ahead(vx_vcpu *vcpu, unsigned instructions);

/* The same of an interrupt (not 0), where vx_vcpu_can_inject: it goes through the guest's IDT after that entry. One at
 * a time. */
void vx_vcpu_inject_interrupt(vx_vcpu *vcpu, uint8_t vector);
/* Whether it may be now: RFLAGS.IF is 1 (it is 0 in the modelled OS's handlers) and nothing is being injected. */
bool vx_vcpu_can_inject(const vx_vcpu *vcpu);
/* An NMI into the guest at the VM entry, where nothing else is injected and, as far as the processor knows, NMIs are
 * not blocked: under "virtual NMIs" and V_NMI it does, without these software keeps that. One injection at a time. */
void vx_vcpu_inject_nmi(vx_vcpu *vcpu);
bool vx_vcpu_nmi_blocked(const vx_vcpu *vcpu);
bool vx_vcpu_injects(const vx_vcpu *vcpu);
/* V_NMI: what software has put into the VMCB has not been delivered yet. */
bool vx_vcpu_v_nmi_pending(const vx_vcpu *vcpu);
/* AMD: the guest runs with RFLAGS.TF: #DB at the next boundary, which exits where it is intercepted. */
void vx_vcpu_single_step(vx_vcpu *vcpu);
/* Whether the guest's performance counter has overflowed since this was last asked. */
bool vx_vcpu_take_overflow(vx_vcpu *vcpu);

/* The host's timer is to interrupt the guest at this tick (of vx_vcpu_now), with an exit; VX_TICK_NEVER: not. */
void vx_vcpu_host_timer(vx_vcpu *vcpu, vx_tick deadline);

/* When the next timer is due that interrupts the guest; VX_TICK_NEVER: none. A run takes what is due. */
vx_tick vx_vcpu_timer_due(const vx_vcpu *vcpu);

/* Words of guest memory that a guest and its hypervisor share, so that an access to the APIC need not exit; what the
 * guest does with them is vcpu_paravirtual.c's. The hypervisor reads and writes them while it handles an exit. */
typedef struct vx_paravirtual_apic {
    bool eoi_alone;     /* KVM's para-virtual EOI: nothing else is to be done; the guest clears it instead of its EOI */
    bool tpr_patched;   /* the guest's instructions that write the TPR by the APIC's page have been replaced */
    uint8_t tpr;        /* then its task priority, which the guest writes */
    uint8_t in_service; /* ... the class of the highest interrupt in service, bits 3:0 are 0 */
    uint8_t requested;  /* ... and the highest vector requested, 0: none */
} vx_paravirtual_apic;
/* NULL: nothing is shared, as at the beginning. The caller keeps it as long as the vCPU runs. */
void vx_vcpu_share(vx_vcpu *vcpu, vx_paravirtual_apic *shared);

/* The guest's APIC as given at construction, or NULL; and the TPR's upper half as the hardware holds it (V_TPR, VTPR).
 */
vx_apic *vx_vcpu_apic(vx_vcpu *vcpu);
uint8_t vx_vcpu_cr8(const vx_vcpu *vcpu);

/* What the processor runs with now; under shadow paging CR3 is the shadow's. Valid as long as the vCPU. */
const vx_registers *vx_vcpu_registers(const vx_vcpu *vcpu);
/* Loads registers as VM entry does: no cached translation is dropped by it (VPID off has its own flush at each
 * transition). */
void vx_vcpu_set_registers(vx_vcpu *vcpu, const vx_registers *registers);

/* The registers as the guest's own instructions left them, whoever intercepted these: CR0, CR3, CR4, EFER and the
 * PDPTEs that its last CR3 load latched. For whoever must know what the guest means (--check); a hypervisor knows its
 * guest by its exits. */
const vx_registers *vx_vcpu_guest_view(const vx_vcpu *vcpu);

/* Puts this vCPU's control state into the MMU (after another vCPU ran, or the hypervisor changed the VMCS). */
void vx_vcpu_load(vx_vcpu *vcpu);

/* What was given at construction: the MMU, the simulated memory, and where the guest's RAM lies in it. */
vx_mmu *vx_vcpu_mmu(vx_vcpu *vcpu);
const vx_gpa_map *vx_vcpu_ram(const vx_vcpu *vcpu);

/* Executes the effect of an event record as the instruction itself would (MOV to CR3 loads it and flushes, ...): what a
 * handler calls that lets the guest's instruction through unchanged. */
void vx_vcpu_execute(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);

/* Charges the hardware of further exits and entries that the exit being handled makes (a nested hypervisor's). */
void vx_vcpu_charge_hardware(vx_vcpu *vcpu, uint32_t reason, uint64_t ticks);

/* Charges software cycles of a handler; `reason` as in the exit being handled. */
void vx_vcpu_charge_software(vx_vcpu *vcpu, uint32_t reason, uint64_t ticks);

/* Software's own references while it handles an exit: between the two, translation is that of VMX root operation (of
 * the SVM host), as `host` says, and the caller makes its references on the MMU. Everything that they are charged
 * becomes software cycles of the exit, which leaving returns; `references` is how many lookups there were. */
void vx_vcpu_enter_root(vx_vcpu *vcpu, const vx_mmu_control *host);
uint64_t vx_vcpu_leave_root(vx_vcpu *vcpu, uint32_t reason, uint64_t references);

/* An exit that no record and no reference causes (external interrupt of the host, preemption at the end of a slice):
 * charges and counts exit and entry, calls on_exit with record NULL. */
void vx_vcpu_exit(vx_vcpu *vcpu, const vx_exit *exit);

/* An interrupt arrives for this guest, between two runs: at its APIC without a hypervisor; posted where the VMCS
 * processes posted interrupts, or AVIC is on; else as an external interrupt, which exits with its vector in the
 * interruption information. It is taken at the next instruction boundary that lets it in: drain or run. */
void vx_vcpu_interrupt(vx_vcpu *vcpu, uint8_t vector);

/* The same of an NMI, from whatever source; it exits where the controls say so. And the guest's performance counter
 * overflows: natively the APIC's entry for it signals; under a hypervisor the counter is the host's, whose NMI exits.
 */
void vx_vcpu_nmi(vx_vcpu *vcpu);
void vx_vcpu_counter_overflow(vx_vcpu *vcpu);

/* The hypervisor, which has the processor since an instruction of the guest's exited (HLT), has prepared another VM
 * entry, and makes it now: nothing is charged, the entry of that exit has been. */
void vx_vcpu_enter(vx_vcpu *vcpu);

/* ---- running ---- */

typedef enum vx_stop {
    VX_STOP_BATCH,        /* the batch is used up */
    VX_STOP_INSTRUCTIONS, /* the instruction limit is reached */
    VX_STOP_TICKS,        /* the tick limit is reached */
    VX_STOP_PROCESS,      /* a PROCESS record: the caller asks the guest OS to switch; position is behind it */
    VX_STOP_MARK,         /* a MARK record; position is behind it */
    VX_STOP_HALT,         /* HLT: idle until the next event; position is behind it */
    VX_STOP_YIELD,        /* vx_vcpu_yield was called; position is behind the record that was in progress */
    VX_STOP_ERROR         /* the guest OS or the trace failed; see the message */
} vx_stop;

typedef struct vx_run {
    uint64_t instruction_limit; /* absolute instruction counts: stop at the first record that reaches it */
    vx_tick tick_limit;         /* absolute ticks of the ledger: late by one record at the most */
    size_t position;            /* in: first record to execute; out: the next one */
    vx_status status;           /* ERROR: what kind */
} vx_run;

/* Executes records of a batch from run->position until one of vx_stop; drains the queue first. The batch need live no
 * longer than the call. After VX_STOP_ERROR run->status and *msg say why, and nothing more can be run. */
vx_stop vx_vcpu_run(vx_vcpu *vcpu, const vx_batch *batch, vx_run *run, vx_msg *msg);

/* For what the vCPU calls, hooks or the bus of its APIC: the run that is in progress, or else the next one, ends at the
 * next record, since something is due earlier than its caller knew. A run that comes to the end of its batch first ends
 * with VX_STOP_BATCH, and the next one yields. */
void vx_vcpu_yield(vx_vcpu *vcpu);

/* Drains the queue alone (after the guest OS acted by itself). */
vx_status vx_vcpu_drain(vx_vcpu *vcpu, vx_msg *msg);

/* Instructions executed since the vCPU was made: what vx_run's limit is compared with. */
uint64_t vx_vcpu_position(const vx_vcpu *vcpu);

/* Ticks so far: instructions x CPI plus the ledger's other causes. Who empties the ledger says of how much, after
 * vx_vcpu_counts_reset, so that time goes on. */
vx_tick vx_vcpu_now(const vx_vcpu *vcpu);
void vx_vcpu_time_goes_on(vx_vcpu *vcpu, vx_tick ticks);

/* ---- recorded and simulated page faults ---- */

/* Where a system trace's page faults and those of its page tables differ. */
typedef enum vx_fault_difference_kind {
    VX_FAULT_SAME,
    VX_FAULT_UNRECORDED,  /* a reference faults here, and no record behind it says so: its tables do not explain it */
    VX_FAULT_UNEXPLAINED, /* a recorded fault that the guest's tables do not explain at that place */
    VX_FAULT_OTHER_CODE,  /* both fault, with other error codes */
    VX_FAULT_DIFFERENCES
} vx_fault_difference_kind;

typedef struct vx_fault_difference {
    vx_fault_difference_kind kind;
    uint64_t record;      /* its number, from 0, of those that the vCPU was given */
    uint64_t instruction; /* how many had been executed */
    vx_gva gva;
    uint32_t error_code; /* UNRECORDED: simulated; else recorded */
} vx_fault_difference;

/* The first since counters were reset, or NULL. */
const vx_fault_difference *vx_vcpu_first_difference(const vx_vcpu *vcpu);

/* No record follows: a fault that waits for one stays unrecorded. */
void vx_vcpu_end_of_trace(vx_vcpu *vcpu);

/* What the guest's own tables say of an address, walked in software under vx_vcpu_guest_view, past all caches. */
typedef struct vx_guest_mapping {
    bool present;
    bool write, user, execute; /* rights of the whole path */
    vx_gpa gpa;
} vx_guest_mapping;
/* With paging off every address is present, with all rights. Sets no A or D flag and costs nothing. */
vx_guest_mapping vx_vcpu_guest_mapping(const vx_vcpu *vcpu, vx_gva gva);

/* ---- counters ---- */

enum { VX_EXIT_ROWS = 192 }; /* at least the reasons of either vendor */

typedef struct vx_exit_counts {
    uint64_t number; /* basic exit reason or EXITCODE */
    uint64_t count, hardware_ticks, software_ticks, least_ticks, most_ticks;
} vx_exit_counts;

typedef struct vx_vcpu_counts {
    uint64_t instructions, fetches, loads, stores, references;
    uint64_t crossings;          /* references that touch two pages */
    uint64_t skipped_references; /* left out by the recorder's filter: counted in references, not looked up */
    uint64_t untranslated;       /* lookups not made: paging off and no nested tables, or a store emulated ahead */
    uint64_t abandoned;       /* references of a system trace that faulted: the record after them says what happened */
    uint64_t retries;         /* lookups after a fault or exit */
    uint64_t root_references; /* lookups in VMX root operation: no references of the guest's */
    uint64_t guest_faults, exceptions, interrupts, nmis;
    uint64_t unrecorded_faults, unexplained_faults, differing_faults; /* see vx_fault_difference */
    uint64_t events[VX_REC_KINDS];
    uint64_t exits;
    uint64_t tpr_exits, tpr_exit_ticks;     /* exits of accesses to the TPR, and below its threshold; whole cost */
    vx_exit_counts by_reason[VX_EXIT_ROWS]; /* by vx_exit_reason index of the CPU's vendor */
} vx_vcpu_counts;

/* Current; and the ledger is: guest.instructions of all that were executed. */
const vx_vcpu_counts *vx_vcpu_counts_now(const vx_vcpu *vcpu);
void vx_vcpu_counts_reset(vx_vcpu *vcpu);

/* Declares the columns of a table of exits, a row a reason, under a path. */
void vx_exit_rows_declare(vx_exit_counts rows[VX_EXIT_ROWS], vx_vendor vendor, const char *path, vx_stats *stats);

/* Adds one vCPU's counters to a total (several VMs on one CPU). Start from zero. */
void vx_vcpu_counts_add(vx_vcpu_counts *total, const vx_vcpu_counts *part);

/* Declares "instructions", "references", "exits." and the other counters of `counts`, a vCPU's or a total. */
void vx_vcpu_counts_declare(vx_vcpu_counts *counts, vx_vendor vendor, vx_stats *stats);

/* Writes what must hold of `counts` at the end of a run, at most `room` of it, and returns how many there are. */
unsigned vx_vcpu_counts_identities(const vx_vcpu_counts *counts, vx_identity *identities, unsigned room);

#endif
