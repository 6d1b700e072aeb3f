/* The step body: streams records, takes first-level hits inline, leaves everything else to the cold side.
 *
 * There is one instance per hardware mode (untranslated or translated; data caches or a check of every translation, or
 * neither), each a thin function over one inline body with constant arguments; the mode is looked at when the loop is
 * entered and after each event, never per reference. */
#include "vcpu_private.h"
#include "vx_mmu_hit.h"

/* What happens to the address of a hit beyond its use. */
typedef enum watch {
    WATCH_NOTHING,
    WATCH_CACHES, /* it goes through the data caches */
    WATCH_ALL     /* ... where the model has them on, and is checked */
} watch;

/* One lookup of one page, beyond the lanes. True: go on. */
static inline bool touch(vx_vcpu *v, uint64_t gva, vx_access access, const vx_record *record, vx_run *run, vx_msg *msg)
{
    return vcpu_touch(v, (vx_gva){gva}, access, record, &run->status, msg) != VCPU_FAILED;
}

static inline bool crosses_page(uint64_t gva, uint32_t bytes)
{
    return (gva & (VX_PAGE_BYTES - 1)) + bytes > VX_PAGE_BYTES;
}

static inline uint64_t next_page(uint64_t gva) { return (gva | (VX_PAGE_BYTES - 1)) + 1; }

static inline __attribute__((always_inline)) bool fetch_block(vx_vcpu *v, const vx_record *record, bool translated,
                                                              vx_run *run, vx_msg *msg)
{
    v->instructions += record->count;
    v->fetches += record->count;
    bool crossing = crosses_page(record->addr, record->arg);
    if (crossing) v->crossings++;
    if (!translated) {
        v->untranslated += record->count + (uint64_t)crossing;
        return true;
    }
    if (!touch(v, record->addr, VX_ACCESS_FETCH, record, run, msg)) return false;
    vx_mmu_hit_repeat(v->mmu, record->addr, VX_ACCESS_FETCH, record->count - 1U);
    return !crossing || touch(v, next_page(record->addr), VX_ACCESS_FETCH, record, run, msg);
}

static inline bool data_reference(vx_vcpu *v, const vx_record *record, vx_access access, bool translated, vx_run *run,
                                  vx_msg *msg)
{
    bool crossing = crosses_page(record->addr, record->size);
    if (crossing) v->crossings++;
    if (!translated) {
        v->untranslated += 1 + (uint64_t)crossing;
        return true;
    }
    return touch(v, record->addr, access, record, run, msg) &&
           (!crossing || touch(v, next_page(record->addr), access, record, run, msg));
}

/* Counts the hits of `blocks` of instructions, and of data. */
static inline __attribute__((always_inline)) void count_hits(vx_vcpu *v, uint64_t blocks, uint64_t instructions,
                                                             uint64_t loads, uint64_t stores, bool cached)
{
    v->instructions += instructions;
    v->fetches += instructions;
    v->loads += loads;
    v->stores += stores;
    vx_mmu_lane_count(v->mmu, VX_ACCESS_FETCH, instructions);
    vx_mmu_lane_count(v->mmu, VX_ACCESS_LOAD, loads);
    vx_mmu_lane_count(v->mmu, VX_ACCESS_STORE, stores);
    if (!cached) return;
    vx_mmu_lane_count_lines(v->mmu, VX_ACCESS_FETCH, blocks);
    vx_mmu_lane_count_lines(v->mmu, VX_ACCESS_LOAD, loads);
    vx_mmu_lane_count_lines(v->mmu, VX_ACCESS_STORE, stores);
}

/* Executes records from `record` on as long as each hits in its lane (and, `cached`, in its data cache: both cost
 * nothing beyond the instructions), touches one page, and needs nothing else; returns the first that does not. No
 * branch but the way out depends on a record's kind. Ends at *limit instructions or before, for loads and stores count
 * as instructions there: *limit is what is left of it, 0 where another reason ended it. */
static inline __attribute__((always_inline)) const vx_record *
some_hits(vx_vcpu *v, const vx_record *record, const vx_record *end, uint64_t *limit, bool cached, bool all_4k)
{
    /* Loads in the low half, stores in the high one. */
    static const uint64_t tally_of[VX_LANES] = {[VX_REC_LOAD] = 1, [VX_REC_STORE] = 1ULL << 32};
    const vx_mmu_front *front = vx_mmu_front_of(v->mmu);
    vx_lane_row *rows = front->rows;
    const vx_record *first = record;
    uint64_t salt = front->salt, most = *limit, counts = 0, tally = 0, clock = vx_mmu_clock(v->mmu);
    for (; record < end && counts < most; record++) {
        uint64_t kind = record->kind;
        if (kind > VX_REC_STORE) break;
        /* One of `arg` and `size` is 0. */
        uint64_t last = record->addr + record->arg + record->size - 1;
        if (!all_4k && crosses_page(record->addr, record->arg + record->size)) break;
        unsigned page_shift = all_4k ? VX_PAGE_SHIFT : front->lane[kind].page_shift;
        const vx_lane_row *row = vx_lane_row_of(rows, page_shift, record->addr);
        if (!vx_lane_hit(row, salt, kind, page_shift, last)) break;
        clock++;
        if (cached) {
            uint64_t *line = vx_lane_find_line(&front->lane[kind], row->stamp[kind], page_shift, record->addr);
            if (!line) break;
            *line = clock;
        }
        *row->stamp[kind] = clock;
        counts += record->count;
        tally += tally_of[kind];
    }
    uint64_t loads = (uint32_t)tally, stores = tally >> 32, instructions = counts - loads - stores;
    count_hits(v, (uint64_t)(record - first) - loads - stores, instructions, loads, stores, cached);
    vx_mmu_set_clock(v->mmu, clock);
    *limit = counts < most || instructions >= most ? 0 : most - instructions;
    return record;
}

static inline __attribute__((always_inline)) size_t hits(vx_vcpu *v, const vx_batch *batch, size_t at, bool cached,
                                                         bool all_4k)
{
    const vx_record *record = batch->records + at, *end = batch->records + v->batch_end;
    uint64_t limit = v->limit > v->instructions ? v->limit - v->instructions : 0;
    while (limit && record != end) record = some_hits(v, record, end, &limit, cached, all_4k);
    return (size_t)(record - batch->records);
}

/* Instances of the loop of hits. */
static __attribute__((noinline)) size_t hits_4k(vx_vcpu *v, const vx_batch *batch, size_t at)
{
    return hits(v, batch, at, false, true);
}
static __attribute__((noinline)) size_t hits_any(vx_vcpu *v, const vx_batch *batch, size_t at)
{
    return hits(v, batch, at, false, false);
}
static __attribute__((noinline)) size_t cached_hits_4k(vx_vcpu *v, const vx_batch *batch, size_t at)
{
    return hits(v, batch, at, true, true);
}
static __attribute__((noinline)) size_t cached_hits_any(vx_vcpu *v, const vx_batch *batch, size_t at)
{
    return hits(v, batch, at, true, false);
}

static inline size_t pass_hits(vx_vcpu *v, const vx_batch *batch, size_t at, bool cached)
{
    if (vx_mmu_front_of(v->mmu)->lanes_4k) return cached ? cached_hits_4k(v, batch, at) : hits_4k(v, batch, at);
    return cached ? cached_hits_any(v, batch, at) : hits_any(v, batch, at);
}

/* Why the loop ended. LIMIT also stands for the end of the batch. */
typedef enum loop_end { LOOP_LIMIT, LOOP_EVENT, LOOP_ERROR } loop_end;

static inline __attribute__((always_inline)) loop_end references(vx_vcpu *v, const vx_batch *batch, vx_run *run,
                                                                 bool translated, watch how, vx_msg *msg)
{
    size_t at = run->position;
    loop_end end = LOOP_LIMIT;
    for (; at < v->batch_end; at++) {
        if (translated && how != WATCH_ALL) at = pass_hits(v, batch, at, how == WATCH_CACHES);
        if (at == v->batch_end) break;
        const vx_record *record = &batch->records[at];
        bool fine;
        if (record->kind == VX_REC_FETCH) {
            if (v->instructions >= v->limit) break;
            fine = fetch_block(v, record, translated, run, msg);
        } else if (record->kind == VX_REC_LOAD) {
            v->loads++;
            fine = data_reference(v, record, VX_ACCESS_LOAD, translated, run, msg);
        } else if (record->kind == VX_REC_STORE) {
            v->stores++;
            fine = data_reference(v, record, VX_ACCESS_STORE, translated, run, msg);
        } else {
            end = LOOP_EVENT;
            break;
        }
        if (__builtin_expect(!fine, 0)) {
            end = LOOP_ERROR;
            break;
        }
    }
    run->position = at;
    return end;
}

static loop_end untranslated(vx_vcpu *v, const vx_batch *b, vx_run *r, vx_msg *m)
{
    return references(v, b, r, false, WATCH_NOTHING, m);
}
static loop_end translated(vx_vcpu *v, const vx_batch *b, vx_run *r, vx_msg *m)
{
    return references(v, b, r, true, WATCH_NOTHING, m);
}
static loop_end cached(vx_vcpu *v, const vx_batch *b, vx_run *r, vx_msg *m)
{
    return references(v, b, r, true, WATCH_CACHES, m);
}
static loop_end checked(vx_vcpu *v, const vx_batch *b, vx_run *r, vx_msg *m)
{
    return references(v, b, r, true, WATCH_ALL, m);
}

static loop_end run_references(vx_vcpu *v, const vx_batch *batch, vx_run *run, vx_msg *msg)
{
    if (!v->translated) return untranslated(v, batch, run, msg);
    if (v->hooks.on_translation) return checked(v, batch, run, msg);
    return v->data_cached ? cached(v, batch, run, msg) : translated(v, batch, run, msg);
}

/* Lowers the loop's limit to the instruction count at which the tick limit is reached if nothing but instructions costs
 * anything from now on. */
static void lower_limit(vx_vcpu *v, vx_tick left)
{
    uint32_t cpi = v->cpu->core.cpi_milli;
    if (cpi == 0) return;
    uint64_t needed = left + (v->instructions - v->instructions_base) * cpi / 1000;
    if (needed > UINT64_MAX / 1000 - cpi) return;
    uint64_t reach = v->instructions_base + (needed * 1000 + cpi - 1) / cpi;
    if (reach < v->limit) v->limit = reach;
}

static void set_limit(vx_vcpu *v, const vx_batch *batch, const vx_run *run)
{
    v->batch_end = batch->count;
    v->batch_stop = batch->records + batch->count;
    v->limit = run->instruction_limit;
    vx_tick timer = vcpu_timer_due(v);
    v->tick_limit = run->tick_limit < timer ? run->tick_limit : timer;
    vcpu_note_time(v);
}

void vcpu_note_time(vx_vcpu *v)
{
    if (v->tick_limit == VX_TICK_NEVER) return;
    vx_tick now = vx_vcpu_now(v);
    if (now < v->tick_limit)
        lower_limit(v, v->tick_limit - now);
    else
        v->batch_end = 0;
}

static bool event(vx_vcpu *v, const vx_batch *batch, vx_run *run, vx_stop *stop, vx_msg *msg)
{
    const vx_record *record = &batch->records[run->position++];
    const uint64_t *payload = batch->payload ? batch->payload + record->arg : NULL;
    run->status = vcpu_event(v, record, payload, msg);
    if (v->apic && run->status == VX_OK) run->status = vx_vcpu_drain(v, msg);
    switch (run->status != VX_OK ? VX_REC_NONE : record->kind) {
    case VX_REC_NONE:
        *stop = VX_STOP_ERROR;
        return true;
    case VX_REC_PROCESS:
        *stop = VX_STOP_PROCESS;
        return true;
    case VX_REC_MARK:
        *stop = VX_STOP_MARK;
        return true;
    case VX_REC_HLT:
        *stop = VX_STOP_HALT;
        return true;
    default:
        return false;
    }
}

static vx_stop run_batch(vx_vcpu *v, const vx_batch *batch, vx_run *run, vx_msg *msg)
{
    for (;;) {
        if (v->yielding) {
            v->yielding = false;
            return VX_STOP_YIELD;
        }
        set_limit(v, batch, run);
        loop_end end = run_references(v, batch, run, msg);
        if (end == LOOP_ERROR) return VX_STOP_ERROR;
        run->status = vcpu_timers(v, msg);
        if (run->status != VX_OK) return VX_STOP_ERROR;
        if (run->position == batch->count) return VX_STOP_BATCH;
        if (v->yielding) continue;
        if (v->instructions >= run->instruction_limit) return VX_STOP_INSTRUCTIONS;
        if (run->tick_limit != VX_TICK_NEVER && vx_vcpu_now(v) >= run->tick_limit) return VX_STOP_TICKS;
        vx_stop stop;
        if (end == LOOP_EVENT && event(v, batch, run, &stop, msg)) return stop;
    }
}

void vx_vcpu_yield(vx_vcpu *v)
{
    v->yielding = true;
    v->batch_end = 0;
}

vx_stop vx_vcpu_run(vx_vcpu *v, const vx_batch *batch, vx_run *run, vx_msg *msg)
{
    size_t from = run->position;
    v->batch_first = batch->records + from;
    run->status = vx_vcpu_drain(v, msg);
    vx_stop stop = run->status == VX_OK ? run_batch(v, batch, run, msg) : VX_STOP_ERROR;
    vcpu_charge_instructions(v);
    v->batch_number += run->position - from;
    return stop;
}

static vx_status drain_queue(vx_vcpu *v, vx_msg *msg)
{
    vx_status status = VX_OK;
    v->draining = true;
    /* Executing a record may queue more (an exit's handler): the queue is read by index, not by pointer. */
    for (size_t i = 0; i < v->queue->count && status == VX_OK; i++) {
        vx_record record = v->queue->records[i];
        status = vcpu_event(v, &record, v->queue->payload + record.arg, msg);
    }
    v->draining = false;
    vx_queue_clear(v->queue);
    if (status != VX_OK) return status;
    if (v->queue->overflowed)
        return vx_fail(msg, VX_ERR_CHECK, "the vCPU's queue of %zu records overflowed", v->queue->room);
    return VX_OK;
}

vx_status vx_vcpu_drain(vx_vcpu *v, vx_msg *msg)
{
    enum { HANDLERS_MAX = 1024 }; /* more than there are vectors: a source never stops */
    vx_status status;
    unsigned handlers = 0;
    do { /* a handler's end is a boundary, at which the next interrupt may queue its own */
        status = drain_queue(v, msg);
        if (status == VX_OK) status = vcpu_boundary(v, msg);
        if (status == VX_OK && handlers++ == HANDLERS_MAX)
            status = vx_fail(msg, VX_ERR_CHECK,
                             "%d interrupts in a row: the guest's timer is faster than its handler with its exits",
                             HANDLERS_MAX);
    } while (status == VX_OK && v->queue->count != 0);
    return status;
}
