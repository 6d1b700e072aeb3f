/* Curves of misses by size, from one pass: vx_reach.h says how. */
#include "vx_reach.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "stack_distance.h"
#include "vx_addr.h"
#include "vx_random.h"

enum { SET_KINDS = 12 /* 2 to 4096 sets */, WAYS = VX_REACH_WAYS_MAX, UPPER_HALF = 63 };
#define CR3_TABLE 0x000FFFFFFFFFF000ULL

/* All arrays with one number of sets: the WAYS pages used last in each set, most recent first. */
typedef struct set_stacks {
    uint64_t *pages; /* sets x WAYS; 0: none */
    uint64_t hits_at[WAYS];
} set_stacks;

/* One stream of lookups seen through one page size. */
typedef struct curve {
    uint64_t lookups;
    uint64_t last; /* the page before: its distance is 0 everywhere, and using it again changes nothing */
    stack_distance *stack;
    uint64_t hits_at[VX_REACH_ENTRIES_MAX]; /* by stack distance */
    set_stacks sets[SET_KINDS];             /* [i]: 2 << i sets */
} curve;

struct vx_reach {
    uint64_t process; /* what tells apart the pages of the lower half */
    curve curve[VX_REACH_STREAMS][VX_REACH_PAGES];
};

static const unsigned page_shifts[VX_REACH_PAGES] = {[VX_REACH_4K] = 12, [VX_REACH_2M] = 21};

static bool open_curve(curve *c)
{
    c->stack = stack_distance_new();
    bool fine = c->stack != NULL;
    for (unsigned i = 0; i < SET_KINDS; i++) {
        c->sets[i].pages = calloc((size_t)2 << i, WAYS * sizeof *c->sets[i].pages);
        fine = fine && c->sets[i].pages;
    }
    return fine;
}

static void close_curve(curve *c)
{
    stack_distance_free(c->stack);
    for (unsigned i = 0; i < SET_KINDS; i++) free(c->sets[i].pages);
}

vx_status vx_reach_open(vx_reach **reach, vx_msg *msg)
{
    vx_reach *made = calloc(1, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    bool fine = true;
    for (unsigned s = 0; s < VX_REACH_STREAMS; s++)
        for (unsigned p = 0; p < VX_REACH_PAGES; p++) fine = open_curve(&made->curve[s][p]) && fine;
    if (!fine) {
        vx_reach_close(made);
        return vx_fail_nomem(msg);
    }
    *reach = made;
    return VX_OK;
}

void vx_reach_close(vx_reach *reach)
{
    if (!reach) return;
    for (unsigned s = 0; s < VX_REACH_STREAMS; s++)
        for (unsigned p = 0; p < VX_REACH_PAGES; p++) close_curve(&reach->curve[s][p]);
    free(reach);
}

static void use_in_set(set_stacks *stacks, uint32_t set, uint64_t page)
{
    uint64_t *ways = stacks->pages + (size_t)set * WAYS;
    unsigned at = 0;
    while (at < WAYS && ways[at] != page) at++;
    if (at < WAYS)
        stacks->hits_at[at]++;
    else
        at = WAYS - 1; /* a miss in all: the last one falls out */
    memmove(ways + 1, ways, at * sizeof *ways);
    ways[0] = page;
}

/* `page` is not 0 and unique to its process; `number` is the page's, which chooses the set. */
static void use(curve *c, uint64_t page, uint64_t number, uint64_t times)
{
    c->lookups += times;
    uint64_t repeats = times - (page != c->last);
    c->hits_at[0] += repeats;
    for (unsigned i = 0; i < SET_KINDS; i++) c->sets[i].hits_at[0] += repeats;
    if (page == c->last) return;
    c->last = page;
    uint32_t distance = stack_distance_use(c->stack, page);
    if (distance != STACK_NONE) c->hits_at[distance]++;
    for (unsigned i = 0; i < SET_KINDS; i++) use_in_set(&c->sets[i], (uint32_t)number & ((2U << i) - 1), page);
}

static void look_up(vx_reach *reach, vx_reach_stream stream, uint64_t gva, uint64_t times)
{
    for (unsigned p = 0; p < VX_REACH_PAGES; p++) {
        uint64_t number = gva >> page_shifts[p];
        uint64_t page = (gva >> UPPER_HALF ? number : number + reach->process) | 1ULL << 63;
        use(&reach->curve[stream][p], page, number, times);
        use(&reach->curve[VX_REACH_BOTH][p], page, number, times);
    }
}

static void reference(vx_reach *reach, vx_reach_stream stream, uint64_t gva, uint32_t bytes, uint64_t times)
{
    look_up(reach, stream, gva, times);
    uint64_t end = gva + bytes - 1;
    if ((gva ^ end) >> 12) look_up(reach, stream, end, 1);
}

static void skipped(vx_reach *reach, vx_reach_stream stream, uint64_t count)
{
    for (unsigned p = 0; p < VX_REACH_PAGES; p++) {
        curve *both[] = {&reach->curve[stream][p], &reach->curve[VX_REACH_BOTH][p]};
        for (unsigned i = 0; i < 2; i++) {
            both[i]->lookups += count;
            both[i]->hits_at[0] += count;
            for (unsigned k = 0; k < SET_KINDS; k++) both[i]->sets[k].hits_at[0] += count;
        }
    }
}

static void take(vx_reach *reach, const vx_record *record, const uint64_t *payload)
{
    switch (record->kind) {
    case VX_REC_FETCH:
        reference(reach, VX_REACH_CODE, record->addr, record->arg, record->count);
        break;
    case VX_REC_LOAD:
    case VX_REC_STORE:
        reference(reach, VX_REACH_DATA, record->addr, record->size, 1);
        break;
    case VX_REC_PT_STORE:
        if (record->addr != VX_GVA_UNKNOWN) reference(reach, VX_REACH_DATA, record->addr, record->size, 1);
        break;
    case VX_REC_SKIPPED:
        assert(payload && "a source yields valid records");
        skipped(reach, VX_REACH_CODE, payload[1]);
        skipped(reach, VX_REACH_DATA, payload[2] + payload[3]);
        break;
    case VX_REC_PROCESS:
        reach->process = vx_mix64(record->addr);
        break;
    case VX_REC_CR_WRITE:
        if (record->size == 3) reach->process = vx_mix64(record->addr & CR3_TABLE);
        break;
    case VX_REC_STATE:
        assert(payload && "a source yields valid records");
        reach->process = vx_mix64(payload[2] & CR3_TABLE);
        break;
    default:
        break;
    }
}

void vx_reach_add(vx_reach *reach, const vx_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const vx_record *record = &batch->records[i];
        take(reach, record, batch->payload ? batch->payload + record->arg : NULL);
    }
}

uint64_t vx_reach_lookups(const vx_reach *reach, vx_reach_stream stream, vx_reach_page page)
{
    return reach->curve[stream][page].lookups;
}

uint64_t vx_reach_misses(const vx_reach *reach, vx_reach_stream stream, vx_reach_page page, uint32_t sets,
                         uint32_t ways)
{
    assert(sets && (sets & (sets - 1)) == 0 && sets <= VX_REACH_SETS_MAX);
    assert(ways && ways <= (sets == 1 ? (uint32_t)VX_REACH_ENTRIES_MAX : (uint32_t)WAYS));
    const curve *c = &reach->curve[stream][page];
    const uint64_t *hits_at = sets == 1 ? c->hits_at : c->sets[__builtin_ctz(sets) - 1].hits_at;
    uint64_t misses = c->lookups;
    for (uint32_t i = 0; i < ways; i++) misses -= hits_at[i];
    return misses;
}
