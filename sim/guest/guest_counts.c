/* Counters of the modelled guest OS: a CPU's, and sums over CPUs and guests. */
#include "guest_state.h"

const vx_guest_counts *vx_guest_counts_now(const vx_guest *guest) { return &guest->counts; }

void vx_guest_counts_reset(vx_guest *guest) { guest->counts = (vx_guest_counts){0}; }

void vx_guest_counts_add(vx_guest_counts *total, const vx_guest_counts *part)
{
    total->faults += part->faults;
    for (unsigned i = 0; i < VX_PAGE_SIZES; i++) total->pages_mapped[i] += part->pages_mapped[i];
    total->table_pages += part->table_pages;
    total->pt_stores += part->pt_stores;
    total->switches += part->switches;
    total->ticks += part->ticks;
    total->unmaps += part->unmaps;
    total->tpr_writes += part->tpr_writes;
    total->shootdowns += part->shootdowns;
    total->shootdown_ipis += part->shootdown_ipis;
    total->shootdown_answers += part->shootdown_answers;
}

void vx_guest_counts_declare(vx_guest_counts *counts, vx_stats *stats)
{
    vx_stats_scalar(stats, &counts->faults, "faults", "page faults that the guest OS handled", "paging.os.faults");
    for (vx_page_size size = VX_PAGE_4K; size < VX_PAGE_SIZES; size++)
        vx_stats_scalar(stats, &counts->pages_mapped[size], "pages", "pages of this size that the guest OS mapped",
                        "paging.os.pages_mapped.%s", vx_page_size_name(size));
    vx_stats_scalar(stats, &counts->table_pages, "pages", "guest table pages made", "paging.os.table_pages");
    vx_stats_scalar(stats, &counts->pt_stores, "stores", "stores to guest page tables", "paging.os.pt_stores");
    vx_stats_scalar(stats, &counts->switches, "switches", "process switches (MOV to CR3)", "paging.os.switches");
    vx_stats_scalar(stats, &counts->ticks, "interrupts", "timer interrupts of the guest OS", "paging.os.ticks");
    vx_stats_scalar(stats, &counts->unmaps, "pages", "pages that the guest OS unmapped, with INVLPG",
                    "paging.os.unmaps");
    vx_stats_scalar_if_any(stats, &counts->tpr_writes, "writes", "writes of the task priority by the guest OS",
                           "paging.os.tpr_writes");
    vx_stats_scalar_if_any(stats, &counts->shootdowns, "shootdowns", "unmappings that other CPUs had to be told of",
                           "paging.os.shootdowns.count");
    vx_stats_scalar_if_any(stats, &counts->shootdown_ipis, "interrupts", "interprocessor interrupts sent for them",
                           "paging.os.shootdowns.ipis");
    vx_stats_scalar_if_any(stats, &counts->shootdown_answers, "answers",
                           "times a CPU dropped what another had unmapped", "paging.os.shootdowns.answers");
}
