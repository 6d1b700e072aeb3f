/* What every CMocka test includes: CMocka with the headers it wants before it, and the seed of random tests. */
#ifndef VX_TEST_SUPPORT_H
#define VX_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The environment's VX_SEED (decimal, or hexadecimal with 0x), else 1, printed so that a failure can be repeated. */
static inline uint64_t vx_test_seed(void)
{
    const char *text = getenv("VX_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
    print_message("VX_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

#endif
