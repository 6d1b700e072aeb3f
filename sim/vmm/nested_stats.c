/* What is counted of a nested hypervisor, and what must hold of it. Paths name the tables as the processor's manual
 * does: nested.ept02 or nested.npt02. */
#include "nested_l0.h"

#include <string.h>

static void number_rows(vx_vendor vendor, vx_exit_counts rows[VX_EXIT_ROWS])
{
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) {
        const vx_exit_reason *known = vx_exit_reason_at(vendor, i);
        if (known) rows[i].number = known->number;
    }
}

void nested_l0_reset(vx_vmm *vmm)
{
    nested_l0 *l0 = &vmm->l0;
    memset(&l0->counts, 0, sizeof l0->counts);
    number_rows(vmm->cpu->vendor, l0->counts.by_reason);
    number_rows(vmm->cpu->vendor, l0->counts.l1_by_reason);
}

/* Path and description on Intel's and on AMD's processors. */
typedef struct table_stat {
    size_t value; /* offset in nested_l0 */
    const char *unit, *path[2], *doc[2];
} table_stat;

#define TABLE_STAT(member, unit, number, name, before, after)                                                          \
    {                                                                                                                  \
        offsetof(nested_l0, member), unit, {"nested.ept" number "." name, "nested.npt" number "." name},               \
        {                                                                                                              \
            before "EPT" number after, before "NPT" number after                                                       \
        }                                                                                                              \
    }

static const table_stat table_stats[] = {
    TABLE_STAT(table01_pages, "pages", "01", "table_pages", "tables of ", ", L0's table of L1's memory"),
    TABLE_STAT(counts.table01_entries, "entries", "01", "entries", "leaves of ", " written"),
    TABLE_STAT(l1_pages.in_use, "pages", "12", "table_pages", "tables of ", ", L1's table of its guest's memory"),
    TABLE_STAT(counts.table12_flags, "entries", "12", "ad_updates", "entries of ", " whose A or D flag L0 has set"),
    TABLE_STAT(table02_pages, "pages", "02", "table_pages", "tables of ", ", which the processor walks"),
    TABLE_STAT(counts.table02_entries, "entries", "02", "entries", "leaves of ", " written"),
    TABLE_STAT(counts.table02_prefetched, "entries", "02", "prefetched", "leaves of ",
               " written without a violation of their own"),
    TABLE_STAT(counts.table02_dropped, "entries", "02", "dropped", "leaves of ", " taken away"),
};
#undef TABLE_STAT

static void declare_kinds(nested_l0 *l0, vx_stats *stats)
{
    static const char *const ept[] = {"reflected", "ept02_fill", "ept01_fill", "ept12_store", "vmx_instruction"};
    static const char *const npt[] = {"reflected",   "npt02_fill",      "npt01_fill",
                                      "npt12_store", "svm_instruction", "alone"};
    vx_stats_labelled(stats, l0->counts.by_kind, l0->svm ? npt : ept, l0->svm ? L0_KINDS : sizeof ept / sizeof *ept,
                      "exits", "who exited to L0, and what L0 did", "nested.l0_exits.by_kind");
}

void nested_l0_declare(vx_vmm *vmm, vx_stats *stats)
{
    nested_l0 *l0 = &vmm->l0;
    vx_vendor vendor = vmm->cpu->vendor;
    vx_stats_scalar(stats, &l0->counts.reflected, "exits", "exits of the nested guest that L1 handled",
                    "nested.l1_exits");
    vx_exit_rows_declare(l0->counts.l1_by_reason, vendor, "nested.l1_by_reason", stats);
    vx_stats_scalar(stats, &l0->counts.exits, "exits", "exits to the hypervisor below, L0", "nested.l0_exits.total");
    declare_kinds(l0, stats);
    vx_exit_rows_declare(l0->counts.by_reason, vendor, "nested.l0_exits.by_reason", stats);
    for (unsigned i = 0; i < sizeof table_stats / sizeof *table_stats; i++) {
        const table_stat *stat = &table_stats[i];
        vx_stats_scalar(stats, (uint64_t *)(void *)((char *)l0 + stat->value), stat->unit, stat->doc[l0->svm != NULL],
                        "%s", stat->path[l0->svm != NULL]);
    }
}

static uint64_t sum_of(const vx_exit_counts rows[VX_EXIT_ROWS])
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) sum += rows[i].count;
    return sum;
}

unsigned nested_l0_identities(const vx_vmm *vmm, vx_identity *identities, unsigned room)
{
    const nested_l0 *l0 = &vmm->l0;
    const uint64_t *by_kind = l0->counts.by_kind;
    uint64_t kinds = 0, of_l2 = l0->counts.made_again;
    for (unsigned i = 0; i < L0_KINDS; i++) kinds += by_kind[i];
    for (unsigned i = 0; i < vmm->vm_count; i++) of_l2 += vx_vcpu_counts_now(vmm->vm[i].vcpu)->exits;
    const vx_identity all[] = {
        {"exits to L0 = sum over reasons", l0->counts.exits, sum_of(l0->counts.by_reason)},
        {"exits to L0 = sum over kinds", l0->counts.exits, kinds},
        {"exits that L1 handled = sum over reasons", l0->counts.reflected, sum_of(l0->counts.l1_by_reason)},
        {"exits that L1 handled = reflected", l0->counts.reflected, by_kind[L0_REFLECTED]},
        {l0->svm ? "exits of L2 = reflected + NPT02 fills + L0's alone" : "exits of L2 = reflected + EPT02 fills",
         of_l2, by_kind[L0_REFLECTED] + by_kind[L0_TABLE02_FILL] + by_kind[L0_ALONE]},
    };
    unsigned count = 0;
    for (; count < sizeof all / sizeof *all && count < room; count++) identities[count] = all[count];
    return count;
}
