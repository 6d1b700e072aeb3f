/* The VMX state machine under random sequences of operations. VX_TEST_SEED sets the seed. */
#include <stdio.h>
#include <stdlib.h>

#include "test_support.h"
#include "vmx_sequence.h"
#include "vx_random.h"

enum { SEQUENCES = 3000, LENGTH = 400 };

static void random_sequences(void **state)
{
    (void)state;
    const char *given = getenv("VX_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20261128;
    printf("seed %llu (VX_TEST_SEED)\n", (unsigned long long)seed);
    vx_physmem memory;
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&memory, 1 << 20, &msg), VX_OK);
    vx_random random;
    vx_random_init(&random, seed, "vmx");
    /* Each begins in VMX root operation with a valid VMCS: VMXON, VMCLEAR, VMPTRLD, all fields. */
    static const uint8_t start[] = {1, 3, 1, 5, 10};
    for (unsigned i = 0; i < SEQUENCES; i++) {
        uint8_t bytes[LENGTH];
        for (unsigned k = 0; k < LENGTH; k++) bytes[k] = (uint8_t)vx_random_u64(&random);
        for (unsigned k = 0; k < sizeof start; k++) bytes[k] = start[k];
        const char *broken = vmx_sequence_run(&memory, bytes, LENGTH);
        if (broken) fail_msg("sequence %u: %s", i, broken);
    }
    vx_physmem_fini(&memory);
    for (unsigned kind = 0; kind <= VX_VMX_DEAD; kind++)
        if (vmx_sequence_kinds[kind] == 0) fail_msg("no operation ended in kind %u", kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_sequences)};
    return cmocka_run_group_tests_name("vmx_random", tests, NULL, NULL);
}
