/* The document around the runs: verb, tool, traces with their events. */
#include "report_private.h"

#include <inttypes.h>

static json_t *events_json(const vx_report_trace *trace)
{
    json_t *object = json_object();
    for (unsigned i = 0; object && i < trace->event_count; i++)
        if (trace->events[i].count &&
            !report_set(object, trace->events[i].name, report_count(trace->events[i].count))) {
            json_decref(object);
            return NULL;
        }
    return object;
}

static json_t *trace_json(const vx_report_trace *trace)
{
    char hash[24];
    snprintf(hash, sizeof hash, "%016" PRIx64, trace->hash);
    json_t *object = json_object();
    bool done = report_set(object, "path", report_string(trace->path)) &&
                report_set(object, "hash", json_string(hash)) &&
                report_set(object, "tier", report_string((const char[]){trace->tier, '\0'})) &&
                report_set(object, "references", report_count(trace->references)) &&
                report_set(object, "replayed", report_count(trace->replayed)) &&
                report_set(object, "instructions", report_count(trace->instructions));
    if (done && trace->events) done = report_set(object, "events", events_json(trace));
    if (done) return object;
    json_decref(object);
    return NULL;
}

static json_t *traces_json(const vx_report_trace *traces, unsigned count)
{
    if (count == 0) return json_null();
    if (count == 1) return trace_json(traces);
    json_t *array = json_array();
    for (unsigned i = 0; array && i < count; i++)
        if (json_array_append_new(array, trace_json(&traces[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

json_t *vx_report_document(const char *verb, bool complete, const vx_report_trace *traces, unsigned trace_count,
                           json_t *runs, vx_msg *msg)
{
    json_t *document = json_object(), *tool = json_object();
    bool tool_done = report_set(tool, "version", json_string(VEXIT_VERSION));
    bool done = tool_done && report_set(document, "schema", json_string("vexit/1")) &&
                report_set(document, "verb", report_string(verb)) &&
                report_set(document, "complete", json_boolean(complete)) &&
                report_set(document, "tool", json_incref(tool)) &&
                report_set(document, "trace", traces_json(traces, trace_count)) &&
                report_set(document, "runs", json_incref(runs));
    json_decref(tool);
    json_decref(runs);
    if (done) return document;
    json_decref(document);
    (void)vx_fail_nomem(msg);
    return NULL;
}
