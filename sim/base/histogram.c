#include "vx_histogram.h"

void vx_histogram_merge(vx_histogram *total, const vx_histogram *part)
{
    if (part->count == 0) return;
    for (unsigned i = 0; i < VX_HISTOGRAM_BINS; i++) total->bin[i] += part->bin[i];
    if (total->count == 0 || part->least < total->least) total->least = part->least;
    if (part->most > total->most) total->most = part->most;
    total->sum += part->sum;
    total->count += part->count;
}
