/* Keys of a processor model: every leaf of vx_cfg_cpu. */
#include "keys_table.h"

enum {
    TICKS_MAX = 1000000,  /* of one hardware operation */
    ENTRIES_MAX = 65536,  /* of one array */
    HIT_TICKS_MAX = 1000, /* of a lookup */
};

#define TYPE vx_cfg_cpu
static const vx_key core[] = {
    MILLI("cpi", core.cpi_milli, "cycles per instruction", 50, 100000, 1000, VX_NEED_SOURCE,
          "base cycles per instruction, with every translation and data access a first-level hit"),
    NUMBER("mhz", core.mhz, "MHz", 1, 20000, 1000, VX_NEED_SOURCE, "nominal frequency; turns ticks into seconds"),
};
static const vx_key mmu[] = {
    NUMBER("walkers", core.walkers, "walks", 1, 16, 1, VX_NEED_SOURCE,
           "page walks in flight at once; exposed walk cycles are divided by it"),
    MILLI("walk_exposure", core.walk_exposure_milli, "", 0, 1000, 1000, VX_NEED_SOURCE,
          "share of walk cycles that the core cannot hide"),
};
#undef TYPE

#define TYPE vx_cfg_paging
static const vx_key paging[] = {
    NUMBER("physical_bits", physical_bits, "bits", 32, 52, 36, VX_NEED_SOURCE, "MAXPHYADDR"),
    NUMBER("virtual_bits", virtual_bits, "bits", 48, 57, 48, VX_NEED_SOURCE,
           "width of a linear address: 48, or 57 with 5-level paging"),
    FEATURE(long_mode, "IA-32e paging (4 levels)"),
    FEATURE(nx, "execute-disable bit"),
    FEATURE(pge, "global pages"),
    FEATURE(pcid, "process-context identifiers"),
    FEATURE(invpcid, "INVPCID"),
    FEATURE(smep, "supervisor-mode execution prevention"),
    FEATURE(smap, "supervisor-mode access prevention"),
    FEATURE(page_2m, "2 MiB pages"),
    FEATURE(page_1g, "1 GiB pages"),
    FEATURE(pse36, "4 MiB pages above 4 GiB (PSE-36)"),
};
#undef TYPE

#define TYPE vx_cfg_tlb_array
static const vx_key array[] = {
    NEEDED_NUMBER("entries", entries, "entries", 1, ENTRIES_MAX, VX_NEED_SOURCE, "entries of this physical array"),
    NEEDED_NUMBER("ways", ways, "ways", 1, ENTRIES_MAX, VX_NEED_SOURCE,
                  "associativity; equal to entries: fully associative"),
    WORDS("pages", pages, vx_words_pages, 1, VX_NEED_SOURCE, true, "page sizes this array holds"),
    WORD("replacement", replacement, vx_words_replacement, VX_REPLACE_LRU, VX_NEED_NOTHING, false,
         "replacement policy (no vendor documents it)"),
};
#undef TYPE

#define TYPE vx_cfg_tlb
static const vx_key tlb[] = {
    TEXT("name", name, VX_NEED_NAME, true, "name in paths and reports"),
    WORD("class", level, vx_words_tlb_class, 0, VX_NEED_SOURCE, true,
         "first-level data or instruction, or second level"),
    WORDS("accesses", accesses, vx_words_access, 1, VX_NEED_SOURCE, true, "which accesses look here"),
    NUMBER("hit_ticks", hit_ticks, "ticks", 0, HIT_TICKS_MAX, 0, VX_NEED_SOURCE,
           "exposed cost of a hit; 0 for first-level units"),
};
static const vx_key_group tlb_children[] = {
    {.name = "array",
     .doc = "one physical array; those of a unit are searched at the same time",
     KEYS(array),
     .offset = offsetof(vx_cfg_tlb, array),
     .many = VX_GROUP_NUMBERED,
     .stride = sizeof(vx_cfg_tlb_array),
     .limit = VX_CFG_TLB_ARRAYS,
     .count_offset = offsetof(vx_cfg_tlb, array_count)},
};
#undef TYPE

#define TYPE vx_cfg_psc
static const vx_key psc[] = {
    WORD("kind", kind, vx_words_psc, VX_PSC_NONE, VX_NEED_SOURCE, false,
         "prefix: per level, by address prefix (Intel); physical: one cache, by the entry's physical address (AMD)"),
    NUMBER("hit_ticks", hit_ticks, "ticks", 0, HIT_TICKS_MAX, 0, VX_NEED_SOURCE, "cost of a hit"),
    WORD("replacement", replacement, vx_words_replacement, VX_REPLACE_LRU, VX_NEED_NOTHING, false,
         "replacement policy"),
};
#define LEVEL(list, dimension, level)                                                                                  \
    static const vx_key list[] = {                                                                                     \
        NUMBER("entries", dimension##_entries[level], "entries", 0, ENTRIES_MAX, 0, VX_NEED_SOURCE,                    \
               "entries; 0: no cache for this level"),                                                                 \
        NUMBER("ways", dimension##_ways[level], "ways", 0, ENTRIES_MAX, 0, VX_NEED_SOURCE,                             \
               "associativity; equal to entries: fully associative"),                                                  \
    }
LEVEL(guest_pde, guest, 2);
LEVEL(guest_pdpte, guest, 3);
LEVEL(guest_pml4e, guest, 4);
LEVEL(guest_pml5e, guest, 5);
LEVEL(nested_pde, nested, 2);
LEVEL(nested_pdpte, nested, 3);
LEVEL(nested_pml4e, nested, 4);
LEVEL(nested_pml5e, nested, 5);
#define LEVELS(dimension)                                                                                              \
    {                                                                                                                  \
        {.name = "pde", .doc = "level-2 entries", KEYS(dimension##_pde)},                                              \
            {.name = "pdpte", .doc = "level-3 entries", KEYS(dimension##_pdpte)},                                      \
            {.name = "pml4e", .doc = "level-4 entries", KEYS(dimension##_pml4e)},                                      \
            {.name = "pml5e", .doc = "level-5 entries", KEYS(dimension##_pml5e)},                                      \
    }
static const vx_key_group psc_guest[] = LEVELS(guest);
static const vx_key_group psc_nested[] = LEVELS(nested);
static const vx_key psc_physical[] = {
    NUMBER("entries", physical_entries, "entries", 0, ENTRIES_MAX, 0, VX_NEED_SOURCE, "entries of the page-walk cache"),
    NUMBER("ways", physical_ways, "ways", 0, ENTRIES_MAX, 0, VX_NEED_SOURCE, "associativity"),
    SWITCH("nested_leaf", physical_nested_leaf, 0, VX_NEED_FEATURE, "level-1 nested entries are held too"),
};
static const vx_key_group psc_children[] = {
    {.name = "guest", .doc = "prefix: linear and combined mappings", CHILDREN(psc_guest)},
    {.name = "nested", .doc = "prefix: guest-physical mappings", CHILDREN(psc_nested)},
    {.name = "physical", .doc = "physical: the one cache", KEYS(psc_physical)},
};
#undef TYPE

#define TYPE vx_cfg_ntlb
static const vx_key ntlb[] = {
    NUMBER("entries", entries, "entries", 0, ENTRIES_MAX, 0, VX_NEED_SOURCE, "entries; 0: no nested TLB"),
    NUMBER("ways", ways, "ways", 0, ENTRIES_MAX, 0, VX_NEED_SOURCE, "associativity"),
    NUMBER("hit_ticks", hit_ticks, "ticks", 0, HIT_TICKS_MAX, 0, VX_NEED_SOURCE, "cost of a hit"),
    SWITCH("tables", tables, 0, VX_NEED_FEATURE, "serves the guest-physical addresses of guest tables"),
    SWITCH("data", data, 0, VX_NEED_FEATURE, "serves the data's guest-physical address"),
    WORD("replacement", replacement, vx_words_replacement, VX_REPLACE_LRU, VX_NEED_NOTHING, false,
         "replacement policy"),
};
#undef TYPE

#define TYPE vx_cfg_cache
static const vx_key cache[] = {
    BYTES("bytes", bytes, 0, 1ULL << 36, 0, VX_NEED_SOURCE, "capacity; 0: no such level"),
    NUMBER("ways", ways, "ways", 1, 64, 1, VX_NEED_SOURCE, "associativity"),
    NUMBER("hit_ticks", hit_ticks, "ticks", 0, HIT_TICKS_MAX, 0, VX_NEED_SOURCE, "load-to-use latency"),
    WORD("replacement", replacement, vx_words_replacement, VX_REPLACE_LRU, VX_NEED_NOTHING, false,
         "replacement policy"),
};
#undef TYPE

#define TYPE vx_cfg_memory
static const vx_key memory[] = {
    WORD(
        "caches", caches, vx_words_caches, VX_CACHES_FIXED, VX_NEED_NOTHING, false,
        "fixed: a page-entry access costs walk_access_ticks; walks: page entries go through the caches; all: data too"),
    NUMBER("memory_ticks", memory_ticks, "ticks", 0, 100000, 200, VX_NEED_SOURCE,
           "latency beyond the last cache level"),
    NUMBER("walk_access_ticks", walk_access_ticks, "ticks", 0, 100000, 20, VX_NEED_SOURCE,
           "fixed latencies: one page-entry access"),
    NUMBER("walk_entry_level", walk_entry_level, "", 1, 3, 1, VX_NEED_SOURCE,
           "cache level where page walks enter the hierarchy"),
};
static const vx_key_group memory_children[] = {
    {.name = "l1d", .doc = "first-level data cache", KEYS(cache), .offset = offsetof(vx_cfg_memory, level[0])},
    {.name = "l2", .doc = "second-level cache", KEYS(cache), .offset = offsetof(vx_cfg_memory, level[1])},
    {.name = "l3", .doc = "third-level cache", KEYS(cache), .offset = offsetof(vx_cfg_memory, level[2])},
};
#undef TYPE

#define TYPE vx_cfg_isa
static const vx_key isa[] = {
    FEATURE(fsgsbase, "RDFSBASE and its like (CR4.FSGSBASE)"),
    FEATURE(xsave, "XSAVE (CR4.OSXSAVE)"),
    FEATURE(smx, "safer mode extensions (CR4.SMXE)"),
    FEATURE(umip, "user-mode instruction prevention (CR4.UMIP)"),
    FEATURE(pku, "protection keys for user pages (CR4.PKE)"),
    FEATURE(pks, "protection keys for supervisor pages (CR4.PKS)"),
    FEATURE(cet, "control-flow enforcement (CR4.CET)"),
    FEATURE(uintr, "user interrupts (CR4.UINTR)"),
    FEATURE(sgx, "software guard extensions"),
    FEATURE(rtm, "restricted transactional memory"),
};
#undef TYPE

#define TYPE vx_cfg_vmx
static const vx_key vmx[] = {
    FEATURE(vmx, "VMX operation"),
    FEATURE(secondary_controls, "secondary processor-based VM-execution controls"),
    FEATURE(ept, "extended page tables"),
    FEATURE(ept_1g, "1 GiB EPT pages"),
    FEATURE(ept_5level, "EPT page-walk length 5"),
    FEATURE(ept_ad, "accessed and dirty flags for EPT"),
    FEATURE(ept_execute_only, "execute-only EPT translations"),
    FEATURE(vpid, "virtual-processor identifiers"),
    FEATURE(invvpid, "INVVPID"),
    FEATURE(tpr_shadow, "use TPR shadow"),
    FEATURE(virtualize_apic_accesses, "virtualize APIC accesses; with the TPR shadow: FlexPriority"),
    FEATURE(apic_register_virtualization, "APIC-register virtualization"),
    FEATURE(virtual_interrupt_delivery, "virtual-interrupt delivery"),
    FEATURE(posted_interrupts, "process posted interrupts"),
    FEATURE(unrestricted_guest, "unrestricted guest"),
    FEATURE(pause_loop_exiting, "PAUSE-loop exiting"),
    FEATURE(preemption_timer, "VMX-preemption timer"),
    FEATURE(pml, "page-modification logging"),
    FEATURE(vmfunc, "VM functions"),
    FEATURE(vmcs_shadowing, "VMCS shadowing"),
    FEATURE(tsc_scaling, "TSC scaling"),
    FEATURE(true_controls, "IA32_VMX_TRUE_* MSRs: CR3-load and CR3-store exiting and the debug controls may be 0"),
    FEATURE(virtual_nmis, "virtual NMIs"),
    FEATURE(monitor_trap_flag, "monitor trap flag"),
    FEATURE(msr_bitmaps, "use MSR bitmaps"),
    FEATURE(perf_global_ctrl, "load IA32_PERF_GLOBAL_CTRL on entry and exit"),
    FEATURE(pat, "load and save IA32_PAT"),
    FEATURE(efer, "load and save IA32_EFER"),
    FEATURE(descriptor_table_exiting, "descriptor-table exiting"),
    FEATURE(rdtscp, "enable RDTSCP"),
    FEATURE(virtualize_x2apic, "virtualize x2APIC mode"),
    FEATURE(wbinvd_exiting, "WBINVD exiting"),
    FEATURE(rdrand_exiting, "RDRAND exiting"),
    FEATURE(rdseed_exiting, "RDSEED exiting"),
    FEATURE(encls_exiting, "enable ENCLS exiting"),
    FEATURE(enclv_exiting, "enable ENCLV exiting"),
    FEATURE(ept_violation_ve, "EPT-violation #VE"),
    FEATURE(xsaves, "enable XSAVES/XRSTORS"),
    FEATURE(processor_trace, "load and clear IA32_RTIT_CTL, conceal VMX from PT"),
    FEATURE(pt_guest_physical, "Intel PT uses guest physical addresses"),
    FEATURE(pasid_translation, "PASID translation"),
    FEATURE(mode_based_execute, "mode-based execute control for EPT"),
    FEATURE(spp, "sub-page write permissions for EPT"),
    FEATURE(ept_shadow_stack, "supervisor shadow-stack pages of EPT"),
    FEATURE(user_wait, "enable user wait and pause"),
    FEATURE(pconfig, "enable PCONFIG"),
    FEATURE(bus_lock_detection, "VMM bus-lock detection"),
    FEATURE(instruction_timeout, "instruction timeout"),
    FEATURE(tertiary_controls, "tertiary processor-based VM-execution controls"),
    FEATURE(loadiwkey_exiting, "LOADIWKEY exiting"),
    FEATURE(hlat, "enable HLAT"),
    FEATURE(ept_paging_write, "EPT paging-write control"),
    FEATURE(guest_paging_verification, "guest-paging verification"),
    FEATURE(ipi_virtualization, "IPI virtualization"),
    FEATURE(spec_ctrl_virtualization, "virtualize IA32_SPEC_CTRL"),
    FEATURE(bndcfgs, "load and clear IA32_BNDCFGS"),
    FEATURE(uinv, "load and clear UINV"),
    FEATURE(lbr_ctl, "load and clear IA32_LBR_CTL"),
    FEATURE(cet_state, "load CET state"),
    FEATURE(pkrs, "load IA32_PKRS"),
    FEATURE(save_perf_global_ctrl, "save IA32_PERF_GLOBAL_CTRL"),
    FEATURE(busy_shadow_stack, "secondary VM-exit controls: prematurely busy shadow stack"),
    FEATURE(zero_length_injection, "IA32_VMX_MISC[30]: an injected software event may have length 0"),
    FEATURE(vmwrite_any, "IA32_VMX_MISC[29]: VMWRITE to VM-exit information fields"),
    FEATURE(any_error_code, "IA32_VMX_BASIC[56]: a hardware exception may come with or without an error code"),
    FEATURE(page_fracturing, "a single-page flush in a guest drops everything where 2 MiB guest pages are splintered"),
};
#undef TYPE

#define TYPE vx_cfg_svm
static const vx_key svm[] = {
    FEATURE(svm, "SVM"),
    FEATURE(npt, "nested paging"),
    FEATURE(npt_1g, "1 GiB nested pages"),
    FEATURE(npt_5level, "5-level nested tables"),
    FEATURE(flush_by_asid, "TLB_CONTROL 3 and 7"),
    FEATURE(decode_assists, "decode assists"),
    FEATURE(nrips, "next-RIP save"),
    FEATURE(vmcb_clean, "VMCB clean bits"),
    FEATURE(pause_filter, "PAUSE filter"),
    FEATURE(pause_threshold, "PAUSE filter cycle threshold"),
    FEATURE(avic, "AVIC"),
    FEATURE(vgif, "virtual GIF"),
    FEATURE(vnmi, "virtual NMI"),
    FEATURE(virtual_vmload, "virtualized VMLOAD and VMSAVE"),
    FEATURE(lbr_virtualization, "LBR virtualization"),
    FEATURE(svm_lock, "VM_CR.LOCK and the SVM_KEY MSR"),
    FEATURE(tsc_ratio, "TSC_RATIO MSR"),
    FEATURE(spec_ctrl, "SPEC_CTRL virtualization"),
    FEATURE(bus_lock_threshold, "bus-lock threshold"),
    NUMBER("asids", asids, "ASIDs", 0, 1 << 20, 0, VX_NEED_SOURCE, "address-space identifiers (CPUID 8000000A, EBX)"),
};
#undef TYPE

#define TYPE vx_cfg_cost
#define COST(member, start, about) NUMBER(#member, member, "ticks", 0, TICKS_MAX, start, VX_NEED_SOURCE, about)
static const vx_key cost[] = {
    COST(vmexit_ticks, 1000, "hw: VM exit; where only the round trip is known, the round trip"),
    COST(vmentry_ticks, 0, "hw: VM entry; 0 where vmexit_ticks is the round trip"),
    COST(vmread_ticks, 50, "hw: VMREAD (SVM: a load from the VMCB)"),
    COST(vmwrite_ticks, 50, "hw: VMWRITE (SVM: a store to the VMCB)"),
    COST(syscall_ticks, 100, "operation, native: SYSCALL to SYSRET without the kernel's work"),
    COST(page_fault_ticks, 1000, "operation, native: page fault with the OS's handler and return"),
    COST(port_in_ticks, 1000, "operation, native: IN"),
    COST(interrupt_ticks, 500, "operation, native: delivery through the IDT and IRET"),
    COST(ipi_ticks, 1000, "hw: an interprocessor interrupt, from the write of the ICR until the other APIC has it"),
    COST(privileged_trap_ticks, 500, "operation, native: #GP from user level to a handler and back"),
};
#undef TYPE

#define TYPE vx_cfg_cpu
static const vx_key cpu[] = {
    TEXT("name", name, VX_NEED_NAME, true, "the model's name"),
    TEXT("title", title, VX_NEED_NOTHING, true, "what it is, for people"),
    {.name = "signature",
     .type = VX_KEY_HEX,
     .need = VX_NEED_NOTHING,
     FIELD(signature),
     .unit = "",
     .max = UINT32_MAX,
     .doc = "CPUID.1:EAX; 0: none given"},
    WORD("vendor", vendor, vx_words_vendor, VX_VENDOR_INTEL, VX_NEED_NOTHING, true, "vendor"),
};
static const vx_key_group cpu_children[] = {
    {.name = "core", .doc = "the core", KEYS(core)},
    {.name = "mmu", .doc = "how much of a walk the core feels", KEYS(mmu)},
    {.name = "paging",
     .doc = "paging features (SDM Vol. 3A, 4.1.4)",
     KEYS(paging),
     .offset = offsetof(vx_cfg_cpu, paging)},
    {.name = "tlb",
     .doc = "one lookup unit of the TLB",
     KEYS(tlb),
     CHILDREN(tlb_children),
     .offset = offsetof(vx_cfg_cpu, tlb),
     .many = VX_GROUP_NAMED,
     .stride = sizeof(vx_cfg_tlb),
     .limit = VX_CFG_TLBS,
     .count_offset = offsetof(vx_cfg_cpu, tlb_count)},
    {.name = "psc",
     .doc = "paging-structure caches (SDM Vol. 3A, 4.10.3)",
     KEYS(psc),
     CHILDREN(psc_children),
     .offset = offsetof(vx_cfg_cpu, psc)},
    {.name = "ntlb",
     .doc = "nested TLB: guest-physical page to host-physical frame",
     KEYS(ntlb),
     .offset = offsetof(vx_cfg_cpu, ntlb)},
    {.name = "memory",
     .doc = "caches and memory",
     KEYS(memory),
     CHILDREN(memory_children),
     .offset = offsetof(vx_cfg_cpu, memory)},
    {.name = "isa",
     .doc = "instructions and modes that VMX checks ask for (SDM Vol. 3A, 2.5)",
     KEYS(isa),
     .offset = offsetof(vx_cfg_cpu, isa)},
    {.name = "vmx",
     .doc = "VMX capabilities (SDM Vol. 3D, Appendix A)",
     KEYS(vmx),
     .offset = offsetof(vx_cfg_cpu, vmx)},
    {.name = "svm", .doc = "SVM features (APM Vol. 3, CPUID 8000000A)", KEYS(svm), .offset = offsetof(vx_cfg_cpu, svm)},
    {.name = "cost", .doc = "hardware costs", KEYS(cost), .offset = offsetof(vx_cfg_cpu, cost)},
};
#undef TYPE

const vx_key_group vx_keys_cpu = {.name = "cpu", .doc = "a processor", KEYS(cpu), CHILDREN(cpu_children)};
