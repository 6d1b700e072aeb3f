/* What a comparison adds to its runs. */
#include "report_private.h"

#include <string.h>

static bool is_native(const json_t *run)
{
    const char *scheme = json_string_value(json_object_get(run, "scheme"));
    return scheme && strcmp(scheme, "native") == 0;
}

/* The native run with the same seed, else the first one. */
static const json_t *native_run(const json_t *runs, const json_t *like)
{
    const json_t *first = NULL;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        if (!is_native(run)) continue;
        if (json_equal(json_object_get(run, "seed"), json_object_get(like, "seed"))) return run;
        if (!first) first = run;
    }
    return first;
}

/* A signed numerator: a scheme that beats native on a filtered trace must not look infinitely dear. */
static bool add_overhead(json_t *derived, const json_t *run, const json_t *native)
{
    json_int_t cycles = json_integer_value(report_at(native, "cycles.total"));
    json_int_t extra = json_integer_value(report_at(run, "cycles.total")) - cycles;
    json_t *ratio = json_object();
    if (report_set(ratio, "value", cycles ? json_real((double)extra / (double)cycles) : json_null()) &&
        report_set(ratio, "num", json_integer(extra)) && report_set(ratio, "den", json_integer(cycles)))
        return report_set(derived, "overhead_vs_native", ratio);
    json_decref(ratio);
    return false;
}

static bool add_band(json_t *derived, const json_t *run, const json_t *native)
{
    double low, high;
    if (!report_overhead_band(run, native, &low, &high)) return true;
    json_t *band = json_object();
    if (report_set(band, "low", json_real(low)) && report_set(band, "high", json_real(high)))
        return report_set(derived, "overhead_band", band);
    json_decref(band);
    return false;
}

static bool derive(json_t *run, const json_t *native)
{
    json_t *derived = json_object_get(run, "derived");
    if (!derived) {
        derived = json_object();
        if (!report_set(run, "derived", derived)) return false;
    }
    return add_overhead(derived, run, native) && add_band(derived, run, native);
}

vx_status vx_report_compare(json_t *document, vx_msg *msg)
{
    json_t *runs = json_object_get(document, "runs");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        json_t *run = json_array_get(runs, i);
        const json_t *native = native_run(runs, run);
        if (native && !derive(run, native)) return vx_fail_nomem(msg);
    }
    return report_summarize(document) ? VX_OK : vx_fail_nomem(msg);
}
