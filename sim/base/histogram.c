#include "vx_histogram.h"

void vx_histogram_add(vx_histogram *histogram, uint64_t value)
{
    histogram->bin[value < VX_HISTOGRAM_BINS ? value : VX_HISTOGRAM_BINS - 1]++;
    if (histogram->count == 0 || value < histogram->least) histogram->least = value;
    if (value > histogram->most) histogram->most = value;
    histogram->sum += value;
    histogram->count++;
}
