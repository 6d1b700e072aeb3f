#include "report_private.h"

#include <string.h>

static const json_t *native_run(const json_t *runs)
{
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const char *scheme = json_string_value(json_object_get(run, "scheme"));
        if (scheme && strcmp(scheme, "native") == 0) return run;
    }
    return NULL;
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

vx_status vx_report_add_overheads(json_t *runs, vx_msg *msg)
{
    const json_t *native = native_run(runs);
    if (!native) return VX_OK;
    json_int_t cycles = json_integer_value(report_at(native, "cycles.total"));
    for (size_t i = 0; i < json_array_size(runs); i++)
        if (!add_overhead(json_array_get(runs, i), cycles)) return vx_fail_nomem(msg);
    return VX_OK;
}
