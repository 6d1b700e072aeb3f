/* What the hypervisor counts. */
#include "nested_l0.h"

/* Of a nested hypervisor its own; what L0 holds is counted apart. */
static uint64_t tables_held(const vx_vmm *vmm) { return vmm->l0.config ? vmm->l0.l1_pages.in_use : vmm->pages.in_use; }

const vx_vmm_counts *vx_vmm_counts_now(const vx_vmm *vmm)
{
    ((vx_vmm *)vmm)->counts.table_pages = tables_held(vmm);
    return &vmm->counts;
}

void vx_vmm_counts_reset(vx_vmm *vmm)
{
    vmm->counts = (vx_vmm_counts){.table_pages = tables_held(vmm)};
    nested_l0_reset(vmm);
}

static void declare_traps(vx_vmm_counts *c, vx_stats *stats)
{
    vx_stats_scalar(stats, &c->traps_privileged, "instructions", "privileged instructions that reached the hypervisor",
                    "traps.privileged");
    vx_stats_scalar(stats, &c->traps_ports, "instructions", "port and device accesses that reached the hypervisor",
                    "traps.ports");
    vx_stats_scalar(stats, &c->traps_syscalls, "instructions", "system calls and returns that reached the hypervisor",
                    "traps.syscalls");
    vx_stats_scalar(stats, &c->traps_events, "events", "exceptions and interrupts that reached the hypervisor",
                    "traps.events");
    vx_stats_scalar(stats, &c->traps_page_faults, "faults",
                    "page faults that reached the hypervisor, hidden and visible", "traps.page_faults");
    vx_stats_scalar(stats, &c->traps_stores, "stores", "page-table stores that reached the hypervisor", "traps.stores");
    vx_stats_scalar(stats, &c->traps_missed, "instructions",
                    "sensitive instructions of the guest's kernel that do not trap: a classical hypervisor errs here",
                    "traps.missed");
}

static void declare_xen(vx_vmm_counts *c, vx_stats *stats)
{
    vx_stats_scalar(stats, &c->unsyncs, "tables", "leaf tables let go out of sync", "paging.unsyncs");
    vx_stats_scalar(stats, &c->resyncs, "tables", "leaf tables brought in step again", "paging.resyncs");
    vx_stats_scalar(stats, &c->early_unshadows, "tables", "tables that lost shadows to a row of zero stores",
                    "paging.early_unshadows");
    vx_stats_scalar(stats, &c->stores_ahead, "stores", "page-table stores emulated behind another, without an exit",
                    "paging.stores_ahead");
}

static void declare_flushes(vx_vmm_counts *c, vx_stats *stats)
{
    vx_stats_scalar(stats, &c->remote_flushes, "flushes",
                    "times that every vCPU had to drop translations by what the hypervisor did",
                    "paging.remote_flushes.count");
    vx_stats_scalar(stats, &c->kicks, "exits", "exits of other vCPUs that such a flush caused",
                    "paging.remote_flushes.kicks");
    vx_stats_scalar(stats, &c->kick_ticks, "ticks", "cycles of these exits, hardware and handler",
                    "paging.remote_flushes.cycles");
}

void vx_vmm_declare(vx_vmm *vmm, vx_stats *stats)
{
    vx_vmm_counts *c = &vmm->counts;
    vx_stats_scalar(stats, &c->hidden_faults, "faults", "page faults the hypervisor mended unseen by the guest",
                    "paging.hidden_faults");
    vx_stats_scalar(stats, &c->first_touches, "pages", "guest frames mapped at their first touch",
                    "paging.first_touches");
    vx_stats_scalar(stats, &c->table_pages, "pages", "tables the hypervisor holds", "paging.host_table_pages");
    vx_stats_scalar(stats, &c->shadow_fills, "entries", "shadow leaves written", "paging.shadow_fills");
    vx_stats_scalar(stats, &c->emulated_stores, "stores", "guest page-table stores the hypervisor performed",
                    "paging.emulated_stores");
    vx_stats_scalar(stats, &c->ad_emulations, "entries", "guest A and D flags set by the hypervisor",
                    "paging.ad_emulations");
    vx_stats_scalar(stats, &c->shadow_drops, "shadows", "whole shadows thrown away", "paging.shadow_drops");
    vx_stats_scalar(stats, &c->injected_faults, "faults", "page faults the hypervisor handed to the guest",
                    "paging.injected_faults");
    vx_stats_scalar(stats, &c->vmreads, "accesses", "VMREADs by handlers", "vmcs.reads");
    vx_stats_scalar(stats, &c->vmwrites, "accesses", "VMWRITEs by handlers", "vmcs.writes");
    bool shared = vmm->vcpus > 1 && vmm->scheme->shadow_tables && vmm->scheme->tables == VMM_TABLES_SHARED;
    if (vmm->config->reclaim_ticks || shared) declare_flushes(c, stats);
    if (vmm->config->reclaim_ticks)
        vx_stats_scalar(stats, &c->reclaims, "pages", "pages that the host's memory management took away",
                        "paging.reclaims");
    if (vmm->scheme->deprivileged) declare_traps(c, stats);
    if (vmm->scheme->emulate) declare_xen(c, stats);
    if (vmm->l0.config) nested_l0_declare(vmm, stats);
    if (vmm->touch.frames == 0) return;
    vx_stats_scalar(stats, &c->indirect_references, "references", "handlers' references to lines of their own",
                    "exits.indirect.references");
    vx_stats_scalar(stats, &c->indirect_fills, "walks", "page walks that these references needed",
                    "exits.indirect.tlb_fills");
    vx_stats_scalar(stats, &c->indirect_ticks, "ticks", "cycles of these references; part of exit.software",
                    "exits.indirect.cycles");
}
