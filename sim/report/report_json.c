/* From the statistics registry to the run object of the contract. */
#include "report_config.h"
#include "report_private.h"

#include <string.h>

/* The object that a figure belongs to, made where missing, and the figure's own name in it. Drops the last `drop`
 * components of the path. NULL where memory is short. */
static json_t *parent_of(json_t *root, const char *path, unsigned drop)
{
    unsigned components = 1;
    for (const char *at = path; *at; at++) components += *at == '.';
    json_t *object = root;
    for (; components > drop; components--) {
        char key[sizeof((vx_stat *)0)->path];
        size_t length = strcspn(path, ".");
        memcpy(key, path, length);
        key[length] = '\0';
        path += length + 1;
        json_t *child = json_object_get(object, key);
        if (!child) {
            child = json_object();
            if (!report_set(object, key, child)) return NULL;
        }
        object = child;
    }
    return object;
}

static const char *leaf_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* {"value": num * scale / den or null, "num": N, "den": N}, and the scale where it is not 1. */
static json_t *ratio_json(const vx_stat *stat)
{
    uint64_t num = *stat->of.ratio.num, den = *stat->of.ratio.den;
    double scale = stat->of.ratio.scale;
    json_t *object = json_object();
    bool done = report_set(object, "value", den ? json_real((double)num * scale / (double)den) : json_null()) &&
                report_set(object, "num", report_count(num)) && report_set(object, "den", report_count(den));
    if (done && (scale < 1.0 || scale > 1.0)) done = report_set(object, "scale", json_real(scale));
    if (done) return object;
    json_decref(object);
    return NULL;
}

/* {"1": N, ..., "63+": N}: the bins that are not empty; the last holds all that is at or beyond it. */
static json_t *histogram_json(const vx_histogram *histogram)
{
    json_t *object = json_object();
    for (unsigned i = 0; object && i < VX_HISTOGRAM_BINS; i++) {
        char key[16];
        snprintf(key, sizeof key, i == VX_HISTOGRAM_BINS - 1 ? "%u+" : "%u", i);
        if (histogram->bin[i] && !report_set(object, key, report_count(histogram->bin[i]))) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* {"label": N, ...} of a table with one column. Labels may hold dots. */
static json_t *column_json(const vx_stat *stat)
{
    json_t *object = json_object();
    for (unsigned i = 0; object && i < stat->of.table.row_count; i++)
        if (!report_set(object, stat->of.table.rows[i], report_count(stat->of.table.cells[i]))) {
            json_decref(object);
            return NULL;
        }
    return object;
}

static json_t *labels_json(const char *const *labels, unsigned count)
{
    json_t *array = json_array();
    for (unsigned i = 0; array && i < count; i++)
        if (json_array_append_new(array, report_string(labels[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *cells_json(const vx_stat *stat)
{
    unsigned columns = stat->of.table.column_count;
    json_t *matrix = json_array();
    for (unsigned row = 0; row < stat->of.table.row_count; row++) {
        json_t *line = json_array();
        bool done = json_array_append_new(matrix, line) == 0;
        for (unsigned column = 0; done && column < columns; column++)
            done = json_array_append_new(line, report_count(stat->of.table.cells[row * columns + column])) == 0;
        if (!done) {
            json_decref(matrix);
            return NULL;
        }
    }
    return matrix;
}

/* Sets the labels of a grid, which its tables share. */
static vx_status set_labels(json_t *grid, const char *key, json_t *labels, const vx_stat *stat, vx_msg *msg)
{
    const json_t *before = json_object_get(grid, key);
    bool same = before && labels && json_equal(before, labels);
    if (same) json_decref(labels);
    if (before && labels && !same) {
        json_decref(labels);
        return vx_fail(msg, VX_ERR_INPUT, "table '%s' has other %s than its neighbours", stat->path, key);
    }
    return same || report_set(grid, key, labels) ? VX_OK : vx_fail_nomem(msg);
}

/* A table with column labels lies in a grid: {"rows": [...], "columns": [...], "<its name>": [[...]], ...}. */
static vx_status add_matrix(json_t *grid, const vx_stat *stat, vx_msg *msg)
{
    json_t *rows = labels_json(stat->of.table.rows, stat->of.table.row_count);
    vx_status status = set_labels(grid, "rows", rows, stat, msg);
    if (status != VX_OK) return status;
    json_t *columns = labels_json(stat->of.table.columns, stat->of.table.column_count);
    status = set_labels(grid, "columns", columns, stat, msg);
    if (status != VX_OK) return status;
    return report_set(grid, leaf_of(stat->path), cells_json(stat)) ? VX_OK : vx_fail_nomem(msg);
}

static json_t *figure_json(const vx_stat *stat)
{
    switch (stat->kind) {
    case VX_STAT_RATIO:
        return ratio_json(stat);
    case VX_STAT_TEXT:
        return report_string(stat->of.text);
    case VX_STAT_HISTOGRAM:
        return histogram_json(stat->of.histogram);
    case VX_STAT_TABLE:
        return column_json(stat);
    default:
        return report_count(*stat->of.scalar);
    }
}

static bool is_hidden(const vx_stat *stat) { return stat->shown_if && *stat->shown_if == 0; }
static bool is_matrix(const vx_stat *stat) { return stat->kind == VX_STAT_TABLE && stat->of.table.columns != NULL; }

static vx_status add_figure(json_t *run, const vx_stat *stat, vx_msg *msg)
{
    /* Of a hidden figure ("exits.by_reason.HLT.count") only the list it would stand in is made: a run without exits has
     * an empty "by_reason", not none. */
    json_t *parent = parent_of(run, stat->path, is_hidden(stat) ? 2 : 1);
    if (!parent) return vx_fail_nomem(msg);
    if (is_hidden(stat)) return VX_OK;
    if (is_matrix(stat)) return add_matrix(parent, stat, msg);
    return report_set(parent, leaf_of(stat->path), figure_json(stat)) ? VX_OK : vx_fail_nomem(msg);
}

static json_t *identities_json(const vx_report_run *run)
{
    json_t *broken = json_array();
    for (unsigned i = 0; broken && i < run->identity_count; i++) {
        const vx_identity *identity = &run->identities[i];
        if (identity->left == identity->right) continue;
        json_t *object = json_object();
        bool done = json_array_append_new(broken, object) == 0 &&
                    report_set(object, "name", report_string(identity->name)) &&
                    report_set(object, "left", report_count(identity->left)) &&
                    report_set(object, "right", report_count(identity->right));
        if (!done) {
            json_decref(broken);
            return NULL;
        }
    }
    if (!broken || json_array_size(broken) > 0) return broken;
    json_decref(broken);
    return json_string("ok");
}

static json_t *strings_json(const char *const *strings)
{
    unsigned count = 0;
    while (strings && strings[count]) count++;
    return labels_json(strings, count);
}

static json_t *window_json(const vx_report_window *window)
{
    json_t *object = json_object();
    bool done = report_set(object, "skip", report_count(window->skip)) &&
                report_set(object, "warmup", report_count(window->warmup)) &&
                report_set(object, "max", window->max ? report_count(window->max) : json_null()) &&
                report_set(object, "interval", window->interval ? report_count(window->interval) : json_null()) &&
                report_set(object, "region", window->by_region ? report_count(window->region) : json_null());
    if (done) return object;
    json_decref(object);
    return NULL;
}

static json_t *word_or_null(const char *word) { return word ? report_string(word) : json_null(); }

static bool add_head(json_t *object, const vx_report_run *run)
{
    bool done =
        report_set(object, "name", report_string(run->name)) &&
        report_set(object, "scheme", report_string(run->scheme)) &&
        report_set(object, "vpid", json_boolean(run->vpid)) && report_set(object, "cpu", report_string(run->cpu)) &&
        report_set(object, "vmm", word_or_null(run->vmm)) && report_set(object, "seed", report_count(run->seed)) &&
        report_set(object, "class", word_or_null(run->claim_class));
    if (done && run->window) done = report_set(object, "window", window_json(run->window));
    return done && report_set(object, "config", report_config(run->models)) &&
           report_set(object, "approximate", strings_json(run->approximate)) &&
           report_set(object, "warnings", strings_json(run->warnings));
}

static vx_status add_figures(json_t *object, const vx_stats *stats, vx_msg *msg)
{
    vx_status status = VX_OK;
    for (size_t i = 0; status == VX_OK && i < stats->count; i++) status = add_figure(object, &stats->entries[i], msg);
    return status;
}

json_t *vx_report_figures(const vx_stats *stats, vx_msg *msg)
{
    json_t *object = json_object();
    vx_status status = object ? add_figures(object, stats, msg) : vx_fail_nomem(msg);
    if (status == VX_OK) return object;
    json_decref(object);
    return NULL;
}

json_t *vx_report_run_json(const vx_report_run *run, vx_msg *msg)
{
    json_t *object = json_object();
    vx_status status = add_head(object, run) ? VX_OK : vx_fail_nomem(msg);
    if (status == VX_OK) status = add_figures(object, run->stats, msg);
    if (status == VX_OK && !report_set(object, "identities", identities_json(run))) status = vx_fail_nomem(msg);
    if (status == VX_OK) return object;
    json_decref(object);
    return NULL;
}

json_t *vx_report_run_json_of(const vx_report_run *run, const char *const *lacking, json_t *own, vx_msg *msg)
{
    json_t *object = own ? vx_report_run_json(run, msg) : NULL;
    if (!own) (void)vx_fail_nomem(msg);
    if (object && json_object_update(object, own) != 0) {
        json_decref(object);
        object = NULL;
        (void)vx_fail_nomem(msg);
    }
    json_decref(own);
    for (; object && *lacking; lacking++) json_object_del(object, *lacking);
    return object;
}

static bool snapshot_table(json_t *snapshot, const vx_stat *stat)
{
    for (unsigned i = 0; i < stat->of.table.row_count; i++) {
        char key[256];
        int length = snprintf(key, sizeof key, "%s.%s", stat->path, stat->of.table.rows[i]);
        if (length < 0 || (size_t)length >= sizeof key) return false;
        if (!report_set(snapshot, key, report_count(stat->of.table.cells[i]))) return false;
    }
    return true;
}

json_t *vx_report_snapshot(const vx_stats *stats, vx_msg *msg)
{
    json_t *snapshot = json_object();
    bool done = snapshot != NULL;
    for (size_t i = 0; done && i < stats->count; i++) {
        const vx_stat *stat = &stats->entries[i];
        if (is_hidden(stat)) continue;
        if (stat->kind == VX_STAT_SCALAR)
            done = report_set(snapshot, stat->path, report_count(*stat->of.scalar));
        else if (stat->kind == VX_STAT_TABLE && !is_matrix(stat))
            done = snapshot_table(snapshot, stat);
    }
    if (done) return snapshot;
    json_decref(snapshot);
    (void)vx_fail_nomem(msg);
    return NULL;
}
