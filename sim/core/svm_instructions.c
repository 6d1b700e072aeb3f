/* The SVM instructions beside VMRUN, and how any other instruction meets the intercepts.
 *
 * Order of checks: Bochs cpu/svm.cc. #UD outside of protected mode or with EFER.SVME 0, #GP at CPL above 0, then the
 * intercept, then #GP for the operand. VMMCALL is #UD unless intercepted, at any CPL. STGI and CLGI act on V_GIF where
 * the guest has a virtual GIF (QEMU svm_helper.c, KUT test_vgif). VMLOAD and VMSAVE with virtualization enabled take a
 * guest-physical address, and exit where nested paging or long mode is off (QEMU virtual_vm_load_save_enabled).
 *
 * NOT MODELLED: SKINIT beyond its intercept: #UD, as on a processor without it. */
#include "svm_private.h"

bool svm_intercepted(const vx_svm *svm, uint32_t code)
{
    if (!svm->guest) return false;
    const uint32_t words[] = {svm->controls.intercepts1, svm->controls.intercepts2, svm->controls.intercepts3};
    return code >= 0x60 && code < 0xC0 && (words[(code - 0x60) / 32] >> (code % 32) & 1);
}

vx_svm_outcome svm_done(vx_svm *svm, const vx_svm_bytes *bytes)
{
    svm->delivering = 0;
    svm->shadow = false;
    if (bytes) svm_set(svm, VX_VMCB_RIP, svm_get(svm, VX_VMCB_RIP) + bytes->length);
    return (vx_svm_outcome){.result = VX_SVM_DONE};
}

static bool protected_mode(const vx_svm *svm)
{
    return (svm_get(svm, VX_VMCB_CR0) & VX_CR0_PE) && !(svm_get(svm, VX_VMCB_RFLAGS) & SVM_RFLAGS_VM);
}

bool svm_may_execute(vx_svm *svm, uint32_t code, uint64_t info1, const vx_svm_bytes *bytes, vx_svm_outcome *outcome)
{
    if (svm->shutdown)
        *outcome = (vx_svm_outcome){.result = VX_SVM_SHUTDOWN};
    else if (!protected_mode(svm) || !(svm_get(svm, VX_VMCB_EFER) & VX_EFER_SVME))
        *outcome = svm_raise(svm, SVM_UD, false, 0, 0, bytes);
    else if (svm_get(svm, VX_VMCB_CPL) != 0)
        *outcome = svm_raise(svm, SVM_GP, true, 0, 0, bytes);
    else if (svm_intercepted(svm, code))
        *outcome = svm_vmexit(svm, &(svm_exit){.code = code, .info1 = info1, .next = true, .bytes = bytes});
    else
        return true;
    return false;
}

/* Where the VMCB of VMLOAD or VMSAVE lies. False: *outcome says why not. */
static bool operand(vx_svm *svm, uint32_t code, bool store, const vx_svm_bytes *bytes, vx_hpa *at,
                    vx_svm_outcome *outcome)
{
    *at = (vx_hpa){svm_get(svm, VX_VMCB_RAX)};
    bool virtualized =
        svm->guest && svm->cpu->svm.virtual_vmload && (vx_vmcb_get(&svm->vmcb, VX_VMCB_VIRT_EXT) & VX_V_VMLOAD_ENABLE);
    if (virtualized && (!svm->controls.nested_paging || !(svm_get(svm, VX_VMCB_EFER) & VX_EFER_LMA))) {
        *outcome = svm_vmexit(svm, &(svm_exit){.code = code, .next = true, .bytes = bytes});
        return false;
    }
    if ((at->v & (VX_PAGE_BYTES - 1)) || at->v >> svm->cpu->paging.physical_bits) {
        *outcome = svm_raise(svm, SVM_GP, true, 0, 0, bytes);
        return false;
    }
    if (!virtualized || !svm->mmu) return true;
    vx_mmu_fault fault;
    vx_gpa gpa = {at->v};
    if (vx_mmu_access_gpa(svm->mmu, gpa, store ? VX_ACCESS_STORE : VX_ACCESS_LOAD, at, &fault) == VX_MMU_DONE)
        return true;
    *outcome = svm_vmexit(svm, &(svm_exit){.code = VX_SVM_EXIT_NPF,
                                           .info1 = fault.qualification,
                                           .info2 = fault.gpa.v,
                                           .data_fault = true,
                                           .bytes = bytes});
    return false;
}

vx_svm_outcome vx_svm_vmload(vx_svm *svm, const vx_svm_bytes *bytes)
{
    vx_svm_outcome outcome;
    vx_hpa at;
    if (!svm_may_execute(svm, 0x82, 0, bytes, &outcome) || !operand(svm, 0x82, false, bytes, &at, &outcome))
        return outcome;
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++) {
        vx_vmcb_field field = (vx_vmcb_field)i;
        if (vx_vmcb_describe(field)->role == VX_VMCB_HIDDEN)
            svm_set(svm, field, svm_canonical(svm->cpu, field, vx_vmcb_read(svm->memory, at, field)));
    }
    return svm_done(svm, bytes);
}

vx_svm_outcome vx_svm_vmsave(vx_svm *svm, const vx_svm_bytes *bytes)
{
    vx_svm_outcome outcome;
    vx_hpa at;
    if (!svm_may_execute(svm, 0x83, 0, bytes, &outcome) || !operand(svm, 0x83, true, bytes, &at, &outcome))
        return outcome;
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++)
        if (vx_vmcb_describe((vx_vmcb_field)i)->role == VX_VMCB_HIDDEN)
            vx_vmcb_write(svm->memory, at, (vx_vmcb_field)i, svm_get(svm, (vx_vmcb_field)i));
    return svm_done(svm, bytes);
}

static vx_svm_outcome set_gif(vx_svm *svm, uint32_t code, bool on, const vx_svm_bytes *bytes)
{
    vx_svm_outcome outcome;
    if (!svm_may_execute(svm, code, 0, bytes, &outcome)) return outcome;
    if (svm->guest && svm->cpu->svm.vgif && (svm_v_intr(svm) & VX_V_GIF_ENABLE))
        svm_set_v_intr(svm, on ? svm_v_intr(svm) | VX_V_GIF : svm_v_intr(svm) & ~VX_V_GIF);
    else
        svm->gif = on;
    return svm_done(svm, bytes);
}

vx_svm_outcome vx_svm_stgi(vx_svm *svm, const vx_svm_bytes *bytes) { return set_gif(svm, 0x84, true, bytes); }

vx_svm_outcome vx_svm_clgi(vx_svm *svm, const vx_svm_bytes *bytes) { return set_gif(svm, 0x85, false, bytes); }

vx_svm_outcome vx_svm_vmmcall(vx_svm *svm, const vx_svm_bytes *bytes)
{
    if (svm->shutdown) return (vx_svm_outcome){.result = VX_SVM_SHUTDOWN};
    if (svm_intercepted(svm, 0x81)) return svm_vmexit(svm, &(svm_exit){.code = 0x81, .next = true, .bytes = bytes});
    return svm_raise(svm, SVM_UD, false, 0, 0, bytes);
}

vx_svm_outcome vx_svm_skinit(vx_svm *svm, const vx_svm_bytes *bytes)
{
    vx_svm_outcome outcome;
    return svm_may_execute(svm, 0x86, 0, bytes, &outcome) ? svm_raise(svm, SVM_UD, false, 0, 0, bytes) : outcome;
}

vx_svm_outcome vx_svm_invlpga(vx_svm *svm, uint32_t ecx, const vx_svm_bytes *bytes)
{
    vx_svm_outcome outcome;
    uint64_t gva = svm_get(svm, VX_VMCB_RAX);
    if (!svm_may_execute(svm, 0x7A, svm->cpu->svm.decode_assists ? gva : 0, bytes, &outcome)) return outcome;
    if (svm->mmu)
        vx_mmu_invalidate(svm->mmu, &(vx_mmu_invalidation){.op = VX_OP_INVLPGA, .gva = {gva}, .vpid = (uint16_t)ecx});
    return svm_done(svm, bytes);
}

/* ---- all others ---- */

/* 15.8.1: the general-purpose register of MOV CR and MOV DR. */
static void add_operands(const vx_svm *svm, const vx_record *record, const vx_svm_bytes *bytes, svm_exit *exit)
{
    bool moves = record->kind == VX_REC_CR_READ || record->kind == VX_REC_CR_WRITE || record->kind == VX_REC_DR_READ ||
                 record->kind == VX_REC_DR_WRITE;
    if (moves && svm->cpu->svm.decode_assists) exit->info1 |= bytes->gpr & 0xFU;
    if (exit->code == VX_SVM_EXIT_IOIO) exit->info2 = svm_get(svm, VX_VMCB_RIP) + bytes->length;
}

static bool trap_like(uint32_t code)
{
    int index = vx_exit_reason_index(VX_VENDOR_AMD, code);
    return index >= 0 && vx_exit_reason_at(VX_VENDOR_AMD, (unsigned)index)->trap_like;
}

vx_svm_outcome vx_svm_execute(vx_svm *svm, const vx_record *record, const uint64_t *payload, vx_tick now,
                              const vx_svm_bytes *bytes)
{
    static const vx_svm_bytes unknown = {0};
    if (!bytes) bytes = &unknown;
    if (svm->shutdown) return (vx_svm_outcome){.result = VX_SVM_SHUTDOWN};
    const vx_exit_context context = {.cr0 = svm_get(svm, VX_VMCB_CR0),
                                     .cr3 = svm_get(svm, VX_VMCB_CR3),
                                     .cr4 = svm_get(svm, VX_VMCB_CR4),
                                     .cpl = (uint8_t)svm_get(svm, VX_VMCB_CPL),
                                     .monitor_armed = svm->monitor_armed};
    vx_exit found;
    bool exits = svm->guest && vx_vmcb_exits(&svm->controls, &context, record, payload, &found);
    if (exits && record->kind == VX_REC_PAUSE) exits = vx_svm_pause_exits(&svm->pause, &svm->controls, now);
    if (!exits) {
        bool shadow = record->kind == VX_REC_STI && !(svm_get(svm, VX_VMCB_RFLAGS) & SVM_RFLAGS_IF);
        svm_effect(svm, record, payload);
        vx_svm_outcome done = svm_done(svm, bytes);
        svm->shadow = shadow;
        return done;
    }
    svm_exit exit = {
        .code = found.reason, .info1 = found.qualification, .info2 = found.information2, .next = true, .bytes = bytes};
    add_operands(svm, record, bytes, &exit);
    if (trap_like(found.reason)) {
        svm_effect(svm, record, payload);
        (void)svm_done(svm, bytes);
        exit.next = false;
    }
    return svm_vmexit(svm, &exit);
}
