/* The cold side of a reference, and page-table stores: translate, and settle whatever fault or exit comes of it.
 *
 * Order as in hardware: the fault is found by the walk; if the VMCS makes it exit the hypervisor mends it, emulates
 * the access or injects the fault; only then does the guest see it, and the reference is made again. */
#include "vcpu_private.h"
#include "vx_exception.h"

static bool page_fault_exits(const vx_vcpu *v, uint32_t error_code)
{
    if (v->deprivileged) return true;
    if (v->vmcs) return vx_vmcs_page_fault_exits(v->vmcs, error_code);
    return v->vmcb && (v->vmcb->exceptions & (1U << 14));
}

/* Intel: reason 0 with the linear address as qualification (SDM 27.2.1). AMD: EXITCODE 4Eh with the error code and the
 * address in EXITINFO1 and 2 (APM Vol. 2, 15.12.15). */
static vx_exit page_fault_exit(const vx_vcpu *v, vx_gva gva, uint32_t error_code)
{
    if (v->cpu->vendor == VX_VENDOR_AMD)
        return (vx_exit){.reason = 0x4E, .qualification = error_code, .information2 = gva.v, .linear = gva};
    return (vx_exit){.reason = VX_EXIT_EXCEPTION_NMI,
                     .qualification = gva.v,
                     .interruption = 0x80000B0EU, /* valid, error code, hardware exception, vector 14 */
                     .error_code = error_code,
                     .linear = gva};
}

/* AMD: VMEXIT_NPF, whose EXITINFO2 is the guest-physical address. */
static vx_outcome nested_exit(const vx_vcpu *v, vx_mmu_result result, const vx_mmu_fault *fault, vx_exit *exit)
{
    if (v->vmcb) {
        *exit = (vx_exit){.reason = 0x400,
                          .qualification = fault->qualification,
                          .information2 = fault->gpa.v,
                          .linear = fault->gva,
                          .physical = fault->gpa};
        return VX_OUTCOME_EXIT;
    }
    const vx_exit_context context = vcpu_exit_context(v);
    return vx_vmcs_nested_exit(v->vmcs, &context, v->memory, result, fault, exit);
}

/* A virtualization exception: the guest's handler, of which a trace knows nothing, returns at once and leaves the
 * information area busy, so that the same violation exits when the reference is made again. */
static void deliver_ve(vx_vcpu *v)
{
    v->counts.exceptions++;
    vx_ledger_charge(v->ledger, VX_CAUSE_INTERRUPT, v->cpu->cost.interrupt_ticks);
}

/* To the guest's own fault handler: a modelled OS queues what it does; a system trace has it recorded behind. What the
 * delivery costs is guest.fault; the handler's instructions are instructions like any other. */
static vcpu_settled deliver_page_fault(vx_vcpu *v, const vx_record *record, vx_gva gva, uint32_t error_code,
                                       vx_status *status, vx_msg *msg)
{
    v->counts.guest_faults++;
    v->registers.cr2 = gva.v;
    vx_ledger_charge(v->ledger, VX_CAUSE_GUEST_FAULT, v->cpu->cost.interrupt_ticks);
    vcpu_announce_fault(v, record, gva, error_code);
    if (!v->hooks.on_page_fault) {
        v->counts.abandoned++;
        return VCPU_ABANDONED;
    }
    if (v->draining) {
        *status =
            vx_fail(msg, VX_ERR_CHECK, "the guest OS faults at 0x%llx in its own handler", (unsigned long long)gva.v);
        return VCPU_FAILED;
    }
    v->interrupts_off = true;
    *status = v->hooks.on_page_fault(v->hooks.guest, gva, error_code, v->queue, msg);
    if (*status == VX_OK) *status = vx_vcpu_drain(v, msg);
    return *status == VX_OK ? VCPU_TRANSLATED : VCPU_FAILED;
}

/* Software performed the access: where it went is checked like any other translation. */
static vcpu_settled emulated(vx_vcpu *v, vx_status *status, vx_msg *msg)
{
    if (!v->emulated || !v->hooks.on_translation) return VCPU_EMULATED;
    *status = v->hooks.on_translation(v->hooks.checker, v, v->emulated_gva, v->emulated_access, v->emulated_hpa, msg);
    return *status == VX_OK ? VCPU_EMULATED : VCPU_FAILED;
}

/* One fault of the walk. TRANSLATED here means: mended, try again. */
static vcpu_settled settle(vx_vcpu *v, vx_mmu_result result, const vx_mmu_fault *fault, const vx_record *record,
                           const uint64_t *payload, vx_status *status, vx_msg *msg)
{
    if (result == VX_MMU_PAGE_FAULT) {
        if (!vcpu_virtualized(v) || !page_fault_exits(v, fault->error_code))
            return deliver_page_fault(v, record, fault->gva, fault->error_code, status, msg);
        vx_exit exit = page_fault_exit(v, fault->gva, fault->error_code);
        if (vcpu_take_exit(v, &exit, record, payload) == VX_RESUME_NEXT) return emulated(v, status, msg);
    } else {
        vx_exit exit;
        if (nested_exit(v, result, fault, &exit) == VX_OUTCOME_FAULT) {
            deliver_ve(v);
            return VCPU_TRANSLATED;
        }
        if (vcpu_take_exit(v, &exit, record, payload) == VX_RESUME_NEXT) return VCPU_EMULATED;
    }
    if (!v->injected) return VCPU_TRANSLATED;
    v->injected = false;
    return deliver_page_fault(v, record, v->injected_gva, v->injected_error, status, msg);
}

static vcpu_settled unsettled(vx_gva gva, vx_status *status, vx_msg *msg)
{
    *status = vx_fail(msg, VX_ERR_CHECK, "the reference to 0x%llx still faults after %d exits and fault handlers",
                      (unsigned long long)gva.v, VX_VCPU_RETRIES_MAX);
    return VCPU_FAILED;
}

static vcpu_settled translated(vx_vcpu *v, vx_gva gva, vx_access access, vx_hpa hpa, vx_status *status, vx_msg *msg)
{
    if (v->data_cached) vx_mmu_data(v->mmu, hpa, access);
    if (!v->hooks.on_translation) return VCPU_TRANSLATED;
    *status = v->hooks.on_translation(v->hooks.checker, v, gva, access, hpa, msg);
    return *status == VX_OK ? VCPU_TRANSLATED : VCPU_FAILED;
}

/* `tries`: how many attempts have been settled already. */
static vcpu_settled reference(vx_vcpu *v, vx_gva gva, vx_access access, unsigned tries, const vx_record *record,
                              const uint64_t *payload, vx_status *status, vx_msg *msg)
{
    for (; tries < VX_VCPU_RETRIES_MAX; tries++) {
        vx_mmu_translation translation;
        vx_mmu_fault fault;
        vx_mmu_result result = vx_mmu_access(v->mmu, gva, access, &translation, &fault);
        if (result == VX_MMU_DONE) return translated(v, gva, access, translation.hpa, status, msg);
        vcpu_settled settled = settle(v, result, &fault, record, payload, status, msg);
        if (settled != VCPU_TRANSLATED) return settled;
        v->counts.retries++;
    }
    return unsettled(gva, status, msg);
}

/* The first attempt has failed. */
static __attribute__((noinline)) vcpu_settled faulted(vx_vcpu *v, vx_gva gva, vx_access access, vx_mmu_result result,
                                                      const vx_mmu_fault *fault, const vx_record *record,
                                                      vx_status *status, vx_msg *msg)
{
    vcpu_settled settled = settle(v, result, fault, record, NULL, status, msg);
    if (settled == VCPU_TRANSLATED) {
        v->counts.retries++;
        settled = reference(v, gva, access, 1, record, NULL, status, msg);
    }
    vcpu_note_time(v);
    return settled;
}

vcpu_settled vcpu_touch(vx_vcpu *v, vx_gva gva, vx_access access, const vx_record *record, vx_status *status,
                        vx_msg *msg)
{
    vx_mmu_translation translation;
    vx_mmu_fault fault;
    vx_mmu_result result = vx_mmu_access(v->mmu, gva, access, &translation, &fault);
    if (__builtin_expect(result != VX_MMU_DONE, 0)) return faulted(v, gva, access, result, &fault, record, status, msg);
    if (translation.missed) vx_mmu_expect(v->mmu, record, v->batch_stop);
    bool watched = v->data_cached || v->hooks.on_translation;
    vcpu_settled settled = watched ? translated(v, gva, access, translation.hpa, status, msg) : VCPU_TRANSLATED;
    if ((translation.missed || v->data_cached) && v->tick_limit != VX_TICK_NEVER) vcpu_note_time(v);
    return settled;
}

/* A page-table store at its linear address. */
static vcpu_settled linear_store(vx_vcpu *v, const vx_record *record, const uint64_t *payload, vx_status *status,
                                 vx_msg *msg)
{
    vcpu_settled settled = reference(v, (vx_gva){record->addr}, VX_ACCESS_STORE, 0, record, payload, status, msg);
    vcpu_note_time(v);
    return settled;
}

/* A page-table store whose linear address nobody recorded: no reference, but its write protection and its
 * guest-physical address still matter. */
static vcpu_settled physical_store(vx_vcpu *v, const vx_record *record, const uint64_t *payload, vx_status *status,
                                   vx_msg *msg)
{
    vx_gpa gpa = {payload[0]};
    if (!vcpu_virtualized(v)) return VCPU_TRANSLATED;
    if (v->hooks.write_protected && v->hooks.write_protected(v->hooks.hypervisor, v, gpa)) {
        vx_exit exit = page_fault_exit(v, (vx_gva){VX_GVA_UNKNOWN}, VX_PF_P | VX_PF_W);
        return vcpu_take_exit(v, &exit, record, payload) == VX_RESUME_NEXT ? VCPU_EMULATED : VCPU_TRANSLATED;
    }
    for (unsigned tries = 0; tries < VX_VCPU_RETRIES_MAX; tries++) {
        vx_hpa hpa;
        vx_mmu_fault fault;
        vx_mmu_result result = vx_mmu_access_gpa(v->mmu, gpa, VX_ACCESS_STORE, &hpa, &fault);
        if (result == VX_MMU_DONE) return VCPU_TRANSLATED;
        vcpu_settled settled = settle(v, result, &fault, record, payload, status, msg);
        if (settled != VCPU_TRANSLATED) return settled;
    }
    return unsettled((vx_gva){gpa.v}, status, msg);
}

/* Software that emulates ahead has come to this store. */
static bool emulated_ahead(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    if (v->instructions > v->ahead_limit || v->ahead_limit == 0) return false;
    if (!v->hooks.emulate(v->hooks.hypervisor, v, record, payload)) return false;
    v->ahead_limit = 0;
    vcpu_flush_at_entry(v); /* the entry that ends the exit comes behind it */
    return true;
}

static vx_status page_table_store(vx_vcpu *v, const vx_record *record, const uint64_t *payload, vx_msg *msg)
{
    vx_status status = VX_OK;
    vcpu_settled settled;
    bool known = record->addr != VX_GVA_UNKNOWN;
    bool ahead = emulated_ahead(v, record, payload);
    if (known) {
        v->stores++;
        if (!v->translated || ahead) v->untranslated++; /* no lookup */
    }
    if (ahead) return VX_OK;
    if (!known) {
        settled = physical_store(v, record, payload, &status, msg);
    } else {
        settled = v->translated ? linear_store(v, record, payload, &status, msg) : VCPU_TRANSLATED;
        /* The recorded guest did store: where its address does not translate here, the bytes arrive all the same. */
        if (settled == VCPU_ABANDONED) settled = physical_store(v, record, payload, &status, msg);
    }
    if (settled != VCPU_TRANSLATED) return status; /* emulated: the hypervisor wrote the bytes */
    vx_hpa at = vx_gpa_map_hpa(v->ram, (vx_gpa){payload[0]});
    if (record->size == 4)
        vx_physmem_write32(v->memory, at, (uint32_t)payload[1]);
    else
        vx_physmem_write64(v->memory, at, payload[1]);
    return VX_OK;
}

/* One attempt: under a hypervisor the address is mapped nowhere. Nested tables say so with their own exit; composed
 * tables with a page fault. TRANSLATED: software wants it made again. */
static vcpu_settled attempt_device(vx_vcpu *v, vx_gpa gpa, bool write, const vx_record *record, const uint64_t *payload,
                                   vx_status *status, vx_msg *msg)
{
    if (v->shadow_tables) {
        uint32_t user = v->registers.cpl == 3 ? VX_PF_U : 0;
        vx_exit exit = page_fault_exit(v, (vx_gva){payload[1]}, (write ? VX_PF_W : 0U) | user);
        if (!page_fault_exits(v, exit.error_code)) return VCPU_EMULATED;
        return vcpu_take_exit(v, &exit, record, payload) == VX_RESUME_NEXT ? VCPU_EMULATED : VCPU_TRANSLATED;
    }
    vx_hpa hpa;
    vx_mmu_fault fault;
    vx_mmu_result result = vx_mmu_access_gpa(v->mmu, gpa, write ? VX_ACCESS_STORE : VX_ACCESS_LOAD, &hpa, &fault);
    if (result == VX_MMU_DONE) return VCPU_EMULATED;
    return settle(v, result, &fault, record, payload, status, msg);
}

/* The record replaces its reference: no lookup. */
static vx_status device_access(vx_vcpu *v, vx_gpa gpa, bool write, const vx_record *record, const uint64_t *payload,
                               vx_msg *msg)
{
    vx_status status = VX_OK;
    if (!vcpu_virtualized(v)) return VX_OK;
    unsigned most = v->deprivileged ? 1 : VX_VCPU_RETRIES_MAX; /* without exits there is nobody to ask for more */
    for (unsigned tries = 0; tries < most; tries++)
        if (attempt_device(v, gpa, write, record, payload, &status, msg) != VCPU_TRANSLATED) return status;
    return status;
}

#define APIC_PAGE 0xFEE00000ULL

/* MMIO, and the local APIC's page where no APIC-access page stands for it (SDM Vol. 3C 29.4). */
static bool is_device_access(const vx_vcpu *v, const vx_record *record)
{
    if (record->kind == VX_REC_MMIO_READ || record->kind == VX_REC_MMIO_WRITE) return true;
    if (record->kind != VX_REC_APIC_READ && record->kind != VX_REC_APIC_WRITE) return false;
    if (!v->vmcs) return v->vmcb != NULL;
    return !(v->vmcs->cpu & VX_CPU_SECONDARY_CONTROLS) || !(v->vmcs->cpu2 & VX_CPU2_VIRTUALIZE_APIC_ACCESSES);
}

/* PAUSE and RDTSC runs are one record with a count; each of them exits. */
static uint64_t repetitions(const vx_record *record)
{
    return record->kind == VX_REC_PAUSE || record->kind == VX_REC_RDTSC ? record->addr : 1;
}

/* Trap-like exits (TPR below threshold, APIC write) come after the instruction has had its effect. */
static bool is_trap_like(const vx_vcpu *v, const vx_exit *exit)
{
    int index = vx_exit_reason_index(v->cpu->vendor, exit->reason);
    return index >= 0 && vx_exit_reason_at(v->cpu->vendor, (unsigned)index)->trap_like;
}

static vx_status execute(vx_vcpu *v, const vx_record *record, const uint64_t *payload, vx_msg *msg)
{
    if (record->kind == VX_REC_PT_STORE) return page_table_store(v, record, payload, msg);
    vx_status status;
    if (vcpu_paravirtual_access(v, record, payload, &status, msg)) return status;
    if (vcpu_avic_access(v, record, payload)) return VX_OK;
    if (is_device_access(v, record)) {
        bool apic = record->kind == VX_REC_APIC_READ || record->kind == VX_REC_APIC_WRITE;
        bool write = record->kind == VX_REC_MMIO_WRITE || record->kind == VX_REC_APIC_WRITE;
        vx_gpa gpa = {apic ? APIC_PAGE | (record->addr & 0xFFF) : record->addr};
        return device_access(v, gpa, write, record, payload, msg);
    }
    if (record->kind == VX_REC_PAUSE && vcpu_watches_pauses(v)) {
        vcpu_pause_run(v, record, payload);
        return VX_OK;
    }
    if (vcpu_switches_eptp(v, record)) {
        vcpu_switch_eptp(v, record, payload);
        return VX_OK;
    }
    vcpu_note_view(v, record, payload);
    vx_exit exit;
    if (vcpu_confirm_fault(v, record, payload)) {
        v->counts.exceptions++;
        vcpu_enter_kernel(v);
        return VX_OK;
    }
    if (!vcpu_virtualized(v) || !vcpu_record_exits(v, record, payload, &exit)) {
        vcpu_effect_unexited(v, record, payload);
        return VX_OK;
    }
    if (is_trap_like(v, &exit)) {
        vcpu_effect_unexited(v, record, payload);
        (void)vcpu_take_exit(v, &exit, record, payload);
        return VX_OK;
    }
    for (uint64_t n = repetitions(record); n > 0; n--)
        if (vcpu_take_exit(v, &exit, record, payload) == VX_RESUME_RETRY) vcpu_effect(v, record, payload);
    return VX_OK;
}

vx_status vcpu_event(vx_vcpu *v, const vx_record *record, const uint64_t *payload, vx_msg *msg)
{
    v->counts.events[record->kind]++;
    vx_status status = execute(v, record, payload, msg);
    vcpu_note_event(v, record);
    return status;
}
