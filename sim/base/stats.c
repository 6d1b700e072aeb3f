#include "vx_stats.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vx_stats_init(vx_stats *stats) { *stats = (vx_stats){0}; }

void vx_stats_fini(vx_stats *stats)
{
    free(stats->entries);
    *stats = (vx_stats){0};
}

static bool grow(vx_stats *stats)
{
    size_t capacity = stats->capacity ? stats->capacity * 2 : 64;
    if (capacity > SIZE_MAX / sizeof *stats->entries) return false;
    vx_stat *entries = realloc(stats->entries, capacity * sizeof *entries);
    if (!entries) return false;
    stats->entries = entries;
    stats->capacity = capacity;
    return true;
}

void vx_stats_add(vx_stats *stats, const vx_stat *entry)
{
    if (stats->count == stats->capacity && !grow(stats))
        stats->failed = true;
    else
        stats->entries[stats->count++] = *entry;
}

void vx_stats_scalar(vx_stats *stats, uint64_t *value, const char *unit, const char *doc, const char *path, ...)
{
    vx_stat entry = {.kind = VX_STAT_SCALAR, .unit = unit, .doc = doc, .of.scalar = value};
    va_list arguments;
    va_start(arguments, path);
    int length = vsnprintf(entry.path, sizeof entry.path, path, arguments);
    va_end(arguments);
    /* A cut path could name another figure's place; an empty one names none, and vx_stats_ok refuses it. */
    if (length < 0 || (size_t)length >= sizeof entry.path) entry.path[0] = '\0';
    vx_stats_add(stats, &entry);
}

/* A path that does not fit is left empty: vx_stats_ok refuses it. */
static void add_at(vx_stats *stats, vx_stat *entry, const char *path)
{
    size_t length = strlen(path);
    if (length < sizeof entry->path) memcpy(entry->path, path, length + 1);
    vx_stats_add(stats, entry);
}

void vx_stats_scalar_if_any(vx_stats *stats, uint64_t *value, const char *unit, const char *doc, const char *path)
{
    vx_stat entry = {.kind = VX_STAT_SCALAR, .unit = unit, .doc = doc, .of.scalar = value, .shown_if = value};
    add_at(stats, &entry, path);
}

void vx_stats_ratio(vx_stats *stats, const uint64_t *num, const uint64_t *den, double scale, const char *unit,
                    const char *doc, const char *path)
{
    vx_stat entry = {.kind = VX_STAT_RATIO, .unit = unit, .doc = doc};
    entry.of.ratio.num = num;
    entry.of.ratio.den = den;
    entry.of.ratio.scale = scale;
    add_at(stats, &entry, path);
}

void vx_stats_labelled(vx_stats *stats, const uint64_t *cells, const char *const *labels, uint16_t count,
                       const char *unit, const char *doc, const char *path)
{
    vx_stat entry = {.kind = VX_STAT_TABLE, .unit = unit, .doc = doc};
    entry.of.table.cells = cells;
    entry.of.table.rows = labels;
    entry.of.table.row_count = count;
    entry.of.table.column_count = 1;
    add_at(stats, &entry, path);
}

void vx_stats_rows(vx_stats *stats, void *counts, const char *prefix, const vx_stat_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vx_stats_scalar(stats, (uint64_t *)((unsigned char *)counts + rows[i].offset), rows[i].unit, rows[i].doc,
                        "%s%s", prefix, rows[i].path);
}

static bool path_valid(const char *path)
{
    bool in_component = false;
    for (; *path; path++) {
        if (*path == '.' && !in_component) return false;
        if (*path != '.' && !isalnum((unsigned char)*path) && !strchr("_-+", *path)) return false;
        in_component = *path != '.';
    }
    return in_component;
}

/* Two figures cannot share a place in the report, nor can one lie within the other. */
static bool paths_clash(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (*a == '\0' && (*b == '\0' || *b == '.')) || (*b == '\0' && *a == '.');
}

/* Where a dot sorts before all that names may hold, whatever lies within a path stands right behind it. */
static int by_path(const void *left, const void *right)
{
    const char *a = *(const char *const *)left, *b = *(const char *const *)right;
    while (*a && *a == *b) {
        a++;
        b++;
    }
    if (*a == *b) return 0;
    if (*a == '\0' || *b == '\0') return *a == '\0' ? -1 : 1;
    if (*a == '.' || *b == '.') return *a == '.' ? -1 : 1;
    return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static vx_status paths_apart(const vx_stats *stats, vx_msg *msg)
{
    const char **paths = malloc((stats->count + 1) * sizeof *paths);
    if (!paths) return vx_fail_nomem(msg);
    for (size_t i = 0; i < stats->count; i++) paths[i] = stats->entries[i].path;
    qsort(paths, stats->count, sizeof *paths, by_path);
    vx_status status = VX_OK;
    for (size_t i = 1; i < stats->count && status == VX_OK; i++)
        if (paths_clash(paths[i - 1], paths[i]))
            status =
                vx_fail(msg, VX_ERR_INPUT, "statistics '%s' and '%s' claim the same place", paths[i - 1], paths[i]);
    free(paths);
    return status;
}

vx_status vx_stats_ok(const vx_stats *stats, vx_msg *msg)
{
    if (stats->failed) return vx_fail_nomem(msg);
    for (size_t i = 0; i < stats->count; i++) {
        const char *path = stats->entries[i].path;
        if (!path_valid(path))
            return vx_fail(msg, VX_ERR_INPUT, "statistic '%s' (%s): no valid path", path, stats->entries[i].doc);
    }
    return paths_apart(stats, msg);
}

const vx_stat *vx_stats_find(const vx_stats *stats, const char *path)
{
    for (size_t i = 0; i < stats->count; i++)
        if (strcmp(stats->entries[i].path, path) == 0) return &stats->entries[i];
    return NULL;
}
