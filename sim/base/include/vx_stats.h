/* The statistics registry: each figure is declared once, by the room that counts it, and appears in every report.
 *
 * A path is dotted ("tlb.l1d.misses") and is also the place in the JSON report; a component holds letters, digits, '_',
 * '-' and '+'. The registry stores pointers, never values: counting costs nothing. Reports walk the entries in order
 * of declaration. */
#ifndef VX_STATS_H
#define VX_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_histogram.h"
#include "vx_status.h"

typedef enum vx_stat_kind {
    VX_STAT_SCALAR,    /* one uint64_t */
    VX_STAT_RATIO,     /* num / den, both uint64_t; carries both; value null where den is 0 */
    VX_STAT_TEXT,      /* a word that qualifies its neighbours, such as a TLB's class */
    VX_STAT_HISTOGRAM, /* vx_histogram: {"value": count, ...} of the bins that are not empty */
    VX_STAT_TABLE,     /* rows x columns of uint64_t with labels; one column and no column labels: label to value */
    VX_STAT_KINDS
} vx_stat_kind;

typedef struct vx_stat {
    char path[96];
    vx_stat_kind kind;
    const char *unit; /* "references", "accesses", "ticks", "1", ... */
    const char *doc;  /* one sentence, for docs and --help */
    union {
        uint64_t *scalar;
        struct {
            const uint64_t *num, *den;
            double scale; /* the value is num * scale / den, e.g. 1000 for "per kilo-instruction" */
        } ratio;
        const char *text;
        const vx_histogram *histogram;
        struct {
            const uint64_t *cells;                    /* row-major */
            const char *const *rows, *const *columns; /* columns may be NULL where column_count is 1 */
            uint16_t row_count, column_count;
        } table;
    } of;
    const uint64_t *shown_if; /* appears only where *shown_if != 0; NULL: always */
} vx_stat;

typedef struct vx_stats {
    vx_stat *entries; /* owned */
    size_t count, capacity;
    bool failed; /* an addition found no memory: vx_stats_ok says so once at the end */
} vx_stats;

/* Empty. _fini frees the entries; what they point to is the caller's. */
void vx_stats_init(vx_stats *stats);
void vx_stats_fini(vx_stats *stats);

/* Adds a copy of the entry. `path` pieces are formatted by the caller into entry->path. Never fails visibly: collect
 * with vx_stats_ok. */
void vx_stats_add(vx_stats *stats, const vx_stat *entry);

/* The everyday case. The path is printf-like. */
void vx_stats_scalar(vx_stats *stats, uint64_t *value, const char *unit, const char *doc, const char *path, ...)
    __attribute__((format(printf, 5, 6)));
/* Where it counted nothing, it does not appear. */
void vx_stats_scalar_if_any(vx_stats *stats, uint64_t *value, const char *unit, const char *doc, const char *path);
/* The value is *num * scale / *den. */
void vx_stats_ratio(vx_stats *stats, const uint64_t *num, const uint64_t *den, double scale, const char *unit,
                    const char *doc, const char *path);
/* Label to value: a table of one column. cells and labels: `count` of each. */
void vx_stats_labelled(vx_stats *stats, const uint64_t *cells, const char *const *labels, uint16_t count,
                       const char *unit, const char *doc, const char *path);

/* One of many counters of a struct: VX_STAT_ROW(vx_tlb_counts, hits, "hits", "lookups", "lookups that it answered"). */
typedef struct vx_stat_row {
    size_t offset; /* of a uint64_t */
    const char *path, *unit, *doc;
} vx_stat_row;
#define VX_STAT_ROW(type, member, path, unit, doc)                                                                     \
    {                                                                                                                  \
        offsetof(type, member), (path), (unit), (doc)                                                                  \
    }
/* Declares them; each path is `prefix` ("" or with a dot at its end) and the row's. */
void vx_stats_rows(vx_stats *stats, void *counts, const char *prefix, const vx_stat_row *rows, size_t count);

/* VX_ERR_NOMEM where any addition failed; VX_ERR_INPUT (paths may hold names from a model) where a path is not as
 * described above or too long, is declared twice, or lies within another figure's ("a.b" and "a.b.c").
 * O(count log count): once a run. */
vx_status vx_stats_ok(const vx_stats *stats, vx_msg *msg);

/* The entry of a path, or NULL. O(count). */
const vx_stat *vx_stats_find(const vx_stats *stats, const char *path);

/* An identity that must hold at the end of every run: the sum of `left` scalars equals that of `right`. */
typedef struct vx_identity {
    const char *name; /* "exits = sum over reasons" */
    uint64_t left, right;
} vx_identity;

#endif
