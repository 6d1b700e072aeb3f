/* A histogram of small non-negative integers (accesses a walk, exits a slice): exact bins 0 to bins - 1, and the sum,
 * count, least and most of everything, so that a value beyond the bins is still counted. */
#ifndef VX_HISTOGRAM_H
#define VX_HISTOGRAM_H

#include <stdint.h>

enum { VX_HISTOGRAM_BINS = 64 };

typedef struct vx_histogram {
    uint64_t bin[VX_HISTOGRAM_BINS]; /* the last bin holds everything at or beyond it */
    uint64_t count;
    uint64_t sum;
    uint64_t least; /* meaningful where count > 0 */
    uint64_t most;
} vx_histogram;

void vx_histogram_add(vx_histogram *histogram, uint64_t value);

/* Adds all values of `part` to `total`. */
void vx_histogram_merge(vx_histogram *total, const vx_histogram *part);

#endif
