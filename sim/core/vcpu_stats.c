/* What the vCPU counts, declared once for every report, and the identities that must hold at the end of a run. */
#include "vcpu_private.h"

#include <stdio.h>

const vx_vcpu_counts *vx_vcpu_counts_now(const vx_vcpu *vcpu)
{
    vx_vcpu *v = (vx_vcpu *)vcpu; /* the hot counters are only folded in: nothing observable changes */
    vx_vcpu_counts *c = &v->counts;
    vcpu_charge_instructions(v);
    c->instructions = v->instructions - v->instructions_base;
    c->fetches = v->fetches;
    c->loads = v->loads;
    c->stores = v->stores;
    c->crossings = v->crossings;
    c->untranslated = v->untranslated;
    c->references = v->fetches + v->loads + v->stores;
    return c;
}

void vx_vcpu_counts_reset(vx_vcpu *v)
{
    vcpu_charge_instructions(v);
    vx_vcpu_counts zero = {0};
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) zero.by_reason[i].number = v->counts.by_reason[i].number;
    v->counts = zero;
    v->first_difference = (vx_fault_difference){0};
    v->instructions_base = v->instructions;
    v->charged_ticks = 0;
    v->fetches = v->loads = v->stores = v->crossings = v->untranslated = 0;
}

static void add_row(vx_exit_counts *total, const vx_exit_counts *part)
{
    if (part->count == 0) return;
    if (total->count == 0 || part->least_ticks < total->least_ticks) total->least_ticks = part->least_ticks;
    if (part->most_ticks > total->most_ticks) total->most_ticks = part->most_ticks;
    total->number = part->number;
    total->count += part->count;
    total->hardware_ticks += part->hardware_ticks;
    total->software_ticks += part->software_ticks;
}

void vx_vcpu_counts_add(vx_vcpu_counts *total, const vx_vcpu_counts *part)
{
    total->instructions += part->instructions;
    total->fetches += part->fetches;
    total->loads += part->loads;
    total->stores += part->stores;
    total->references += part->references;
    total->crossings += part->crossings;
    total->skipped_references += part->skipped_references;
    total->untranslated += part->untranslated;
    total->abandoned += part->abandoned;
    total->retries += part->retries;
    total->root_references += part->root_references;
    total->guest_faults += part->guest_faults;
    total->unrecorded_faults += part->unrecorded_faults;
    total->unexplained_faults += part->unexplained_faults;
    total->differing_faults += part->differing_faults;
    total->exceptions += part->exceptions;
    total->interrupts += part->interrupts;
    total->nmis += part->nmis;
    for (unsigned i = 0; i < VX_REC_KINDS; i++) total->events[i] += part->events[i];
    total->exits += part->exits;
    total->tpr_exits += part->tpr_exits;
    total->tpr_exit_ticks += part->tpr_exit_ticks;
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) add_row(&total->by_reason[i], &part->by_reason[i]);
}

void vx_exit_rows_declare(vx_exit_counts rows[VX_EXIT_ROWS], vx_vendor vendor, const char *path, vx_stats *stats)
{
    for (unsigned i = 0; i < vx_exit_reason_count(vendor); i++) {
        const vx_exit_reason *reason = vx_exit_reason_at(vendor, i);
        vx_exit_counts *row = &rows[i];
        row->number = reason->number;
        const struct {
            const char *leaf, *unit, *doc;
            uint64_t *value;
        } columns[] = {
            {"number", "1", "basic exit reason (SDM Vol. 3C, Appendix C) or EXITCODE", &row->number},
            {"count", "exits", "VM exits for this reason", &row->count},
            {"hardware_cycles", "ticks", "cycles of VM exit and VM entry alone", &row->hardware_ticks},
            {"software_cycles", "ticks", "cycles of the hypervisor's handler", &row->software_ticks},
            {"min", "ticks", "cycles of the cheapest exit, hardware and handler", &row->least_ticks},
            {"max", "ticks", "cycles of the dearest exit, hardware and handler", &row->most_ticks},
        };
        for (unsigned c = 0; c < sizeof columns / sizeof *columns; c++) {
            vx_stat stat = {.kind = VX_STAT_SCALAR, .unit = columns[c].unit, .doc = columns[c].doc};
            stat.of.scalar = columns[c].value;
            stat.shown_if = &row->count;
            snprintf(stat.path, sizeof stat.path, "%s.%s.%s", path, reason->name, columns[c].leaf);
            vx_stats_add(stats, &stat);
        }
    }
}

void vx_vcpu_counts_declare(vx_vcpu_counts *c, vx_vendor vendor, vx_stats *stats)
{
    static const vx_stat_row rows[] = {
        VX_STAT_ROW(vx_vcpu_counts, instructions, "instructions", "instructions", "instructions executed"),
        VX_STAT_ROW(vx_vcpu_counts, references, "references", "references", "instruction fetches, loads and stores"),
        VX_STAT_ROW(vx_vcpu_counts, fetches, "reference_kinds.fetches", "references", "instructions fetched"),
        VX_STAT_ROW(vx_vcpu_counts, loads, "reference_kinds.loads", "references", "loads"),
        VX_STAT_ROW(vx_vcpu_counts, stores, "reference_kinds.stores", "references", "stores"),
        VX_STAT_ROW(vx_vcpu_counts, crossings, "reference_kinds.page_crossings", "references",
                    "references that touch two pages"),
        VX_STAT_ROW(vx_vcpu_counts, skipped_references, "reference_kinds.filtered", "references",
                    "references the recorder's filter left out; first-level hits by construction"),
        VX_STAT_ROW(vx_vcpu_counts, untranslated, "reference_kinds.untranslated", "lookups",
                    "lookups not made: paging off, or software emulated the store"),
        VX_STAT_ROW(vx_vcpu_counts, abandoned, "reference_kinds.abandoned", "references",
                    "references that faulted in the recorded guest"),
        VX_STAT_ROW(vx_vcpu_counts, retries, "tlb.retries", "lookups", "references made again after a fault or exit"),
        VX_STAT_ROW(vx_vcpu_counts, guest_faults, "paging.guest_faults", "faults", "page faults the guest OS saw"),
        VX_STAT_ROW(vx_vcpu_counts, unrecorded_faults, "paging.unrecorded_faults", "faults",
                    "page faults that the trace's page tables cause and its records do not confirm"),
        VX_STAT_ROW(vx_vcpu_counts, unexplained_faults, "paging.unexplained_faults", "faults",
                    "recorded page faults that the trace's page tables do not explain (stale translations of the "
                    "recorded guest)"),
        VX_STAT_ROW(vx_vcpu_counts, differing_faults, "paging.differing_faults", "faults",
                    "page faults that trace and page tables agree on, but not on the error code"),
        VX_STAT_ROW(vx_vcpu_counts, exceptions, "events.exceptions", "events", "exceptions delivered to the guest"),
        VX_STAT_ROW(vx_vcpu_counts, interrupts, "events.interrupts", "events", "interrupts delivered to the guest"),
    };
    vx_stats_rows(stats, c, "", rows, sizeof rows / sizeof *rows);
    vx_stats_scalar_if_any(stats, &c->nmis, "events", "NMIs delivered to the guest", "events.nmis");
    vx_stats_scalar(stats, &c->exits, "exits", "VM exits", "exits.total");
    vx_stats_scalar(stats, &c->tpr_exits, "exits",
                    "VM exits about the task priority: accesses to it, and its fall below the threshold",
                    "exits.tpr.count");
    vx_stats_scalar(stats, &c->tpr_exit_ticks, "ticks", "cycles of exits about the task priority, hardware and handler",
                    "exits.tpr.cycles");
    vx_exit_rows_declare(c->by_reason, vendor, "exits.by_reason", stats);
}

unsigned vx_vcpu_counts_identities(const vx_vcpu_counts *c, vx_identity *identities, unsigned room)
{
    uint64_t by_reason = 0;
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) by_reason += c->by_reason[i].count;
    const vx_identity all[] = {
        {"exits = sum over reasons", c->exits, by_reason},
        {"references = fetches + loads + stores", c->references, c->fetches + c->loads + c->stores},
    };
    unsigned count = sizeof all / sizeof *all;
    for (unsigned i = 0; i < count && i < room; i++) identities[i] = all[i];
    return count;
}
