/* Keys of a guest: every leaf of vx_cfg_guest. All are switches of an experiment, so none needs a source. */
#include "keys_table.h"

#define TYPE vx_cfg_guest
static const vx_key vm[] = {
    TEXT("name", name, VX_NEED_NAME, true, "the model's name"),
    TEXT("title", title, VX_NEED_NOTHING, true, "what it is, for people"),
    WORD("page", page, vx_words_pages, VX_PAGE_4K, VX_NEED_NOTHING, false,
         "4k; 2m: aligned 2 MiB regions, as transparent huge pages; 4m: the same in 32-bit paging; 1g"),
    WORD("tables", tables, vx_words_tables, VX_TABLES_CLUSTERED, VX_NEED_NOTHING, false,
         "where guest tables lie in guest RAM"),
    NUMBER("levels", levels, "levels", 2, 5, 4, VX_NEED_NOTHING, "paging: 2 (32-bit), 3 (PAE), 4 or 5"),
    BYTES("ram_bytes", ram_bytes, 1ULL << 20, 1ULL << 44, 4ULL << 30, VX_NEED_NOTHING, "guest RAM"),
    NUMBER("slice_instructions", slice_instructions, "instructions", 1, UINT64_MAX, 10000000, VX_NEED_NOTHING,
           "time slice of the guest's processes"),
    NUMBER("tick_instructions", tick_instructions, "instructions", 0, UINT64_MAX, 0, VX_NEED_NOTHING,
           "instructions between timer ticks; 0: no tick"),
    NUMBER("unmap_every", unmap_every, "faults", 0, UINT64_MAX, 0, VX_NEED_NOTHING,
           "unmap the oldest page after this many faults, with INVLPG; 0: never"),
    NUMBER("unmap_instructions", unmap_instructions, "instructions", 0, UINT64_MAX, 0, VX_NEED_NOTHING,
           "instructions between unmappings of the oldest page, with INVLPG, whatever faults; 0: none"),
    WORD("vcpus", vcpus, vx_words_smp_traces, VX_SMP_AUTO, VX_NEED_NOTHING, false,
         "traces of several vCPUs: threads of one process, or processes; auto: threads where all replay one --trace"),
    SWITCH("pcid", pcid, 0, VX_NEED_NOTHING, "the guest uses PCIDs"),
    NUMBER("fault_instructions", fault_instructions, "instructions", 0, 1000000, 1000, VX_NEED_NOTHING,
           "length of the guest's page-fault and timer handlers"),
};
static const vx_key priority[] = {
    WORD("apic", priority.apic, vx_words_apic_access, VX_APIC_ACCESS_NONE, VX_NEED_NOTHING, false,
         "how the OS reaches its local APIC; none: its timer tick needs none"),
    NUMBER("raise_instructions", priority.raise_instructions, "instructions", 0, UINT64_MAX, 0, VX_NEED_NOTHING,
           "instructions between raises of the task priority; 0: it stays at 0"),
    NUMBER("hold_instructions", priority.hold_instructions, "instructions", 1, UINT64_MAX, 100, VX_NEED_NOTHING,
           "instructions until it is lowered again; less than between raises"),
    NUMBER("level", priority.level, "priority class", 1, 15, 4, VX_NEED_NOTHING,
           "task priority while raised: interrupts of no higher class wait (Windows: DISPATCH_LEVEL is 4)"),
    NUMBER("per_interrupt", priority.per_interrupt, "writes", 0, 16, 0, VX_NEED_NOTHING,
           "TPR writes of an interrupt handler, raising and lowering"),
    SWITCH("pv_eoi", priority.pv_eoi, 0, VX_NEED_NOTHING,
           "uses KVM's para-virtual EOI where the hypervisor offers it, as Linux does"),
    NUMBER(
        "tpr_instructions", priority.tpr_instructions, "instructions", 0, 1 << 16, 0, VX_NEED_NOTHING,
        "instructions of its code that write the TPR and that a hypervisor can patch, as 32-bit Windows has; 0: none"),
    NUMBER("nmi_instructions", priority.nmi_instructions, "instructions", 0, UINT64_MAX, 0, VX_NEED_NOTHING,
           "instructions between overflows of a performance counter, each an NMI (profiler, watchdog); 0: none"),
    WORD("timer", priority.timer, vx_words_guest_timer, VX_GUEST_TIMER_NONE, VX_NEED_NOTHING, false,
         "the tick is its APIC timer's, programmed so; none: tick_instructions says when it comes"),
    NUMBER("timer_period", priority.timer_period, "ticks", 1, UINT32_MAX, 12000000, VX_NEED_NOTHING,
           "period of that timer (250 a second at 3 GHz)"),
};
static const vx_key_group vm_children[] = {
    {.name = "priority", .doc = "interrupt-priority habits of the OS", KEYS(priority)},
};
#undef TYPE

const vx_key_group vx_keys_vm = {
    .name = "vm", .doc = "a guest machine and the modelled guest OS", KEYS(vm), CHILDREN(vm_children)};
