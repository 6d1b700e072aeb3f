/* What VMX non-root operation changes about instructions that do not exit, and its own features: time, PAUSE loops, the
 * preemption timer, VM functions, PASID translation.
 *
 * Sources: SDM Vol. 3C 25.1.3 (PAUSE), 25.3 (changes to instruction behaviour), 25.5.1, 25.5.6.3, 25.5.8. (Chapter
 * numbers: see vx_vmcs.h.) Time is in ticks of the time-stamp counter. */
#ifndef VX_NONROOT_H
#define VX_NONROOT_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_config.h"
#include "vx_physmem.h"
#include "vx_vmcs.h"

/* ---- values that a guest reads and writes (25.3) ---- */

/* What RDTSC, RDTSCP and RDMSR of IA32_TIME_STAMP_COUNTER return while the counter is at `tsc`: offset and multiplier,
 * as the controls have them. */
uint64_t vx_vmcs_guest_tsc(const vx_vmcs *vmcs, uint64_t tsc);

/* How long UMWAIT and TPAUSE wait for a delay of so many ticks of the guest's TSC. */
uint64_t vx_vmcs_physical_delay(const vx_vmcs *vmcs, uint64_t virtual_delay);

/* The delay itself: until the guest's TSC reaches `deadline` (EDX:EAX), but no longer than IA32_UMWAIT_CONTROL says. 0
 * where it has passed. */
uint64_t vx_vmcs_virtual_delay(const vx_vmcs *vmcs, uint64_t tsc, uint64_t deadline, uint64_t umwait_control);

/* MOV from CR0 and CR4, SMSW: the host's bits come from the read shadow. */
uint64_t vx_vmcs_read_cr0(const vx_vmcs *vmcs, uint64_t cr0);
uint64_t vx_vmcs_read_cr4(const vx_vmcs *vmcs, uint64_t cr4);

/* RDMSR and WRMSR of IA32_SPEC_CTRL, whose present value is `spec_ctrl`. The write returns what the MSR is to hold and
 * keeps the source in the shadow. */
uint64_t vx_vmcs_read_spec_ctrl(const vx_vmcs *vmcs, uint64_t spec_ctrl);
uint64_t vx_vmcs_write_spec_ctrl(vx_vmcs *vmcs, uint64_t spec_ctrl, uint64_t source);

/* Whether MWAIT (ECX as given) waits; false: it falls through, as an interrupt it would have to see is due. */
bool vx_vmcs_mwait_waits(const vx_vmcs *vmcs, const vx_exit_context *context, uint32_t ecx, bool virtual_interrupt);

/* ---- PAUSE-loop exiting (25.1.3) ---- */

/* One processor's memory of PAUSEs at CPL 0. Starts as zeros, and again at each VM entry. */
typedef struct vx_ple {
    bool seen;
    uint64_t last, first; /* TSC at the last PAUSE, and at the first of the loop */
} vx_ple;

/* Notes a PAUSE at CPL 0. True: the guest has been in the loop for longer than the window. */
bool vx_ple_pause(vx_ple *ple, const vx_vmcs *vmcs, uint64_t tsc);

/* ---- VMX-preemption timer (25.5.1) ---- */

/* IA32_VMX_MISC[4:0] of every processor model. */
enum { VX_PREEMPTION_TIMER_RATE = 5 };

/* The timer counts by 1 whenever bit `rate` (IA32_VMX_MISC[4:0]) of the TSC changes. The TSC at which a timer started
 * at `tsc` with `value` is at zero; UINT64_MAX where that is beyond the counter. */
uint64_t vx_preemption_deadline(uint32_t value, unsigned rate, uint64_t tsc);
/* What the timer reads at `tsc`. */
uint32_t vx_preemption_left(uint64_t deadline, unsigned rate, uint64_t tsc);

/* ---- VM functions (25.5.6) ---- */

/* Whether VM entry would accept the EPT pointer on this processor (26.2.1.1). */
bool vx_eptp_valid(uint64_t eptp, const vx_cfg_cpu *cpu);

/* VMFUNC 0, EPTP switching: loads entry `index` (ECX) of the list into the VMCS. False: it exits with reason VMFUNC,
 * and nothing has changed. The caller reloads translation; with VPID off it drops the combined mappings of VPID 0. */
bool vx_vmcs_switch_eptp(vx_vmcs *vmcs, const vx_physmem *memory, const vx_cfg_cpu *cpu, uint64_t index);

/* ---- PASID translation (25.5.8) ---- */

/* False: an entry is not present, not valid, or has a reserved bit set: ENQCMD or ENQCMDS exits. */
bool vx_vmcs_translate_pasid(const vx_vmcs *vmcs, const vx_physmem *memory, unsigned physical_bits, uint32_t guest,
                             uint32_t *host);

#endif
