/* What a guest may do in VMX non-root operation that could exit, described in full, and the one function that decides.
 *
 * A trace's record says less than a processor knows: no lengths, no operands, no faults (vx_vmcs_exits describes
 * records in the terms of this file). Whoever executes instructions fills in the rest and gets every field that a VM
 * exit saves.
 *
 * Sources: SDM Vol. 3C 25.1 (instructions; 25.1.1 priority of faults), 25.2 (other causes), 25.5.6 (VM functions), 27.2
 * (information). (Chapter numbers: see vx_vmcs.h.)
 *
 * NOT MODELLED: enclave mode, transactional regions, dual-monitor treatment of SMIs but for its exits, virtual-8086
 * mode extensions, Intel PT, PEBS, user interrupts, HLAT, #CP; faults of the operands that come before an exit (LMSW's
 * memory operand, segment limits) are the caller's to find. */
#ifndef VX_GUEST_EVENT_H
#define VX_GUEST_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_exit.h"
#include "vx_vmcs.h"

typedef enum vx_guest_event_kind {
    VX_EVENT_NONE, /* nothing that could exit */
    /* Instructions, by name. */
    VX_EVENT_CLTS,
    VX_EVENT_CPUID,      /* selector: leaf */
    VX_EVENT_DESC_TABLE, /* which: vx_desc_table */
    VX_EVENT_ENCLS,      /* selector: EAX */
    VX_EVENT_ENCLV,      /* selector: EAX */
    VX_EVENT_ENQCMD,     /* value: IA32_PASID */
    VX_EVENT_ENQCMDS,    /* value: the low 32 bits of the source operand */
    VX_EVENT_GETSEC,
    VX_EVENT_HLT,
    VX_EVENT_IN,  /* selector: port; bytes; string, repeat, immediate; linear of the memory operand of INS */
    VX_EVENT_OUT, /* the same */
    VX_EVENT_INVD,
    VX_EVENT_INVEPT,
    VX_EVENT_INVLPG, /* linear */
    VX_EVENT_INVPCID,
    VX_EVENT_INVVPID,
    VX_EVENT_LMSW, /* value: source; operand.memory with linear */
    VX_EVENT_LOADIWKEY,
    VX_EVENT_MONITOR,
    VX_EVENT_CR_READ,  /* which: CR number; operand.reg1 */
    VX_EVENT_CR_WRITE, /* the same; value */
    VX_EVENT_DR_READ,  /* which: DR number; operand.reg1 */
    VX_EVENT_DR_WRITE,
    VX_EVENT_MWAIT,
    VX_EVENT_PAUSE,   /* PAUSE-loop exiting: vx_ple_pause first, its answer in `pause_loop` */
    VX_EVENT_PCONFIG, /* selector: EAX */
    VX_EVENT_RDMSR,   /* selector: ECX */
    VX_EVENT_RDPID,
    VX_EVENT_RDPMC,
    VX_EVENT_RDRAND, /* operand.reg1, operand.size */
    VX_EVENT_RDSEED,
    VX_EVENT_RDTSC,
    VX_EVENT_RDTSCP,
    VX_EVENT_RSM,
    VX_EVENT_SEAMCALL,
    VX_EVENT_TDCALL,
    VX_EVENT_TPAUSE, /* operand.reg1 */
    VX_EVENT_UMONITOR,
    VX_EVENT_UMWAIT,
    VX_EVENT_VMCALL,
    VX_EVENT_VMCLEAR,
    VX_EVENT_VMFUNC, /* selector: EAX; value: ECX */
    VX_EVENT_VMLAUNCH,
    VX_EVENT_VMPTRLD,
    VX_EVENT_VMPTRST,
    VX_EVENT_VMREAD, /* selector: the field's encoding */
    VX_EVENT_VMRESUME,
    VX_EVENT_VMWRITE,
    VX_EVENT_VMXOFF,
    VX_EVENT_VMXON,
    VX_EVENT_WBINVD,
    VX_EVENT_WBNOINVD,
    VX_EVENT_WRMSR,   /* selector: ECX; value: EDX:EAX */
    VX_EVENT_XRSTORS, /* value: EDX:EAX */
    VX_EVENT_XSAVES,
    VX_EVENT_XSETBV,
    /* The local APIC's page: selector is the offset, bytes, value what is written. */
    VX_EVENT_APIC_READ,
    VX_EVENT_APIC_WRITE,
    /* Events. */
    VX_EVENT_EXCEPTION, /* which: vector; error_code; linear (#PF); value: what broke (#DB, as Table 27-1); type */
    VX_EVENT_NMI,
    VX_EVENT_INTERRUPT, /* which: vector */
    VX_EVENT_INIT,
    VX_EVENT_SIPI,        /* which: vector */
    VX_EVENT_SMI,         /* exits under the dual-monitor treatment; immediate: right after an I/O instruction */
    VX_EVENT_TASK_SWITCH, /* selector: TSS; which: 0 CALL, 1 IRET, 2 JMP, 3 task gate in the IDT */
    VX_EVENT_TRIPLE_FAULT,
    VX_EVENT_BUS_LOCK,
    VX_EVENT_INSTRUCTION_TIMEOUT, /* value bit 0: the context is lost */
    VX_EVENTS
} vx_guest_event_kind;

/* "CPUID", "RDRAND", "task switch", ... */
const char *vx_guest_event_name(vx_guest_event_kind kind);

enum { VX_NO_REGISTER = 0xFF };

/* The operands of an instruction, as its encoding gives them: what the VM-exit instruction-information field and the
 * displacement in the qualification are made of (SDM Tables 27-8 to 27-16). Registers are 0 RAX, 1 RCX, ... 15 R15. */
typedef struct vx_instruction_operands {
    bool memory;          /* memory operand; false: register form */
    uint8_t address_size; /* 0: 16 bits, 1: 32, 2: 64 */
    uint8_t operand_size; /* the same code */
    uint8_t scale;        /* log2 of the index's factor */
    uint8_t segment;      /* 0 ES, 1 CS, 2 SS, 3 DS, 4 FS, 5 GS */
    uint8_t index, base;  /* VX_NO_REGISTER: none */
    uint8_t reg1;         /* register operand of the register form; general-purpose register of MOV CR and MOV DR */
    uint8_t reg2; /* second operand: INVEPT, INVVPID, INVPCID (type), VMREAD and VMWRITE (field), LOADIWKEY (XMM) */
    int64_t displacement; /* sign-extended; 0 where there is none. RIP-relative: with the next RIP added */
} vx_instruction_operands;

typedef struct vx_guest_event {
    vx_guest_event_kind kind;
    uint8_t which; /* number of a register, vector, form of a descriptor-table instruction, source of a task switch */
    uint8_t bytes; /* width of a port or APIC access */
    uint8_t type;  /* EXCEPTION: interruption type (24.9.2): 3, 5 (INT1) or 6 (INT3, INTO); 0: as the vector says */
    bool string, repeat, immediate;
    bool retired;    /* known to have executed without a fault: no fault of its own precedes an exit (traces) */
    bool io_denied;  /* IN, OUT: the I/O permission bits of the TSS deny the port */
    bool pause_loop; /* PAUSE: vx_ple_pause said that the window has passed */
    uint32_t error_code;
    uint64_t selector, value;
    vx_gva linear;
    uint8_t length;                          /* of the instruction in bytes, 1 to 15; 0: unknown */
    const vx_instruction_operands *operands; /* NULL: unknown; information and displacement are then 0 */
} vx_guest_event;

typedef enum vx_outcome {
    VX_OUTCOME_NORMAL, /* takes its effect, as the controls may change it */
    VX_OUTCOME_EXIT,   /* *exit is complete */
    VX_OUTCOME_FAULT   /* a fault of the instruction comes first: exit->interruption says which; nothing else is set */
} vx_outcome;

/* What becomes of an event under this VMCS. Writes *exit on EXIT and FAULT, leaves it alone otherwise. A fault's own
 * exit (exception bitmap) is a second question, with an EXCEPTION event. A trap-like reason (vx_exit_reason.trap_like)
 * means that the event takes effect before the exit. */
vx_outcome vx_vmcs_decide(const vx_vmcs *vmcs, const vx_exit_context *context, const vx_guest_event *event,
                          vx_exit *exit);

/* The event that a record of a trace stands for (retired: a recorded instruction did not fault). False: none that could
 * exit; *event is then unspecified. `payload` are the record's own words; NULL: none. */
bool vx_guest_event_of_record(const vx_record *record, const uint64_t *payload, vx_guest_event *event);

/* The basic exit reason that an event has where it exits (MONITOR: 39), or -1 where it never exits by itself. Of the
 * descriptor-table instructions the reason of LGDT. */
int vx_guest_event_reason(vx_guest_event_kind kind);

#endif
