#include "vx_confidence.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>

vx_status vx_confidence_of(vx_confidence *result, const double *values, size_t count, vx_msg *msg)
{
    if (count == 0) return vx_fail(msg, VX_ERR_INPUT, "no values: a mean needs at least one");
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return vx_fail(msg, VX_ERR_INPUT, "value %zu of %zu is not finite", i + 1, count);
    vx_confidence found = {.count = count, .mean = gsl_stats_mean(values, 1, count), .half_width = INFINITY};
    if (count > 1) {
        double degrees = (double)(count - 1);
        found.deviation = gsl_stats_sd_m(values, 1, count, found.mean);
        found.half_width = gsl_cdf_tdist_Pinv(0.975, degrees) * found.deviation / sqrt((double)count);
    }
    *result = found;
    return VX_OK;
}
