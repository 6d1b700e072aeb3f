/* The counters of several MMUs added up: every one of them, and the histogram's extremes. */
#include <string.h>

#include "test_support.h"
#include "vx_mmu.h"
#include "vx_random.h"

/* A counter that vx_mmu_counts_add forgets differs from the sum word by word. */
static void every_counter_is_added(void **state)
{
    (void)state;
    enum { WORDS = sizeof(vx_mmu_counts) / sizeof(uint64_t) };
    _Static_assert(sizeof(vx_mmu_counts) % sizeof(uint64_t) == 0, "counters and nothing else");
    const uint64_t seed = vx_test_seed();
    vx_mmu_counts part[2], total = {0};
    uint64_t words[2][WORDS], sums[WORDS];
    for (unsigned p = 0; p < 2; p++) {
        for (unsigned i = 0; i < WORDS; i++) words[p][i] = vx_mix64(seed ^ (p * WORDS + i + 1ULL)) >> 8;
        memcpy(&part[p], words[p], sizeof part[p]);
        vx_mmu_counts_add(&total, &part[p]);
    }
    uint64_t least = part[0].per_walk.least < part[1].per_walk.least ? part[0].per_walk.least : part[1].per_walk.least;
    uint64_t most = part[0].per_walk.most > part[1].per_walk.most ? part[0].per_walk.most : part[1].per_walk.most;
    assert_int_equal(total.per_walk.least, least);
    assert_int_equal(total.per_walk.most, most);
    total.per_walk.least = part[0].per_walk.least + part[1].per_walk.least;
    total.per_walk.most = part[0].per_walk.most + part[1].per_walk.most;
    memcpy(sums, &total, sizeof total);
    for (unsigned i = 0; i < WORDS; i++)
        if (sums[i] != words[0][i] + words[1][i]) fail_msg("word %u of the counters is not added", i);
}

/* Whoever walked nothing has no least. */
static void an_idle_cpu_leaves_extremes_alone(void **state)
{
    (void)state;
    vx_mmu_counts busy = {0}, idle = {0}, total = {0};
    vx_histogram_add(&busy.per_walk, 4);
    vx_histogram_add(&busy.per_walk, 24);
    vx_mmu_counts_add(&total, &idle);
    vx_mmu_counts_add(&total, &busy);
    vx_mmu_counts_add(&total, &idle);
    assert_int_equal(total.per_walk.least, 4);
    assert_int_equal(total.per_walk.most, 24);
    assert_int_equal(total.per_walk.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_counter_is_added),
        cmocka_unit_test(an_idle_cpu_leaves_extremes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
