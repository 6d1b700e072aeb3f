/* Totals over records: one place says what counts as an instruction and as a reference. */
#include "source_skip.h"

uint64_t vx_record_instructions(const vx_record *record, const uint64_t *payload)
{
    if (record->kind == VX_REC_FETCH) return record->count;
    return record->kind == VX_REC_SKIPPED ? payload[record->arg] : 0;
}

void vx_trace_totals_add(vx_trace_totals *totals, const vx_record *record, const uint64_t *payload)
{
    totals->records++;
    totals->by_kind[record->kind]++;
    switch (record->kind) {
    case VX_REC_FETCH:
        totals->instructions += record->count;
        totals->fetches += record->count;
        break;
    case VX_REC_LOAD:
        totals->loads++;
        break;
    case VX_REC_STORE:
        totals->stores++;
        break;
    case VX_REC_PT_STORE:
        totals->stores += record->addr != VX_GVA_UNKNOWN;
        break;
    case VX_REC_SKIPPED:
        totals->instructions += payload[record->arg];
        totals->fetches += payload[record->arg + 1];
        totals->loads += payload[record->arg + 2];
        totals->stores += payload[record->arg + 3];
        break;
    default:
        break;
    }
}
