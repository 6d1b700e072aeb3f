/* Rules of the exit table: private to the room. A rule answers for one kind of guest event; the table that names them
 * is in vmcs_decide.c, the information that goes with an exit is in exit_information.c. */
#ifndef VX_VMCS_RULES_H
#define VX_VMCS_RULES_H

#include "vx_guest_event.h"

typedef struct vmcs_rule vmcs_rule;

typedef struct vmcs_question {
    const vmcs_rule *rule;
    const vx_vmcs *vmcs;
    uint32_t cpu2; /* the secondary controls in effect */
    uint64_t cpu3; /* ... and the tertiary ones */
    const vx_exit_context *context;
    const vx_guest_event *event;
} vmcs_question;

/* True: exits. *exit then holds the rule's reason and zeros, and the function adds what else there is to say. */
typedef bool vmcs_decide_fn(const vmcs_question *q, vx_exit *exit);

/* Formats of the instruction-information field, by the SDM's table. */
typedef enum vmcs_format {
    FORMAT_NONE,
    FORMAT_IO,     /* 27-8: INS, OUTS */
    FORMAT_INV,    /* 27-9: INVEPT, INVPCID, INVVPID */
    FORMAT_DESC,   /* 27-10 and 27-11: descriptor tables */
    FORMAT_RANDOM, /* 27-12: RDRAND, RDSEED */
    FORMAT_WAIT,   /* 27-13: TPAUSE, UMWAIT */
    FORMAT_MEMORY, /* 27-14: VMCLEAR, VMPTRLD, VMPTRST, VMXON, XRSTORS, XSAVES */
    FORMAT_FIELD,  /* 27-15: VMREAD, VMWRITE */
    FORMAT_KEY,    /* 27-16: LOADIWKEY */
} vmcs_format;

/* Faults that come before an exit (25.1.1, and the instructions' own pages): bits. */
enum {
    GUARD_CPL0 = 1 << 0,      /* CPL > 0: #GP */
    GUARD_CPL0_UD = 1 << 1,   /* CPL > 0: #UD */
    GUARD_PROTECTED = 1 << 2, /* real-address or virtual-8086 mode: #UD */
    GUARD_VMX = 1 << 3,       /* compatibility mode: #UD; and GUARD_PROTECTED */
    GUARD_64BIT = 1 << 4,     /* outside 64-bit mode: #UD */
    GUARD_TSD = 1 << 5,       /* CPL > 0 with CR4.TSD: #GP */
    GUARD_PCE = 1 << 6,       /* CPL > 0 without CR4.PCE: #GP */
    GUARD_SMXE = 1 << 7,      /* CR4.SMXE = 0: #UD */
    GUARD_OSXSAVE = 1 << 8,   /* CR4.OSXSAVE = 0: #UD */
    GUARD_KL = 1 << 9,        /* CR4.KL = 0: #UD */
    GUARD_SMM = 1 << 10,      /* outside SMM: #UD */
    GUARD_IO = 1 << 11,       /* CPL > IOPL and the TSS denies: #GP */
    GUARD_FORM = 1 << 12      /* descriptor tables: depends on the instruction (guards_of_form) */
};

struct vmcs_rule {
    const char *name;
    vmcs_decide_fn *decide;
    uint8_t reason;
    uint8_t format;     /* vmcs_format */
    uint32_t cpu, cpu2; /* vmcs_by_controls: all these primary and secondary controls must be 1 */
    uint32_t enable;    /* secondary control without which the instruction is #UD */
    uint16_t guards;
};

/* ---- vmcs_rules_register.c: control and debug registers, ports, MSRs, the APIC's page ---- */
vmcs_decide_fn vmcs_cr_read, vmcs_cr_write, vmcs_clts, vmcs_lmsw, vmcs_dr_read, vmcs_dr_write;
vmcs_decide_fn vmcs_io, vmcs_rdmsr, vmcs_wrmsr, vmcs_apic_read, vmcs_apic_write;

/* ---- vmcs_rules_instruction.c: all other instructions ---- */
vmcs_decide_fn vmcs_never, vmcs_always, vmcs_by_controls, vmcs_invlpg, vmcs_mwait, vmcs_pause, vmcs_desc_table;
vmcs_decide_fn vmcs_loadiwkey, vmcs_encls, vmcs_enclv, vmcs_pconfig, vmcs_xsaves, vmcs_enqcmd, vmcs_wbnoinvd;
vmcs_decide_fn vmcs_vmread, vmcs_vmwrite, vmcs_vmfunc;

/* ---- vmcs_rules_event.c: what is no instruction ---- */
vmcs_decide_fn vmcs_exception, vmcs_nmi, vmcs_interrupt, vmcs_init, vmcs_sipi, vmcs_smi, vmcs_task_switch;
vmcs_decide_fn vmcs_bus_lock, vmcs_timeout;

/* ---- exit_information.c ---- */

/* Adds what follows from the event and the context to an exit that a rule has decided: length, instruction information,
 * displacement, IDT-vectoring information. */
void vmcs_describe_exit(const vmcs_question *q, vx_exit *exit);
/* IDT-vectoring information, and the length of the instruction whose event was being delivered (27.2.4, 27.2.5). */
void vmcs_describe_delivery(const vx_exit_context *context, vx_exit *exit);
/* Whether "NMI unblocking due to IRET" is to be reported as 1 (27.2.3). */
bool vmcs_nmi_unblocking(const vx_vmcs *vmcs, const vx_exit_context *context);
/* A linear address as it is saved: 63:32 are 0 outside 64-bit mode. */
uint64_t vmcs_linear(const vx_exit_context *context, uint64_t address);
/* #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP push an error code (SDM Vol. 3A, Table 6-1). */
bool vmcs_pushes_error_code(unsigned vector);

static inline bool vmcs_bit(const uint8_t *map, uint32_t index) { return map && (map[index / 8] >> (index % 8) & 1); }

#endif
