#include "bench_records.h"

#include <stdlib.h>
#include <string.h>

#include "vx_addr.h"

enum { BATCH = 8192 };

vx_status bench_records_put(bench_records *all, const vx_record *record, vx_msg *msg)
{
    if (all->count == all->room) {
        size_t room = all->room ? 2 * all->room : 1 << 16;
        vx_record *more = realloc(all->records, room * sizeof *more);
        if (!more) return vx_fail_nomem(msg);
        all->records = more;
        all->room = room;
    }
    all->records[all->count++] = *record;
    all->references += record->count;
    return VX_OK;
}

static vx_status take_batch(bench_records *all, const vx_batch *batch, const char *path, vx_msg *msg)
{
    for (size_t i = 0; i < batch->count; i++) {
        uint8_t kind = batch->records[i].kind;
        if (kind != VX_REC_FETCH && kind != VX_REC_LOAD && kind != VX_REC_STORE)
            return vx_fail(msg, VX_ERR_INPUT, "%s: has events: give a user-level trace", path);
        vx_status status = bench_records_put(all, &batch->records[i], msg);
        if (status != VX_OK) return status;
    }
    return VX_OK;
}

vx_status bench_records_read(bench_records *all, const char *path, vx_msg *msg)
{
    vx_source *source;
    vx_status status = vx_trace_open(&source, path, NULL, msg);
    if (status != VX_OK) return status;
    all->header = source->header;
    vx_batch batch = {.count = 1};
    while (status == VX_OK && batch.count) {
        status = vx_source_next(source, &batch, msg);
        if (status == VX_OK) status = take_batch(all, &batch, path, msg);
    }
    vx_source_close(source);
    return status;
}

void bench_records_fini(bench_records *all)
{
    free(all->records);
    *all = (bench_records){0};
}

/* ---- a source ---- */

typedef struct memory_source {
    vx_source source;
    const bench_records *all;
    size_t at, mark_at;
    unsigned passes; /* yet to come, this one among them */
    void (*mark)(void *context);
    void *context;
} memory_source;

static vx_status next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    (void)msg;
    memory_source *self = (memory_source *)source;
    size_t all = self->all->count, end = self->at < self->mark_at && self->mark_at < all ? self->mark_at : all;
    if (self->at == all && self->passes > 1) {
        self->at = 0;
        self->passes--;
    }
    if (self->mark && (self->at == self->mark_at || self->at == all)) self->mark(self->context);
    size_t count = end - self->at < BATCH ? end - self->at : BATCH;
    *batch = (vx_batch){.records = self->all->records + self->at, .count = count};
    self->at += count;
    return VX_OK;
}

static void close_source(vx_source *source) { free(source); }

vx_status bench_records_open(vx_source **source, const bench_records *all, size_t mark_at, void (*mark)(void *context),
                             void *context, vx_msg *msg)
{
    static const vx_source_ops ops = {next, close_source};
    memory_source *made = calloc(1, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    *made = (memory_source){
        .source = {&ops, all->header}, .all = all, .mark_at = mark_at, .passes = 1, .mark = mark, .context = context};
    *source = &made->source;
    return VX_OK;
}

vx_status bench_records_open_passes(vx_source **source, const bench_records *all, unsigned passes, vx_msg *msg)
{
    vx_status status = bench_records_open(source, all, SIZE_MAX, NULL, NULL, msg);
    if (status == VX_OK) ((memory_source *)*source)->passes = passes;
    return status;
}

/* ---- the reference loop ---- */

enum { L1_SETS = 16, L1_WAYS = 4, L2_SETS = 128, L2_WAYS = 12 };

typedef struct bare_tlb {
    uint64_t page[L2_SETS * L2_WAYS], stamp[L2_SETS * L2_WAYS];
} bare_tlb;

/* Looks up and, on a miss, fills. */
static inline bool bare_hit(bare_tlb *tlb, uint64_t page, unsigned sets, unsigned ways, uint64_t clock)
{
    unsigned first = (unsigned)(page & (sets - 1)) * ways, victim = first;
    for (unsigned slot = first; slot < first + ways; slot++)
        if (tlb->page[slot] == page) {
            tlb->stamp[slot] = clock;
            return true;
        }
    for (unsigned slot = first + 1; slot < first + ways; slot++)
        if (tlb->stamp[slot] < tlb->stamp[victim]) victim = slot;
    tlb->page[victim] = page;
    tlb->stamp[victim] = clock;
    return false;
}

uint64_t bench_reference_loop(const bench_records *all)
{
    static bare_tlb l1i, l1d, l2;
    memset(&l1i, 0, sizeof l1i);
    memset(&l1d, 0, sizeof l1d);
    memset(&l2, 0, sizeof l2);
    uint64_t misses = 0, clock = 0;
    for (size_t i = 0; i < all->count; i++) {
        const vx_record *record = &all->records[i];
        bare_tlb *first = record->kind == VX_REC_FETCH ? &l1i : &l1d;
        uint64_t page = record->addr >> VX_PAGE_SHIFT;
        if (bare_hit(first, page, L1_SETS, L1_WAYS, ++clock)) continue;
        misses += !bare_hit(&l2, page, L2_SETS, L2_WAYS, clock);
    }
    return misses;
}
