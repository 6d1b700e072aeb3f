/* Keys of a hypervisor model: every leaf of vx_cfg_vmm. */
#include "keys_table.h"

enum { SOFTWARE_TICKS_MAX = 100000000 };
#define ALL_SCHEMES ((1U << VX_SCHEMES) - 1U)

#define TYPE vx_cfg_handler
static const vx_key handler[] = {
    TEXT("reason", reason, VX_NEED_NAME, true, "exit reason as reports spell it; \"default\" serves the others"),
    NUMBER("ticks", ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 1000, VX_NEED_SOURCE,
           "sw: the handler without hardware and without VMCS accesses"),
    NUMBER("vmreads", vmreads, "VMREADs", 0, 1000, 0, VX_NEED_SOURCE, "VMCS fields it reads"),
    NUMBER("vmwrites", vmwrites, "VMWRITEs", 0, 1000, 0, VX_NEED_SOURCE, "VMCS fields it writes"),
    NUMBER("lines", lines, "cache lines", 0, 10000, 0, VX_NEED_SOURCE, "cache lines it touches: indirect cost"),
    NUMBER("pages", pages, "pages", 0, 1000, 0, VX_NEED_SOURCE, "pages it touches: indirect cost"),
};
#undef TYPE

#define TYPE vx_cfg_vmm
static const vx_key memory[] = {
    WORDS("schemes", schemes, vx_words_scheme, ALL_SCHEMES, VX_NEED_FEATURE, true, "schemes it allows"),
    SWITCH("vpid", vpid, 0, VX_NEED_FEATURE, "uses VPID where the processor has it"),
    SWITCH("ept_ad", ept_ad, 0, VX_NEED_FEATURE, "uses accessed and dirty flags for EPT"),
    NUMBER("asids", asids, "ASIDs", 0, 1 << 20, 0, VX_NEED_SOURCE,
           "ASIDs or VPIDs it hands out; 0: as many as the processor has"),
    NUMBER("shadow_fill_ticks", shadow_fill_ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 1000, VX_NEED_SOURCE,
           "sw: mend one shadow entry"),
    NUMBER("emulate_store_ticks", emulate_store_ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 1000, VX_NEED_SOURCE,
           "sw: emulate one guest page-table store"),
};
static const vx_key exits[] = {
    WORD("policy", exits, vx_words_exits, VX_EXITS_PLAIN, VX_NEED_FEATURE, false,
         "whose habits decide what exits beyond what memory needs"),
};
static const vx_key nested[] = {
    NUMBER("prefetch", nested_prefetch, "entries", 1, 512, 1, VX_NEED_FEATURE,
           "aligned window of 4k pages that one first touch maps under EPT or NPT; a power of two"),
    NUMBER("reclaim_ticks", reclaim_ticks, "ticks", 0, UINT32_MAX, 0, VX_NEED_SOURCE,
           "ticks between pages that the host's memory management takes away (EPT and NPT); 0: it takes none"),
};
static const vx_key shadow[] = {
    NUMBER("prefetch", shadow.prefetch, "entries", 1, 512, 1, VX_NEED_FEATURE,
           "shadow-kvm: aligned window of entries that one fill looks at; a power of two"),
    NUMBER("flood_writes", shadow.flood_writes, "stores", 0, 255, 0, VX_NEED_FEATURE,
           "shadow-kvm: emulated stores to an upper table, unused in between, until its shadow goes; 0: never"),
    NUMBER("previous_roots", shadow.previous_roots, "roots", 0, 15, 0, VX_NEED_FEATURE,
           "shadow-kvm: roots kept beside the current one"),
    NUMBER("quota_ratio", shadow.quota_ratio, "guest pages", 0, 1 << 20, 0, VX_NEED_FEATURE,
           "shadow-kvm: one shadow page for so many guest pages; 0: no quota"),
    NUMBER("quota_least", shadow.quota_least, "shadow pages", 0, 1 << 20, 0, VX_NEED_FEATURE,
           "shadow-kvm: least number of shadow pages"),
    NUMBER("private_pages", shadow.private_pages, "guest pages", 0, 1 << 20, 0, VX_NEED_FEATURE,
           "shadow-kvm: the hypervisor's own guest pages that count for the quota, on Intel processors"),
    SWITCH("invlpg_maps", shadow.invlpg_maps, 0, VX_NEED_FEATURE,
           "shadow-kvm: INVLPG maps the entry's new value at once where its A flag is set"),
};
static const vx_key xen_shadow[] = {
    NUMBER("prefetch", xen.prefetch, "entries", 1, 512, 1, VX_NEED_FEATURE,
           "shadow-xen: entries that one fill may map, its own and those behind it; 1: its own alone"),
    NUMBER("oos_pages", xen.oos_pages, "pages", 1, VX_CFG_OOS_PAGES, 1, VX_NEED_FEATURE,
           "shadow-xen-v3: leaf tables that may be out of sync at a time"),
    NUMBER("oos_fixups", xen.oos_fixups, "mappings", 1, VX_CFG_OOS_FIXUPS, 1, VX_NEED_FEATURE,
           "shadow-xen-v3: writable mappings of each table out of sync"),
    WORD("early_unshadow", xen.early_unshadow, vx_words_unshadow, VX_UNSHADOW_OFF, VX_NEED_FEATURE, false,
         "shadow-xen: which tables lose their shadows at the second zero entry stored in a row"),
    NUMBER("emulate_ahead", xen.emulate_ahead, "instructions", 0, 255, 0, VX_NEED_FEATURE,
           "shadow-xen, PAE guests: instructions emulated behind a page-table store, in search of its second half"),
    NUMBER("pool_pages", xen.pool_pages, "pages", 0, 1 << 24, 0, VX_NEED_FEATURE,
           "shadow-xen: memory for shadows, a VM; 0 here and in pool_mib_pages: no limit"),
    NUMBER("pool_mib_pages", xen.pool_mib_pages, "pages", 0, 256, 0, VX_NEED_FEATURE,
           "shadow-xen: ... and so many more for each MiB of the guest's"),
};
static const vx_key apic[] = {
    SWITCH("flexpriority", flexpriority, 0, VX_NEED_FEATURE, "uses the TPR shadow and the APIC-access page"),
    SWITCH("apicv", apicv, 0, VX_NEED_FEATURE, "uses APIC-register virtualization and virtual-interrupt delivery"),
    SWITCH("avic", avic, 0, VX_NEED_FEATURE, "AMD: uses AVIC, under nested paging"),
    SWITCH("preemption_timer", preemption_timer, 0, VX_NEED_FEATURE,
           "Intel: the VMX-preemption timer ends the guest's run when its APIC timer is due; no: an interrupt of the "
           "host"),
    SWITCH("pv_eoi", pv_eoi, 0, VX_NEED_FEATURE, "offers guests KVM's para-virtual EOI"),
    SWITCH("tpr_patching", tpr_patching, 0, VX_NEED_FEATURE,
           "patches a guest's instructions that write the TPR by the APIC's page, as QEMU does: each exits once"),
    WORD("tpr_trap", tpr_trap, vx_words_tpr_trap, VX_TPR_TRAP_ALL, VX_NEED_FEATURE, false,
         "AMD: which writes of CR8 exit: all, or those made while the task priority holds an interrupt back"),
    NUMBER("eoi_ticks", eoi_ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 0, VX_NEED_SOURCE,
           "sw: handler of an APIC-access exit that is an EOI, without instruction decode; 0: as any access"),
    SWITCH("page_mapped", apic_page_mapped, 0, VX_NEED_FEATURE,
           "exit policy kvm: maps the APIC-access page without apicv as well"),
};
static const vx_key deprivileged[] = {
    NUMBER("trap_emulate_ticks", trap_emulate_ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 1000, VX_NEED_SOURCE,
           "sw: emulate one trapped instruction or reflect one event, beyond the trap itself"),
    NUMBER("bt_syscall_ticks", bt_syscall_ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 2308, VX_NEED_SOURCE,
           "operation: SYSCALL to SYSRET under binary translation, without the kernel's work"),
    NUMBER("bt_page_fault_ticks", bt_page_fault_ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 3927, VX_NEED_SOURCE,
           "operation: page fault that the guest sees, under binary translation"),
    NUMBER("bt_port_in_ticks", bt_port_in_ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 216, VX_NEED_SOURCE,
           "operation: port access under binary translation"),
    NUMBER("bt_privileged_ticks", bt_privileged_ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 35, VX_NEED_SOURCE,
           "operation: privileged instruction in translated code"),
    NUMBER("bt_store_ticks", bt_store_ticks, "ticks", 0, SOFTWARE_TICKS_MAX, 2121, VX_NEED_SOURCE,
           "operation: store to a traced page table, the instruction adapted"),
};
static const vx_key scheduler[] = {
    NUMBER("slice_ticks", slice_ticks, "ticks", 0, UINT32_MAX, 30000000, VX_NEED_SOURCE, "time slice of a vCPU"),
};
static const vx_key vmm[] = {
    TEXT("name", name, VX_NEED_NAME, true, "the model's name"),
    TEXT("title", title, VX_NEED_NOTHING, true, "what it is, for people"),
    WORD("nested_page", nested_page, vx_words_pages, VX_PAGE_4K, VX_NEED_NOTHING, false,
         "largest page of its EPT or NPT"),
    WORD("placement", placement, vx_words_placement, VX_PLACE_SCATTERED, VX_NEED_NOTHING, false,
         "where guest frames lie in host memory"),
};
static const vx_key_group vmm_children[] = {
    {.name = "memory", .doc = "how it virtualizes memory", KEYS(memory)},
    {.name = "exits", .doc = "what it intercepts", KEYS(exits)},
    {.name = "nested", .doc = "how it fills EPT and NPT", KEYS(nested)},
    {.name = "shadow", .doc = "how it shadows with leaf tables out of sync", KEYS(shadow)},
    {.name = "xen_shadow", .doc = "how it shadows, if it is Xen", KEYS(xen_shadow)},
    {.name = "apic", .doc = "how it virtualizes the local APIC", KEYS(apic)},
    {.name = "deprivileged", .doc = "guests without VT-x: trap-and-emulate, binary translation", KEYS(deprivileged)},
    {.name = "scheduler", .doc = "its scheduler", KEYS(scheduler)},
    {.name = "handler",
     .doc = "software cost of one exit reason",
     KEYS(handler),
     .offset = offsetof(vx_cfg_vmm, handler),
     .many = VX_GROUP_NAMED,
     .stride = sizeof(vx_cfg_handler),
     .limit = VX_CFG_EXITS,
     .count_offset = offsetof(vx_cfg_vmm, handler_count)},
};
#undef TYPE

const vx_key_group vx_keys_vmm = {.name = "vmm", .doc = "a hypervisor", KEYS(vmm), CHILDREN(vmm_children)};
