/* Totals over records: one place says what counts as an instruction and as a reference. */
#include "source_skip.h"

uint64_t vx_record_instructions(const vx_record *record, const uint64_t *payload)
{
    if (record->kind == VX_REC_FETCH) return record->count;
    return record->kind == VX_REC_SKIPPED ? payload[record->arg] : 0;
}

static void add_event(vx_trace_totals *totals, const vx_record *record, const uint64_t *payload)
{
    totals->by_kind[record->kind]++;
    if (record->kind == VX_REC_PT_STORE) totals->stores += record->addr != VX_GVA_UNKNOWN;
    if (record->kind != VX_REC_SKIPPED) return;
    totals->instructions += payload[record->arg];
    totals->fetches += payload[record->arg + 1];
    totals->loads += payload[record->arg + 2];
    totals->stores += payload[record->arg + 3];
}

void vx_trace_totals_add(vx_trace_totals *totals, const vx_record *records, size_t count, const uint64_t *payload)
{
    uint64_t fetches = 0, loads = 0, stores = 0, instructions = 0;
    for (const vx_record *record = records; record < records + count; record++) {
        if (record->kind == VX_REC_FETCH)
            fetches++, instructions += record->count;
        else if (record->kind == VX_REC_LOAD)
            loads++;
        else if (record->kind == VX_REC_STORE)
            stores++;
        else
            add_event(totals, record, payload);
    }
    totals->records += count;
    totals->instructions += instructions;
    totals->fetches += instructions;
    totals->loads += loads;
    totals->stores += stores;
    totals->by_kind[VX_REC_FETCH] += fetches;
    totals->by_kind[VX_REC_LOAD] += loads;
    totals->by_kind[VX_REC_STORE] += stores;
}
