#include "vmx_sequence.h"

#include <string.h>

#include "vmx_machine.h"

unsigned long vmx_sequence_kinds[VX_VMX_DEAD + 1];

typedef struct sequence {
    machine m; /* `memory` is a copy of the caller's */
    const uint8_t *next, *end;
} sequence;

static uint8_t take(sequence *s) { return s->next < s->end ? *s->next++ : 0; }

static uint64_t region(sequence *s)
{
    static const uint64_t regions[] = {VMXON_REGION,   VMCS_A,     VMCS_B,    SHADOW_REGION,
                                       FOREIGN_REGION, VMCS_A + 1, 1ULL << 45};
    return regions[take(s) % (sizeof regions / sizeof *regions)];
}

/* Values that checks care about. */
static uint64_t value(sequence *s)
{
    static const uint64_t values[] = {0, 1, 2, UINT64_MAX, 0x1000, 0x80000000, 0xFFFFFFFF, 1ULL << 47, 1ULL << 57};
    uint8_t pick = take(s);
    if (pick < sizeof values / sizeof *values) return values[pick];
    return 1ULL << pick % 64;
}

static uint64_t encoding(sequence *s)
{
    uint8_t pick = take(s);
    const vx_vmcs_field *f = vx_vmcs_field_at(pick);
    return f ? (uint64_t)f->encoding + (take(s) == 7) : (uint64_t)pick << 9 | take(s);
}

/* Makes the current VMCS valid, so that sequences get beyond the checks. */
static vx_vmx_result fill(sequence *s)
{
    vx_vmx *v = &s->m.vmx;
    vx_vmcs_image image;
    vx_vmcs_image_init(&image, &v->caps);
    vx_vmx_result result = {.kind = VX_VMX_CONTINUES};
    if (v->mode != VX_VMX_ROOT) return result;
    const vx_vmcs_field *f;
    for (unsigned i = 0; (f = vx_vmcs_field_at(i)) != NULL; i++)
        if (vx_vmcs_type_of(f->encoding) != VX_VMCS_INFORMATION)
            result = vx_vmx_vmwrite(v, f->encoding, vx_vmcs_get(&image, f->encoding));
    return result;
}

static vx_vmx_result flip_field(sequence *s)
{
    vx_vmx *v = &s->m.vmx;
    const vx_vmcs_field *f = vx_vmcs_field_at(take(s) % vx_vmcs_field_count());
    vx_vmx_result result = vx_vmx_vmread(v, f->encoding);
    if (result.kind != VX_VMX_SUCCEED) return result;
    return vx_vmx_vmwrite(v, f->encoding, result.value ^ 1ULL << take(s) % 64);
}

static vx_vmx_result event(sequence *s)
{
    vx_guest_event e = {.kind = (vx_guest_event_kind)(take(s) % VX_EVENTS), .which = take(s), .length = take(s) % 16};
    e.which %= 32;
    e.bytes = (uint8_t)(1 << take(s) % 3);
    e.selector = value(s);
    e.value = value(s);
    return vx_vmx_guest_event(&s->m.vmx, &e);
}

static vx_vmx_result exit_by_caller(sequence *s)
{
    vx_exit exit = {.reason = take(s) % 78U, .qualification = value(s)};
    if (exit.reason == VX_EXIT_EXCEPTION_NMI) exit.interruption = 0x80000000 | take(s);
    return vx_vmx_exit(&s->m.vmx, &exit);
}

static vx_vmx_result change_state(sequence *s)
{
    vx_vmx_state *state = &s->m.vmx.state;
    if (s->m.vmx.mode == VX_VMX_NON_ROOT) {
        state->rip = value(s);
        state->rflags = (state->rflags ^ (1ULL << take(s) % 18)) | 2;
        state->interruptibility = take(s) & 11;
    } else {
        state->interruptibility = take(s) & 11;
    }
    state->tsc += take(s);
    return (vx_vmx_result){.kind = VX_VMX_CONTINUES};
}

static vx_vmx_result msr_area(sequence *s)
{
    uint8_t entry = take(s) % 4;
    vx_physmem_write64(&s->m.memory, (vx_hpa){MSR_ENTRY_LOAD + 16ULL * entry}, 0xC0000080U + take(s) % 8U);
    vx_physmem_write64(&s->m.memory, (vx_hpa){MSR_ENTRY_LOAD + 16ULL * entry + 8}, value(s));
    return (vx_vmx_result){.kind = VX_VMX_CONTINUES};
}

static vx_vmx_result step(sequence *s)
{
    vx_vmx *v = &s->m.vmx;
    uint64_t descriptor[2];
    switch (take(s) % 22) {
    case 0:
        return vx_vmx_vmxon(v, region(s));
    case 1:
        return vx_vmx_vmxon(v, VMXON_REGION);
    case 2:
        return vx_vmx_vmxoff(v);
    case 3:
        return vx_vmx_vmclear(v, region(s));
    case 4:
        return vx_vmx_vmptrld(v, region(s));
    case 5:
        return vx_vmx_vmptrld(v, VMCS_A);
    case 6:
        return vx_vmx_vmptrst(v);
    case 7:
        return vx_vmx_vmread(v, encoding(s));
    case 8: {
        uint64_t e = encoding(s);
        return vx_vmx_vmwrite(v, e, value(s));
    }
    case 9:
        return flip_field(s);
    case 10:
        return fill(s);
    case 11:
        return vx_vmx_vmlaunch(v);
    case 12:
    case 13:
        return vx_vmx_vmresume(v);
    case 14:
        return vx_vmx_vmcall(v);
    case 15:
        return vx_vmx_vmfunc(v, take(s) % 66, take(s));
    case 16:
        descriptor[0] = value(s), descriptor[1] = value(s);
        return take(s) & 1 ? vx_vmx_invept(v, take(s) % 4, descriptor) : vx_vmx_invvpid(v, take(s) % 5, descriptor);
    case 17:
        return event(s);
    case 18: {
        uint8_t bits = take(s);
        vx_pending pending = {.nmi = bits & 1,
                              .external_interrupt = (bits & 2) != 0,
                              .init = (bits & 12) == 12,
                              .smi = (bits & 48) == 48,
                              .external_vector = bits,
                              .bus_lock = (bits & 192) == 192};
        return vx_vmx_boundary(v, &pending);
    }
    case 19:
        return exit_by_caller(s);
    case 20:
        return change_state(s);
    default:
        return msr_area(s);
    }
}

/* ---- what must hold ---- */

static const char *modes(const vx_vmx *v)
{
    switch (v->mode) {
    case VX_VMX_OFF:
        return v->vmxon == VX_VMX_NO_POINTER && v->current == VX_VMX_NO_POINTER ? NULL
                                                                                : "pointers outside VMX operation";
    case VX_VMX_ROOT:
        if ((v->state.cr0 & v->caps.cr0_fixed0) != v->caps.cr0_fixed0) return "CR0's fixed bits in root operation";
        return (v->state.cr4 & v->caps.cr4_fixed0) == v->caps.cr4_fixed0 ? NULL : "CR4's fixed bits in root operation";
    case VX_VMX_NON_ROOT:
        if (v->current == VX_VMX_NO_POINTER) return "non-root operation without a current VMCS";
        if (v->shadow) return "non-root operation with a shadow VMCS";
        return v->launched == v->session ? NULL : "non-root operation without a launched VMCS";
    case VX_VMX_SHUTDOWN:
        return NULL;
    }
    return "no mode";
}

static bool same_guest_area(const vx_vmx *a, const vx_vmx *b)
{
    const vx_vmcs_field *f;
    for (unsigned i = 0; (f = vx_vmcs_field_at(i)) != NULL; i++)
        if (vx_vmcs_type_of(f->encoding) == VX_VMCS_GUEST &&
            vx_vmcs_get(&a->vmcs, f->encoding) != vx_vmcs_get(&b->vmcs, f->encoding))
            return false;
    return true;
}

/* A VM exit right after the entry, on a copy: the registers that are always saved are as they were loaded. */
static const char *saved_as_loaded(const vx_vmx *entered, const vx_vmx *before, vx_physmem *memory)
{
    static const uint16_t always[] = {VX_VMCS_GUEST_RIP,        VX_VMCS_GUEST_RSP,          VX_VMCS_GUEST_RFLAGS,
                                      VX_VMCS_GUEST_CR3,        VX_VMCS_GUEST_CR4,          VX_VMCS_GUEST_GDTR_BASE,
                                      VX_VMCS_GUEST_IDTR_LIMIT, VX_VMCS_GUEST_SYSENTER_EIP, VX_VMCS_GUEST_CS_SELECTOR,
                                      VX_VMCS_GUEST_TR_BASE,    VX_VMCS_GUEST_SS_RIGHTS,    VX_VMCS_GUEST_FS_BASE};
    vx_vmx copy = *entered;
    (void)memory;
    vx_vmx_result result = vx_vmx_exit(&copy, &(vx_exit){.reason = VX_EXIT_EXTERNAL_INTERRUPT});
    if (result.kind != VX_VMX_EXIT && result.kind != VX_VMX_ABORT) return "no exit after an entry";
    for (unsigned i = 0; i < sizeof always / sizeof *always; i++) {
        uint64_t saved = vx_vmcs_get(&copy.vmcs, always[i]), loaded = vx_vmcs_get(&before->vmcs, always[i]);
        if (always[i] == VX_VMCS_GUEST_SS_RIGHTS) loaded &= 0x1F0FF;
        if (saved != loaded) return vx_vmcs_field_of(always[i])->name;
    }
    return NULL;
}

static const char *outcome(const vx_vmx *before, const vx_vmx *v, const vx_vmx_result *result, vx_physmem *memory)
{
    vx_vmx_state state = before->state;
    switch (result->kind) {
    case VX_VMX_FAIL_VALID:
        if (!vx_vmx_error_reachable(result->number)) return "an error number that cannot be";
        if (before->current == VX_VMX_NO_POINTER) return "VMfailValid without a current VMCS";
        state.rflags = v->state.rflags;
        /* Copies of one object, padding and all. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
        return before->mode == v->mode && memcmp(&state, &v->state, sizeof state) == 0 ? NULL : "VMfail changed state";
    case VX_VMX_FAULT:
        return before->mode == v->mode ? NULL : "a fault changed the mode";
    case VX_VMX_ENTERED:
        if (before->mode != VX_VMX_ROOT || v->mode != VX_VMX_NON_ROOT) return "entered from elsewhere";
        return saved_as_loaded(v, before, memory);
    case VX_VMX_ENTRY_FAILED:
        if (result->number != 33 && result->number != 34) return "reason of a failed entry";
        if (v->mode != VX_VMX_ROOT || v->launched != before->launched) return "a failed entry changed the launch state";
        if (vx_vmcs_get(&v->vmcs, VX_VMCS_EXIT_REASON) != (1U << 31 | result->number))
            return "bit 31 of the exit reason";
        return same_guest_area(before, v) ? NULL : "a failed entry changed guest state";
    case VX_VMX_EXIT:
        if (before->mode != VX_VMX_NON_ROOT || v->mode != VX_VMX_ROOT) return "an exit from elsewhere";
        return (vx_vmcs_get(&v->vmcs, VX_VMCS_EXIT_REASON) & 0xFFFF) == result->number ? NULL : "exit reason";
    case VX_VMX_ABORT:
        return v->mode == VX_VMX_SHUTDOWN ? NULL : "alive after a VMX abort";
    case VX_VMX_DEAD:
        return before->mode == VX_VMX_SHUTDOWN ? NULL : "dead without a VMX abort";
    default:
        return NULL;
    }
}

const char *vmx_sequence_run(vx_physmem *memory, const uint8_t *bytes, size_t count)
{
    static sequence s;
    s.m.memory = *memory;
    s.next = bytes;
    s.end = bytes + count;
    machine_reset(&s.m);
    vx_physmem_write64(&s.m.memory, (vx_hpa){MSR_ENTRY_LOAD}, 0xC0000084);
    while (s.next < s.end) {
        vx_vmx before = s.m.vmx;
        vx_vmx_result result = step(&s);
        vmx_sequence_kinds[result.kind]++;
        const char *broken = modes(&s.m.vmx);
        if (!broken) broken = outcome(&before, &s.m.vmx, &result, &s.m.memory);
        if (broken) return broken;
    }
    return NULL;
}
