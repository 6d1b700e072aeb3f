#include "record_runs.h"

size_t vxt_runs_expand(const vxt_runs *runs, vxt_runs_place *place, vx_record *records)
{
    const vxt_shape *shape = &runs->shapes[runs->runs[place->run]];
    bool event = runs->runs[place->run++] == 0;
    if (event) {
        records[0] = runs->events[place->event++];
        return 1;
    }
    for (unsigned i = 0; i < shape->records; i++) {
        records[i] = runs->records[shape->first + i];
        if (records[i].kind != VX_REC_FETCH) records[i].addr = runs->addresses[place->address++];
    }
    return shape->records;
}

void vxt_runs_total(const vxt_runs *runs, const vxt_runs_place *place, size_t count, vx_trace_totals *totals)
{
    uint64_t records = 0, fetches = 0, loads = 0, stores = 0, instructions = 0;
    const vx_record *event = runs->events + place->event;
    for (const uint32_t *run = runs->runs + place->run; run < runs->runs + place->run + count; run++) {
        const vxt_shape *shape = &runs->shapes[*run];
        if (*run == 0) {
            vx_trace_totals_add(totals, event++, 1, runs->payload);
            continue;
        }
        records += shape->records;
        fetches += shape->fetches;
        loads += shape->loads;
        stores += shape->stores;
        instructions += shape->instructions;
    }
    totals->records += records;
    totals->instructions += instructions;
    totals->fetches += instructions;
    totals->loads += loads;
    totals->stores += stores;
    totals->by_kind[VX_REC_FETCH] += fetches;
    totals->by_kind[VX_REC_LOAD] += loads;
    totals->by_kind[VX_REC_STORE] += stores;
}
