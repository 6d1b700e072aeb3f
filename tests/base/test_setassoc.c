/* The set-associative array against a naive model of it, operation by operation. */
#include <string.h>

#include "failing_malloc.h"
#include "test_support.h"
#include "vx_random.h"
#include "vx_setassoc.h"

/* ---- the model: recency as a list, the PLRU tree as a recursion over halves ---- */

enum { WAYS_MAX = 64, SETS_MAX = 64 };

typedef struct model_set {
    uint64_t key[WAYS_MAX], value[WAYS_MAX];
    unsigned recency[WAYS_MAX];            /* ways, least recently used first */
    bool go_right[WAYS_MAX][WAYS_MAX + 1]; /* [first way][ways] of a half: the victim is in its right half */
} model_set;

typedef struct model {
    model_set set[SETS_MAX];
    unsigned sets, ways;
    vx_replacement policy;
} model;

static void model_reset(model *m, unsigned sets, unsigned ways, vx_replacement policy)
{
    memset(m, 0, sizeof *m);
    m->sets = sets;
    m->ways = ways;
    m->policy = policy;
    for (unsigned set = 0; set < sets; set++)
        for (unsigned way = 0; way < ways; way++) m->set[set].recency[way] = way;
}

static int model_find(const model *m, unsigned set, uint64_t key)
{
    for (unsigned way = 0; way < m->ways; way++)
        if (m->set[set].key[way] == key) return (int)way;
    return -1;
}

static void tree_touch(model_set *s, unsigned first, unsigned ways, unsigned way)
{
    if (ways == 1) return;
    bool in_right = way >= first + ways / 2;
    s->go_right[first][ways] = !in_right;
    tree_touch(s, in_right ? first + ways / 2 : first, ways / 2, way);
}

static unsigned tree_victim(const model_set *s, unsigned first, unsigned ways)
{
    if (ways == 1) return first;
    return tree_victim(s, s->go_right[first][ways] ? first + ways / 2 : first, ways / 2);
}

static void model_touch(model *m, unsigned set, unsigned way)
{
    model_set *s = &m->set[set];
    if (m->policy == VX_REPLACE_PLRU) {
        tree_touch(s, 0, m->ways, way);
        return;
    }
    unsigned place = 0;
    while (s->recency[place] != way) place++;
    for (; place + 1 < m->ways; place++) s->recency[place] = s->recency[place + 1];
    s->recency[place] = way;
}

static unsigned model_insert(model *m, unsigned set, uint64_t key, uint64_t value, uint64_t *evicted)
{
    model_set *s = &m->set[set];
    int way = model_find(m, set, key);
    *evicted = 0;
    if (way < 0) way = model_find(m, set, 0);
    if (way < 0) {
        way = (int)(m->policy == VX_REPLACE_PLRU ? tree_victim(s, 0, m->ways) : s->recency[0]);
        *evicted = s->key[way];
    }
    s->key[way] = key;
    s->value[way] = value;
    model_touch(m, set, (unsigned)way);
    return set * m->ways + (unsigned)way;
}

static bool dies(void *context, uint64_t key, uint64_t value)
{
    const uint64_t *divisor = context;
    return (key + value) % *divisor == 0;
}

/* Empties what `divisor` picks; 1 picks all. */
static uint64_t model_drop(model *m, uint64_t divisor)
{
    uint64_t dropped = 0;
    for (unsigned set = 0; set < m->sets; set++)
        for (unsigned way = 0; way < m->ways; way++) {
            model_set *s = &m->set[set];
            if (s->key[way] == 0 || !dies(&divisor, s->key[way], s->value[way])) continue;
            s->key[way] = 0;
            dropped++;
        }
    return dropped;
}

static void same_contents(const model *m, const vx_setassoc *array)
{
    for (unsigned set = 0; set < m->sets; set++)
        for (unsigned way = 0; way < m->ways; way++) {
            uint64_t key = m->set[set].key[way];
            assert_int_equal(array->keys[set * m->ways + way], key);
            if (key) assert_int_equal(array->values[set * m->ways + way], m->set[set].value[way]);
        }
}

/* ---- random operations ---- */

static void insert_both(model *m, vx_setassoc *array, unsigned set, uint64_t key, uint64_t value)
{
    uint64_t evicted = 0, got_evicted = UINT64_MAX;
    uint32_t slot = model_insert(m, set, key, value, &evicted);
    assert_int_equal(vx_setassoc_insert(array, set, key, value, &got_evicted), slot);
    assert_int_equal(got_evicted, evicted);
}

static void one_operation(model *m, vx_setassoc *array, vx_random *random)
{
    unsigned set = (unsigned)vx_random_below(random, m->sets);
    uint64_t key = 1 + vx_random_below(random, 2 * (uint64_t)m->ways + 1);
    unsigned what = (unsigned)vx_random_below(random, 1000);
    int way = model_find(m, set, key);
    uint32_t slot = way < 0 ? VX_SETASSOC_NONE : set * m->ways + (unsigned)way;
    assert_int_equal(vx_setassoc_find(array, set, key), slot);
    uint64_t other = 1 + vx_random_below(random, 2 * (uint64_t)m->ways + 1);
    int other_way = model_find(m, set, other);
    uint32_t either = (uint32_t)(way < 0 || (other_way >= 0 && other_way < way) ? other_way : way);
    assert_int_equal(vx_setassoc_find_either(array->keys + (size_t)set * m->ways, m->ways, key, other), either);
    if (what < 300 && way < 0) {
        uint64_t evicted, value = vx_random_u64(random);
        slot = model_insert(m, set, key, value, &evicted);
        assert_int_equal(vx_setassoc_insert_absent(array, set, key, value), slot);
    } else if (what < 500) {
        insert_both(m, array, set, key, vx_random_u64(random));
    } else if (what < 940) {
        if (way < 0) return;
        model_touch(m, set, (unsigned)way);
        vx_setassoc_touch(array, slot);
        if (what & 1) vx_setassoc_touch(array, slot); /* again: must change nothing */
    } else if (what < 990) {
        if (way < 0) return;
        m->set[set].key[way] = 0;
        vx_setassoc_drop(array, slot);
    } else if (what < 998) {
        uint64_t divisor = 2 + vx_random_below(random, 6);
        uint64_t dropped = model_drop(m, divisor);
        assert_int_equal(vx_setassoc_drop_if(array, dies, &divisor), dropped);
    } else {
        uint64_t held = model_drop(m, 1);
        assert_int_equal(vx_setassoc_clear(array), held);
        model_reset(m, m->sets, m->ways, m->policy);
    }
}

static void run_against_model(unsigned sets, unsigned ways, vx_replacement policy, bool lists, uint64_t seed)
{
    vx_arena arena;
    vx_arena_init(&arena);
    vx_setassoc array;
    assert_int_equal(vx_setassoc_init(&array, &arena, sets * ways, ways, policy, NULL), VX_OK);
    assert_int_equal(array.sets, sets);
    if (lists) assert_int_equal(vx_setassoc_keep_lists(&array, &arena, NULL), VX_OK);
    assert_int_equal(array.lists != NULL, lists && policy == VX_REPLACE_LRU && ways <= VX_SETASSOC_LISTED_MAX);
    model *m = malloc(sizeof *m);
    assert_non_null(m);
    model_reset(m, sets, ways, policy);
    vx_random random;
    vx_random_init(&random, seed, vx_replacement_name(policy));
    for (unsigned i = 0; i < 20000; i++) {
        one_operation(m, &array, &random);
        if (i % 64 == 0) same_contents(m, &array);
    }
    same_contents(m, &array);
    free(m);
    vx_arena_fini(&arena);
}

static void lru_is_the_model(void **state)
{
    (void)state;
    static const unsigned geometry[][2] = {{1, 1}, {1, 2},  {1, 7},  {1, 64}, {2, 3},
                                           {4, 4}, {16, 4}, {64, 1}, {8, 12}, {2, 16}};
    uint64_t seed = vx_test_seed();
    for (unsigned i = 0; i < sizeof geometry / sizeof geometry[0]; i++)
        for (int lists = 0; lists < 2; lists++)
            run_against_model(geometry[i][0], geometry[i][1], VX_REPLACE_LRU, lists, seed + i);
}

static void plru_is_the_model(void **state)
{
    (void)state;
    static const unsigned geometry[][2] = {{1, 1}, {1, 2}, {1, 4}, {1, 64}, {2, 8}, {16, 4}, {64, 1}, {4, 16}, {2, 32}};
    uint64_t seed = vx_test_seed();
    for (unsigned i = 0; i < sizeof geometry / sizeof geometry[0]; i++)
        for (int lists = 0; lists < 2; lists++) /* asked for in vain */
            run_against_model(geometry[i][0], geometry[i][1], VX_REPLACE_PLRU, lists, seed + i);
}

/* ---- what is known by hand ---- */

/* Four ways filled 0 to 3: every node points left, to way 0; a touch of way 0 sends the victim to the right half, where
 * the node still points to way 2. True LRU would evict way 1. */
static void plru_differs_from_lru_where_the_tree_says_so(void **state)
{
    (void)state;
    vx_arena arena;
    vx_arena_init(&arena);
    vx_setassoc plru, lru;
    assert_int_equal(vx_setassoc_init(&plru, &arena, 4, 4, VX_REPLACE_PLRU, NULL), VX_OK);
    assert_int_equal(vx_setassoc_init(&lru, &arena, 4, 4, VX_REPLACE_LRU, NULL), VX_OK);
    for (uint32_t way = 0; way < 4; way++) {
        assert_int_equal(vx_setassoc_insert(&plru, 0, way + 1, 0, NULL), way);
        assert_int_equal(vx_setassoc_insert(&lru, 0, way + 1, 0, NULL), way);
    }
    vx_setassoc_touch(&plru, 0);
    vx_setassoc_touch(&lru, 0);
    uint64_t evicted;
    assert_int_equal(vx_setassoc_insert(&plru, 0, 5, 0, &evicted), 2);
    assert_int_equal(evicted, 3);
    assert_int_equal(vx_setassoc_insert(&lru, 0, 5, 0, &evicted), 1);
    assert_int_equal(evicted, 2);
    vx_arena_fini(&arena);
}

/* PLRU never evicts the most recently used entry, whatever came before. */
static void plru_spares_the_latest(void **state)
{
    (void)state;
    vx_arena arena;
    vx_arena_init(&arena);
    vx_setassoc array;
    assert_int_equal(vx_setassoc_init(&array, &arena, 16, 16, VX_REPLACE_PLRU, NULL), VX_OK);
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "latest");
    for (uint32_t way = 0; way < 16; way++) vx_setassoc_insert(&array, 0, way + 1, 0, NULL);
    for (uint64_t key = 17; key < 5000; key++) {
        uint32_t latest = (uint32_t)vx_random_below(&random, 16);
        vx_setassoc_touch(&array, latest);
        assert_int_not_equal(vx_setassoc_insert(&array, 0, key, 0, NULL), latest);
    }
    vx_arena_fini(&arena);
}

static void bad_geometry_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t entries, ways;
        vx_replacement policy;
    } bad[] = {
        {0, 1, VX_REPLACE_LRU},    {4, 0, VX_REPLACE_LRU},      {6, 4, VX_REPLACE_LRU},
        {12, 4, VX_REPLACE_LRU},   {4, 8, VX_REPLACE_LRU},      {UINT32_MAX, 1, VX_REPLACE_LRU},
        {12, 12, VX_REPLACE_PLRU}, {128, 128, VX_REPLACE_PLRU}, {(1U << 28) + 1, (1U << 28) + 1, VX_REPLACE_LRU},
    };
    vx_arena arena;
    vx_arena_init(&arena);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vx_setassoc array, untouched;
        memset(&array, 0xA5, sizeof array);
        memset(&untouched, 0xA5, sizeof untouched);
        vx_msg msg = {""};
        assert_int_equal(vx_setassoc_init(&array, &arena, bad[i].entries, bad[i].ways, bad[i].policy, &msg),
                         VX_ERR_INPUT);
        assert_true(strlen(msg.text) > 0);
        assert_memory_equal(&array, &untouched, sizeof array);
    }
    assert_int_equal(arena.used_bytes, 0);
    vx_arena_fini(&arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        vx_arena arena;
        vx_arena_init(&arena);
        vx_setassoc array = {.own_clock = 77};
        vx_fail_allocation(n);
        vx_status status = vx_setassoc_init(&array, &arena, 1 << 16, 4, VX_REPLACE_LRU, NULL);
        bool lists = status == VX_OK;
        if (lists) status = vx_setassoc_keep_lists(&array, &arena, NULL);
        bool failed = vx_fail_allocation_end();
        vx_arena_fini(&arena);
        assert_int_equal(status, failed ? VX_ERR_NOMEM : VX_OK);
        if (failed) {
            assert_int_equal(array.own_clock, lists ? 0 : 77);
            assert_null(array.lists);
            continue;
        }
        assert_int_equal(n, 5); /* keys, values, stamps and lists are large enough for a chunk each */
        return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lru_is_the_model),
        cmocka_unit_test(plru_is_the_model),
        cmocka_unit_test(plru_differs_from_lru_where_the_tree_says_so),
        cmocka_unit_test(plru_spares_the_latest),
        cmocka_unit_test(bad_geometry_is_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
#ifdef __AVX2__ /* compiled once more for hosts that have it */
    if (!__builtin_cpu_supports("avx2")) return 77;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
