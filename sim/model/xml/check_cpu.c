/* Rules between the values of a processor model. */
#include "model_state.h"

#include <stdio.h>
#include <string.h>

static bool is_power_of_two(uint64_t value) { return value != 0 && (value & (value - 1)) == 0; }

/* ---- geometry ---- */

/* What vx_setassoc_init demands, with the model's names for it. `path` is the array's. */
static vx_status check_array(const vx_model *model, const char *path, const uint32_t *entries, const uint32_t *ways,
                             vx_replacement replacement, vx_msg *msg)
{
    if (*ways == 0 || *entries % *ways != 0)
        return vx_check_fail(model, ways, msg, "%s.ways %u does not divide %s.entries %u", path, *ways, path, *entries);
    if (!is_power_of_two(*entries / *ways))
        return vx_check_fail(model, ways, msg, "%s has %u sets (%u entries, %u ways): not a power of two", path,
                             *entries / *ways, *entries, *ways);
    if (replacement == VX_REPLACE_PLRU && (!is_power_of_two(*ways) || *ways > 64))
        return vx_check_fail(model, ways, msg, "%s.ways %u: plru needs a power of two up to 64", path, *ways);
    return VX_OK;
}

static vx_status check_psc(const vx_model *model, vx_msg *msg)
{
    static const char *const level_names[6] = {[2] = "pde", "pdpte", "pml4e", "pml5e"};
    const vx_cfg_psc *psc = &model->config.cpu.psc;
    vx_status status = VX_OK;
    char path[64];
    if (psc->kind == VX_PSC_PHYSICAL) {
        if (psc->physical_entries == 0)
            return vx_check_fail(model, &psc->kind, msg, "cpu.psc.kind physical needs cpu.psc.physical.entries");
        return check_array(model, "cpu.psc.physical", &psc->physical_entries, &psc->physical_ways, psc->replacement,
                           msg);
    }
    for (unsigned level = 2; level <= 5 && status == VX_OK && psc->kind == VX_PSC_PREFIX; level++) {
        snprintf(path, sizeof path, "cpu.psc.guest.%s", level_names[level]);
        if (psc->guest_entries[level] != 0)
            status =
                check_array(model, path, &psc->guest_entries[level], &psc->guest_ways[level], psc->replacement, msg);
        snprintf(path, sizeof path, "cpu.psc.nested.%s", level_names[level]);
        if (status == VX_OK && psc->nested_entries[level] != 0)
            status =
                check_array(model, path, &psc->nested_entries[level], &psc->nested_ways[level], psc->replacement, msg);
    }
    return status;
}

static vx_status check_ntlb(const vx_model *model, vx_msg *msg)
{
    const vx_cfg_ntlb *ntlb = &model->config.cpu.ntlb;
    if (ntlb->entries == 0) return VX_OK;
    return check_array(model, "cpu.ntlb", &ntlb->entries, &ntlb->ways, ntlb->replacement, msg);
}

static vx_status check_cache(const vx_model *model, const char *path, const vx_cfg_cache *cache, vx_msg *msg)
{
    uint64_t line_way = (uint64_t)VX_LINE_BYTES * cache->ways;
    if (cache->bytes % line_way != 0 || !is_power_of_two(cache->bytes / line_way))
        return vx_check_fail(model, &cache->ways, msg,
                             "%s: %llu bytes in %u ways of 64-byte lines do not make a power of two of sets", path,
                             (unsigned long long)cache->bytes, cache->ways);
    if (cache->replacement == VX_REPLACE_PLRU && !is_power_of_two(cache->ways))
        return vx_check_fail(model, &cache->ways, msg, "%s.ways %u: plru needs a power of two up to 64", path,
                             cache->ways);
    return VX_OK;
}

static vx_status check_memory(const vx_model *model, vx_msg *msg)
{
    static const char *const names[VX_CFG_CACHES] = {"cpu.memory.l1d", "cpu.memory.l2", "cpu.memory.l3"};
    const vx_cfg_memory *memory = &model->config.cpu.memory;
    for (unsigned i = 0; i < VX_CFG_CACHES; i++) {
        const vx_cfg_cache *cache = &memory->level[i];
        if (cache->bytes == 0) continue;
        if (i > 0 && memory->level[i - 1].bytes == 0)
            return vx_check_fail(model, &cache->bytes, msg, "%s needs %s", names[i], names[i - 1]);
        vx_status status = check_cache(model, names[i], cache, msg);
        if (status != VX_OK) return status;
    }
    if (memory->caches != VX_CACHES_FIXED && memory->level[0].bytes == 0)
        return vx_check_fail(model, &memory->caches, msg, "cpu.memory.caches needs cpu.memory.l1d");
    if (memory->level[0].bytes != 0 && memory->level[memory->walk_entry_level - 1].bytes == 0)
        return vx_check_fail(model, &memory->walk_entry_level, msg, "cpu.memory.walk_entry_level %u: %s does not exist",
                             memory->walk_entry_level, names[memory->walk_entry_level - 1]);
    return VX_OK;
}

/* ---- TLB units ---- */

/* One bit of the page number picks between two arrays of a unit that hold the same page size. */
static vx_status check_shared_size(const vx_model *model, const vx_cfg_tlb *tlb, unsigned size, vx_msg *msg)
{
    const vx_cfg_tlb_array *first = NULL;
    unsigned holders = 0;
    for (unsigned i = 0; i < tlb->array_count; i++) {
        const vx_cfg_tlb_array *array = &tlb->array[i];
        if ((array->pages >> size & 1) == 0) continue;
        if (++holders > 2)
            return vx_check_fail(model, &array->pages, msg, "cpu.tlb.%s: more than two arrays hold %s pages", tlb->name,
                                 vx_words_pages[size]);
        if (first != NULL && first->entries / first->ways != array->entries / array->ways)
            return vx_check_fail(model, &array->ways, msg,
                                 "cpu.tlb.%s: two arrays hold %s pages, but have unlike numbers of sets", tlb->name,
                                 vx_words_pages[size]);
        if (first == NULL) first = array;
    }
    return VX_OK;
}

static vx_status check_tlb_class(const vx_model *model, const vx_cfg_tlb *tlb, vx_msg *msg)
{
    const unsigned fetch = 1U << VX_ACCESS_FETCH;
    if (tlb->level == VX_TLB_L1D && (tlb->accesses & fetch) != 0)
        return vx_check_fail(model, &tlb->accesses, msg, "cpu.tlb.%s: class l1d serves no fetches", tlb->name);
    if (tlb->level == VX_TLB_L1I && tlb->accesses != fetch)
        return vx_check_fail(model, &tlb->accesses, msg, "cpu.tlb.%s: class l1i serves fetches only", tlb->name);
    if (tlb->level != VX_TLB_L2 && tlb->hit_ticks != 0)
        return vx_check_fail(model, &tlb->hit_ticks, msg,
                             "cpu.tlb.%s.hit_ticks: a first-level hit costs nothing beyond the instruction", tlb->name);
    return VX_OK;
}

static vx_status check_tlb(const vx_model *model, const vx_cfg_tlb *tlb, vx_msg *msg)
{
    vx_status status = check_tlb_class(model, tlb, msg);
    if (tlb->array_count == 0 && status == VX_OK)
        return vx_check_fail(model, tlb->name, msg, "cpu.tlb.%s has no <array>", tlb->name);
    for (unsigned i = 0; i < tlb->array_count && status == VX_OK; i++) {
        const vx_cfg_tlb_array *array = &tlb->array[i];
        char path[64];
        snprintf(path, sizeof path, "cpu.tlb.%s.array.%u", tlb->name, i);
        status = check_array(model, path, &array->entries, &array->ways, array->replacement, msg);
    }
    for (unsigned size = 0; size < VX_PAGE_SIZES && status == VX_OK; size++)
        status = check_shared_size(model, tlb, size, msg);
    return status;
}

static bool holds_4k(const vx_cfg_tlb *tlb)
{
    unsigned pages = 0;
    for (unsigned i = 0; i < tlb->array_count; i++) pages |= tlb->array[i].pages;
    return (pages >> VX_PAGE_4K & 1) != 0;
}

/* Each access looks in exactly one first-level unit, which can hold any translation (as 4k), and in at most one of the
 * second level. */
static vx_status check_access(const vx_model *model, unsigned access, vx_msg *msg)
{
    const vx_cfg_cpu *cpu = &model->config.cpu;
    const vx_cfg_tlb *first = NULL, *second = NULL;
    for (unsigned i = 0; i < cpu->tlb_count; i++) {
        const vx_cfg_tlb *tlb = &cpu->tlb[i];
        if ((tlb->accesses >> access & 1) == 0) continue;
        const vx_cfg_tlb **seen = tlb->level == VX_TLB_L2 ? &second : &first;
        if (*seen != NULL)
            return vx_check_fail(model, &tlb->accesses, msg, "cpu.tlb.%s and cpu.tlb.%s both serve %s", (*seen)->name,
                                 tlb->name, vx_words_access[access]);
        *seen = tlb;
    }
    if (first == NULL)
        return vx_check_fail(model, cpu->name, msg, "no first-level cpu.tlb serves %s", vx_words_access[access]);
    if (!holds_4k(first)) return vx_check_fail(model, first->name, msg, "cpu.tlb.%s holds no 4k pages", first->name);
    return VX_OK;
}

static vx_status check_tlbs(const vx_model *model, vx_msg *msg)
{
    const vx_cfg_cpu *cpu = &model->config.cpu;
    vx_status status = VX_OK;
    for (unsigned i = 0; i < cpu->tlb_count && status == VX_OK; i++) status = check_tlb(model, &cpu->tlb[i], msg);
    for (unsigned access = 0; access < VX_ACCESSES && status == VX_OK; access++)
        status = check_access(model, access, msg);
    return status;
}

/* ---- features ---- */

/* "a feature needs another": both named as in paths. */
typedef struct need {
    const char *feature;
    size_t at;
    const char *needed;
    size_t needed_at;
} need;

/* The arguments are names of members, not expressions. NOLINTBEGIN(bugprone-macro-parentheses) */
#define NEED(group, feature, needed_group, needed)                                                                     \
    {                                                                                                                  \
        "cpu." #group "." #feature, offsetof(vx_cfg_cpu, group.feature), "cpu." #needed_group "." #needed,             \
            offsetof(vx_cfg_cpu, needed_group.needed)                                                                  \
    }
/* NOLINTEND(bugprone-macro-parentheses) */
#define VMX_NEED(feature, needed) NEED(vmx, feature, vmx, needed)
#define SVM_NEED(feature, needed) NEED(svm, feature, svm, needed)

/* VMX: SDM Vol. 3C, 25.6.2 (which control lies in which word) and 27.2.1.1 (entry checks on controls). */
static const need needs[] = {
    VMX_NEED(secondary_controls, vmx),
    VMX_NEED(tpr_shadow, vmx),
    VMX_NEED(preemption_timer, vmx),
    VMX_NEED(ept, secondary_controls),
    VMX_NEED(ept_1g, ept),
    VMX_NEED(ept_5level, ept),
    VMX_NEED(ept_ad, ept),
    VMX_NEED(ept_execute_only, ept),
    VMX_NEED(vpid, secondary_controls),
    VMX_NEED(invvpid, vpid),
    VMX_NEED(virtualize_apic_accesses, secondary_controls),
    VMX_NEED(apic_register_virtualization, secondary_controls),
    VMX_NEED(apic_register_virtualization, tpr_shadow),
    VMX_NEED(virtual_interrupt_delivery, secondary_controls),
    VMX_NEED(virtual_interrupt_delivery, tpr_shadow),
    VMX_NEED(posted_interrupts, virtual_interrupt_delivery),
    VMX_NEED(unrestricted_guest, ept),
    VMX_NEED(pause_loop_exiting, secondary_controls),
    VMX_NEED(pml, ept_ad),
    VMX_NEED(vmfunc, secondary_controls),
    VMX_NEED(vmcs_shadowing, secondary_controls),
    VMX_NEED(tsc_scaling, secondary_controls),
    VMX_NEED(true_controls, vmx),
    VMX_NEED(virtual_nmis, vmx),
    VMX_NEED(monitor_trap_flag, vmx),
    VMX_NEED(msr_bitmaps, vmx),
    VMX_NEED(perf_global_ctrl, vmx),
    VMX_NEED(pat, vmx),
    VMX_NEED(efer, vmx),
    VMX_NEED(descriptor_table_exiting, secondary_controls),
    VMX_NEED(rdtscp, secondary_controls),
    VMX_NEED(virtualize_x2apic, secondary_controls),
    VMX_NEED(wbinvd_exiting, secondary_controls),
    VMX_NEED(rdrand_exiting, secondary_controls),
    VMX_NEED(rdseed_exiting, secondary_controls),
    VMX_NEED(encls_exiting, secondary_controls),
    VMX_NEED(enclv_exiting, encls_exiting),
    VMX_NEED(ept_violation_ve, ept),
    VMX_NEED(xsaves, secondary_controls),
    VMX_NEED(processor_trace, secondary_controls),
    VMX_NEED(pt_guest_physical, processor_trace),
    VMX_NEED(pasid_translation, secondary_controls),
    VMX_NEED(mode_based_execute, ept),
    VMX_NEED(spp, ept),
    VMX_NEED(ept_shadow_stack, ept),
    VMX_NEED(user_wait, secondary_controls),
    VMX_NEED(pconfig, secondary_controls),
    VMX_NEED(bus_lock_detection, secondary_controls),
    VMX_NEED(instruction_timeout, secondary_controls),
    VMX_NEED(tertiary_controls, secondary_controls),
    VMX_NEED(loadiwkey_exiting, tertiary_controls),
    VMX_NEED(hlat, tertiary_controls),
    VMX_NEED(ept_paging_write, tertiary_controls),
    VMX_NEED(guest_paging_verification, tertiary_controls),
    VMX_NEED(ipi_virtualization, tertiary_controls),
    VMX_NEED(spec_ctrl_virtualization, tertiary_controls),
    VMX_NEED(bndcfgs, vmx),
    VMX_NEED(uinv, vmx),
    VMX_NEED(lbr_ctl, vmx),
    VMX_NEED(cet_state, vmx),
    VMX_NEED(pkrs, vmx),
    VMX_NEED(save_perf_global_ctrl, perf_global_ctrl),
    VMX_NEED(busy_shadow_stack, cet_state),
    VMX_NEED(zero_length_injection, vmx),
    VMX_NEED(vmwrite_any, vmx),
    VMX_NEED(any_error_code, vmx),
    NEED(vmx, cet_state, isa, cet),
    NEED(vmx, pkrs, isa, pks),
    NEED(vmx, uinv, isa, uintr),
    SVM_NEED(npt, svm),
    SVM_NEED(npt_1g, npt),
    SVM_NEED(npt_5level, npt),
    SVM_NEED(flush_by_asid, svm),
    SVM_NEED(decode_assists, svm),
    SVM_NEED(nrips, svm),
    SVM_NEED(vmcb_clean, svm),
    SVM_NEED(pause_filter, svm),
    SVM_NEED(pause_threshold, pause_filter),
    SVM_NEED(avic, npt),
    SVM_NEED(vgif, svm),
    SVM_NEED(vnmi, svm),
    SVM_NEED(virtual_vmload, npt),
    SVM_NEED(lbr_virtualization, svm),
    SVM_NEED(svm_lock, svm),
    SVM_NEED(tsc_ratio, svm),
    SVM_NEED(spec_ctrl, svm),
    SVM_NEED(bus_lock_threshold, svm),
    NEED(paging, pcid, paging, long_mode),
    NEED(paging, invpcid, paging, pcid),
    NEED(paging, page_1g, paging, long_mode),
};

static vx_status check_features(const vx_model *model, vx_msg *msg)
{
    const vx_cfg_cpu *cpu = &model->config.cpu;
    const unsigned char *bytes = (const unsigned char *)cpu;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        const bool *has = (const bool *)(bytes + needs[i].at), *needed = (const bool *)(bytes + needs[i].needed_at);
        if (*has && !*needed) return vx_check_fail(model, has, msg, "%s needs %s", needs[i].feature, needs[i].needed);
    }
    if (cpu->vmx.vmx && cpu->vendor != VX_VENDOR_INTEL)
        return vx_check_fail(model, &cpu->vmx.vmx, msg, "cpu.vmx.vmx needs cpu.vendor intel");
    if (cpu->svm.svm && cpu->vendor != VX_VENDOR_AMD)
        return vx_check_fail(model, &cpu->svm.svm, msg, "cpu.svm.svm needs cpu.vendor amd");
    if (cpu->svm.svm && cpu->svm.asids < 2)
        return vx_check_fail(model, &cpu->svm.svm, msg,
                             "cpu.svm.svm needs cpu.svm.asids of at least 2 (the host has ASID 0)");
    return VX_OK;
}

static vx_status check_paging(const vx_model *model, vx_msg *msg)
{
    const vx_cfg_paging *paging = &model->config.cpu.paging;
    if (paging->virtual_bits != 48 && paging->virtual_bits != 57)
        return vx_check_fail(model, &paging->virtual_bits, msg, "cpu.paging.virtual_bits is 48 or 57, not %u",
                             paging->virtual_bits);
    return VX_OK;
}

vx_status vx_check_cpu(const vx_model *model, vx_msg *msg)
{
    static vx_status (*const rules[])(const vx_model *, vx_msg *) = {check_tlbs,   check_psc,      check_ntlb,
                                                                     check_memory, check_features, check_paging};
    vx_status status = VX_OK;
    for (size_t i = 0; i < sizeof rules / sizeof *rules && status == VX_OK; i++) status = rules[i](model, msg);
    return status;
}
