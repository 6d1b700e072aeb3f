/* Makes the n-th allocation of a test program fail, so that a test can try every failure in turn.
 *
 * In the room's tests/<room>/CMakeLists.txt, after vx_test(test_x ...):
 *
 *     vx_test_failing_malloc(test_x)
 *
 * which adds this helper and links with --wrap=malloc,--wrap=calloc,--wrap=realloc. Only calls from the program's own
 * objects are caught (the rooms and the test), not those inside shared libraries (libxml2, zstd, libc's strdup).
 * The usual loop, which ends with the first run that needs fewer than n allocations:
 *
 *     for (uint64_t n = 1;; n++) {
 *         vx_fail_allocation(n);
 *         vx_status status = thing_open(&thing, &msg);
 *         if (!vx_fail_allocation_end()) {
 *             assert_int_equal(status, VX_OK);
 *             break;
 *         }
 *         assert_int_equal(status, VX_ERR_NOMEM);   // and: outputs untouched (AddressSanitizer finds what leaks)
 *     }
 */
#ifndef VX_FAILING_MALLOC_H
#define VX_FAILING_MALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* From now on the n-th malloc, calloc or realloc (1 is the next one) returns NULL, once. */
void vx_fail_allocation(uint64_t n);

/* Allocations work again. Returns whether one was failed since vx_fail_allocation. */
bool vx_fail_allocation_end(void);

#endif
