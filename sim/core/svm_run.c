/* VMRUN: saves the host, reads the VMCB through the state cache, checks it, loads the guest, injects an event.
 *
 * APM Vol. 2, 15.5.1; order of the steps as in Bochs cpu/svm.cc (VMRUN) and QEMU svm_helper.c (helper_vmrun). The host
 * save area is laid out as a VMCB's save area, as QEMU does it; a processor's own layout is nobody's business.
 *
 * VMCB state caching (15.15). A processor may take a group of fields whose clean bit is set from what it knows of this
 * VMCB instead of from memory. This one always does, with one VMCB remembered: the one that ran last. So software that
 * changes a field and leaves its clean bit set sees what it would see on the least forgiving processor: the change is
 * ignored. Another VMCB's address, and a processor without the feature, read everything. */
#include "svm_private.h"

bool svm_swaps(const vx_svm *svm, vx_vmcb_field field)
{
    const vx_vmcb_info *info = vx_vmcb_describe(field);
    if (info->role != VX_VMCB_STATE && info->role != VX_VMCB_GUEST) return false;
    if (!vx_vmcb_has(&svm->cpu->svm, field)) return false;
    if (field == VX_VMCB_G_PAT) return svm->controls.nested_paging;
    if (info->clean == VX_CLEAN_LBR) return vx_vmcb_get(&svm->vmcb, VX_VMCB_VIRT_EXT) & VX_LBR_ENABLE;
    return true;
}

/* kvm-unit-tests x86/svm_tests.c, svm_lbrv_*: with LBR virtualization the host's branch records survive the guest. */
bool svm_keeps_host(const vx_svm *svm, vx_vmcb_field field)
{
    const vx_vmcb_info *info = vx_vmcb_describe(field);
    return svm_swaps(svm, field) &&
           (info->role == VX_VMCB_STATE || info->clean == VX_CLEAN_LBR || field == VX_VMCB_SPEC_CTRL);
}

/* APM 15.5.1, 15.5.2: VMRUN and VMLOAD sign-extend bases (QEMU svm_canonicalization, KUT test_canonicalization). */
uint64_t svm_canonical(const vx_cfg_cpu *cpu, vx_vmcb_field field, uint64_t value)
{
    switch (field) {
    case VX_VMCB_ES_BASE:
    case VX_VMCB_CS_BASE:
    case VX_VMCB_SS_BASE:
    case VX_VMCB_DS_BASE:
    case VX_VMCB_FS_BASE:
    case VX_VMCB_GS_BASE:
    case VX_VMCB_GDTR_BASE:
    case VX_VMCB_LDTR_BASE:
    case VX_VMCB_IDTR_BASE:
    case VX_VMCB_TR_BASE:
    case VX_VMCB_KERNEL_GS_BASE: {
        uint64_t sign = 1ULL << (cpu->paging.virtual_bits - 1);
        return ((value & (sign * 2 - 1)) ^ sign) - sign;
    }
    default:
        return value;
    }
}

/* The VMCB that counts: memory, but for the groups that are clean and known. */
static void read_vmcb(vx_svm *svm, vx_hpa at)
{
    vx_vmcb_fetch(&svm->vmcb, svm->memory, at);
    if (!svm->cpu->svm.vmcb_clean || !svm->cache.valid || svm->cache.at.v != at.v) return;
    uint64_t clean = vx_vmcb_get(&svm->vmcb, VX_VMCB_CLEAN);
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++) {
        unsigned group = vx_vmcb_describe((vx_vmcb_field)i)->clean;
        if (group == VX_CLEAN_NEVER || !(clean >> group & 1)) continue;
        vx_vmcb_set(&svm->vmcb, (vx_vmcb_field)i, vx_vmcb_get(&svm->cache.image, (vx_vmcb_field)i));
    }
}

static uint8_t nested_levels(const vx_svm *svm) { return svm_get(svm, VX_VMCB_CR4) & VX_CR4_LA57 ? 5 : 4; }

static void save_host(vx_svm *svm)
{
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++)
        if (svm_keeps_host(svm, (vx_vmcb_field)i))
            vx_vmcb_write(svm->memory, (vx_hpa){svm->vm_hsave_pa}, (vx_vmcb_field)i, svm_get(svm, (vx_vmcb_field)i));
    svm->host_if = svm_get(svm, VX_VMCB_RFLAGS) & SVM_RFLAGS_IF;
}

static void load_guest(vx_svm *svm)
{
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++) {
        vx_vmcb_field field = (vx_vmcb_field)i;
        if (svm_swaps(svm, field)) svm_set(svm, field, svm_canonical(svm->cpu, field, vx_vmcb_get(&svm->vmcb, field)));
    }
    /* EFER.LMA is what LME and PG make it (Bochs, KVM); DR7's bit 10 is always 1; bit 1 of RFLAGS too. */
    uint64_t efer = svm_get(svm, VX_VMCB_EFER) & ~VX_EFER_LMA;
    bool active = (efer & VX_EFER_LME) && (svm_get(svm, VX_VMCB_CR0) & VX_CR0_PG);
    svm_set(svm, VX_VMCB_EFER, active ? efer | VX_EFER_LMA : efer);
    svm_set(svm, VX_VMCB_DR7, svm_get(svm, VX_VMCB_DR7) | 0x400);
    svm_set(svm, VX_VMCB_RFLAGS, svm_get(svm, VX_VMCB_RFLAGS) | 2);
    svm_set(svm, VX_VMCB_CPL, svm_get(svm, VX_VMCB_CPL) & 3);
}

static vx_svm_outcome enter(vx_svm *svm, vx_hpa at)
{
    svm->guest = true;
    svm->vmcb_at = at;
    svm->gif = true;
    svm->monitor_armed = false;
    svm->shadow = vx_vmcb_get(&svm->vmcb, VX_VMCB_INTERRUPT_SHADOW) & SVM_SHADOW;
    vx_svm_pause_load(&svm->pause, &svm->controls);
    if (svm->mmu) vx_svm_tlb_control(svm->mmu, svm->controls.tlb_control, svm->controls.asid);
    svm_load_mmu(svm);
    uint32_t event = (uint32_t)vx_vmcb_get(&svm->vmcb, VX_VMCB_EVENTINJ);
    vx_svm_outcome outcome = {.result = VX_SVM_ENTERED};
    if (!(event & VX_EVENT_VALID)) return outcome;
    /* Injected events are not intercepted. An NMI's vector is 2 whatever the field says (Bochs). */
    if ((event & VX_EVENT_TYPE) == VX_EVENT_NMI) event = (event & ~0xFFU) | 2;
    svm->delivering = event;
    svm->delivering_error = event & VX_EVENT_ERROR ? (uint32_t)vx_vmcb_get(&svm->vmcb, VX_VMCB_EVENTINJ_ERROR) : 0;
    outcome.event = svm->delivering;
    outcome.error_code = svm->delivering_error;
    return outcome;
}

/* The address in rAX, in the width of the mode, must be a page of physical memory. */
static bool is_vmcb_address(const vx_svm *svm, uint64_t at)
{
    return (at & (VX_PAGE_BYTES - 1)) == 0 && at >> svm->cpu->paging.physical_bits == 0;
}

static vx_svm_outcome run(vx_svm *svm, const vx_svm_bytes *bytes)
{
    vx_hpa at = {svm_get(svm, VX_VMCB_RAX)};
    const uint64_t host_cr0 = svm_get(svm, VX_VMCB_CR0);
    read_vmcb(svm, at);
    vx_vmcb_decode(&svm->controls, &svm->vmcb, &svm->cpu->svm, svm->memory, nested_levels(svm));
    (void)svm_done(svm, bytes); /* the host goes on behind VMRUN */
    unsigned failed;
    const vx_svm_entry entry = {.cpu = svm->cpu, .vmcb = &svm->vmcb, .memory = svm->memory, .host_cr0 = host_cr0};
    svm->vmcb_at = at;
    if (vx_svm_checks(&entry, &failed, 1) > 0) return svm_invalid(svm, failed);
    save_host(svm);
    load_guest(svm);
    svm->cache.valid = false; /* until #VMEXIT has written it */
    return enter(svm, at);
}

/* Faults, then the intercept, then the operand: Bochs cpu/svm.cc. KVM's nested_svm_vmrun: without a host save area #GP.
 */
vx_svm_outcome vx_svm_vmrun(vx_svm *svm, const vx_svm_bytes *bytes)
{
    vx_svm_outcome fault;
    if (!svm_may_execute(svm, 0x80, 0, bytes, &fault)) return fault;
    if (!is_vmcb_address(svm, svm_get(svm, VX_VMCB_RAX)) || svm->vm_hsave_pa == 0)
        return svm_raise(svm, SVM_GP, true, 0, 0, bytes);
    return run(svm, bytes);
}
