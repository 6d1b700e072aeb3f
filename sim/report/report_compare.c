/* Several runs side by side: a row a figure, a column a run. */
#include "report_private.h"

#include <string.h>

enum { LABEL_WIDTH = 30, CELL_WIDTH_MIN = 12 };

/* Up to how many runs stand in one block, and which. */
typedef struct run_block {
    const json_t *runs;
    size_t first, end;
    int width; /* of a cell, with the blank before it */
    FILE *out;
} run_block;

typedef const char *(*run_figure)(const json_t *run, const char *key, char text[REPORT_NUMBER]);

static void row(const run_block *block, const char *label, run_figure figure, const char *key)
{
    char plain[REPORT_WORD], number[REPORT_NUMBER];
    fprintf(block->out, "%-*s", LABEL_WIDTH, report_plain(label, plain));
    for (size_t i = block->first; i < block->end; i++)
        fprintf(block->out, " %*s", block->width - 1, figure(json_array_get(block->runs, i), key, number));
    fputc('\n', block->out);
}

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

static const char *overhead(const json_t *run, const char *path, char text[REPORT_NUMBER])
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

/* The keys that stand at a path in any run, in order of first appearance, as an object. NULL where memory is short. */
static json_t *keys_of_all(const json_t *runs, const char *path)
{
    json_t *keys = json_object();
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *object = report_at(json_array_get(runs, i), path);
        if (json_is_object(object) && json_object_update_missing(keys, (json_t *)object) != 0) {
            json_decref(keys);
            return NULL;
        }
    }
    return keys;
}

/* Whether any run of the document has anything but 0 there: an empty row would say nothing. */
static bool anything(const json_t *runs, run_figure figure, const char *key)
{
    char number[REPORT_NUMBER];
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const char *text = figure(json_array_get(runs, i), key, number);
        if (strcmp(text, "-") != 0 && strcmp(text, "0") != 0) return true;
    }
    return false;
}

static bool rows_of(const run_block *block, const char *path, run_figure figure)
{
    json_t *keys = keys_of_all(block->runs, path);
    if (!keys) return false;
    const char *key;
    json_t *unused;
    json_object_foreach(keys, key, unused)
    {
        char label[REPORT_WORD + 2] = "  ";
        report_plain(key, label + 2);
        if (anything(block->runs, figure, key)) row(block, label, figure, key);
    }
    json_decref(keys);
    return true;
}

static void heads(const run_block *block)
{
    char name[REPORT_WORD];
    fprintf(block->out, "\n%-*s", LABEL_WIDTH, "");
    for (size_t i = block->first; i < block->end; i++)
        fprintf(block->out, " %*s", block->width - 1, report_word(json_array_get(block->runs, i), "name", "?", name));
    fputc('\n', block->out);
}

static bool table(const run_block *block)
{
    heads(block);
    row(block, "instructions", at_path, "instructions");
    row(block, "references", at_path, "references");
    row(block, "cycles", at_path, "cycles.total");
    if (anything(block->runs, overhead, "derived.overhead_vs_native.value"))
        row(block, "  more than native", overhead, "derived.overhead_vs_native.value");
    if (!rows_of(block, "cycles.by_cause", of_cause)) return false;
    fprintf(block->out, "TLB misses\n");
    if (!rows_of(block, "tlb", of_structure)) return false;
    row(block, "walks", at_path, "walks.count");
    row(block, "  accesses", at_path, "walks.accesses");
    row(block, "  accesses a walk", accesses_a_walk, NULL);
    row(block, "exits", at_path, "exits.total");
    return rows_of(block, "exits.by_reason", of_reason);
}

/* Wide enough for the largest number (cycles in total) and the longest name. */
static int cell_width(const json_t *runs)
{
    size_t width = CELL_WIDTH_MIN;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        char number[REPORT_NUMBER], name[REPORT_WORD];
        size_t digits = strlen(at_path(json_array_get(runs, i), "cycles.total", number));
        size_t letters = strlen(report_word(json_array_get(runs, i), "name", "?", name));
        if (digits + 1 > width) width = digits + 1;
        if (letters + 1 > width) width = letters + 1;
    }
    return (int)width;
}

vx_status report_side_by_side(const json_t *runs, FILE *out, vx_msg *msg)
{
    size_t count = json_array_size(runs);
    run_block block = {.runs = runs, .width = cell_width(runs), .out = out};
    size_t fitting = (size_t)((REPORT_COLUMNS - LABEL_WIDTH) / block.width);
    if (fitting == 0) fitting = 1;
    for (; block.first < count; block.first = block.end) {
        block.end = block.first + fitting < count ? block.first + fitting : count;
        if (!table(&block)) return vx_fail_nomem(msg);
    }
    return VX_OK;
}
