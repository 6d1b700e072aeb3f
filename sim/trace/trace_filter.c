/* Tier S: the references that miss a direct-mapped filter of S sets; tier E: none.
 *
 * Fetches and data each have a filter, for a machine may have a TLB each. A set holds the page that the stream last
 * referred to among the pages of the set: a further reference to it hits the most recently used entry of any LRU TLB
 * whose set count is a multiple of S, and changes nothing there. Records that can change a translation empty the
 * filters (vx_record_info.ends_filter). A page's first store is kept even where a load was, for it may set a D bit or
 * fault; so is a reference that crosses into another page, which looks up twice.
 *
 * A page-table store is kept as it is (tier E: without its gva). What is left out becomes SKIPPED before the next
 * record that is kept, so every kept record stands where it stood. */
#include "trace_filter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vx_addr.h"

typedef struct filter_set {
    uint64_t page; /* + 1; 0: empty */
    bool stored;
} filter_set;

typedef struct filter {
    vx_source source;
    vx_source *inner;
    vx_tier tier;
    uint32_t sets;
    filter_set *fetch, *data;
    uint64_t skipped[4]; /* instructions, fetches, loads, stores */
    bool has_gpa;        /* a GPA record waits for its reference */
    vx_record gpa;
    vx_record *records;
    uint64_t *payload;
    size_t count, words, record_room, word_room;
} filter;

static void empty_sets(filter *self)
{
    if (!self->sets) return;
    memset(self->fetch, 0, self->sets * sizeof *self->fetch);
    memset(self->data, 0, self->sets * sizeof *self->data);
}

static void put(filter *self, const vx_record *record, const uint64_t *words)
{
    vx_record *copy = &self->records[self->count++];
    *copy = *record;
    if (record->kind == VX_REC_FETCH || record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE) return;
    copy->arg = (uint32_t)self->words;
    if (words && record->count) memcpy(self->payload + self->words, words, record->count * sizeof *words);
    self->words += record->count;
}

static void put_skipped(filter *self)
{
    const vx_record record = {.kind = VX_REC_SKIPPED, .count = 4};
    if (!(self->skipped[0] | self->skipped[1] | self->skipped[2] | self->skipped[3])) return;
    put(self, &record, self->skipped);
    memset(self->skipped, 0, sizeof self->skipped);
}

/* Whether the reference may be left out; takes it into the filter. */
static bool hits(filter *self, filter_set *sets, const vx_record *record, uint64_t bytes)
{
    uint64_t page = record->addr >> VX_PAGE_SHIFT;
    bool store = record->kind == VX_REC_STORE;
    bool crosses = record->addr % VX_PAGE_BYTES + bytes > VX_PAGE_BYTES, all = true;
    for (unsigned i = 0; i <= (crosses ? 1U : 0U); i++) {
        filter_set *set = &sets[(page + i) % self->sets];
        bool same = set->page == page + i + 1;
        all = all && same && (!store || set->stored);
        set->stored = store || (same && set->stored);
        set->page = page + i + 1;
    }
    return all && !crosses;
}

static void skip_reference(filter *self, const vx_record *record)
{
    self->has_gpa = false;
    bool counted = self->tier == VX_TIER_FILTERED;
    if (record->kind == VX_REC_FETCH) {
        self->skipped[0] += record->count;
        if (counted) self->skipped[1] += record->count;
    } else if (counted) {
        self->skipped[record->kind == VX_REC_LOAD ? 2 : 3]++;
    }
}

static void take_reference(filter *self, const vx_record *record)
{
    bool fetch = record->kind == VX_REC_FETCH;
    bool left_out = self->tier == VX_TIER_EVENTS ||
                    hits(self, fetch ? self->fetch : self->data, record, fetch ? record->arg : record->size);
    if (left_out) {
        skip_reference(self, record);
        return;
    }
    put_skipped(self);
    if (self->has_gpa) put(self, &self->gpa, NULL);
    self->has_gpa = false;
    put(self, record, NULL);
}

static void take_event(filter *self, const vx_record *record, const uint64_t *words)
{
    vx_record copy = *record;
    if (self->tier == VX_TIER_EVENTS && record->kind == VX_REC_PT_STORE) copy.addr = VX_GVA_UNKNOWN;
    if (vx_record_describe(record->kind)->ends_filter) empty_sets(self);
    put_skipped(self);
    put(self, &copy, words);
}

static void take(filter *self, const vx_record *record, const uint64_t *payload)
{
    switch (record->kind) {
    case VX_REC_FETCH:
    case VX_REC_LOAD:
    case VX_REC_STORE:
        take_reference(self, record);
        break;
    case VX_REC_GPA:
        self->has_gpa = self->tier == VX_TIER_FILTERED;
        self->gpa = *record;
        break;
    case VX_REC_SKIPPED:
        for (unsigned i = 0; i < 4; i++) self->skipped[i] += payload[record->arg + i];
        break;
    default:
        take_event(self, record, payload + record->arg);
        break;
    }
}

/* Room for all that a batch can become: a SKIPPED before each record, and a GPA. */
static vx_status reserve(filter *self, const vx_batch *batch, vx_msg *msg)
{
    size_t records = 2 * batch->count + 2, words = batch->words + 4 * batch->count + 4;
    if (records > self->record_room) {
        vx_record *grown = realloc(self->records, records * sizeof *grown);
        if (!grown) return vx_fail_nomem(msg);
        self->records = grown;
        self->record_room = records;
    }
    if (words > self->word_room) {
        uint64_t *grown = realloc(self->payload, words * sizeof *grown);
        if (!grown) return vx_fail_nomem(msg);
        self->payload = grown;
        self->word_room = words;
    }
    return VX_OK;
}

static vx_status filter_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    filter *self = (filter *)source;
    vx_batch got;
    do {
        vx_status status = vx_source_next(self->inner, &got, msg);
        if (!status) status = reserve(self, &got, msg);
        if (status) return status;
        self->count = self->words = 0;
        for (size_t i = 0; i < got.count; i++) take(self, &got.records[i], got.payload);
        if (got.count == 0) put_skipped(self); /* what is left at the end */
    } while (self->count == 0 && got.count > 0);
    *batch = (vx_batch){self->records, self->count, self->payload, self->words};
    return VX_OK;
}

static void filter_close(vx_source *source)
{
    filter *self = (filter *)source;
    vx_source_close(self->inner);
    free(self->fetch);
    free(self->data);
    free(self->records);
    free(self->payload);
    free(self);
}

vx_status vx_filter_header(vx_trace_header *header, vx_tier tier, uint32_t sets, vx_msg *msg)
{
    if (header->tier != VX_TIER_FULL)
        return vx_fail(msg, VX_ERR_INPUT, "only a full trace (tier F) can be made tier %c; this is tier %c", tier,
                       header->tier);
    if (tier == VX_TIER_FILTERED && (sets < 1 || sets > VX_FILTER_SETS_MAX))
        return vx_fail(msg, VX_ERR_INPUT, "a filter of %" PRIu32 " sets: 1 to %d", sets, VX_FILTER_SETS_MAX);
    header->tier = tier;
    header->filter_sets = tier == VX_TIER_FILTERED ? sets : 0;
    return VX_OK;
}

vx_status vx_source_filter(vx_source **source, vx_source *inner, vx_tier tier, uint32_t sets, vx_msg *msg)
{
    static const vx_source_ops ops = {filter_next, filter_close};
    vx_trace_header header = inner->header;
    vx_status status = vx_filter_header(&header, tier, sets, msg);
    filter *self = status ? NULL : calloc(1, sizeof *self);
    if (!self) {
        vx_source_close(inner);
        return status ? status : vx_fail_nomem(msg);
    }
    *self = (filter){.source = {&ops, header}, .inner = inner, .tier = tier, .sets = header.filter_sets};
    if (self->sets) {
        self->fetch = calloc(sets, sizeof *self->fetch);
        self->data = calloc(sets, sizeof *self->data);
        if (!self->fetch || !self->data) {
            filter_close(&self->source);
            return vx_fail_nomem(msg);
        }
    }
    *source = &self->source;
    return VX_OK;
}
