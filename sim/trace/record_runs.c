#include "record_runs.h"

size_t vxt_runs_expand(const vxt_runs *runs, vxt_runs_place *place, vx_record *records)
{
    const vxt_shape *shape = &runs->shapes[runs->runs[place->run]];
    bool event = runs->runs[place->run++] == 0;
    if (event) {
        records[0] = runs->events[place->event++];
        return 1;
    }
    unsigned count = vxt_shape_records(shape);
    for (unsigned i = 0; i < count; i++) {
        records[i] = runs->records[shape->first + i];
        if (records[i].kind != VX_REC_FETCH) records[i].addr = runs->addresses[place->address++];
    }
    return count;
}

/* Adds as many runs as cannot overflow 16 bits. */
static void add_runs(const vxt_runs *runs, const uint32_t *run, size_t count, const vx_record **event,
                     vx_trace_totals *totals)
{
    uint64_t counts = 0, instructions = 0;
    const uint32_t *end = run + count;
    while (run < end) {
        size_t events = 0;
        while (run < end && *run == 0) run++, events++;
        if (events) {
            vx_trace_totals_add(totals, *event, events, runs->payload);
            *event += events;
        }
        for (; run < end && *run; run++) {
            counts += runs->shapes[*run].counts;
            instructions += runs->shapes[*run].instructions;
        }
    }
    uint64_t loads = (uint16_t)(counts >> VXT_SHAPE_LOADS), stores = (uint16_t)(counts >> VXT_SHAPE_STORES);
    totals->records += (uint16_t)counts;
    totals->instructions += instructions;
    totals->fetches += instructions;
    totals->loads += loads;
    totals->stores += stores;
    totals->by_kind[VX_REC_FETCH] += (uint16_t)(counts >> VXT_SHAPE_FETCHES);
    totals->by_kind[VX_REC_LOAD] += loads;
    totals->by_kind[VX_REC_STORE] += stores;
}

void vxt_runs_total(const vxt_runs *runs, const vxt_runs_place *place, size_t count, vx_trace_totals *totals)
{
    enum { MANY = UINT16_MAX / VXT_SHAPE_RECORDS };
    const vx_record *event = runs->events + place->event;
    const uint32_t *run = runs->runs + place->run;
    for (size_t left = count, some; left; left -= some, run += some) {
        some = left < MANY ? left : MANY;
        add_runs(runs, run, some, &event, totals);
    }
}
