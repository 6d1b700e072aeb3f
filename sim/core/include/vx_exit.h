/* VM exits: the names and numbers of their reasons, and the information a VMCS or VMCB reports with each. */
#ifndef VX_EXIT_H
#define VX_EXIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_config.h"

/* One reason as a report names it: Linux 6.1's spelling with blanks as '_' (docs/json.md); where Linux has no
 * name, the manual's. `number` is the SDM's basic exit reason (Appendix C) or AMD's EXITCODE (APM Vol. 2, Appendix C).
 */
typedef struct vx_exit_reason {
    const char *name;
    uint32_t number;
    const char *doc;
    bool trap_like; /* the instruction has completed when the exit happens (SDM 27.1); others exit instead of it */
} vx_exit_reason;

/* Dense indices over one vendor's table, in order of number, so that counters are arrays. */
unsigned vx_exit_reason_count(vx_vendor vendor);
const vx_exit_reason *vx_exit_reason_at(vx_vendor vendor, unsigned index); /* NULL past the last */
/* The index of a number (or name), or -1. */
int vx_exit_reason_index(vx_vendor vendor, uint32_t number);
int vx_exit_reason_find(vx_vendor vendor, const char *name);

/* Intel basic exit reasons (SDM Vol. 3D, Appendix C) that the code speaks of. */
enum {
    VX_EXIT_EXCEPTION_NMI = 0,
    VX_EXIT_EXTERNAL_INTERRUPT = 1,
    VX_EXIT_TRIPLE_FAULT = 2,
    VX_EXIT_INIT_SIGNAL = 3,
    VX_EXIT_SIPI_SIGNAL = 4,
    VX_EXIT_IO_SMI = 5,
    VX_EXIT_OTHER_SMI = 6,
    VX_EXIT_INTERRUPT_WINDOW = 7,
    VX_EXIT_NMI_WINDOW = 8,
    VX_EXIT_TASK_SWITCH = 9,
    VX_EXIT_CPUID = 10,
    VX_EXIT_GETSEC = 11,
    VX_EXIT_HLT = 12,
    VX_EXIT_INVD = 13,
    VX_EXIT_INVLPG = 14,
    VX_EXIT_RDPMC = 15,
    VX_EXIT_RDTSC = 16,
    VX_EXIT_RSM = 17,
    VX_EXIT_VMCALL = 18,
    VX_EXIT_VMCLEAR = 19,
    VX_EXIT_VMLAUNCH = 20,
    VX_EXIT_VMPTRLD = 21,
    VX_EXIT_VMPTRST = 22,
    VX_EXIT_VMREAD = 23,
    VX_EXIT_VMRESUME = 24,
    VX_EXIT_VMWRITE = 25,
    VX_EXIT_VMOFF = 26,
    VX_EXIT_VMON = 27,
    VX_EXIT_CR_ACCESS = 28,
    VX_EXIT_DR_ACCESS = 29,
    VX_EXIT_IO_INSTRUCTION = 30,
    VX_EXIT_MSR_READ = 31,
    VX_EXIT_MSR_WRITE = 32,
    VX_EXIT_INVALID_STATE = 33,
    VX_EXIT_MSR_LOAD_FAIL = 34,
    VX_EXIT_MWAIT_INSTRUCTION = 36,
    VX_EXIT_MONITOR_TRAP_FLAG = 37,
    VX_EXIT_MONITOR_INSTRUCTION = 39,
    VX_EXIT_PAUSE_INSTRUCTION = 40,
    VX_EXIT_MCE_DURING_VMENTRY = 41,
    VX_EXIT_TPR_BELOW_THRESHOLD = 43,
    VX_EXIT_APIC_ACCESS = 44,
    VX_EXIT_EOI_INDUCED = 45,
    VX_EXIT_GDTR_IDTR = 46,
    VX_EXIT_LDTR_TR = 47,
    VX_EXIT_EPT_VIOLATION = 48,
    VX_EXIT_EPT_MISCONFIG = 49,
    VX_EXIT_INVEPT = 50,
    VX_EXIT_RDTSCP = 51,
    VX_EXIT_PREEMPTION_TIMER = 52,
    VX_EXIT_INVVPID = 53,
    VX_EXIT_WBINVD = 54,
    VX_EXIT_XSETBV = 55,
    VX_EXIT_APIC_WRITE = 56,
    VX_EXIT_RDRAND = 57,
    VX_EXIT_INVPCID = 58,
    VX_EXIT_VMFUNC = 59,
    VX_EXIT_ENCLS = 60,
    VX_EXIT_RDSEED = 61,
    VX_EXIT_PML_FULL = 62,
    VX_EXIT_XSAVES = 63,
    VX_EXIT_XRSTORS = 64,
    VX_EXIT_PCONFIG = 65,
    VX_EXIT_SPP_EVENT = 66,
    VX_EXIT_UMWAIT = 67,
    VX_EXIT_TPAUSE = 68,
    VX_EXIT_LOADIWKEY = 69,
    VX_EXIT_ENCLV = 70,
    VX_EXIT_ENQCMD_PASID = 72,
    VX_EXIT_ENQCMDS_PASID = 73,
    VX_EXIT_BUS_LOCK = 74,
    VX_EXIT_NOTIFY = 75,
    VX_EXIT_SEAMCALL = 76,
    VX_EXIT_TDCALL = 77
};

/* Interruption information (SDM 24.9.2): vector 7:0, type 10:8, error code 11, NMI unblocking due to IRET 12. */
#define VX_INTERRUPTION_EXTERNAL (0U << 8)
#define VX_INTERRUPTION_NMI (2U << 8)
#define VX_INTERRUPTION_HARDWARE (3U << 8)
#define VX_INTERRUPTION_SOFTWARE_INTERRUPT (4U << 8)
#define VX_INTERRUPTION_PRIVILEGED (5U << 8)
#define VX_INTERRUPTION_SOFTWARE (6U << 8)
#define VX_INTERRUPTION_TYPE (7U << 8)
#define VX_INTERRUPTION_ERROR_CODE (1U << 11)
#define VX_INTERRUPTION_NMI_UNBLOCKING (1U << 12)
#define VX_INTERRUPTION_VALID (1U << 31)
/* Exit reason, bits 31:16 (SDM Table 24-17). */
#define VX_EXIT_FLAG_BUS_LOCK (1U << 26)

typedef struct vx_exit {
    uint32_t reason;                  /* basic exit reason, or EXITCODE */
    uint32_t reason_flags;            /* bits 31:16 of the exit-reason field (Table 24-17): 26 after a bus lock */
    uint64_t qualification;           /* SDM Vol. 3C 27.2.1; AMD EXITINFO1 */
    uint64_t information2;            /* AMD EXITINFO2 */
    uint32_t interruption;            /* VM-exit interruption information (27.2.2): vector, type, valid bit */
    uint32_t error_code;              /* VM-exit interruption error code */
    uint32_t idt_vectoring;           /* IDT-vectoring information (27.2.4): the event whose delivery exited */
    uint32_t idt_vectoring_error;     /* IDT-vectoring error code */
    uint32_t instruction_length;      /* VM-exit instruction length (27.2.5) in bytes; 0: undefined, or unknown */
    uint32_t instruction_information; /* VM-exit instruction information; undefined bits are 0 */
    vx_gva linear;                    /* guest linear address where the reason defines one */
    vx_gpa physical;                  /* guest-physical address (EPT violation and misconfiguration, SPP) */
} vx_exit;

#endif
