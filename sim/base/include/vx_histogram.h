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

/* Counts one value; those beyond the last bin are in it. */
static inline void vx_histogram_add(vx_histogram *histogram, uint64_t value)
{
    histogram->bin[value < VX_HISTOGRAM_BINS ? value : VX_HISTOGRAM_BINS - 1]++;
    if (histogram->count == 0 || value < histogram->least) histogram->least = value;
    if (value > histogram->most) histogram->most = value;
    histogram->sum += value;
    histogram->count++;
}

/* Adds a value `times` over. */
static inline void vx_histogram_add_many(vx_histogram *histogram, uint64_t value, uint64_t times)
{
    if (times == 0) return;
    vx_histogram_add(histogram, value);
    histogram->bin[value < VX_HISTOGRAM_BINS ? value : VX_HISTOGRAM_BINS - 1] += times - 1;
    histogram->sum += value * (times - 1);
    histogram->count += times - 1;
}

/* Adds all values of `part` to `total`. */
void vx_histogram_merge(vx_histogram *total, const vx_histogram *part);

#endif
