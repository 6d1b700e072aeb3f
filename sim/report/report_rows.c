/* What a comparison shows of its runs, row by row: text and HTML print the same figures in the same order. */
#include "report_private.h"

#include <string.h>

typedef struct row_list {
    const json_t *runs;
    report_take_row take;
    void *context;
} row_list;

static const char *at_path(const json_t *run, const char *path, char text[REPORT_NUMBER])
{
    return report_figure(report_at(run, path), text);
}

static const char *of_cause(const json_t *run, const char *cause, char text[REPORT_NUMBER])
{
    return report_figure(json_object_get(report_at(run, "cycles.by_cause"), cause), text);
}

static const char *of_structure(const json_t *run, const char *structure, char text[REPORT_NUMBER])
{
    return report_figure(json_object_get(json_object_get(json_object_get(run, "tlb"), structure), "misses"), text);
}

static const char *of_reason(const json_t *run, const char *reason, char text[REPORT_NUMBER])
{
    const json_t *found = json_object_get(report_at(run, "exits.by_reason"), reason);
    return report_figure(json_object_get(found, "count"), text);
}

const char *report_overhead(const json_t *run, const char *path, char text[REPORT_NUMBER])
{
    const json_t *value = report_at(run, path);
    if (!json_is_number(value)) return report_figure(NULL, text);
    snprintf(text, REPORT_NUMBER, "%+.1f%%", 100.0 * json_number_value(value));
    return text;
}

static const char *accesses_a_walk(const json_t *run, const char *unused, char text[REPORT_NUMBER])
{
    (void)unused;
    double walks = report_real(run, "walks.count");
    if (walks <= 0.0) return report_figure(NULL, text);
    snprintf(text, REPORT_NUMBER, "%.2f", report_real(run, "walks.accesses") / walks);
    return text;
}

static const char *share(const json_t *run, const char *path, char text[REPORT_NUMBER])
{
    const json_t *value = report_at(run, path);
    if (!json_is_number(value)) return report_figure(NULL, text);
    snprintf(text, REPORT_NUMBER, "%.1f%%", 100.0 * json_number_value(value));
    return text;
}

json_t *report_keys(const json_t *runs, const char *path)
{
    json_t *keys = json_object();
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *object = report_at(json_array_get(runs, i), path);
        if (!keys || !report_add_missing(keys, object)) {
            json_decref(keys);
            return NULL;
        }
    }
    return keys;
}

/* Whether any run of the document has anything but 0 there: an empty row would say nothing. */
static bool anything(const json_t *runs, report_row_figure figure, const char *key)
{
    char number[REPORT_NUMBER];
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const char *text = figure(json_array_get(runs, i), key, number);
        if (strcmp(text, "-") != 0 && strcmp(text, "0") != 0) return true;
    }
    return false;
}

static void give(const row_list *list, const char *label, unsigned depth, report_row_figure figure, const char *key)
{
    report_row row = {.label = label,
                      .depth = depth,
                      .figure = figure,
                      .key = key,
                      .quotient = figure == accesses_a_walk || figure == share};
    list->take(list->context, &row);
}

/* A row for every key at `path` of which any run holds more than 0. */
static bool give_each(const row_list *list, const char *path, report_row_figure figure)
{
    json_t *keys = report_keys(list->runs, path);
    if (!keys) return false;
    const char *key;
    json_t *unused;
    json_object_foreach(keys, key, unused)
    {
        if (anything(list->runs, figure, key)) give(list, key, 1, figure, key);
    }
    json_decref(keys);
    return true;
}

bool report_rows(const json_t *runs, report_take_row take, void *context)
{
    const row_list list = {runs, take, context};
    give(&list, "instructions", 0, at_path, "instructions");
    give(&list, "references", 0, at_path, "references");
    give(&list, "cycles", 0, at_path, "cycles.total");
    if (anything(runs, report_overhead, "derived.overhead_vs_native.value"))
        give(&list, "more than native", 1, report_overhead, "derived.overhead_vs_native.value");
    if (anything(runs, report_overhead, "derived.overhead_band.low")) {
        give(&list, "least, walks, exits +-50%", 2, report_overhead, "derived.overhead_band.low");
        give(&list, "most, walks, exits +-50%", 2, report_overhead, "derived.overhead_band.high");
    }
    if (!give_each(&list, "cycles.by_cause", of_cause)) return false;
    give(&list, "TLB misses", 0, NULL, NULL);
    if (!give_each(&list, "tlb", of_structure)) return false;
    give(&list, "walks", 0, at_path, "walks.count");
    give(&list, "accesses", 1, at_path, "walks.accesses");
    give(&list, "accesses a walk", 1, accesses_a_walk, NULL);
    give(&list, "exits", 0, at_path, "exits.total");
    if (!give_each(&list, "exits.by_reason", of_reason)) return false;
    if (anything(runs, at_path, "exits.tpr.count")) {
        give(&list, "about the task priority", 1, at_path, "exits.tpr.count");
        give(&list, "share of cycles", 2, share, "derived.tpr_exit_share.value");
    }
    return true;
}

const char *report_half_width(const json_t *run, report_row_figure figure, const char *key, const char *between,
                              char text[REPORT_CELL])
{
    char number[REPORT_NUMBER];
    const json_t *halves = json_object_get(run, "half_width");
    const char *half = halves ? figure(halves, key, number) : "";
    bool differs = strpbrk(half, "123456789") != NULL;
    snprintf(text, REPORT_CELL, "%s%s", differs ? between : "", differs ? half + (half[0] == '+') : "");
    return text;
}

const char *report_row_text(const report_row *row, const json_t *run, const char *between, char text[REPORT_CELL])
{
    char mean[REPORT_NUMBER], half[REPORT_CELL] = "";
    if (!row->quotient) report_half_width(run, row->figure, row->key, between, half);
    snprintf(text, REPORT_CELL, "%s%.*s", row->figure(run, row->key, mean), REPORT_NUMBER + 4, half);
    return text;
}
