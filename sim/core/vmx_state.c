/* Between the processor's state and the state areas of a VMCS: loading the guest's, saving it, loading the host's.
 *
 * SDM Vol. 3C 26.3.2 (loading guest state), 27.3 (saving guest state), 27.5 (loading host state). Most registers are
 * one row of a table that says under which control each of the three happens.
 *
 * NOT MODELLED: processors without Intel 64 architecture; what the manual leaves undefined of unusable segments is what
 * the fields say. */
#include <stddef.h>
#include <string.h>

#include "vmx_private.h"

/* ---- registers that are simply copied ---- */

enum { NEVER = 0, ALWAYS = 1 }; /* instead of a control bit: bits 0 and 1 are reserved in both words */

typedef struct transfer {
    uint16_t offset; /* in vx_vmx_state */
    uint8_t bytes;
    uint16_t guest, host; /* encodings; host 0: the host-state area has none */
    uint32_t load;        /* VM-entry control that loads the guest's */
    uint32_t save;        /* VM-exit control that saves it; ALWAYS: where the field exists */
    uint32_t load_host;   /* VM-exit control that loads the host's */
    uint32_t clear;       /* VM-exit control that clears the register */
} transfer;

#define MEMBER(name) offsetof(vx_vmx_state, name), sizeof(((vx_vmx_state *)0)->name)
#define GUEST(name) VX_VMCS_GUEST_##name
#define BOTH(name) VX_VMCS_GUEST_##name, VX_VMCS_HOST_##name
#define LOAD(name) VX_ENTRY_CONTROL_LOAD_##name
#define EXIT(name) VX_EXIT_CONTROL_##name

static const transfer transfers[] = {
    {MEMBER(cr3), BOTH(CR3), ALWAYS, ALWAYS, ALWAYS, NEVER},
    {MEMBER(dr7), GUEST(DR7), 0, LOAD(DEBUG), EXIT(SAVE_DEBUG), NEVER, NEVER},
    {MEMBER(debugctl), GUEST(DEBUGCTL), 0, LOAD(DEBUG), EXIT(SAVE_DEBUG), NEVER, ALWAYS},
    {MEMBER(rsp), BOTH(RSP), ALWAYS, ALWAYS, ALWAYS, NEVER},
    {MEMBER(rip), BOTH(RIP), ALWAYS, ALWAYS, ALWAYS, NEVER},
    {MEMBER(rflags), GUEST(RFLAGS), 0, ALWAYS, ALWAYS, NEVER, ALWAYS},
    {MEMBER(sysenter_cs), BOTH(SYSENTER_CS), ALWAYS, ALWAYS, ALWAYS, NEVER},
    {MEMBER(sysenter_esp), BOTH(SYSENTER_ESP), ALWAYS, ALWAYS, ALWAYS, NEVER},
    {MEMBER(sysenter_eip), BOTH(SYSENTER_EIP), ALWAYS, ALWAYS, ALWAYS, NEVER},
    {MEMBER(pat), BOTH(PAT), LOAD(PAT), EXIT(SAVE_PAT), EXIT(LOAD_PAT), NEVER},
    {MEMBER(efer), BOTH(EFER), LOAD(EFER), EXIT(SAVE_EFER), EXIT(LOAD_EFER), NEVER},
    {MEMBER(perf_global_ctrl), BOTH(PERF_GLOBAL_CTRL), LOAD(PERF_GLOBAL_CTRL), EXIT(SAVE_PERF_GLOBAL_CTRL),
     EXIT(LOAD_PERF_GLOBAL_CTRL), NEVER},
    {MEMBER(bndcfgs), GUEST(BNDCFGS), 0, LOAD(BNDCFGS), ALWAYS, NEVER, EXIT(CLEAR_BNDCFGS)},
    {MEMBER(rtit_ctl), GUEST(RTIT_CTL), 0, LOAD(RTIT_CTL), ALWAYS, NEVER, EXIT(CLEAR_RTIT_CTL)},
    {MEMBER(lbr_ctl), GUEST(LBR_CTL), 0, LOAD(LBR_CTL), ALWAYS, NEVER, EXIT(CLEAR_LBR_CTL)},
    {MEMBER(uinv), GUEST(UINV), 0, LOAD(UINV), ALWAYS, NEVER, EXIT(CLEAR_UINV)},
    {MEMBER(s_cet), BOTH(S_CET), LOAD(CET), ALWAYS, EXIT(LOAD_CET), NEVER},
    {MEMBER(ssp), BOTH(SSP), LOAD(CET), ALWAYS, EXIT(LOAD_CET), NEVER},
    {MEMBER(ssp_table), BOTH(SSP_TABLE), LOAD(CET), ALWAYS, EXIT(LOAD_CET), NEVER},
    {MEMBER(pkrs), BOTH(PKRS), LOAD(PKRS), ALWAYS, EXIT(LOAD_PKRS), NEVER},
    {MEMBER(gdtr_base), BOTH(GDTR_BASE), ALWAYS, ALWAYS, ALWAYS, NEVER},
    {MEMBER(idtr_base), BOTH(IDTR_BASE), ALWAYS, ALWAYS, ALWAYS, NEVER},
    {MEMBER(gdtr_limit), GUEST(GDTR_LIMIT), 0, ALWAYS, ALWAYS, NEVER, NEVER},
    {MEMBER(idtr_limit), GUEST(IDTR_LIMIT), 0, ALWAYS, ALWAYS, NEVER, NEVER},
    {MEMBER(pending_debug), GUEST(PENDING_DEBUG), 0, ALWAYS, NEVER, NEVER, ALWAYS},
};
enum { TRANSFERS = sizeof transfers / sizeof *transfers };

static bool applies(uint32_t condition, uint64_t controls) { return condition == ALWAYS || (condition & controls); }

static void put_member(vx_vmx_state *s, const transfer *t, uint64_t value)
{
    memcpy((char *)s + t->offset, &value, t->bytes); /* little endian, as x86 is */
}

static uint64_t member(const vx_vmx_state *s, const transfer *t)
{
    uint64_t value = 0;
    memcpy(&value, (const char *)s + t->offset, t->bytes);
    return value;
}

static bool field_exists(const vx_vmx *vmx, uint32_t encoding)
{
    return vx_vmcs_field_exists(vx_vmcs_field_of(encoding), &vmx->caps);
}

/* ---- loading guest state, 26.3.2 ---- */

/* CR0 bits that transitions leave alone: ET, NW, CD and the reserved ones. */
#define CR0_KEPT (1ULL << 4 | 0xFFC0ULL | 1ULL << 17 | 0x3FFULL << 19 | 3ULL << 29 | 0xFFFFFFFF00000000ULL)

static void load_segments(vx_vmx *vmx)
{
    for (uint32_t i = 0; i < VX_SEGMENTS; i++) {
        vx_segment *s = &vmx->state.segment[i];
        s->selector = (uint16_t)vmcs_field(vmx, VX_VMCS_GUEST_ES_SELECTOR + 2 * i);
        s->limit = (uint32_t)vmcs_field(vmx, VX_VMCS_GUEST_ES_LIMIT + 2 * i);
        s->rights = (uint32_t)vmcs_field(vmx, VX_VMCS_GUEST_ES_RIGHTS + 2 * i);
        s->base = vmcs_field(vmx, VX_VMCS_GUEST_ES_BASE + 2 * i);
    }
}

/* Without "load IA32_EFER" only the mode bits follow the control. */
static void load_efer_mode(vx_vmx *vmx)
{
    if (vmx_effective(vmx, VX_WORD_ENTRY, VX_ENTRY_CONTROL_LOAD_EFER)) return;
    vx_vmx_state *s = &vmx->state;
    uint64_t mode = s->cr0 & VX_CR0_PG ? VX_EFER_LME | VX_EFER_LMA : VX_EFER_LMA; /* LME stays while paging is off */
    s->efer &= ~mode;
    if (vmx_effective(vmx, VX_WORD_ENTRY, VX_ENTRY_CONTROL_IA32E)) s->efer |= mode;
}

static void load_pdptes(vx_vmx *vmx)
{
    if (!state_pae(&vmx->state)) return;
    for (uint32_t i = 0; i < 4; i++)
        vmx->state.pdpte[i] = vmx_effective(vmx, VX_WORD_CPU2, VX_CPU2_EPT)
                                  ? vmcs_field(vmx, VX_VMCS_GUEST_PDPTE0 + 2 * i)
                                  : vx_physmem_read64(vmx->memory, (vx_hpa){(vmx->state.cr3 & 0xFFFFFFE0) + 8ULL * i});
}

void vmx_load_guest(vx_vmx *vmx)
{
    vx_vmx_state *s = &vmx->state;
    for (unsigned i = 0; i < TRANSFERS; i++)
        if (applies(transfers[i].load, vmx->entry.word[VX_WORD_ENTRY]))
            put_member(s, &transfers[i], vmcs_field(vmx, transfers[i].guest));
    if (vmx_effective(vmx, VX_WORD_ENTRY, VX_ENTRY_CONTROL_LOAD_DEBUG))
        s->dr7 = (s->dr7 & ~0xD000ULL) | 1 << 10; /* bits 12, 14 and 15 are 0, bit 10 is 1 */
    s->cr0 = (s->cr0 & CR0_KEPT) | (vmcs_field(vmx, VX_VMCS_GUEST_CR0) & ~CR0_KEPT);
    s->cr4 = vmcs_field(vmx, VX_VMCS_GUEST_CR4);
    load_efer_mode(vmx);
    load_segments(vmx);
    load_pdptes(vmx);
    s->monitor_armed = false;
}

/* ---- saving guest state, 27.3 ---- */

static void save_segments(vx_vmx *vmx)
{
    for (uint32_t i = 0; i < VX_SEGMENTS; i++) {
        const vx_segment *s = &vmx->state.segment[i];
        bool high_clear = (i == VX_SS || i == VX_DS || i == VX_ES) && (s->rights & RIGHTS_UNUSABLE);
        vmcs_put(vmx, VX_VMCS_GUEST_ES_SELECTOR + 2 * i, s->selector);
        vmcs_put(vmx, VX_VMCS_GUEST_ES_LIMIT + 2 * i, s->limit);
        vmcs_put(vmx, VX_VMCS_GUEST_ES_RIGHTS + 2 * i, s->rights & 0x1F0FF);
        vmcs_put(vmx, VX_VMCS_GUEST_ES_BASE + 2 * i, high_clear ? (uint32_t)s->base : s->base);
    }
}

static void save_nonregister(vx_vmx *vmx)
{
    const vx_vmx_state *s = &vmx->state;
    uint32_t blocking = s->interruptibility & (VX_BLOCKING_STI | VX_BLOCKING_MOV_SS);
    bool nmi = vmx_effective(vmx, VX_WORD_PIN, VX_PIN_VIRTUAL_NMIS) ? s->virtual_nmi_blocking
                                                                    : (s->interruptibility & VX_BLOCKING_NMI) != 0;
    vmcs_put(vmx, VX_VMCS_GUEST_INTERRUPTIBILITY, blocking | (nmi ? VX_BLOCKING_NMI : 0));
    vmcs_put(vmx, VX_VMCS_GUEST_ACTIVITY, s->activity);
    if (vmx_effective(vmx, VX_WORD_CPU2, VX_CPU2_EPT) && state_pae(s))
        for (uint32_t i = 0; i < 4; i++) vmcs_put(vmx, VX_VMCS_GUEST_PDPTE0 + 2 * i, s->pdpte[i]);
}

void vmx_save_guest(vx_vmx *vmx)
{
    const vx_vmx_state *s = &vmx->state;
    for (unsigned i = 0; i < TRANSFERS; i++) {
        const transfer *t = &transfers[i];
        if (applies(t->save, vmx->entry.word[VX_WORD_EXIT]) && field_exists(vmx, t->guest))
            vmcs_put(vmx, t->guest, member(s, t));
    }
    vmcs_put(vmx, VX_VMCS_GUEST_CR0, s->cr0);
    vmcs_put(vmx, VX_VMCS_GUEST_CR4, s->cr4);
    save_segments(vmx);
    save_nonregister(vmx);
    if (vmx->caps.misc & VX_VMX_MISC_STORE_LMA) {
        uint64_t controls = vmcs_field(vmx, VX_VMCS_ENTRY_CONTROLS) & ~(uint64_t)VX_ENTRY_CONTROL_IA32E;
        vmcs_put(vmx, VX_VMCS_ENTRY_CONTROLS, controls | (s->efer & VX_EFER_LMA ? VX_ENTRY_CONTROL_IA32E : 0));
    }
}

/* ---- loading host state, 27.5 ---- */

static vx_segment host_segment(uint16_t selector, uint32_t rights, uint32_t limit, uint64_t base)
{
    return (vx_segment){
        .selector = selector, .rights = selector ? rights : RIGHTS_UNUSABLE, .limit = limit, .base = base};
}

/* 27.5.2: flat segments, whatever the descriptors say. */
static void load_host_segments(vx_vmx *vmx, bool wide)
{
    enum { CODE = 0x809B, DATA = 0xC093, TASK = 0x8B, TASK_LIMIT = 0x67 };
    static const uint16_t order[] = {VX_VMCS_HOST_ES_SELECTOR, VX_VMCS_HOST_CS_SELECTOR, VX_VMCS_HOST_SS_SELECTOR,
                                     VX_VMCS_HOST_DS_SELECTOR, VX_VMCS_HOST_FS_SELECTOR, VX_VMCS_HOST_GS_SELECTOR};
    vx_vmx_state *s = &vmx->state;
    for (unsigned i = 0; i < sizeof order / sizeof *order; i++)
        s->segment[i] = host_segment((uint16_t)vmcs_field(vmx, order[i]), DATA, UINT32_MAX, 0);
    s->segment[VX_CS].rights = CODE | (wide ? RIGHTS_L : RIGHTS_DB);
    s->segment[VX_SS].rights |= RIGHTS_DB; /* DPL 0, even where it is unusable */
    s->segment[VX_FS].base = vmcs_field(vmx, VX_VMCS_HOST_FS_BASE);
    s->segment[VX_GS].base = vmcs_field(vmx, VX_VMCS_HOST_GS_BASE);
    s->segment[VX_TR] = host_segment((uint16_t)vmcs_field(vmx, VX_VMCS_HOST_TR_SELECTOR), TASK, TASK_LIMIT,
                                     vmcs_field(vmx, VX_VMCS_HOST_TR_BASE));
    s->segment[VX_LDTR] = (vx_segment){.rights = RIGHTS_UNUSABLE};
}

/* Bits fixed in VMX operation keep their values. */
static uint64_t with_fixed(uint64_t old, uint64_t value, uint64_t fixed0, uint64_t fixed1)
{
    uint64_t fixed = fixed0 | ~fixed1;
    return (old & fixed) | (value & ~fixed);
}

void vmx_load_host(vx_vmx *vmx)
{
    vx_vmx_state *s = &vmx->state;
    bool wide = vmx_effective(vmx, VX_WORD_EXIT, VX_EXIT_CONTROL_HOST_64);
    for (unsigned i = 0; i < TRANSFERS; i++) {
        const transfer *t = &transfers[i];
        if (applies(t->load_host, vmx->entry.word[VX_WORD_EXIT])) put_member(s, t, vmcs_field(vmx, t->host));
        if (applies(t->clear, vmx->entry.word[VX_WORD_EXIT])) put_member(s, t, 0);
    }
    /* A guest may have run with PE and PG 0, which are fixed to 1 in root operation. */
    uint64_t old = s->cr0 | vmx->caps.cr0_fixed0, cr0 = vmcs_field(vmx, VX_VMCS_HOST_CR0);
    s->cr0 = with_fixed(old, (old & CR0_KEPT) | (cr0 & ~CR0_KEPT), vmx->caps.cr0_fixed0, vmx->caps.cr0_fixed1);
    s->cr3 &= (1ULL << vmx->caps.physical_bits) - 1;
    s->cr4 = with_fixed(s->cr4, vmcs_field(vmx, VX_VMCS_HOST_CR4), vmx->caps.cr4_fixed0, vmx->caps.cr4_fixed1);
    s->cr4 = wide ? s->cr4 | VX_CR4_PAE : s->cr4 & ~(uint64_t)VX_CR4_PCIDE;
    s->efer = wide ? s->efer | VX_EFER_LME | VX_EFER_LMA : s->efer & ~(uint64_t)(VX_EFER_LME | VX_EFER_LMA);
    s->dr7 = 0x400;
    s->rflags = 2;
    s->gdtr_limit = s->idtr_limit = 0xFFFF;
    load_host_segments(vmx, wide);
    s->activity = VX_ACTIVE;
    s->interruptibility &= VX_BLOCKING_NMI;
    s->virtual_nmi_blocking = false;
    s->monitor_armed = false;
    s->init_blocked = true;
}
