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
static bool add_overhead(json_t *run, json_int_t native)
{
    json_int_t extra = json_integer_value(report_at(run, "cycles.total")) - native;
    json_t *ratio = json_object();
    bool done = report_set(ratio, "value", native ? json_real((double)extra / (double)native) : json_null()) &&
                report_set(ratio, "num", json_integer(extra)) && report_set(ratio, "den", json_integer(native));
    if (!done) {
        json_decref(ratio);
        return false;
    }
    json_t *derived = json_object_get(run, "derived");
    if (derived) return report_set(derived, "overhead_vs_native", ratio);
    derived = json_object();
    if (report_set(derived, "overhead_vs_native", ratio)) return report_set(run, "derived", derived);
    json_decref(derived);
    return false;
}

vx_status vx_report_compare(json_t *document, vx_msg *msg)
{
    json_t *runs = json_object_get(document, "runs");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        json_t *run = json_array_get(runs, i);
        const json_t *native = native_run(runs, run);
        if (native && !add_overhead(run, json_integer_value(report_at(native, "cycles.total"))))
            return vx_fail_nomem(msg);
    }
    return VX_OK;
}
