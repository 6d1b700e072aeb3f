/* The recorder's set of places where blocks are looked at, against a plain list. */
#include <stdlib.h>

#include "looked_places.h"
#include "test_support.h"
#include "vx_random.h"

enum { ADDRESSES = 3000, ROUNDS = 20000 };

static vxr_places places;

static uint64_t address_of(unsigned number) { return 0xFFFFFFFF81000000ULL + (uint64_t)number * 16; }

static void holds_what_was_added(void **state)
{
    (void)state;
    static bool added[ADDRESSES];
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "looked places");
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned number = (unsigned)vx_random_below(&random, ADDRESSES);
        assert_int_equal(vxr_places_hold(&places, address_of(number)), added[number]);
        if (vx_random_below(&random, 2)) {
            assert_int_equal(vxr_places_add(&places, address_of(number)), !added[number]);
            added[number] = true;
        }
    }
    assert_true(vxr_places_add(&places, 0));
    assert_true(vxr_places_hold(&places, 0));
}

/* What was translated is never denied, and little else is taken for it. */
static void knows_what_was_translated(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (unsigned i = 0; i < ADDRESSES; i++) assert_false(vxr_places_may_be_translated(&places, address_of(i)));
    for (unsigned i = 0; i < ADDRESSES; i += 2) vxr_places_translated(&places, address_of(i));
    for (unsigned i = 0; i < ADDRESSES; i += 2) assert_true(vxr_places_may_be_translated(&places, address_of(i)));
    for (unsigned i = 1; i < ADDRESSES; i += 2) wrong += vxr_places_may_be_translated(&places, address_of(i));
    assert_in_range(wrong, 0, ADDRESSES / 100);
    vxr_places_forget(&places);
    for (unsigned i = 0; i < ADDRESSES; i++) assert_false(vxr_places_may_be_translated(&places, address_of(i)));
}

static int free_places(void **state)
{
    (void)state;
    free(places.slot);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(holds_what_was_added),
                                       cmocka_unit_test(knows_what_was_translated)};
    return cmocka_run_group_tests(tests, NULL, free_places);
}
