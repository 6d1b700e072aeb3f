/* What a guest reads where an instruction does not exit: time-stamp counter, control registers, IA32_SPEC_CTRL; how
 * long it waits; PAUSE loops; the preemption timer.
 *
 * SDM Vol. 3C 25.1.3, 25.3, 25.5.1. (Chapter numbers: see vx_vmcs.h.) Products of the TSC and the multiplier have 128
 * bits, as in the manual.
 *
 * NOT MODELLED: C-states deeper than C2, in which the timer stands still. */
#include "vx_nonroot.h"

enum { MULTIPLIER_FRACTION = 48 };

__extension__ typedef unsigned __int128 wide;

static bool offsetting(const vx_vmcs *vmcs) { return (vmcs->cpu & VX_CPU_TSC_OFFSETTING) != 0; }
static bool scaling(const vx_vmcs *vmcs) { return (vx_vmcs_cpu2(vmcs) & VX_CPU2_TSC_SCALING) != 0; }

uint64_t vx_vmcs_guest_tsc(const vx_vmcs *vmcs, uint64_t tsc)
{
    if (!offsetting(vmcs)) return tsc;
    if (scaling(vmcs)) tsc = (uint64_t)((wide)tsc * vmcs->tsc_multiplier >> MULTIPLIER_FRACTION);
    return tsc + vmcs->tsc_offset;
}

uint64_t vx_vmcs_virtual_delay(const vx_vmcs *vmcs, uint64_t tsc, uint64_t deadline, uint64_t umwait_control)
{
    uint64_t now = vx_vmcs_guest_tsc(vmcs, tsc), most = umwait_control & 0xFFFFFFFC;
    uint64_t left = deadline > now ? deadline - now : 0;
    return most && most < left ? most : left;
}

/* VM entry has refused a multiplier of 0 (26.2.1.1); here it would never end. */
uint64_t vx_vmcs_physical_delay(const vx_vmcs *vmcs, uint64_t virtual_delay)
{
    if (!offsetting(vmcs) || !scaling(vmcs)) return virtual_delay;
    if (vmcs->tsc_multiplier == 0) return UINT64_MAX;
    return (uint64_t)(((wide)virtual_delay << MULTIPLIER_FRACTION) / vmcs->tsc_multiplier);
}

uint64_t vx_vmcs_read_cr0(const vx_vmcs *vmcs, uint64_t cr0)
{
    return (cr0 & ~vmcs->cr0_mask) | (vmcs->cr0_shadow & vmcs->cr0_mask);
}

uint64_t vx_vmcs_read_cr4(const vx_vmcs *vmcs, uint64_t cr4)
{
    return (cr4 & ~vmcs->cr4_mask) | (vmcs->cr4_shadow & vmcs->cr4_mask);
}

static bool virtualizes_spec_ctrl(const vx_vmcs *vmcs)
{
    return (vx_vmcs_cpu3(vmcs) & VX_CPU3_VIRTUALIZE_SPEC_CTRL) != 0;
}

uint64_t vx_vmcs_read_spec_ctrl(const vx_vmcs *vmcs, uint64_t spec_ctrl)
{
    return virtualizes_spec_ctrl(vmcs) ? vmcs->spec_ctrl_shadow : spec_ctrl;
}

uint64_t vx_vmcs_write_spec_ctrl(vx_vmcs *vmcs, uint64_t spec_ctrl, uint64_t source)
{
    if (!virtualizes_spec_ctrl(vmcs)) return source;
    vmcs->spec_ctrl_shadow = source;
    return (spec_ctrl & vmcs->spec_ctrl_mask) | (source & ~vmcs->spec_ctrl_mask);
}

bool vx_vmcs_mwait_waits(const vx_vmcs *vmcs, const vx_exit_context *context, uint32_t ecx, bool virtual_interrupt)
{
    bool breaks_on_masked = (ecx & 1) && !context->interrupts_on;
    return !breaks_on_masked || (!(vmcs->cpu & VX_CPU_INTERRUPT_WINDOW_EXITING) && !virtual_interrupt);
}

/* ---- PAUSE loops ---- */

bool vx_ple_pause(vx_ple *ple, const vx_vmcs *vmcs, uint64_t tsc)
{
    bool first = !ple->seen || tsc - ple->last > vmcs->ple_gap;
    if (first) ple->first = tsc;
    ple->seen = true;
    ple->last = tsc;
    return !first && tsc - ple->first > vmcs->ple_window;
}

/* ---- preemption timer ---- */

uint64_t vx_preemption_deadline(uint32_t value, unsigned rate, uint64_t tsc)
{
    if (value == 0) return tsc;
    wide at = ((wide)(tsc >> rate) + value) << rate;
    return at > UINT64_MAX ? UINT64_MAX : (uint64_t)at;
}

uint32_t vx_preemption_left(uint64_t deadline, unsigned rate, uint64_t tsc)
{
    return tsc >= deadline ? 0 : (uint32_t)((deadline >> rate) - (tsc >> rate));
}
