#include "failing_malloc.h"

#include <stdatomic.h>
#include <stddef.h>

/* The linker's --wrap gives these names: calls of malloc go to __wrap_malloc, and __real_malloc is the C library's. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static _Atomic uint64_t until_failure; /* 0: nothing is to fail, or it already has */
static _Atomic bool has_failed;

void vx_fail_allocation(uint64_t n)
{
    has_failed = false;
    until_failure = n;
}

bool vx_fail_allocation_end(void)
{
    until_failure = 0;
    return has_failed;
}

static bool fails_now(void)
{
    uint64_t left = until_failure;
    while (left != 0 && !atomic_compare_exchange_weak(&until_failure, &left, left - 1)) {
    }
    if (left != 1) return false;
    has_failed = true;
    return true;
}

void *__wrap_malloc(size_t size) { return fails_now() ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) { return fails_now() ? NULL : __real_calloc(count, size); }

void *__wrap_realloc(void *old, size_t size) { return fails_now() ? NULL : __real_realloc(old, size); }
