/* Exits of instructions other than accesses to registers, ports and MSRs.
 *
 * SDM Vol. 3C 25.1.2, 25.1.3, 25.5.6 (VM functions), 25.5.8 (PASID translation). (Chapter numbers: see vx_vmcs.h.) */
#include "vmcs_rules.h"
#include "vx_nonroot.h"

bool vmcs_never(const vmcs_question *q, vx_exit *exit)
{
    (void)q, (void)exit;
    return false;
}

bool vmcs_always(const vmcs_question *q, vx_exit *exit)
{
    (void)q, (void)exit;
    return true;
}

bool vmcs_by_controls(const vmcs_question *q, vx_exit *exit)
{
    (void)exit;
    return (q->vmcs->cpu & q->rule->cpu) == q->rule->cpu && (q->cpu2 & q->rule->cpu2) == q->rule->cpu2;
}

bool vmcs_invlpg(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = vmcs_linear(q->context, q->event->linear.v);
    return vmcs_by_controls(q, exit);
}

bool vmcs_mwait(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = q->context->monitor_armed;
    return vmcs_by_controls(q, exit);
}

/* PAUSE-loop exiting is looked at only where PAUSE exiting is 0, and at CPL 0. */
bool vmcs_pause(const vmcs_question *q, vx_exit *exit)
{
    if (vmcs_by_controls(q, exit)) return true;
    return (q->cpu2 & VX_CPU2_PAUSE_LOOP_EXITING) && q->context->cpl == 0 && q->event->pause_loop;
}

/* WBINVD and WBNOINVD share their reason; the qualification tells them apart. */
bool vmcs_wbnoinvd(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = 1;
    return vmcs_by_controls(q, exit);
}

/* LGDT, LIDT, SGDT, SIDT have one reason, LLDT, LTR, SLDT, STR another; SMSW reads CR0 and never exits. */
bool vmcs_desc_table(const vmcs_question *q, vx_exit *exit)
{
    switch (q->event->which) {
    case VX_DESC_SMSW:
        return false;
    case VX_DESC_SLDT:
    case VX_DESC_STR:
    case VX_DESC_LLDT:
    case VX_DESC_LTR:
        exit->reason = VX_EXIT_LDTR_TR;
        return vmcs_by_controls(q, exit);
    default:
        return vmcs_by_controls(q, exit);
    }
}

bool vmcs_loadiwkey(const vmcs_question *q, vx_exit *exit)
{
    (void)exit;
    return (q->cpu3 & VX_CPU3_LOADIWKEY_EXITING) != 0;
}

/* ---- leaves with a bitmap each: leaf n is bit n, 63 and beyond are bit 63 ---- */

static bool leaf_exits(const vmcs_question *q, uint64_t bitmap)
{
    uint32_t leaf = (uint32_t)q->event->selector; /* EAX */
    return bitmap >> (leaf < 63 ? leaf : 63) & 1;
}

bool vmcs_encls(const vmcs_question *q, vx_exit *exit)
{
    return vmcs_by_controls(q, exit) && leaf_exits(q, q->vmcs->encls_exiting_bitmap);
}

bool vmcs_enclv(const vmcs_question *q, vx_exit *exit)
{
    return vmcs_by_controls(q, exit) && leaf_exits(q, q->vmcs->enclv_exiting_bitmap);
}

bool vmcs_pconfig(const vmcs_question *q, vx_exit *exit)
{
    return vmcs_by_controls(q, exit) && leaf_exits(q, q->vmcs->pconfig_exiting_bitmap);
}

/* XSAVES and XRSTORS: a component that is asked for, enabled and named by the bitmap. */
bool vmcs_xsaves(const vmcs_question *q, vx_exit *exit)
{
    uint64_t components = q->event->value & q->context->xss & q->vmcs->xss_exiting_bitmap;
    return vmcs_by_controls(q, exit) && components != 0;
}

/* ---- ENQCMD and ENQCMDS ---- */

bool vmcs_enqcmd(const vmcs_question *q, vx_exit *exit)
{
    uint32_t host;
    if (!vmcs_by_controls(q, exit)) return false;
    bool own = q->event->kind == VX_EVENT_ENQCMD; /* the PASID is IA32_PASID's */
    exit->qualification = own ? q->event->value & 0xFFFFF : q->event->value & 0xFFFFFFFF;
    const vx_exit_context *context = q->context;
    uint32_t guest = (uint32_t)q->event->value & 0xFFFFF;
    return !context->memory || !vx_vmcs_translate_pasid(q->vmcs, context->memory, context->physical_bits, guest, &host);
}

/* ---- instructions introduced with VMX ---- */

/* VMREAD and VMWRITE reach a shadow VMCS where the bitmap of fields lets them (24.6.15). */
static bool shadowed(const vmcs_question *q, const uint8_t *bitmap)
{
    uint64_t field = q->event->selector;
    return (q->cpu2 & VX_CPU2_VMCS_SHADOWING) && field < VX_VMREAD_BITMAP_BYTES * 8 &&
           !vmcs_bit(bitmap, (uint32_t)field);
}

bool vmcs_vmread(const vmcs_question *q, vx_exit *exit)
{
    (void)exit;
    return !shadowed(q, q->vmcs->vmread_bitmap);
}

bool vmcs_vmwrite(const vmcs_question *q, vx_exit *exit)
{
    (void)exit;
    return !shadowed(q, q->vmcs->vmwrite_bitmap);
}

/* 25.5.6.2: function n exits where its control is 0. EPTP switching (function 0) can exit even where it is enabled:
 * vx_vmcs_switch_eptp says so, which needs the list. */
bool vmcs_vmfunc(const vmcs_question *q, vx_exit *exit)
{
    (void)exit;
    uint64_t function = q->event->selector & 0xFFFFFFFF;
    if (!(q->cpu2 & VX_CPU2_VM_FUNCTIONS) || function > 63) return false; /* #UD */
    return !(q->vmcs->vm_functions >> function & 1);
}
