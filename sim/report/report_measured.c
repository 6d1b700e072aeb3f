/* A measured host beside the runs: counts and shares by reason, and how far the shares differ. */
#include "report_private.h"

#include <math.h>
#include <string.h>

#include "vx_measured.h"

enum { LABEL_WIDTH = 24, COLUMN_WIDTH = 22 }; /* a count of 11 and a share of 9, with a blank each */
enum { PERF_NAME = 19 };                      /* characters that perf prints */

/* perf cuts names: a reason is the one that is called so, or begins so. */
const json_t *report_measured_of(const json_t *by_reason, const char *name)
{
    const json_t *found = json_object_get(by_reason, name);
    char cut[PERF_NAME + 1];
    if (found || strlen(name) <= PERF_NAME) return found;
    memcpy(cut, name, PERF_NAME);
    cut[PERF_NAME] = '\0';
    return json_object_get(by_reason, cut);
}

/* ---- shares ---- */

static double share_of(const json_t *reason, const json_t *object)
{
    double total = report_real(object, "total");
    return total > 0.0 ? report_real(reason, "count") / total : 0.0;
}

static bool is_of_run(const json_t *exits, const char *measured_name)
{
    const char *name;
    json_t *unused;
    json_object_foreach((json_t *)json_object_get(exits, "by_reason"), name, unused)
    {
        if (strcmp(name, measured_name) == 0) return true;
        if (strlen(measured_name) == PERF_NAME && strncmp(name, measured_name, PERF_NAME) == 0) return true;
    }
    return false;
}

static double share_difference(const json_t *run, const json_t *measured)
{
    const json_t *exits = json_object_get(run, "exits"), *theirs = json_object_get(measured, "by_reason");
    double sum = 0.0;
    const char *name;
    json_t *reason;
    json_object_foreach((json_t *)json_object_get(exits, "by_reason"), name, reason) sum +=
        fabs(share_of(reason, exits) - share_of(report_measured_of(theirs, name), measured));
    json_object_foreach((json_t *)theirs, name, reason)
    {
        if (!is_of_run(exits, name)) sum += share_of(reason, measured);
    }
    return report_real(exits, "total") > 0.0 ? sum / 2.0 : 1.0;
}

static json_t *differences(const json_t *runs, const json_t *measured)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < json_array_size(runs); i++) {
        json_t *run = json_array_get(runs, i), *item = json_object();
        bool done = item && json_object_set(item, "name", json_object_get(run, "name")) == 0 &&
                    json_object_set(item, "seed", json_object_get(run, "seed")) == 0 &&
                    report_set(item, "share_difference", json_real(share_difference(run, measured)));
        if (done && json_array_append(array, item) == 0) {
            json_decref(item);
            continue;
        }
        json_decref(item);
        json_decref(array);
        return NULL;
    }
    return array;
}

vx_status vx_measured_compare(json_t *document, json_t *measured, vx_msg *msg)
{
    json_t *runs = differences(json_object_get(document, "runs"), measured);
    bool done = runs && json_object_set(measured, "runs", runs) == 0;
    json_decref(runs);
    if (done) done = json_object_set(document, "measured", measured) == 0;
    json_decref(measured);
    return done ? VX_OK : vx_fail_nomem(msg);
}

/* ---- rows ---- */

/* Reasons of the host, most frequent first, then those that only runs have. */
bool report_measured_rows(const json_t *runs, const json_t *measured, report_take_reason take, void *context)
{
    const json_t *theirs = json_object_get(measured, "by_reason");
    json_t *keys = report_keys(runs, "exits.by_reason");
    if (!keys) return false;
    const char *name, *own;
    json_t *unused;
    json_object_foreach((json_t *)theirs, name, unused)
    {
        const char *whole = name; /* the run's name of a reason that perf cut */
        json_object_foreach(keys, own, unused)
        {
            if (report_measured_of(theirs, own) == json_object_get(theirs, name)) whole = own;
        }
        take(context, whole);
    }
    json_object_foreach(keys, own, unused)
    {
        bool any = report_measured_of(theirs, own) != NULL;
        for (size_t i = 0; i < json_array_size(runs) && !any; i++) {
            const json_t *reasons = report_at(json_array_get(runs, i), "exits.by_reason");
            if (report_uint(json_object_get(reasons, own), "count") == 0) continue;
            take(context, own);
            any = true;
        }
    }
    json_decref(keys);
    return true;
}

const char *report_measured_share(const json_t *reason, const json_t *object, char text[REPORT_NUMBER])
{
    return report_percent(report_real(reason, "count"), report_real(object, "total"), text);
}

const char *report_share_difference(const json_t *run, const json_t *measured, char text[REPORT_NUMBER])
{
    return report_percent(share_difference(run, measured), 1.0, text);
}

/* ---- text ---- */

typedef struct measured_block {
    const json_t *runs, *measured;
    size_t first, end;
    FILE *out;
} measured_block;

static void pair(const json_t *reason, const json_t *object, FILE *out)
{
    char count[REPORT_NUMBER], share[REPORT_NUMBER];
    fprintf(out, " %*s %*s", COLUMN_WIDTH - 11, report_figure(json_object_get(reason, "count"), count), 9,
            reason ? report_measured_share(reason, object, share) : "-");
}

static void print_reason(void *context, const char *name)
{
    const measured_block *block = context;
    char plain[REPORT_WORD];
    fprintf(block->out, "%-*s", LABEL_WIDTH, report_plain(name, plain));
    pair(report_measured_of(json_object_get(block->measured, "by_reason"), name), block->measured, block->out);
    for (size_t i = block->first; i < block->end; i++) {
        const json_t *exits = json_object_get(json_array_get(block->runs, i), "exits");
        pair(json_object_get(json_object_get(exits, "by_reason"), name), exits, block->out);
    }
    fputc('\n', block->out);
}

static void measured_heads(const measured_block *block)
{
    char name[REPORT_WORD];
    fprintf(block->out, "%-*s %*s", LABEL_WIDTH, "", COLUMN_WIDTH - 1, "measured");
    for (size_t i = block->first; i < block->end; i++)
        fprintf(block->out, " %*s", COLUMN_WIDTH - 1, report_word(json_array_get(block->runs, i), "name", "?", name));
    fputc('\n', block->out);
}

/* A row of one figure a column, without blanks at its end. */
static void measured_sums(const measured_block *block)
{
    char number[REPORT_NUMBER];
    fprintf(block->out, "%-*s %*s", LABEL_WIDTH, "exits", COLUMN_WIDTH - 11,
            report_figure(json_object_get(block->measured, "total"), number));
    for (size_t i = block->first; i < block->end; i++)
        fprintf(block->out, " %*s", COLUMN_WIDTH - 1,
                report_figure(report_at(json_array_get(block->runs, i), "exits.total"), number));
    fprintf(block->out, "\n%-*s", LABEL_WIDTH + COLUMN_WIDTH, "shares differ by");
    for (size_t i = block->first; i < block->end; i++)
        fprintf(block->out, " %*s", COLUMN_WIDTH - 1,
                report_share_difference(json_array_get(block->runs, i), block->measured, number));
    fputc('\n', block->out);
}

vx_status report_measured(const json_t *document, const json_t *runs, FILE *out, vx_msg *msg)
{
    enum { FITTING = (REPORT_COLUMNS - LABEL_WIDTH - COLUMN_WIDTH) / COLUMN_WIDTH };
    const json_t *measured = json_object_get(document, "measured");
    const char *path = json_string_value(json_object_get(measured, "path"));
    if (!json_is_object(measured)) return VX_OK;
    fputs("\nEXITS BESIDE A MEASURED HOST\n", out);
    report_put(out, path ? path : "?");
    fputc('\n', out);
    measured_block block = {.runs = runs, .measured = measured, .out = out};
    for (; block.first < json_array_size(runs); block.first = block.end) {
        size_t left = json_array_size(runs) - block.first;
        block.end = block.first + (left < FITTING ? left : (size_t)FITTING);
        if (block.first) fputc('\n', out);
        measured_heads(&block);
        if (!report_measured_rows(runs, measured, print_reason, &block)) return vx_fail_nomem(msg);
        measured_sums(&block);
    }
    fputs("the host may have run for longer than the trace: compare shares, not counts\n", out);
    return VX_OK;
}
