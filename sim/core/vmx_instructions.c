/* The VMX instructions but for VM entry, as the operation sections of their pages have them.
 *
 * SDM Vol. 3C chapter 30: 30.2 (VMsucceed, VMfail), 30.3 (instructions), 30.4 (error numbers).
 *
 * NOT MODELLED: operands in registers (#UD) and faults of memory operands; SMM, so that VMCALL in root operation always
 * fails with error 1; SMX operation. */
#include "vmx_private.h"

/* ---- conventions, 30.2 ---- */

static void set_flags(vx_vmx *vmx, uint64_t flags)
{
    vmx->state.rflags = (vmx->state.rflags & ~(uint64_t)RFLAGS_ARITHMETIC) | flags;
}

static vx_vmx_result succeed(vx_vmx *vmx)
{
    set_flags(vmx, 0);
    return (vx_vmx_result){.kind = VX_VMX_SUCCEED};
}

vx_vmx_result vmx_fail_invalid(vx_vmx *vmx)
{
    set_flags(vmx, RFLAGS_CF);
    return (vx_vmx_result){.kind = VX_VMX_FAIL_INVALID};
}

vx_vmx_result vmx_fail(vx_vmx *vmx, vx_vmx_error number)
{
    if (vmx->current == VX_VMX_NO_POINTER) return vmx_fail_invalid(vmx);
    set_flags(vmx, RFLAGS_ZF);
    vmcs_put(vmx, VX_VMCS_INSTRUCTION_ERROR, number);
    return (vx_vmx_result){.kind = VX_VMX_FAIL_VALID, .number = number};
}

vx_vmx_result vmx_fault(uint32_t vector) { return (vx_vmx_result){.kind = VX_VMX_FAULT, .number = vector}; }

/* Real-address, virtual-8086 and compatibility mode: the instructions are not recognized. */
static bool recognized(const vx_vmx_state *s)
{
    return (s->cr0 & VX_CR0_PE) && !(s->rflags & RFLAGS_VM) &&
           (!(s->efer & VX_EFER_LMA) || (s->segment[VX_CS].rights & RIGHTS_L));
}

bool vmx_may_execute(vx_vmx *vmx, vx_guest_event_kind kind, uint64_t selector, vx_vmx_result *result)
{
    if (vmx->mode == VX_VMX_SHUTDOWN) {
        *result = (vx_vmx_result){.kind = VX_VMX_DEAD};
        return false;
    }
    if (vmx->mode == VX_VMX_NON_ROOT) { /* faults and exits in their order: vmcs_decide.c */
        *result = vx_vmx_guest_event(vmx, &(vx_guest_event){.kind = kind, .selector = selector});
        return result->kind == VX_VMX_CONTINUES;
    }
    bool known = vmx->mode == VX_VMX_ROOT && recognized(&vmx->state);
    if (!known)
        *result = vmx_fault(VX_VECTOR_UD);
    else if (state_cpl(&vmx->state) > 0)
        *result = vmx_fault(VX_VECTOR_GP);
    else
        return true;
    return false;
}

/* An address of a VMCS or VMXON region: 4-KByte aligned, within the width. */
static bool region_valid(const vx_vmx *vmx, uint64_t region)
{
    return (region & 0xFFF) == 0 && region >> vmx->caps.physical_bits == 0;
}

static uint32_t revision_at(const vx_vmx *vmx, uint64_t region)
{
    return vx_physmem_read32(vmx->memory, (vx_hpa){region});
}

/* ---- VMXON, VMXOFF ---- */

/* 23.8: CR0 and CR4 hold only values that VMX operation supports. */
static bool registers_supported(const vx_vmx *vmx)
{
    const vx_vmx_caps *c = &vmx->caps;
    return (vmx->state.cr0 & c->cr0_fixed0) == c->cr0_fixed0 && (vmx->state.cr0 & ~c->cr0_fixed1) == 0 &&
           (vmx->state.cr4 & c->cr4_fixed0) == c->cr4_fixed0 && (vmx->state.cr4 & ~c->cr4_fixed1) == 0;
}

enum { FEATURE_LOCK = 1 << 0, FEATURE_VMX = 1 << 2 };

vx_vmx_result vx_vmx_vmxon(vx_vmx *vmx, uint64_t region)
{
    vx_vmx_result result;
    if (vmx->mode == VX_VMX_OFF) {
        const vx_vmx_state *s = &vmx->state;
        if (!vmx->caps.vmx || !(s->cr4 & VX_CR4_VMXE) || !recognized(s)) return vmx_fault(VX_VECTOR_UD);
        const uint64_t enabled = FEATURE_LOCK | FEATURE_VMX;
        if (state_cpl(s) > 0 || s->a20m || !registers_supported(vmx) || (s->feature_control & enabled) != enabled)
            return vmx_fault(VX_VECTOR_GP);
        if (!region_valid(vmx, region) || revision_at(vmx, region) != VX_VMCS_REVISION) return vmx_fail_invalid(vmx);
        vmx->mode = VX_VMX_ROOT;
        vmx->vmxon = region;
        vmx->current = VX_VMX_NO_POINTER;
        vmx->session++;
        vmx->state.init_blocked = true;
        vmx->state.monitor_armed = false;
        if (!(vmx->caps.misc & VX_VMX_MISC_PT)) vmx->state.rtit_ctl &= ~1ULL; /* TraceEn */
        return succeed(vmx);
    }
    if (!vmx_may_execute(vmx, VX_EVENT_VMXON, 0, &result)) return result;
    return vmx_fail(vmx, VX_VMX_VMXON_IN_ROOT);
}

vx_vmx_result vx_vmx_vmxoff(vx_vmx *vmx)
{
    vx_vmx_result result;
    if (!vmx_may_execute(vmx, VX_EVENT_VMXOFF, 0, &result)) return result;
    vmx_region_flush(vmx);
    vmx->mode = VX_VMX_OFF;
    vmx->vmxon = vmx->current = VX_VMX_NO_POINTER;
    vmx->state.init_blocked = false;
    vmx->state.monitor_armed = false;
    return succeed(vmx);
}

/* ---- VMCS pointers ---- */

vx_vmx_result vx_vmx_vmclear(vx_vmx *vmx, uint64_t region)
{
    vx_vmx_result result;
    if (!vmx_may_execute(vmx, VX_EVENT_VMCLEAR, 0, &result)) return result;
    if (!region_valid(vmx, region)) return vmx_fail(vmx, VX_VMX_VMCLEAR_ADDRESS);
    if (region == vmx->vmxon) return vmx_fail(vmx, VX_VMX_VMCLEAR_VMXON_POINTER);
    if (region == vmx->current) {
        vmx_region_flush(vmx);
        vmx->current = VX_VMX_NO_POINTER;
    }
    vmx_region_set_launched(vmx, region, 0);
    return succeed(vmx);
}

vx_vmx_result vx_vmx_vmptrld(vx_vmx *vmx, uint64_t region)
{
    vx_vmx_result result;
    if (!vmx_may_execute(vmx, VX_EVENT_VMPTRLD, 0, &result)) return result;
    if (!region_valid(vmx, region)) return vmx_fail(vmx, VX_VMX_VMPTRLD_ADDRESS);
    if (region == vmx->vmxon) return vmx_fail(vmx, VX_VMX_VMPTRLD_VMXON_POINTER);
    uint32_t revision = revision_at(vmx, region);
    bool shadow = revision >> 31, shadowing = (vmx->caps.allowed1[VX_WORD_CPU2] & VX_CPU2_VMCS_SHADOWING) != 0;
    if ((revision & 0x7FFFFFFF) != VX_VMCS_REVISION || (shadow && !shadowing))
        return vmx_fail(vmx, VX_VMX_VMPTRLD_REVISION);
    if (region != vmx->current) {
        vmx_region_flush(vmx);
        vx_vmcs_region_read(vmx->memory, region, &vmx->vmcs);
        vmx->launched = vmx_region_launched(vmx, region);
    }
    vmx->current = region;
    vmx->shadow = shadow;
    return succeed(vmx);
}

vx_vmx_result vx_vmx_vmptrst(vx_vmx *vmx)
{
    vx_vmx_result result;
    if (!vmx_may_execute(vmx, VX_EVENT_VMPTRST, 0, &result)) return result;
    result = succeed(vmx);
    result.value = vmx->current;
    return result;
}

/* ---- VMREAD, VMWRITE ---- */

/* Whose VMCS: the current one, or in non-root operation (with VMCS shadowing) the one that the link pointer names. */
static uint64_t accessed(const vx_vmx *vmx)
{
    return vmx->mode == VX_VMX_NON_ROOT ? vmcs_field(vmx, VX_VMCS_LINK_POINTER) : vmx->current;
}

/* A failure in non-root operation is told in the shadow VMCS. */
static vx_vmx_result fail_access(vx_vmx *vmx, vx_vmx_error number)
{
    if (vmx->mode != VX_VMX_NON_ROOT) return vmx_fail(vmx, number);
    set_flags(vmx, RFLAGS_ZF);
    vmx_region_put(vmx->memory, accessed(vmx), VX_VMCS_INSTRUCTION_ERROR, number, true);
    return (vx_vmx_result){.kind = VX_VMX_FAIL_VALID, .number = number};
}

static const vx_vmcs_field *field_of(const vx_vmx *vmx, uint64_t encoding)
{
    const vx_vmcs_field *f = vx_vmcs_field_of(encoding);
    return f && vx_vmcs_field_exists(f, &vmx->caps) ? f : NULL;
}

/* Outside 64-bit mode register operands have 32 bits. */
static uint64_t operand(const vx_vmx *vmx, uint64_t value)
{
    return state_64bit(&vmx->state) ? value : (uint32_t)value;
}

vx_vmx_result vx_vmx_vmread(vx_vmx *vmx, uint64_t encoding)
{
    vx_vmx_result result;
    bool wide = state_64bit(&vmx->state);
    encoding = operand(vmx, encoding);
    if (!vmx_may_execute(vmx, VX_EVENT_VMREAD, encoding, &result)) return result;
    if (accessed(vmx) == VX_VMX_NO_POINTER) return vmx_fail_invalid(vmx);
    if (!field_of(vmx, encoding)) return fail_access(vmx, VX_VMX_UNSUPPORTED_FIELD);
    result = succeed(vmx);
    result.value = vmx->mode == VX_VMX_NON_ROOT ? vmx_region_get(vmx->memory, accessed(vmx), (uint32_t)encoding, wide)
                                                : vx_vmcs_read(&vmx->vmcs, (uint32_t)encoding, wide);
    return result;
}

vx_vmx_result vx_vmx_vmwrite(vx_vmx *vmx, uint64_t encoding, uint64_t value)
{
    vx_vmx_result result;
    bool wide = state_64bit(&vmx->state);
    encoding = operand(vmx, encoding);
    if (!vmx_may_execute(vmx, VX_EVENT_VMWRITE, encoding, &result)) return result;
    if (accessed(vmx) == VX_VMX_NO_POINTER) return vmx_fail_invalid(vmx);
    if (!field_of(vmx, encoding)) return fail_access(vmx, VX_VMX_UNSUPPORTED_FIELD);
    if (vx_vmcs_type_of((uint32_t)encoding) == VX_VMCS_INFORMATION && !(vmx->caps.misc & VX_VMX_MISC_VMWRITE_ANY))
        return fail_access(vmx, VX_VMX_READ_ONLY_FIELD);
    if (vmx->mode == VX_VMX_NON_ROOT)
        vmx_region_put(vmx->memory, accessed(vmx), (uint32_t)encoding, operand(vmx, value), wide);
    else
        vx_vmcs_write(&vmx->vmcs, (uint32_t)encoding, operand(vmx, value), wide);
    return succeed(vmx);
}

/* ---- VMCALL ---- */

/* In another order than the rest: in non-root operation it exits whatever the mode. */
vx_vmx_result vx_vmx_vmcall(vx_vmx *vmx)
{
    vx_vmx_result result;
    if (!vmx_may_execute(vmx, VX_EVENT_VMCALL, 0, &result)) return result;
    return vmx_fail(vmx, VX_VMX_VMCALL_IN_ROOT);
}

/* ---- INVEPT, INVVPID ---- */

static bool supports(const vx_vmx *vmx, uint64_t cpu2, uint64_t capability)
{
    return (vmx->caps.allowed1[VX_WORD_CPU2] & cpu2) && (vmx->caps.ept_vpid & capability);
}

vx_vmx_result vx_vmx_invept(vx_vmx *vmx, uint64_t type, const uint64_t descriptor[2])
{
    vx_vmx_result result;
    type = operand(vmx, type);
    if (vmx->mode != VX_VMX_SHUTDOWN && !supports(vmx, VX_CPU2_EPT, VX_EPT_CAP_INVEPT)) return vmx_fault(VX_VECTOR_UD);
    if (!vmx_may_execute(vmx, VX_EVENT_INVEPT, 0, &result)) return result;
    bool single = type == 1 && (vmx->caps.ept_vpid & VX_EPT_CAP_INVEPT_SINGLE);
    bool all = type == 2 && (vmx->caps.ept_vpid & VX_EPT_CAP_INVEPT_ALL);
    if (!single && !all) return vmx_fail(vmx, VX_VMX_BAD_INVALIDATION);
    if (single && !vx_vmx_eptp_valid(&vmx->caps, descriptor[0])) return vmx_fail(vmx, VX_VMX_BAD_INVALIDATION);
    result = succeed(vmx);
    result.drops = true;
    result.drop = (vx_mmu_invalidation){.op = single ? VX_OP_INVEPT_CONTEXT : VX_OP_INVEPT_ALL};
    if (single) result.drop.nested_root = descriptor[0] & ~0xFFFULL;
    return result;
}

vx_vmx_result vx_vmx_invvpid(vx_vmx *vmx, uint64_t type, const uint64_t descriptor[2])
{
    static const vx_mmu_op ops[4] = {VX_OP_INVVPID_ADDRESS, VX_OP_INVVPID_CONTEXT, VX_OP_INVVPID_ALL,
                                     VX_OP_INVVPID_KEEP_GLOBAL};
    vx_vmx_result result;
    type = operand(vmx, type);
    if (vmx->mode != VX_VMX_SHUTDOWN && !supports(vmx, VX_CPU2_VPID, VX_VPID_CAP_INVVPID))
        return vmx_fault(VX_VECTOR_UD);
    if (!vmx_may_execute(vmx, VX_EVENT_INVVPID, 0, &result)) return result;
    bool known = type < 4 && (vmx->caps.ept_vpid & VX_VPID_CAP_TYPE(type));
    uint16_t vpid = (uint16_t)descriptor[0];
    if (!known || descriptor[0] >> 16 != 0 || (type != 2 && vpid == 0) ||
        (type == 0 && !vx_canonical(descriptor[1], vmx->caps.virtual_bits)))
        return vmx_fail(vmx, VX_VMX_BAD_INVALIDATION);
    result = succeed(vmx);
    result.drops = true;
    result.drop = (vx_mmu_invalidation){.op = ops[type], .vpid = vpid, .gva = {descriptor[1]}};
    return result;
}
