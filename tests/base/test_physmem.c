/* Simulated physical memory: sparse, bounded; and the placement of a guest's pages. */
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "test_support.h"
#include "vx_physmem.h"
#include "vx_random.h"

static const uint64_t mib = 1ULL << 20, gib = 1ULL << 30;

static vx_hpa hpa(uint64_t v) { return (vx_hpa){v}; }

static vx_physmem memory_of(uint64_t bytes)
{
    vx_physmem memory;
    assert_int_equal(vx_physmem_init(&memory, bytes, NULL), VX_OK);
    return memory;
}

static void fresh_memory_is_zero_and_keeps_what_is_written(void **state)
{
    (void)state;
    vx_physmem memory = memory_of(64 * gib);
    uint64_t places[] = {0, 8, 4096 - 4, 12345, 1 * gib, 64 * gib - 8};
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint64_t value = 0x0123456789ABCDEFULL * (i + 1);
        assert_int_equal(vx_physmem_read64(&memory, hpa(places[i])), 0);
        vx_physmem_write64(&memory, hpa(places[i]), value);
        assert_int_equal(vx_physmem_read64(&memory, hpa(places[i])), value);
        assert_int_equal(vx_physmem_read32(&memory, hpa(places[i])), (uint32_t)value);
        assert_int_equal(vx_physmem_read32(&memory, hpa(places[i] + 4)), value >> 32);
        vx_physmem_write64(&memory, hpa(places[i]), 0);
    }
    vx_physmem_write32(&memory, hpa(100), 0xAABBCCDD);
    assert_int_equal(vx_physmem_read64(&memory, hpa(96)), 0xAABBCCDD00000000ULL);
    assert_int_equal(vx_physmem_read64(&memory, hpa(100)), 0xAABBCCDD);
    vx_physmem_fini(&memory);
}

static void beyond_the_end_reads_zero_and_swallows_writes(void **state)
{
    (void)state;
    vx_physmem memory = memory_of(8192);
    memset(memory.base, 0xFF, 8192);
    static const uint64_t outside_of_8[] = {8185, 8191, 8192, 8193, 1ULL << 46, UINT64_MAX - 7, UINT64_MAX};
    for (unsigned i = 0; i < sizeof outside_of_8 / sizeof outside_of_8[0]; i++) {
        vx_physmem_write64(&memory, hpa(outside_of_8[i]), 0);
        assert_int_equal(vx_physmem_read64(&memory, hpa(outside_of_8[i])), 0);
    }
    static const uint64_t outside_of_4[] = {8189, 8191, 8192, UINT64_MAX - 3, UINT64_MAX};
    for (unsigned i = 0; i < sizeof outside_of_4 / sizeof outside_of_4[0]; i++) {
        vx_physmem_write32(&memory, hpa(outside_of_4[i]), 0);
        assert_int_equal(vx_physmem_read32(&memory, hpa(outside_of_4[i])), 0);
    }
    for (unsigned byte = 0; byte < 8192; byte++) assert_int_equal(memory.base[byte], 0xFF);
    assert_int_equal(vx_physmem_read64(&memory, hpa(8184)), UINT64_MAX);
    assert_int_equal(vx_physmem_read32(&memory, hpa(8188)), UINT32_MAX);
    vx_physmem_fini(&memory);
}

static void a_page_is_cleared_alone(void **state)
{
    (void)state;
    const uint64_t bytes = 12288; /* three pages */
    vx_physmem memory = memory_of(bytes);
    memset(memory.base, 0xFF, bytes);
    vx_physmem_clear_page(&memory, hpa(4096 + 24)); /* any address of the page */
    for (uint64_t byte = 0; byte < bytes; byte++) assert_int_equal(memory.base[byte], byte / 4096 == 1 ? 0 : 0xFF);
    vx_physmem_clear_page(&memory, hpa(bytes));
    vx_physmem_clear_page(&memory, hpa(UINT64_MAX));
    assert_int_equal(memory.base[bytes - 1], 0xFF);
    vx_physmem_fini(&memory);
}

static void sizes_are_checked_and_rounded(void **state)
{
    (void)state;
    static const uint64_t bad[] = {0, (1ULL << 46) + 1, UINT64_MAX};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vx_physmem memory = {.bytes = 77};
        vx_msg msg = {""};
        assert_int_equal(vx_physmem_init(&memory, bad[i], &msg), VX_ERR_INPUT);
        assert_true(strlen(msg.text) > 0);
        assert_int_equal(memory.bytes, 77);
    }
    vx_physmem memory = memory_of(1);
    assert_int_equal(memory.bytes, 4096);
    vx_physmem_fini(&memory);
    memory = memory_of(4097);
    assert_int_equal(memory.bytes, 8192);
    vx_physmem_fini(&memory);
    assert_null(memory.base);
    vx_physmem_fini(&memory); /* twice is harmless */
}

static void a_reservation_that_the_system_refuses_is_reported(void **state)
{
    (void)state;
    struct rlimit before, narrow;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    narrow = before;
    narrow.rlim_cur = 4 * gib;
    assert_int_equal(setrlimit(RLIMIT_AS, &narrow), 0);
    vx_physmem memory = {.bytes = 77};
    vx_msg msg = {""};
    vx_status status = vx_physmem_init(&memory, 64 * gib, &msg);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(status, VX_ERR_NOMEM);
    assert_true(strlen(msg.text) > 0);
    assert_int_equal(memory.bytes, 77);
}

/* A table in an untouched region commits one page, not a huge one. */
static void one_write_commits_one_page(void **state)
{
    (void)state;
    vx_physmem memory = memory_of(1 * gib);
    vx_physmem_write64(&memory, hpa(512 * mib + 4096), 1);
    enum { PAGES = 4096 }; /* 16 MiB around it */
    static unsigned char resident[PAGES];
    assert_int_equal(mincore(memory.base + 504 * mib, PAGES * 4096UL, resident), 0);
    unsigned committed = 0;
    for (unsigned page = 0; page < PAGES; page++) committed += resident[page] & 1;
    assert_int_equal(committed, 1);
    vx_physmem_fini(&memory);
}

/* ---- placement ---- */

static uint64_t placed(const vx_gpa_map *map, uint64_t gpa) { return vx_gpa_map_hpa(map, (vx_gpa){gpa}).v; }

static const uint64_t frame_counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 100, 511, 512, 513, 4096, 4097, 100003};
enum { FRAME_COUNTS = sizeof frame_counts / sizeof frame_counts[0] };
static const uint8_t granule_shifts[] = {12, 21, 30};

/* Each frame of the host is met by exactly one frame of the guest, and the offset within it stays. */
static void check_bijection(const vx_gpa_map *map, vx_random *random)
{
    uint64_t frames = map->bytes >> map->granule_shift;
    bool *met = calloc(frames, sizeof *met);
    assert_non_null(met);
    for (uint64_t frame = 0; frame < frames; frame++) {
        uint64_t offset = vx_random_below(random, 1ULL << map->granule_shift);
        uint64_t host = placed(map, (frame << map->granule_shift) + offset);
        assert_true(host >= map->base && host < map->base + map->bytes);
        assert_int_equal((host - map->base) & ((1ULL << map->granule_shift) - 1), offset);
        uint64_t host_frame = (host - map->base) >> map->granule_shift;
        assert_false(met[host_frame]);
        met[host_frame] = true;
    }
    free(met);
}

static void scattered_placement_is_a_bijection(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "placement");
    for (unsigned g = 0; g < sizeof granule_shifts; g++)
        for (unsigned c = 0; c < FRAME_COUNTS; c++)
            for (unsigned round = 0; round < 4; round++) {
                vx_gpa_map map = {.base = (1 + vx_random_below(&random, 8)) << 31,
                                  .bytes = frame_counts[c] << granule_shifts[g],
                                  .key = round ? vx_random_u64(&random) : 0,
                                  .granule_shift = granule_shifts[g],
                                  .scattered = true};
                check_bijection(&map, &random);
            }
}

/* Neighbours in the guest are not neighbours in the host, and another key gives another order. */
static void scattered_placement_scatters(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "scatter");
    enum { FRAMES = 100003 };
    for (unsigned round = 0; round < 8; round++) {
        vx_gpa_map map = {
            .bytes = FRAMES * 4096ULL, .key = vx_random_u64(&random), .granule_shift = 12, .scattered = true};
        vx_gpa_map other = map;
        other.key = map.key + 1;
        unsigned neighbours = 0, same_stride = 0, same = 0;
        for (uint64_t frame = 0; frame + 2 < FRAMES; frame++) {
            uint64_t a = placed(&map, frame << 12) >> 12, b = placed(&map, (frame + 1) << 12) >> 12;
            uint64_t c = placed(&map, (frame + 2) << 12) >> 12;
            neighbours += b == a + 1;
            same_stride += b - a == c - b;
            same += a == placed(&other, frame << 12) >> 12;
        }
        /* Of a random permutation each would be about 1. */
        assert_true(neighbours < 50);
        assert_true(same_stride < 50);
        assert_true(same < 50);
    }
}

static void placement_is_a_pure_function(void **state)
{
    (void)state;
    const vx_gpa_map map = {.base = gib, .bytes = 1000 * mib * 2, .key = 42, .granule_shift = 21, .scattered = true};
    const vx_gpa_map copy = map;
    for (uint64_t gpa = 0; gpa < map.bytes; gpa += 777777) assert_int_equal(placed(&map, gpa), placed(&copy, gpa));
}

static void linear_placement_and_device_space_keep_the_order(void **state)
{
    (void)state;
    vx_gpa_map linear = {.base = 4 * gib, .bytes = gib, .key = 5, .granule_shift = 12};
    assert_int_equal(placed(&linear, 0), 4 * gib);
    assert_int_equal(placed(&linear, 0x12345678), 4 * gib + 0x12345678);
    vx_gpa_map scattered = linear;
    scattered.scattered = true;
    assert_int_equal(placed(&scattered, gib), 5 * gib);
    assert_int_equal(placed(&scattered, 0xFEE00030), 4 * gib + 0xFEE00030);
    scattered.device_gap = 7 * gib;
    assert_int_equal(placed(&scattered, gib), 12 * gib);
    vx_gpa_map native = {.bytes = gib, .granule_shift = 12};
    assert_int_equal(placed(&native, 0xFEE00030), 0xFEE00030);
    assert_int_equal(placed(&native, 4095), 4095);
}

/* A VM in a VM: what the inner hypervisor placed is guest-physical to the outer one. */
static void maps_lead_on_to_the_one_below(void **state)
{
    (void)state;
    const vx_gpa_map outer = {.base = 8 * gib, .bytes = 4 * gib, .key = 3, .granule_shift = 21, .scattered = true};
    const vx_gpa_map alone = {.base = gib, .bytes = gib, .key = 4, .granule_shift = 12, .scattered = true};
    vx_gpa_map inner = alone;
    inner.below = &outer;
    for (uint64_t gpa = 0; gpa < 2 * gib; gpa += 12345677) {
        uint64_t within = vx_gpa_map_placed(&inner, (vx_gpa){gpa});
        assert_int_equal(within, placed(&alone, gpa));
        assert_int_equal(placed(&inner, gpa), placed(&outer, within));
    }
    assert_int_equal(vx_gpa_map_placed(&outer, (vx_gpa){5}), placed(&outer, 5));
}

/* No guest-physical address, however large, comes round to the bottom of host memory. */
static void device_space_ends_where_host_addresses_end(void **state)
{
    (void)state;
    vx_gpa_map map = {.base = gib, .bytes = gib, .granule_shift = 12, .host_end = 1ULL << 40};
    assert_int_equal(placed(&map, (1ULL << 40) - gib - 8), (1ULL << 40) - 8);
    assert_int_equal(placed(&map, (1ULL << 40) - gib + 8), (1ULL << 40) - 4096 + 8);
    map.host_end = 0;
    for (unsigned shift = 30; shift < 64; shift++) {
        assert_in_range(placed(&map, (1ULL << shift) + 16), 2 * gib, (1ULL << 52) - 1);
        assert_in_range(placed(&map, 0 - (1ULL << shift) + 16), 2 * gib, (1ULL << 52) - 1);
    }
    assert_int_equal(placed(&map, UINT64_MAX), (1ULL << 52) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_memory_is_zero_and_keeps_what_is_written),
        cmocka_unit_test(beyond_the_end_reads_zero_and_swallows_writes),
        cmocka_unit_test(a_page_is_cleared_alone),
        cmocka_unit_test(sizes_are_checked_and_rounded),
        cmocka_unit_test(a_reservation_that_the_system_refuses_is_reported),
        cmocka_unit_test(one_write_commits_one_page),
        cmocka_unit_test(scattered_placement_is_a_bijection),
        cmocka_unit_test(scattered_placement_scatters),
        cmocka_unit_test(placement_is_a_pure_function),
        cmocka_unit_test(linear_placement_and_device_space_keep_the_order),
        cmocka_unit_test(maps_lead_on_to_the_one_below),
        cmocka_unit_test(device_space_ends_where_host_addresses_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
