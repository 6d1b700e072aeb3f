/* Nested on AMD: VMCB12 is L1's, made for L2; VMCB01 is L0's, for L1; VMCB02 is what L0 makes of both, and what the
 * processor runs L2 with. From Linux 6.1, arch/x86/kvm/svm: nested.c and svm.c, functions as named below.
 *
 * Intercepts (recalc_intercepts): VMCB02 has those of both, less L0's of VMMCALL, of CR8 and of the interrupt window.
 * An exit is L1's where VMCB12 has its bit, of MSRs that of the permission map (nested_svm_exit_handled); else L0 deals
 * with it alone. INTR and NMI are L0's first (nested_svm_exit_special); here they are for L1, which L0 then tells of
 * them within the same exit (svm_check_nested_events). So it is with #UD, which L0 passes on.
 *
 * L1's way into L2 exits: CLGI, VMLOAD, VMRUN, and behind it VMSAVE, VMLOAD of the host's state, STGI (svm_vcpu_run,
 * vmenter.S). VMLOAD and VMSAVE do not where the processor virtualizes them, CLGI and STGI not where it has a virtual
 * GIF (init_vmcb). KVM as L1 has two more habits: it reads DEBUGCTL before each VMRUN, which L0 intercepts (of 6.1's
 * stable series: vcpu_enter_guest, "Snapshot the host's DEBUGCTL"; Debian's 6.1.192 does), and after each return to its
 * user space it saves its own state with one more VMSAVE (svm_prepare_switch_to_guest); port accesses go there.
 *
 * Debug registers: the first access exits to L1, which lends them (dr_interception), and loads them on its way
 * (vcpu_enter_guest), which exits once to an L0 that lends its own; made again, the access exits to L0, which
 * intercepts them again since VMRUN, alone.
 *
 * TLB: L0 of policy "kvm" runs L1 and L2 with one ASID, and drops what it has at each VMRUN and each exit to L1; at the
 * same time L1's tables that are out of sync come in step (nested_svm_transition_tlb_flush: requests MMU_SYNC and
 * TLB_FLUSH_CURRENT). Without flush by ASID it gives a new ASID instead, two a reflected exit. Any other L0 gives L2
 * the ASID that L1 has chosen, and takes a VMRUN that flushes, or another ASID, as Intel's L0 takes INVEPT.
 *
 * L1 is offered less than the processor has (svm_set_cpu_caps): no flush by ASID, decode assists, AVIC, virtual NMI or
 * SPEC_CTRL, and eight ASIDs.
 *
 * NOT MODELLED: hypervisors that leave VMLOAD, VMSAVE, CLGI or STGI out (Xen loads lazily); returns to user space for
 * device memory; L1's XSETBV, writes of SPEC_CTRL, EOIs and timers; VMCB clean bits; L3: SVM instructions of L2 exit to
 * L1, as it asks. L1's V_INTR_MASKING is taken as set. */
#include "nested_l0.h"
#include "vx_svm.h"

#include <string.h>

enum { OFFERED_ASIDS = 8, FLUSH_ALL_ASIDS = 1, FLUSH_THIS_ASID = 3 };
enum { EXIT_DR_FIRST = 0x20, EXIT_WRITE_DR7 = 0x37, EXIT_DR_LAST = 0x3F, EXIT_MSR = 0x7C };
#define SVM1_VINTR (1U << 4)
#define SVM2_VMRUN (1U << 0)
#define SVM2_VMMCALL (1U << 1)
#define SVM2_VMLOAD (1U << 2)
#define SVM2_VMSAVE (1U << 3)
#define SVM2_STGI (1U << 4)
#define SVM2_CLGI (1U << 5)
#define CR8_BIT (1U << 8)

typedef struct nested_svm {
    vx_cfg_cpu offered;              /* what L1 sees */
    uint8_t msrpm01[VX_MSRPM_BYTES]; /* L0's, of L1 */
    uint8_t msrpm02[VX_MSRPM_BYTES]; /* both */
    uint32_t next_asid;
} nested_svm;

vx_status nested_svm_init(vx_vmm *vmm, vx_arena *arena, vx_msg *msg)
{
    nested_svm *svm = vx_arena_alloc(arena, sizeof *svm);
    if (!svm) return vx_fail_nomem(msg);
    svm->offered = *vmm->cpu;
    vx_cfg_svm *has = &svm->offered.svm;
    has->flush_by_asid = has->decode_assists = has->avic = has->vnmi = false;
    has->spec_ctrl = has->bus_lock_threshold = has->svm_lock = false;
    has->asids = OFFERED_ASIDS;
    exit_controls_msrpm(vmm->l0.config, svm->msrpm01);
    for (unsigned i = 0; i < VX_MSRPM_BYTES; i++) svm->msrpm02[i] = svm->msrpm01[i] | vmm->msrpm[i];
    svm->next_asid = 1;
    vmm->l0.svm = svm;
    vmm->cpu = &svm->offered;
    return VX_OK;
}

/* ---- VMCB02 ---- */

/* nested_vmcb02_prepare_control: KVM's own filter counts, unless L1 intercepts every PAUSE. */
static void merge_pause(const vmm_vm *vm, vx_vmcb *to)
{
    const vx_vmcb *l1 = &vm->vmcb;
    if (!nested_l0_protects(vm->vmm)) return;
    to->pause_filter_count = vm->vmcb01.pause_filter_count;
    to->pause_filter_threshold = vm->vmcb01.pause_filter_threshold;
    if (!(l1->intercepts1 & VX_SVM_INTERCEPT_PAUSE)) return;
    if (!l1->pause_filter_count) to->pause_filter_count = 0;
    if (!l1->pause_filter_threshold) to->pause_filter_threshold = 0;
}

static void merge(vmm_vm *vm)
{
    const vx_vmm *vmm = vm->vmm;
    const vx_vmcb *l0 = &vm->vmcb01;
    vx_vmcb made = vm->vmcb;
    made.cr_read |= l0->cr_read & (uint16_t)~CR8_BIT;
    made.cr_write |= l0->cr_write & (uint16_t)~CR8_BIT;
    made.dr_read |= l0->dr_read;
    made.dr_write |= l0->dr_write;
    made.exceptions |= l0->exceptions;
    made.intercepts1 |= l0->intercepts1 & ~SVM1_VINTR;
    made.intercepts2 |= l0->intercepts2 & ~SVM2_VMMCALL;
    made.intercepts3 |= l0->intercepts3;
    made.decode_assists = l0->decode_assists;
    made.io_bitmap = vmm->all_ports;
    made.msr_bitmap = vmm->l0.svm->msrpm02;
    made.nested_cr3 = vm->nested.table02.root;
    made.asid = vm->vmcb02.asid;
    made.tlb_control = vm->vmcb02.tlb_control;
    merge_pause(vm, &made);
    vm->vmcb02 = made;
}

vx_status nested_svm_begin(vmm_vm *vm, vx_msg *msg)
{
    vx_vmm *vmm = vm->vmm;
    const vx_cfg_svm *has = &vmm->l0.cpu->svm;
    exit_controls_svm(vmm->l0.cpu, vmm->l0.config, &vm->vmcb01);
    if (has->virtual_vmload) vm->vmcb01.intercepts2 &= ~(SVM2_VMLOAD | SVM2_VMSAVE);
    if (has->vgif) vm->vmcb01.intercepts2 &= ~(SVM2_STGI | SVM2_CLGI);
    vm->vmcb02.asid = vmm->l0.svm->next_asid;
    nested_svm_follow(vm);
    return svm_entry_check(vmm->l0.config, vmm->l0.cpu, &vm->vmcb02, msg);
}

void nested_svm_follow(vmm_vm *vm)
{
    if (!vm->vmm->l0.svm) return;
    if (!nested_l0_protects(vm->vmm)) vm->vmcb02.asid = vm->vmcb.asid;
    merge(vm);
}

/* ---- exits of L2 ---- */

bool nested_svm_is_l1s(const vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                       vx_exit *seen)
{
    if (exit->reason != EXIT_MSR || !record) return vx_vmcb_intercepts(&vm->vmcb, exit->reason);
    const vx_exit_context context = {0}; /* of no account for MSRs */
    return vx_vmcb_exits(&vm->vmcb, &context, record, payload, seen);
}

static bool is_debug_register(const vx_exit *exit)
{
    return exit->reason >= EXIT_DR_FIRST && exit->reason <= EXIT_DR_LAST;
}

/* L0 of policy "kvm" lends debug registers until the next exit. */
static void lend_debug_registers(vmm_vm *vm, bool lend)
{
    if (nested_l0_protects(vm->vmm)) vm->vmcb01.dr_read = vm->vmcb01.dr_write = lend ? 0 : 0xFFFF;
}

void nested_svm_exited(vmm_vm *vm, const vx_exit *exit, l0_kind kind)
{
    bool alone = kind == L0_ALONE;
    lend_debug_registers(vm, alone && is_debug_register(exit));
    vm->vmcb02.tlb_control = 0;
    if (kind == L0_REFLECTED) return; /* VMRUN merges */
    if (alone && nested_l0_protects(vm->vmm)) exit_controls_kvm_grow(&vm->vmcb01, exit);
    merge(vm);
}

/* ---- L1's way into L2 ---- */

void nested_svm_reflect(vmm_vm *vm)
{
    static const struct {
        uint32_t intercept, reason;
        uint64_t count;
    } way[] = {{SVM2_CLGI, 0x85, 1},
               {SVM2_VMLOAD, 0x82, 2},
               {SVM2_VMRUN, 0x80, 1},
               {SVM2_VMSAVE, 0x83, 1},
               {SVM2_STGI, 0x84, 1}};
    bool kvm = vm->vmm->config->exits == VX_EXITS_KVM, user_space = kvm && vm->cause == VX_SVM_EXIT_IOIO;
    for (unsigned i = 0; i < sizeof way / sizeof *way; i++) {
        if (!(vm->vmcb01.intercepts2 & way[i].intercept)) continue;
        uint64_t more = user_space && way[i].intercept == SVM2_VMSAVE;
        nested_l0_exit_of_l1(vm, way[i].reason, way[i].count + more, L0_INSTRUCTION);
    }
    if (kvm) nested_l0_exit_of_l1(vm, EXIT_MSR, 1, L0_INSTRUCTION);
}

/* The access that L1 has let through is made again, and exits to L0, which lends its own debug registers. */
static void make_access_again(vmm_vm *vm, const vx_exit *seen)
{
    if (!is_debug_register(seen) || vx_vmcb_intercepts(&vm->vmcb, seen->reason)) return;
    if (!vx_vmcb_intercepts(&vm->vmcb01, seen->reason)) return;
    nested_l0_exit_of_l1(vm, EXIT_WRITE_DR7, 1, L0_INSTRUCTION);
    nested_l0_exit_of_l1(vm, seen->reason, 1, L0_ALONE);
    vm->vmm->l0.counts.made_again++;
    lend_debug_registers(vm, true);
}

/* new_asid, twice: for L1's run and for L2's. What an ASID had that comes to be used again must go. */
static void renew_asid(vmm_vm *vm)
{
    nested_svm *svm = vm->vmm->l0.svm;
    for (unsigned i = 0; i < 2; i++) {
        if (++svm->next_asid < vm->vmm->l0.cpu->svm.asids) continue;
        svm->next_asid = 1;
        vm->vmcb02.tlb_control = FLUSH_ALL_ASIDS;
    }
    vm->vmcb02.asid = svm->next_asid;
}

static void run_as_kvm(vmm_vm *vm)
{
    nested_table02_sync(vm);
    if (vm->vmm->l0.cpu->svm.flush_by_asid)
        vm->vmcb02.tlb_control = FLUSH_THIS_ASID;
    else
        renew_asid(vm);
}

static void run_as_others(vmm_vm *vm)
{
    if (vm->vmcb.tlb_control == 0) return;
    nested_table02_flush(vm);
    vm->vmcb02.tlb_control = vm->vmm->l0.cpu->svm.flush_by_asid ? FLUSH_THIS_ASID : FLUSH_ALL_ASIDS;
}

void nested_svm_vmrun(vmm_vm *vm, const vx_exit *seen)
{
    (nested_l0_protects(vm->vmm) ? run_as_kvm : run_as_others)(vm);
    make_access_again(vm, seen);
    merge(vm);
    vx_vcpu_load(vm->vcpu);
}

void nested_svm_new_asid(vmm_vm *vm)
{
    if (!nested_l0_protects(vm->vmm)) nested_table02_flush(vm);
}
