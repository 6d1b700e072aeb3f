/* Exact LRU stack distances of a stream of pages, up to a depth, in one pass. */
#ifndef STACK_DISTANCE_H
#define STACK_DISTANCE_H

#include <stdint.h>

enum { STACK_DEPTH = 1 << 16 }; /* pages remembered: the largest fully associative array that can be asked about */

#define STACK_NONE UINT32_MAX

typedef struct stack_distance stack_distance;

/* NULL without memory. */
stack_distance *stack_distance_new(void);
void stack_distance_free(stack_distance *stack); /* NULL is fine */

/* How many other pages were used since this one was used last, 0 to STACK_DEPTH - 1; STACK_NONE where it was never used
 * or STACK_DEPTH others have been since. Then the page is the most recent one. */
uint32_t stack_distance_use(stack_distance *stack, uint64_t page);

#endif
