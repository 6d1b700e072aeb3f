/* VM exits: the names and numbers of their reasons, and the information a VMCS or VMCB reports with each. */
#ifndef VX_EXIT_H
#define VX_EXIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_config.h"

/* One reason as a report names it: Linux 6.1's spelling with blanks as '_' (design, section 10); where Linux has no
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

/* Intel basic exit reasons that the code speaks of. */
enum {
    VX_EXIT_EXCEPTION_NMI = 0,
    VX_EXIT_EXTERNAL_INTERRUPT = 1,
    VX_EXIT_TRIPLE_FAULT = 2,
    VX_EXIT_INTERRUPT_WINDOW = 7,
    VX_EXIT_TASK_SWITCH = 9,
    VX_EXIT_CPUID = 10,
    VX_EXIT_GETSEC = 11,
    VX_EXIT_HLT = 12,
    VX_EXIT_INVD = 13,
    VX_EXIT_INVLPG = 14,
    VX_EXIT_RDPMC = 15,
    VX_EXIT_RDTSC = 16,
    VX_EXIT_VMCALL = 18,
    VX_EXIT_VMREAD = 23,
    VX_EXIT_VMWRITE = 25,
    VX_EXIT_CR_ACCESS = 28,
    VX_EXIT_DR_ACCESS = 29,
    VX_EXIT_IO_INSTRUCTION = 30,
    VX_EXIT_MSR_READ = 31,
    VX_EXIT_MSR_WRITE = 32,
    VX_EXIT_MWAIT_INSTRUCTION = 36,
    VX_EXIT_MONITOR_INSTRUCTION = 39,
    VX_EXIT_PAUSE_INSTRUCTION = 40,
    VX_EXIT_TPR_BELOW_THRESHOLD = 43,
    VX_EXIT_APIC_ACCESS = 44,
    VX_EXIT_GDTR_IDTR = 46,
    VX_EXIT_LDTR_TR = 47,
    VX_EXIT_EPT_VIOLATION = 48,
    VX_EXIT_EPT_MISCONFIG = 49,
    VX_EXIT_RDTSCP = 51,
    VX_EXIT_WBINVD = 54,
    VX_EXIT_XSETBV = 55,
    VX_EXIT_APIC_WRITE = 56,
    VX_EXIT_INVPCID = 58,
    VX_EXIT_VMFUNC = 59
};

typedef struct vx_exit {
    uint32_t reason;        /* basic exit reason, or EXITCODE */
    uint64_t qualification; /* SDM Vol. 3C 27.2.1; AMD EXITINFO1 */
    uint64_t information2;  /* AMD EXITINFO2 */
    uint32_t interruption;  /* VM-exit interruption information (27.2.2): vector, type, valid bit */
    uint32_t error_code;    /* VM-exit interruption error code */
    vx_gva linear;          /* guest linear address where the reason defines one */
    vx_gpa physical;        /* guest-physical address (EPT violation and misconfiguration) */
} vx_exit;

#endif
