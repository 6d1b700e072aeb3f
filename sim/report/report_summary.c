/* What several seeds say together: the document's "summary". */
#include "report_private.h"

#include <math.h>
#include <stdlib.h>

#include "vx_confidence.h"

static json_t *bound(const vx_confidence *found, double sign)
{
    return isfinite(found->half_width) ? json_real(found->mean + sign * found->half_width) : json_null();
}

/* summary[key] = {"mean", "low", "high"} of the numbers at a path; nothing where no run has one. */
static bool add_interval(json_t *summary, const char *key, const json_t *group, const char *path)
{
    vx_confidence found;
    size_t values = 0;
    double *value = malloc((json_array_size(group) + 1) * sizeof *value);
    if (!value) return false;
    for (size_t i = 0; i < json_array_size(group); i++) {
        const json_t *number = report_at(json_array_get(group, i), path);
        if (json_is_number(number)) value[values++] = json_number_value(number);
    }
    vx_status status = vx_confidence_of(&found, value, values, NULL);
    free(value);
    if (status != VX_OK) return true;
    json_t *interval = json_object();
    if (report_set(interval, "mean", json_real(found.mean)) && report_set(interval, "low", bound(&found, -1.0)) &&
        report_set(interval, "high", bound(&found, 1.0)))
        return report_set(summary, key, interval);
    json_decref(interval);
    return false;
}

static json_t *summary_of(const char *name, const json_t *group)
{
    json_t *summary = json_object();
    if (report_set(summary, "name", json_string(name)) &&
        report_set(summary, "seeds", json_integer((json_int_t)json_array_size(group))) &&
        add_interval(summary, "cycles", group, "cycles.total") &&
        add_interval(summary, "overhead_vs_native", group, "derived.overhead_vs_native.value"))
        return summary;
    json_decref(summary);
    return NULL;
}

bool report_summarize(json_t *document)
{
    json_t *groups = report_seed_groups(json_object_get(document, "runs")), *group;
    if (!groups) return false;
    bool done = true;
    if (report_several_seeds(groups)) {
        json_t *summaries = json_array();
        const char *name;
        json_object_foreach(groups, name, group)
        {
            if (done) done = json_array_append_new(summaries, summary_of(name, group)) == 0;
        }
        if (done)
            done = report_set(document, "summary", summaries);
        else
            json_decref(summaries);
    }
    json_decref(groups);
    return done;
}
