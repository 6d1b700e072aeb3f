/* The vCPU's insides, shared by the files vcpu*.c. */
#ifndef VX_VCPU_PRIVATE_H
#define VX_VCPU_PRIVATE_H

#include <assert.h>
#include <string.h>

#include "vx_nested_exit.h"
#include "vx_nonroot.h"
#include "vx_svm.h"
#include "vx_vcpu.h"

/* References are retried at most this often for one cause; a hypervisor that never mends its fault is a broken
 * invariant of the run, reported, never an endless loop. */
enum { VX_VCPU_RETRIES_MAX = 64 };

struct vx_vcpu {
    /* Hot: touched for each record. */
    vx_mmu *mmu;
    uint64_t instructions;       /* absolute: never reset */
    const vx_record *batch_stop; /* one behind the batch being run */
    uint64_t limit;              /* instruction count at which the loop looks at its limits */
    size_t batch_end;            /* record at which it does: 0 as soon as the tick limit is reached */
    uint64_t fetches, loads, stores, crossings, untranslated;
    bool translated;  /* paging or nested paging is on */
    bool data_cached; /* data references go through the data caches */

    /* Cold. */
    const vx_cfg_cpu *cpu;
    vx_physmem *memory;
    const vx_gpa_map *ram;
    vx_ledger *ledger;
    vx_queue *queue;
    vx_vcpu_hooks hooks;
    vx_registers registers;
    vx_registers view;   /* see vx_vcpu_guest_view */
    vx_vmcs *vmcs;       /* not NULL: in VMX non-root operation */
    const vx_vmcb *vmcb; /* not NULL: in SVM guest mode */
    bool shadow_tables;
    bool deprivileged; /* virtualized without either */

    vx_tick timer_deadline; /* of the VMX-preemption timer; VX_TICK_NEVER: off */
    vx_tick host_timer;     /* of the physical timer that software has armed for the guest; likewise */
    vx_tick time_base;      /* ticks that the ledger has been emptied of */
    vx_ple ple;
    vx_svm_pause pause_filter;
    vx_tick event_tick; /* of the last event, while PAUSE loops are watched */

    bool monitor_armed; /* by MONITOR, until MWAIT */
    bool draining;      /* executing the queue */
    bool yielding;      /* the run ends behind the record in progress */
    /* The page fault delivered last has its EXCEPTION record still to come, from the guest OS or from the trace. */
    bool announced;
    vx_fault_difference announcement;
    vx_fault_difference first_difference;
    const vx_record *batch_first; /* of the batch being run */
    uint64_t batch_number;        /* how many records were given before it */
    vx_tick tick_limit;
    bool injected; /* a page fault waits for the VM entry */
    vx_gva injected_gva;
    uint32_t injected_error;
    bool emulated; /* by software, in the exit in progress: what was accessed, and where it lies */
    vx_gva emulated_gva;
    vx_access emulated_access;
    vx_hpa emulated_hpa;
    uint64_t ahead_limit;    /* software emulates page-table stores up to this instruction count; 0: it does not */
    vx_ledger at_root;       /* the ledger when software entered root operation */
    uint64_t software_ticks; /* charged by the handler of the exit in progress */

    vx_apic *apic; /* NULL: none. The rest is vcpu_interrupts.c's */
    vx_virtual_apic virtual_apic;
    vx_svm_interrupt svm_interrupt;
    uint8_t injected_vector; /* waits for the VM entry; 0: none */
    bool interrupts_off;     /* RFLAGS.IF is 0 */
    /* vcpu_nmi.c's */
    bool nmi_pending;                 /* has arrived at the processor, and exits not */
    bool nmi_blocked;                 /* until IRET; under "virtual NMIs" and V_NMI the guest's own blocking */
    bool nmi_found_off;               /* RFLAGS.IF was 0 where the NMI came: its IRET returns to that */
    bool injected_nmi;                /* waits for the VM entry */
    bool single_step;                 /* software has set RFLAGS.TF */
    vx_paravirtual_apic *paravirtual; /* NULL: none */
    bool polls_tpr;                   /* the guest asks, behind a patched write of the TPR */
    bool counter_overflowed;          /* and software has not asked since */
    bool entered;                     /* VM entry, and no instruction boundary since */

    uint64_t instructions_base; /* absolute count at the last reset of counters */
    uint64_t charged_ticks;     /* guest.instructions charged since then */
    vx_vcpu_counts counts;
};

static inline bool vcpu_virtualized(const vx_vcpu *vcpu) { return vcpu->vmcs || vcpu->vmcb || vcpu->deprivileged; }

/* What registers, and a VMCS or VMCB (NULL: none), are to the MMU: vcpu.c. */
void vcpu_control(const vx_registers *registers, vx_vmcs *vmcs, const vx_vmcb *vmcb, vx_mmu_control *control);

/* Ends the loop behind the record in progress where the tick limit is reached: called wherever ticks are charged in it.
 */
void vcpu_note_time(vx_vcpu *vcpu);

/* Charges guest.instructions up to the present instruction count. */
void vcpu_charge_instructions(vx_vcpu *vcpu);

/* The number of a record of the batch being run. */
static inline uint64_t vcpu_record_number(const vx_vcpu *vcpu, const vx_record *record)
{
    return vcpu->batch_number + (uint64_t)(record - vcpu->batch_first);
}

/* A page fault reaches the guest; its EXCEPTION record is still to come: fault_reconcile.c. */
void vcpu_announce_fault(vx_vcpu *vcpu, const vx_record *record, vx_gva gva, uint32_t error_code);
/* Is the record that of the fault announced last? It has exited and cost. */
bool vcpu_confirm_fault(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);

/* What an event record does, as the instruction itself would, or as software emulates it: vcpu_events.c. */
void vcpu_effect(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);
/* The same in VMX non-root operation where it did not exit: the bits of CR0 and CR4 that the host owns stay. */
void vcpu_effect_unexited(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);
/* An event was delivered through the IDT: CPL 0. */
void vcpu_enter_kernel(vx_vcpu *vcpu);
/* Keeps the guest's view of its registers. */
void vcpu_note_view(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);

/* Whether the record exits, and if so the whole round trip: vcpu_exit.c. */
vx_resume vcpu_take_exit(vx_vcpu *vcpu, const vx_exit *exit, const vx_record *record, const uint64_t *payload);
/* What the VM entry drops where nothing tags the TLB. */
void vcpu_flush_at_entry(vx_vcpu *vcpu);
vx_exit_context vcpu_exit_context(const vx_vcpu *vcpu);
bool vcpu_record_exits(const vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload, vx_exit *exit);

/* Features of VMX non-root operation: vcpu_nonroot.c. */
void vcpu_nonroot_entered(vx_vcpu *vcpu); /* at each VM entry */
void vcpu_nonroot_left(vx_vcpu *vcpu);    /* at each VM exit */
/* Whether a PAUSE now is looked at by PAUSE-loop exiting; a run of them, with the exits that come of it. */
bool vcpu_watches_pauses(const vx_vcpu *vcpu);
void vcpu_pause_run(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);
/* Keeps the time of an event that has been executed. */
void vcpu_note_event(vx_vcpu *vcpu, const vx_record *record);
/* VMFUNC of an enabled EPTP switching: switches, or exits. */
bool vcpu_switches_eptp(const vx_vcpu *vcpu, const vx_record *record);
void vcpu_switch_eptp(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);

/* vcpu_interrupts.c. What a VM entry loads for the guest's APIC. */
void vcpu_enter_interrupts(vx_vcpu *vcpu);
/* Accesses to the APIC that did not exit. */
void vcpu_apic_write(vx_vcpu *vcpu, uint32_t offset, uint32_t bytes, uint32_t value);
void vcpu_apic_wrmsr(vx_vcpu *vcpu, uint64_t msr, uint64_t value);
void vcpu_set_cr8(vx_vcpu *vcpu, uint8_t priority);
/* An instruction boundary outside of handlers: takes the exits that are due, then at most one interrupt, whose handler
 * is queued. Nothing while anything is queued. */
vx_status vcpu_boundary(vx_vcpu *vcpu, vx_msg *msg);

/* vcpu_paravirtual.c. True: the guest does something else instead of this access to its APIC, and has done it. */
bool vcpu_paravirtual_access(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload, vx_status *status,
                             vx_msg *msg);

/* vcpu_timer.c. When the first timer is due, VX_TICK_NEVER where none runs; one has been armed; takes what is due by
 * now, with the interrupts that come of it. Error: something always is, the guest never runs. */
vx_tick vcpu_timer_due(const vx_vcpu *vcpu);
void vcpu_timer_armed(vx_vcpu *vcpu);
vx_status vcpu_timers(vx_vcpu *vcpu, vx_msg *msg);

/* vcpu_avic.c. AVIC is on; the record is an access to the APIC that it has to do with, and is done; an interrupt for
 * the guest is put into the backing page. */
bool vcpu_avic(const vx_vcpu *vcpu);
bool vcpu_avic_access(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload);
bool vcpu_avic_posts(vx_vcpu *vcpu, uint8_t vector);

/* vcpu_nmi.c. An NMI that no block holds back is taken: true. It begins (the handler is the caller's to queue); IRET.
 */
bool vcpu_take_nmi(vx_vcpu *vcpu);
void vcpu_nmi_begins(vx_vcpu *vcpu);
void vcpu_iret(vx_vcpu *vcpu);
/* One is pending that does not exit. */
bool vcpu_nmi_waits(const vx_vcpu *vcpu);
/* Software's single step ends with an exit. */
bool vcpu_step_exits(vx_vcpu *vcpu, vx_exit *exit);

/* The outcome of a reference or a page-table store that was not a first-level hit. */
typedef enum vcpu_settled {
    VCPU_TRANSLATED, /* done */
    VCPU_EMULATED,   /* software performed it */
    VCPU_ABANDONED,  /* the guest faults: a system trace's next record says so */
    VCPU_FAILED      /* error: see the message */
} vcpu_settled;

/* Settles one page of a reference of the batch being run, on the cold side: lookup, walk, faults, exits, the guest's
 * handler, retry: vcpu_reference.c. */
vcpu_settled vcpu_touch(vx_vcpu *vcpu, vx_gva gva, vx_access access, const vx_record *record, vx_status *status,
                        vx_msg *msg);

/* Executes one record that is not a plain reference, with its exit where it has one. */
vx_status vcpu_event(vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload, vx_msg *msg);

#endif
