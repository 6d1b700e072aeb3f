/* vx_reach against arrays that are simulated one by one, and stack distances against a list. */
#include <string.h>

#include "failing_malloc.h"
#include "stack_distance.h"
#include "test_support.h"
#include "vx_random.h"
#include "vx_reach.h"
#include "vx_setassoc.h"

/* ---- stack distances ---- */

typedef struct list {
    uint64_t page[STACK_DEPTH];
    uint32_t count;
} list;

static uint32_t use_in_list(list *l, uint64_t page)
{
    uint32_t at = 0;
    while (at < l->count && l->page[at] != page) at++;
    uint32_t distance = at < l->count ? at : STACK_NONE;
    if (at == l->count && l->count < STACK_DEPTH) l->count++;
    if (at == STACK_DEPTH) at--;
    memmove(l->page + 1, l->page, at * sizeof *l->page);
    l->page[0] = page;
    return distance;
}

static void distances_are_those_of_a_list(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "distances");
    stack_distance *stack = stack_distance_new();
    list *slow = calloc(1, sizeof *slow);
    assert_non_null(stack);
    assert_non_null(slow);
    for (unsigned i = 0; i < 400000; i++) { /* beyond the point where times move together */
        uint64_t page = vx_random_below(&random, 1 + vx_random_below(&random, 600));
        assert_int_equal(stack_distance_use(stack, page), use_in_list(slow, page));
    }
    free(slow);
    stack_distance_free(stack);
}

/* Going round DEPTH pages finds each at the greatest distance; round one more, none. */
static void the_depth_is_a_sharp_edge(void **state)
{
    (void)state;
    stack_distance *stack = stack_distance_new();
    assert_non_null(stack);
    for (uint32_t page = 0; page < STACK_DEPTH; page++) assert_int_equal(stack_distance_use(stack, page), STACK_NONE);
    for (unsigned round = 0; round < 4; round++)
        for (uint32_t page = 0; page < STACK_DEPTH; page++)
            assert_int_equal(stack_distance_use(stack, page), STACK_DEPTH - 1);
    for (unsigned round = 0; round < 4; round++)
        for (uint32_t page = 0; page <= STACK_DEPTH; page++) {
            uint32_t distance = stack_distance_use(stack, page);
            bool first = round == 0 && page < STACK_DEPTH;
            assert_int_equal(distance, first ? STACK_DEPTH - 1 : STACK_NONE);
        }
    stack_distance_free(stack);
}

/* ---- curves against arrays ---- */

enum { RECORDS = 60000 };

typedef struct array {
    vx_reach_stream stream;
    vx_reach_page page;
    uint32_t sets, ways;
    vx_setassoc entries;
    uint64_t lookups, misses;
} array;

static const struct {
    uint32_t sets, ways;
} geometries[] = {{1, 1}, {1, 7}, {1, 64}, {1, 1536}, {2, 1}, {16, 4}, {128, 12}, {64, 16}, {4096, 2}};
enum { GEOMETRIES = sizeof geometries / sizeof *geometries, ARRAYS = GEOMETRIES * VX_REACH_STREAMS * VX_REACH_PAGES };

static void look_up(array *a, uint64_t gva, uint64_t process)
{
    uint64_t page = gva >> (a->page == VX_REACH_4K ? 12 : 21);
    uint64_t key = (gva >> 63 ? page : page | process << 53) + 1;
    uint32_t set = (uint32_t)page & (a->sets - 1), slot = vx_setassoc_find(&a->entries, set, key);
    a->lookups++;
    if (slot != VX_SETASSOC_NONE) {
        vx_setassoc_touch(&a->entries, slot);
        return;
    }
    a->misses++;
    vx_setassoc_insert(&a->entries, set, key, 0, NULL);
}

static void look_up_all(array *arrays, vx_reach_stream stream, uint64_t gva, uint64_t process)
{
    for (unsigned i = 0; i < ARRAYS; i++)
        if (arrays[i].stream == stream || arrays[i].stream == VX_REACH_BOTH) look_up(&arrays[i], gva, process);
}

static void slow_take(array *arrays, const vx_record *r, uint64_t *process)
{
    uint64_t next_page = (r->addr | 4095) + 1;
    if (r->kind == VX_REC_PROCESS) *process = r->addr;
    if (r->kind == VX_REC_LOAD || r->kind == VX_REC_STORE) {
        look_up_all(arrays, VX_REACH_DATA, r->addr, *process);
        if (r->addr + r->size > next_page) look_up_all(arrays, VX_REACH_DATA, next_page, *process);
    }
    if (r->kind == VX_REC_FETCH) {
        for (unsigned i = 0; i < r->count; i++) look_up_all(arrays, VX_REACH_CODE, r->addr, *process);
        if (r->addr + r->arg > next_page) look_up_all(arrays, VX_REACH_CODE, next_page, *process);
    }
}

/* Half the addresses near the one before, the rest over a range that outgrows most of the arrays. */
static vx_record random_record(vx_random *random, uint64_t *before)
{
    uint64_t half = vx_random_below(random, 4) ? 0 : 0xFFFF800000000000ULL;
    uint64_t addr = vx_random_below(random, 2)
                        ? *before + vx_random_below(random, 8192)
                        : half + vx_random_below(random, 1ULL << (22 + vx_random_below(random, 12)));
    *before = addr;
    switch (vx_random_below(random, 40)) {
    case 0:
        return (vx_record){.kind = VX_REC_PROCESS, .addr = vx_random_below(random, 3)};
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7: {
        uint16_t count = (uint16_t)(1 + vx_random_below(random, 5));
        return (vx_record){.kind = VX_REC_FETCH, .addr = addr, .count = count, .arg = count * 15U};
    }
    default:
        return (vx_record){.kind = vx_random_below(random, 2) ? VX_REC_LOAD : VX_REC_STORE,
                           .addr = addr,
                           .count = 1,
                           .size = (uint8_t)(1 + vx_random_below(random, 64))};
    }
}

static void open_arrays(array *arrays, vx_arena *arena)
{
    vx_msg msg;
    for (unsigned i = 0; i < ARRAYS; i++) {
        array *a = &arrays[i];
        *a = (array){.stream = i % VX_REACH_STREAMS,
                     .page = i / VX_REACH_STREAMS % VX_REACH_PAGES,
                     .sets = geometries[i / VX_REACH_STREAMS / VX_REACH_PAGES].sets,
                     .ways = geometries[i / VX_REACH_STREAMS / VX_REACH_PAGES].ways};
        assert_int_equal(vx_setassoc_init(&a->entries, arena, a->sets * a->ways, a->ways, VX_REPLACE_LRU, &msg), VX_OK);
    }
}

static void curves_are_those_of_arrays(void **state)
{
    (void)state;
    static array arrays[ARRAYS];
    vx_msg msg;
    vx_arena arena;
    vx_arena_init(&arena);
    open_arrays(arrays, &arena);
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "reach");
    vx_reach *reach;
    assert_int_equal(vx_reach_open(&reach, &msg), VX_OK);
    uint64_t before = 0, process = 0;
    vx_reach_add(reach, &(vx_batch){.records = &(vx_record){.kind = VX_REC_PROCESS}, .count = 1});
    for (unsigned i = 0; i < RECORDS; i++) {
        vx_record record = random_record(&random, &before);
        vx_reach_add(reach, &(vx_batch){.records = &record, .count = 1});
        slow_take(arrays, &record, &process);
    }
    for (unsigned i = 0; i < ARRAYS; i++) {
        const array *a = &arrays[i];
        assert_int_equal(vx_reach_lookups(reach, a->stream, a->page), a->lookups);
        assert_int_equal(vx_reach_misses(reach, a->stream, a->page, a->sets, a->ways), a->misses);
    }
    vx_reach_close(reach);
    vx_arena_fini(&arena);
}

static void left_out_references_are_hits(void **state)
{
    (void)state;
    const uint64_t words[] = {100, 100, 30, 20};
    const vx_record records[] = {{.kind = VX_REC_LOAD, .addr = 0x1000, .count = 1, .size = 8},
                                 {.kind = VX_REC_SKIPPED, .count = 4}};
    vx_msg msg;
    vx_reach *reach;
    assert_int_equal(vx_reach_open(&reach, &msg), VX_OK);
    vx_reach_add(reach, &(vx_batch){.records = records, .count = 2, .payload = words, .words = 4});
    assert_int_equal(vx_reach_lookups(reach, VX_REACH_DATA, VX_REACH_4K), 51);
    assert_int_equal(vx_reach_misses(reach, VX_REACH_DATA, VX_REACH_4K, 4, 4), 1);
    assert_int_equal(vx_reach_lookups(reach, VX_REACH_CODE, VX_REACH_2M), 100);
    assert_int_equal(vx_reach_misses(reach, VX_REACH_CODE, VX_REACH_2M, 1, 1), 0);
    assert_int_equal(vx_reach_misses(reach, VX_REACH_BOTH, VX_REACH_2M, 1, 1), 1);
    vx_reach_close(reach);
}

static void lack_of_memory_is_an_error(void **state)
{
    (void)state;
    vx_msg msg;
    vx_reach *reach = NULL;
    for (uint64_t n = 1;; n++) {
        vx_fail_allocation(n);
        vx_status status = vx_reach_open(&reach, &msg);
        if (!vx_fail_allocation_end()) {
            assert_int_equal(status, VX_OK);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
        assert_null(reach);
    }
    vx_reach_close(reach);
}

static void cr3_tells_processes_apart(void **state)
{
    (void)state;
    vx_record records[] = {{.kind = VX_REC_CR_WRITE, .size = 3, .addr = 0x1000},
                           {.kind = VX_REC_LOAD, .addr = 0x5000, .count = 1, .size = 8},
                           {.kind = VX_REC_LOAD, .addr = 0xFFFF800000005000, .count = 1, .size = 8},
                           {.kind = VX_REC_CR_WRITE, .size = 3, .addr = 0x2000},
                           {.kind = VX_REC_LOAD, .addr = 0x5000, .count = 1, .size = 8},
                           {.kind = VX_REC_LOAD, .addr = 0xFFFF800000005000, .count = 1, .size = 8},
                           {.kind = VX_REC_CR_WRITE, .size = 3, .addr = 0x8000000000001008}, /* low bits are no table */
                           {.kind = VX_REC_LOAD, .addr = 0x5000, .count = 1, .size = 8}};
    vx_msg msg;
    vx_reach *reach;
    assert_int_equal(vx_reach_open(&reach, &msg), VX_OK);
    vx_reach_add(reach, &(vx_batch){.records = records, .count = sizeof records / sizeof *records});
    assert_int_equal(vx_reach_lookups(reach, VX_REACH_DATA, VX_REACH_4K), 5);
    assert_int_equal(vx_reach_misses(reach, VX_REACH_DATA, VX_REACH_4K, 1, 8), 3);
    vx_reach_close(reach);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_those_of_a_list), cmocka_unit_test(the_depth_is_a_sharp_edge),
        cmocka_unit_test(curves_are_those_of_arrays),    cmocka_unit_test(left_out_references_are_hits),
        cmocka_unit_test(lack_of_memory_is_an_error),    cmocka_unit_test(cr3_tells_processes_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
