/* #VMEXIT: what it writes to the VMCB, and how the host goes on.
 *
 * APM Vol. 2, 15.6 and 15.7; steps as in Bochs cpu/svm.cc (Svm_Vmexit) and QEMU svm_helper.c (do_vmexit). nRIP is
 * saved for instruction intercepts and is 0 after all others (15.7.1); guest instruction bytes are given for faults of
 * data accesses (15.8.4), else their count is 0. The EXITCODE is 64 bits wide: Linux found -1 in all of them on Milan.
 *
 * NOT MODELLED: the exceptions of INT3, INTO and BOUND, after which nRIP is saved too. */
#include "svm_private.h"

static void write(vx_svm *svm, vx_vmcb_field field, uint64_t value)
{
    vx_vmcb_set(&svm->vmcb, field, value);
    vx_vmcb_write(svm->memory, svm->vmcb_at, field, value);
}

static void write_reason(vx_svm *svm, uint64_t code, uint64_t info1, uint64_t info2)
{
    write(svm, VX_VMCB_EXITCODE, code);
    write(svm, VX_VMCB_EXITINFO1, info1);
    write(svm, VX_VMCB_EXITINFO2, info2);
    write(svm, VX_VMCB_EXITINTINFO, svm->delivering);
    write(svm, VX_VMCB_EXITINTINFO_ERROR, svm->delivering & VX_EVENT_ERROR ? svm->delivering_error : 0);
    write(svm, VX_VMCB_EVENTINJ, vx_vmcb_get(&svm->vmcb, VX_VMCB_EVENTINJ) & ~(uint64_t)VX_EVENT_VALID);
    svm->delivering = 0;
}

static void write_assists(vx_svm *svm, const svm_exit *exit)
{
    static const vx_svm_bytes unknown = {0};
    const vx_svm_bytes *bytes = exit->bytes ? exit->bytes : &unknown;
    if (svm->cpu->svm.nrips) write(svm, VX_VMCB_NRIP, exit->next ? svm_get(svm, VX_VMCB_RIP) + bytes->length : 0);
    if (!svm->cpu->svm.decode_assists) return;
    uint8_t count = bytes->fetched < VX_VMCB_INSTRUCTION_BYTES_MAX ? bytes->fetched : VX_VMCB_INSTRUCTION_BYTES_MAX;
    if (!exit->data_fault) count = 0;
    write(svm, VX_VMCB_BYTES_FETCHED, count);
    /* The bytes stand behind their count, in the two words at 0D0h. */
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = svm->vmcb_at.v + vx_vmcb_describe(VX_VMCB_BYTES_FETCHED)->offset + 1 + i;
        uint64_t word = vx_physmem_read64(svm->memory, (vx_hpa){at & ~7ULL}), shift = at % 8 * 8;
        vx_physmem_write64(svm->memory, (vx_hpa){at & ~7ULL},
                           (word & ~(0xFFULL << shift)) | (uint64_t)bytes->bytes[i] << shift);
    }
}

static void save_guest(vx_svm *svm)
{
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++)
        if (svm_swaps(svm, (vx_vmcb_field)i)) write(svm, (vx_vmcb_field)i, svm_get(svm, (vx_vmcb_field)i));
    write(svm, VX_VMCB_INTERRUPT_SHADOW, svm->shadow ? SVM_SHADOW : 0);
    write(svm, VX_VMCB_V_INTR, svm_v_intr(svm));
}

/* CR0.PE is 1, RFLAGS.VM 0, CPL 0 and DR7 disabled whatever the host save area holds. */
static void load_host(vx_svm *svm)
{
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++)
        if (svm_keeps_host(svm, (vx_vmcb_field)i))
            svm_set(svm, (vx_vmcb_field)i, vx_vmcb_read(svm->memory, (vx_hpa){svm->vm_hsave_pa}, (vx_vmcb_field)i));
    svm_set(svm, VX_VMCB_CR0, svm_get(svm, VX_VMCB_CR0) | VX_CR0_PE);
    svm_set(svm, VX_VMCB_RFLAGS, svm_get(svm, VX_VMCB_RFLAGS) & ~SVM_RFLAGS_VM);
    svm_set(svm, VX_VMCB_CPL, 0);
    svm_set(svm, VX_VMCB_DR7, 0x400);
}

/* The host's state is checked too; where it is illegal, processor and all shut down (APM 15.6). */
static vx_svm_outcome resume_host(vx_svm *svm, uint64_t code)
{
    svm->guest = false;
    svm->gif = false;
    svm->shadow = false;
    svm->monitor_armed = false;
    if (svm_host_state_illegal(svm)) {
        svm->shutdown = true;
        return (vx_svm_outcome){.result = VX_SVM_SHUTDOWN, .exitcode = code};
    }
    svm_load_mmu(svm);
    return (vx_svm_outcome){.result = VX_SVM_EXITED, .exitcode = code};
}

vx_svm_outcome svm_vmexit(vx_svm *svm, const svm_exit *exit)
{
    write_assists(svm, exit);
    write_reason(svm, exit->code, exit->info1, exit->info2);
    save_guest(svm);
    svm->cache.valid = svm->cpu->svm.vmcb_clean;
    svm->cache.at = svm->vmcb_at;
    svm->cache.image = svm->vmcb;
    load_host(svm);
    return resume_host(svm, exit->code);
}

/* Nothing of the guest was loaded, nothing is saved; no cached state may be relied on. */
vx_svm_outcome svm_invalid(vx_svm *svm, unsigned check)
{
    svm->delivering = 0;
    write_reason(svm, VX_SVM_EXIT_INVALID, 0, 0);
    svm->cache.valid = false;
    svm_set(svm, VX_VMCB_DR7, 0x400);
    vx_svm_outcome outcome = resume_host(svm, VX_SVM_EXIT_INVALID);
    outcome.check = check;
    return outcome;
}

vx_svm_outcome svm_raise(vx_svm *svm, uint8_t vector, bool has_error, uint32_t error_code, uint64_t address,
                         const vx_svm_bytes *bytes)
{
    if (svm->guest && vector < 32 && (svm->controls.exceptions >> vector & 1)) {
        bool fetch = error_code & (1U << 4);
        return svm_vmexit(svm, &(svm_exit){.code = 0x40U + vector,
                                           .info1 = has_error ? error_code : 0,
                                           .info2 = vector == SVM_PF ? address : 0,
                                           .data_fault = vector == SVM_PF && !fetch,
                                           .bytes = bytes});
    }
    if (vector == SVM_PF) svm_set(svm, VX_VMCB_CR2, address);
    svm->delivering = VX_EVENT_VALID | VX_EVENT_EXCEPTION | vector | (has_error ? VX_EVENT_ERROR : 0);
    svm->delivering_error = has_error ? error_code : 0;
    return (vx_svm_outcome){.result = VX_SVM_FAULT, .event = svm->delivering, .error_code = svm->delivering_error};
}
