/* Life of the hypervisor, and the way of an exit: scheme first, else the common handler, which pays its cost and lets
 * the instruction through. */
#include "guest_apic.h"
#include "guest_avic.h"
#include "guest_registers.h"
#include "handler_touch.h"
#include "nested_l0.h"
#include "vx_vmx.h"

#include <inttypes.h>

/* Device memory is mapped nowhere, so that accesses to it exit and are emulated. */
static bool is_device_access(const vx_record *record)
{
    return record && (record->kind == VX_REC_MMIO_READ || record->kind == VX_REC_MMIO_WRITE);
}

/* The local APIC's page is device memory too, unless the processor stands in for it: that exit says so itself. */
static bool is_apic_access(const vmm_vm *vm, const vx_exit *exit, const vx_record *record)
{
    bool apic = record && (record->kind == VX_REC_APIC_READ || record->kind == VX_REC_APIC_WRITE);
    return apic && exit->reason != VX_EXIT_APIC_ACCESS && exit->reason != VX_EXIT_APIC_WRITE &&
           exit->reason != VX_EXIT_TPR_BELOW_THRESHOLD && !guest_avic_exit(vm, exit);
}

/* KVM of Linux 6.1 lets its root go where the guest's paging mode changes, and executes INVEPT, or takes another ASID,
 * when it loads it again (kvm_mmu_reset_context, kvm_mmu_load). NOT MODELLED: what that drops where KVM runs on a
 * processor of its own. */
static void load_root_again(vmm_vm *vm)
{
    if (vm->vmm->l0.config && vm->vmm->config->exits == VX_EXITS_KVM) nested_l0_flush(vm);
}

static vx_resume handle(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    vx_resume resume = VX_RESUME_RETRY;
    if (!vm->vmm->scheme->deprivileged) handler_cost_charge(vm, exit);
    if (vm->vmm->out_of_tables) return VX_RESUME_RETRY; /* the run is over: vx_vmm_status */
    if (!vm->vmm->scheme->deprivileged && (is_device_access(record) || is_apic_access(vm, exit, record)))
        return vm->vmm->config->exits == VX_EXITS_KVM ? device_access_kvm(vm, exit, record) : VX_RESUME_NEXT;
    if (vm->vmm->scheme->on_exit(vm, exit, record, payload, &resume)) return resume;
    /* Let through below: the read shadows follow. */
    if (record && guest_registers_write(vm, record) == GUEST_CHANGE_REGIME) load_root_again(vm);
    return VX_RESUME_RETRY;
}

static vx_resume on_exit(void *hypervisor, vx_vcpu *vcpu, const vx_exit *exit, const vx_record *record,
                         const uint64_t *payload)
{
    vmm_vm *vm = hypervisor;
    vx_tick since = vx_vcpu_now(vcpu);
    vx_exit seen = *exit;
    vm->cause = exit->reason;
    if (vm->vmm->l0.config && nested_l0_takes(vm, exit, record, payload, &seen)) return VX_RESUME_RETRY;
    vx_resume resume = handle(vm, &seen, record, payload);
    if (vm->vmm->config->exits == VX_EXITS_KVM) exit_controls_kvm_handled(vm, &seen, record, payload);
    resume = guest_apic_handle(vm, &seen, record, payload, resume);
    if (vm->vmm->l0.config) nested_l0_handled(vm, &seen, since);
    return resume;
}

static void on_state(void *hypervisor, vx_vcpu *vcpu, const vx_registers *guest)
{
    (void)vcpu;
    vmm_vm *vm = hypervisor;
    guest_registers_load(vm, guest);
    if (!vm->vmm->out_of_tables) vm->vmm->scheme->load_state(vm, guest);
    if (vm->vmm->config->exits == VX_EXITS_KVM) exit_controls_kvm_loaded(vm);
    nested_svm_follow(vm);
}

static void on_notice(void *hypervisor, vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload)
{
    (void)vcpu;
    vmm_vm *vm = hypervisor;
    if (!vm->vmm->out_of_tables) vm->vmm->scheme->on_notice(vm, record, payload);
}

static bool sensitive(void *hypervisor, const vx_vcpu *vcpu, const vx_record *record)
{
    (void)vcpu;
    const vmm_vm *vm = hypervisor;
    return vm->vmm->scheme->sensitive(vm, record);
}

static bool write_protected(void *hypervisor, const vx_vcpu *vcpu, vx_gpa gpa)
{
    (void)vcpu;
    vmm_vm *vm = hypervisor;
    return vm->vmm->scheme->write_protected(vm, gpa);
}

static bool emulate(void *hypervisor, vx_vcpu *vcpu, const vx_record *record, const uint64_t *payload)
{
    (void)vcpu;
    vmm_vm *vm = hypervisor;
    return !vm->vmm->out_of_tables && vm->vmm->scheme->emulate(vm, record, payload);
}

void vx_vmm_hooks(vx_vmm *vmm, unsigned vm, vx_vcpu_hooks *hooks)
{
    hooks->hypervisor = &vmm->vm[vm];
    hooks->on_exit = on_exit;
    hooks->on_state = on_state;
    hooks->write_protected = vmm->scheme->write_protected ? write_protected : NULL;
    hooks->emulate = vmm->scheme->emulate ? emulate : NULL;
    hooks->sensitive = vmm->scheme->sensitive ? sensitive : NULL;
    hooks->on_notice = vmm->scheme->on_notice ? on_notice : NULL;
}

void vx_vmm_attach(vx_vmm *vmm, unsigned vm, vx_vcpu *vcpu)
{
    vmm_vm *v = &vmm->vm[vm];
    v->vcpu = vcpu;
    guest_apic_attach(v);
    nested_svm_follow(v);
    bool vmx = !vmm->scheme->deprivileged, amd = vmm->cpu->vendor == VX_VENDOR_AMD;
    const vx_vmcb *vmcb = vmm->l0.svm ? &v->vmcb02 : &v->vmcb;
    vx_vcpu_virtualize(vcpu, vmx && !amd ? &v->vmcs : NULL, vmx && amd ? vmcb : NULL, vmm->scheme->shadow_tables);
}

enum { SVM_EXIT_INTR = 0x60 };

void vx_vmm_preempt(vx_vmm *vmm, unsigned vm)
{
    bool amd = vmm->cpu->vendor == VX_VENDOR_AMD;
    vx_exit exit = {.reason = amd ? (uint32_t)SVM_EXIT_INTR : (uint32_t)VX_EXIT_EXTERNAL_INTERRUPT};
    /* Before the exit: the VM entry that ends it is the one after the VM is back on the processor. */
    if (vmm->config->exits == VX_EXITS_KVM) exit_controls_kvm_scheduled(&vmm->vm[vm]);
    vx_vcpu_exit(vmm->vm[vm].vcpu, &exit);
    /* Without VMX, what another VM's MOV to CR3 would drop: all are of one context. */
    if (vmm->scheme->deprivileged)
        vx_mmu_invalidate(vx_vcpu_mmu(vmm->vm[vm].vcpu), &(vx_mmu_invalidation){.op = VX_OP_CR3_LOAD});
}

void vx_vmm_wake(vx_vmm *vmm, unsigned vm, uint8_t vector)
{
    guest_apic_wake(&vmm->vm[vm], vector);
    nested_svm_follow(&vmm->vm[vm]);
    vx_vcpu_enter(vmm->vm[vm].vcpu);
}

/* VM entry's checks of what this hypervisor has asked for, with a guest and a host that pass theirs. What the processor
 * insists on is set as hypervisors do, by its capability MSRs. */
static vx_status check_entry(vmm_vm *vm, vx_msg *msg)
{
    const vx_vmm *vmm = vm->vmm;
    vx_vmx_caps caps;
    vx_vmcs_image image;
    vx_vmx_caps_init(&caps, vmm->cpu);
    vx_vmcs_image_init(&image, &caps);
    vm->vmcs.pin |= (uint32_t)caps.allowed0[VX_WORD_PIN];
    vm->vmcs.cpu |= (uint32_t)caps.allowed0[VX_WORD_CPU];
    vm->vmcs.exit_controls |= (uint32_t)vx_vmcs_get(&image, VX_VMCS_EXIT_CONTROLS);
    vx_vmcs_image_decide(&image, &vm->vmcs);
    vx_vmx_entry entry = {.vmcs = &image, .caps = &caps, .memory = vmm->memory, .ia32e = true};
    vx_vmx_entry_init(&entry);
    const vx_vmx_check *check = vx_vmx_check_first(&entry, VX_CHECK_CONTROL, VX_CHECK_GUEST);
    if (!check) return VX_OK;
    char detail[128];
    vx_vmx_check_explain(check, &entry, detail, sizeof detail);
    return vx_fail(msg, VX_ERR_INPUT,
                   "hypervisor %s on %s: VM entry would fail with VM-instruction error %d: %s (SDM Vol. 3C %s)%s%s",
                   vmm->config->name, vmm->cpu->name, check->outcome == VX_CHECK_CONTROL ? 7 : 8, check->text,
                   check->section, detail[0] ? ": " : "", detail);
}

void vx_vmm_dispatch(vx_vmm *vmm, unsigned vm)
{
    if (vmm->cpu->vendor == VX_VENDOR_AMD && !vmm->scheme->deprivileged) asids_dispatch(&vmm->vm[vm]);
    nested_svm_follow(&vmm->vm[vm]);
    vx_vcpu_load(vmm->vm[vm].vcpu);
}

static bool shares_tables(const vmm_vm *vm)
{
    return vm->vmm->scheme->tables == VMM_TABLES_SHARED && vm->index % vm->vmm->vcpus != 0;
}

static vx_status init_state(vmm_vm *vm, vx_arena *arena, vx_msg *msg)
{
    if (shares_tables(vm)) {
        vm->state = vm[-1].state;
        vm->nested = vm[-1].nested;
        return VX_OK;
    }
    vm->state = vx_arena_alloc(arena, vm->vmm->scheme->state_bytes);
    return vm->state ? vm->vmm->scheme->init(vm, arena, msg) : vx_fail_nomem(msg);
}

static vx_status init_vm(vx_vmm *vmm, unsigned index, vx_arena *arena, vx_msg *msg)
{
    vmm_vm *vm = &vmm->vm[index];
    vm->vmm = vmm;
    vm->index = index;
    vm->ram = &vmm->layout->ram[index / vmm->vcpus];
    vx_status status = init_state(vm, arena, msg);
    if (status != VX_OK || vmm->scheme->deprivileged) return status;
    exit_controls_common(vm);
    vmm->scheme->controls(vm);
    if (vmm->cpu->vendor == VX_VENDOR_AMD) {
        status = svm_entry_check(vmm->config, vmm->cpu, &vm->vmcb, msg);
        return status == VX_OK && vmm->l0.svm ? nested_svm_begin(vm, msg) : status;
    }
    if (vmm->cpu->vendor == VX_VENDOR_INTEL) return check_entry(vm, msg);
    return VX_OK;
}

vx_status vx_vmm_init(vx_vmm **vmm, vx_arena *arena, const vx_vmm_setup *setup, vx_msg *msg)
{
    vx_status status = vx_vmm_check(setup->cpu, setup->vmm, setup->scheme, setup->vpid, msg);
    if (status != VX_OK) return status;
    if ((setup->layout->bytes - 1) >> setup->cpu->paging.physical_bits)
        return vx_fail(msg, VX_ERR_INPUT, "%u VMs need %" PRIu64 " GiB of host memory: %s addresses %u bits",
                       setup->vms, setup->layout->bytes >> 30, setup->cpu->name, setup->cpu->paging.physical_bits);
    unsigned vcpus = setup->vcpus ? setup->vcpus : 1;
    status = vx_vmm_check_vcpus(setup->scheme, vcpus, msg);
    if (status != VX_OK) return status;
    if (vcpus > 1 && setup->vmm->avic && setup->cpu->svm.avic)
        return vx_fail(msg, VX_ERR_INPUT, "vmm.apic.avic=yes: AVIC is modelled for VMs of one vCPU, not of %u", vcpus);
    vx_vmm *made = vx_arena_alloc(arena, sizeof *made + (size_t)setup->vms * vcpus * sizeof made->vm[0]);
    if (!made) return vx_fail_nomem(msg);
    made->cpu = setup->cpu;
    made->config = setup->vmm;
    made->scheme = vmm_scheme_of(setup->scheme);
    made->vpid = setup->vpid;
    made->memory = setup->memory;
    made->layout = setup->layout;
    made->vcpus = vcpus;
    made->kick = setup->kick;
    made->vm_count = setup->vms * vcpus;
    made->recorded_guests = setup->recorded_guests;
    made->tpr_instructions = setup->tpr_instructions;
    made->store_ticks = setup->scheme == VX_SCHEME_BT ? setup->vmm->bt_store_ticks : setup->vmm->emulate_store_ticks;
    asids_init(made);
    exit_controls_maps(made);
    /* Page 0 is left out, so that no table has address 0. */
    uint64_t next = VX_PAGE_BYTES;
    status = handler_cost_resolve(made, made->config, made->cost, msg);
    if (status == VX_OK) status = handler_touch_init(made, &next, msg);
    if (status == VX_OK) status = nested_l0_init(made, setup->l0, setup->scheme, &next, arena, msg);
    table_pages_init(&made->pages, setup->memory, NULL, next, setup->layout->table_bytes & ~0xFFFULL);
    if (status == VX_OK) status = handler_touch_map(made, VX_PAGE_BYTES, msg);
    for (unsigned i = 0; status == VX_OK && i < made->vm_count; i++) status = init_vm(made, i, arena, msg);
    if (status == VX_OK) *vmm = made;
    return status;
}

vx_status vx_vmm_status(const vx_vmm *vmm, vx_msg *msg)
{
    if (vmm->bad_gpa)
        return vx_fail(msg, VX_ERR_INPUT, "guest-physical address 0x%" PRIx64 ": %s addresses %u bits", vmm->bad_gpa,
                       vmm->cpu->name, vmm->cpu->paging.physical_bits);
    if (!vmm->out_of_tables) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT, "the hypervisor's %llu MiB for tables are used up",
                   (unsigned long long)(vmm->layout->table_bytes >> 20));
}

unsigned vx_vmm_identities(const vx_vmm *vmm, vx_identity *identities, unsigned room)
{
    return vmm->l0.config ? nested_l0_identities(vmm, identities, room) : 0;
}

vx_status vx_vmm_verify(vx_vmm *vmm, uint64_t *leaves, vx_msg *msg)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < vmm->vm_count; i++) {
        if (shares_tables(&vmm->vm[i])) continue;
        vx_status status = vmm->scheme->verify(&vmm->vm[i], &count, msg);
        if (status != VX_OK) return status;
    }
    *leaves = count;
    return VX_OK;
}
