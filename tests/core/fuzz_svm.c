/* Any sequence of operations on one AMD processor: no crash, and what is always true of guest mode stays true.
 *
 * The input is a program: an operation a byte, its operands behind it. VMCB fields, registers and memory get hostile
 * values; the two VMCBs start legal, so that guests do run. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vx_svm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VMCB = 0x1000, VMCB2 = 0x2000, HSAVE = 0x3000, RAM = 1 << 16 };

typedef struct input {
    const uint8_t *at, *end;
} input;

static uint64_t take(input *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && in->at < in->end; i++) value |= (uint64_t)*in->at++ << 8 * i;
    return value;
}

static void make_legal(vx_physmem *memory, vx_hpa at)
{
    vx_vmcb_write(memory, at, VX_VMCB_INTERCEPTS2, 3);
    vx_vmcb_write(memory, at, VX_VMCB_IOPM_BASE_PA, 0x4000);
    vx_vmcb_write(memory, at, VX_VMCB_MSRPM_BASE_PA, 0x8000);
    vx_vmcb_write(memory, at, VX_VMCB_GUEST_ASID, 1);
    vx_vmcb_write(memory, at, VX_VMCB_EFER, 0x1D01);
    vx_vmcb_write(memory, at, VX_VMCB_CR0, 0x80010033);
    vx_vmcb_write(memory, at, VX_VMCB_CR4, 0x20);
    vx_vmcb_write(memory, at, VX_VMCB_CS_ATTRIBUTES, 0x29B);
    vx_vmcb_write(memory, at, VX_VMCB_DR7, 0x400);
    vx_vmcb_write(memory, at, VX_VMCB_RFLAGS, 0x202);
    vx_vmcb_write(memory, at, VX_VMCB_RAX, VMCB2);
}

static vx_svm_outcome run_record(vx_svm *svm, input *in)
{
    const vx_record record = {.kind = (uint8_t)take(in, 1),
                              .size = (uint8_t)take(in, 1),
                              .count = (uint16_t)(take(in, 1) % 3),
                              .addr = take(in, 8)};
    const uint64_t payload[2] = {take(in, 2), take(in, 1)};
    const vx_svm_bytes bytes = {.length = (uint8_t)take(in, 1), .fetched = (uint8_t)take(in, 1)};
    return vx_svm_execute(svm, &record, payload, take(in, 2), &bytes);
}

static vx_svm_outcome run_msr(vx_svm *svm, input *in)
{
    static const uint32_t msrs[] = {0xC0000080, 0xC0010114, 0xC0010117, 0xC0010118, 0xC0000104, 0x10, 0x174};
    uint32_t msr = msrs[take(in, 1) % 7];
    uint64_t value = take(in, 8);
    return value & 1 ? vx_svm_rdmsr(svm, msr, &value, NULL) : vx_svm_wrmsr(svm, msr, value, NULL);
}

static vx_svm_outcome run_operation(vx_svm *svm, input *in)
{
    static vx_svm_outcome (*const plain[])(vx_svm *, const vx_svm_bytes *) = {
        vx_svm_vmrun, vx_svm_vmload, vx_svm_vmsave, vx_svm_stgi, vx_svm_clgi, vx_svm_vmmcall, vx_svm_skinit};
    unsigned operation = (unsigned)take(in, 1) % 16;
    if (operation < 7) return plain[operation](svm, NULL);
    vx_hpa hpa;
    switch (operation) {
    case 7:
        return vx_svm_invlpga(svm, (uint32_t)take(in, 4), NULL);
    case 8:
        return run_record(svm, in);
    case 9:
        return run_msr(svm, in);
    case 10:
        return vx_svm_exception(svm, (uint8_t)take(in, 1), (uint32_t)take(in, 4), take(in, 8), NULL);
    case 11:
        vx_svm_signal(svm, (vx_svm_signal_kind)(take(in, 1) % 4), (uint8_t)take(in, 1));
        return vx_svm_take(svm);
    case 12: { /* software edits a VMCB */
        vx_hpa at = {take(in, 1) & 1 ? VMCB : VMCB2};
        vx_vmcb_field field = (vx_vmcb_field)(take(in, 1) % VX_VMCB_FIELDS);
        vx_vmcb_write(svm->memory, at, field, take(in, 8));
        return vx_svm_take(svm);
    }
    case 13: /* rAX names a VMCB, or anything */
        vx_svm_set_register(svm, VX_VMCB_RAX, take(in, 1) & 3 ? VMCB + (take(in, 1) & 1) * 0x1000U : take(in, 8));
        return vx_svm_take(svm);
    case 14:
        return take(in, 1) == 0x5A ? vx_svm_triple_fault(svm) : vx_svm_take(svm);
    default:
        return vx_svm_access(svm, (vx_gva){take(in, 8)}, (vx_access)(take(in, 1) % VX_ACCESSES), &hpa, NULL);
    }
}

/* What the processor was before an operation. */
typedef struct before {
    bool guest;
    vx_hpa vmcb_at;
    vx_vmcb_image vmcb;
} before;

static void check(const vx_svm *svm, const before *was, const vx_svm_outcome *outcome)
{
    assert(outcome->result <= VX_SVM_SHUTDOWN);
    assert(!svm->shutdown || outcome->result == VX_SVM_SHUTDOWN);
    if (svm->guest) {
        assert(was->guest || outcome->result == VX_SVM_ENTERED);
        assert(svm->controls.asid != 0 && (svm->controls.intercepts2 & 1));
    }
    if (outcome->result == VX_SVM_ENTERED) {
        assert(svm->guest && svm->gif && !was->guest);
        assert(vx_svm_register(svm, VX_VMCB_EFER) & 1ULL << 12);
        assert((vx_svm_register(svm, VX_VMCB_CR0) | vx_svm_register(svm, VX_VMCB_DR6)) >> 32 == 0);
    }
    if (outcome->result == VX_SVM_EXITED) {
        assert(!svm->guest && !svm->gif && !svm->shadow && svm->delivering == 0);
        assert(vx_svm_register(svm, VX_VMCB_CPL) == 0 && vx_svm_register(svm, VX_VMCB_DR7) == 0x400);
        assert(vx_svm_register(svm, VX_VMCB_CR0) & 1);
        if (svm->vmcb_at.v < RAM)
            assert(vx_vmcb_read(svm->memory, svm->vmcb_at, VX_VMCB_EXITCODE) == outcome->exitcode);
        assert(vx_exit_reason_index(VX_VENDOR_AMD, (uint32_t)outcome->exitcode) >= 0);
        assert(was->guest != (outcome->exitcode == VX_SVM_EXIT_INVALID));
    }
    if (outcome->result == VX_SVM_EXITED && !was->guest) { /* a failed VMRUN has not touched the guest's state */
        vx_vmcb_image now;
        vx_vmcb_fetch(&now, svm->memory, was->vmcb_at);
        assert(memcmp(now.bytes + VX_VMCB_SAVE_AREA, was->vmcb.bytes + VX_VMCB_SAVE_AREA,
                      VX_VMCB_BYTES - VX_VMCB_SAVE_AREA) == 0);
    }
    if (outcome->result == VX_SVM_FAULT || outcome->result == VX_SVM_EVENT) assert(svm->guest == was->guest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, data + size};
    vx_cfg_cpu cpu = {.vendor = VX_VENDOR_AMD,
                      .paging = {.physical_bits = 40, .virtual_bits = 48, .long_mode = true, .nx = true},
                      .svm = {.svm = true, .asids = 16}};
    uint64_t features = take(&in, 3);
    bool *const flags[] = {&cpu.svm.npt,       &cpu.svm.flush_by_asid,      &cpu.svm.decode_assists,
                           &cpu.svm.nrips,     &cpu.svm.vmcb_clean,         &cpu.svm.pause_filter,
                           &cpu.svm.vgif,      &cpu.svm.pause_threshold,    &cpu.svm.vnmi,
                           &cpu.svm.svm_lock,  &cpu.svm.lbr_virtualization, &cpu.svm.virtual_vmload,
                           &cpu.svm.tsc_ratio, &cpu.svm.spec_ctrl};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) *flags[i] = features >> i & 1;
    vx_physmem memory;
    vx_msg msg;
    if (vx_physmem_init(&memory, RAM, &msg) != VX_OK) return 0;
    make_legal(&memory, (vx_hpa){VMCB});
    make_legal(&memory, (vx_hpa){VMCB2});
    vx_svm *svm = malloc(sizeof *svm);
    if (!svm) abort();
    vx_svm_init(svm, &(vx_svm_setup){.cpu = &cpu, .memory = &memory, .key = 7});
    (void)vx_svm_wrmsr(svm, 0xC0000080, 0x1D00, NULL);
    (void)vx_svm_wrmsr(svm, 0xC0010117, HSAVE, NULL);
    vx_svm_set_register(svm, VX_VMCB_RAX, VMCB);
    while (in.at < in.end) {
        before was = {.guest = svm->guest, .vmcb_at = {vx_svm_register(svm, VX_VMCB_RAX)}};
        vx_vmcb_fetch(&was.vmcb, &memory, was.vmcb_at);
        vx_svm_outcome outcome = run_operation(svm, &in);
        check(svm, &was, &outcome);
    }
    free(svm);
    vx_physmem_fini(&memory);
    return 0;
}
