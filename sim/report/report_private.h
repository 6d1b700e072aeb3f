/* What the files of this room share: making JSON values, and reading documents that may lack anything. */
#ifndef VX_REPORT_PRIVATE_H
#define VX_REPORT_PRIVATE_H

#include "vx_report.h"

/* ---- report_value.c: making and reading JSON ---- */

/* A string; bytes that are not UTF-8 (file names may hold any) become '?'. NULL where memory is short. */
json_t *report_string(const char *text);

/* An integer; beyond 2^63 - 1, which JSON's readers cannot hold, a string of decimal digits. */
json_t *report_count(uint64_t count);

/* object[key] = value, stealing value. False where memory is short, also for the object or the value itself (NULL). */
bool report_set(json_t *object, const char *key, json_t *value);

/* Adds the members of `other` whose keys `object` lacks. False where memory is short (json_object_update_missing of
 * jansson 2.14 does not say). */
bool report_add_missing(json_t *object, const json_t *other);

/* What stands at a dotted path of keys without dots; NULL where nothing does. */
const json_t *report_at(const json_t *object, const char *path);

/* Numbers at a path; 0 where there is none or it is negative. */
uint64_t report_uint(const json_t *object, const char *path);
double report_real(const json_t *object, const char *path);

/* Flushes; VX_ERR_IO where anything written to `out` was lost. */
vx_status report_end(FILE *out, vx_msg *msg);

/* ---- report_words.c: text for humans ---- */

enum { REPORT_WORD = 64, REPORT_NUMBER = 40, REPORT_COLUMNS = 100 };

/* A copy in plain ASCII, cut where longer: documents may come from files, and terminals obey control characters. */
const char *report_plain(const char *text, char plain[REPORT_WORD]);
/* The string at a path, as above; `missing` where there is none. */
const char *report_word(const json_t *object, const char *path, const char *missing, char plain[REPORT_WORD]);
/* Writes a text of any length in plain ASCII. */
void report_put(FILE *out, const char *text);
/* 1234567 as "1,234,567". */
const char *report_grouped(uint64_t value, char text[REPORT_NUMBER]);
/* A JSON number for humans: integers grouped, reals with three decimals, "-" where it is no number. */
const char *report_figure(const json_t *value, char text[REPORT_NUMBER]);
/* part / whole as "12.3%"; "-" where whole is 0. */
const char *report_percent(double part, double whole, char text[REPORT_NUMBER]);
/* A blank line and the heading. */
void report_heading(FILE *out, const char *text);

/* ---- report_band.c ---- */

/* The least and greatest overhead of a run against native, with the exposed cycles of walks (native's too) and the cost
 * of exits each 0.5 or 1.5 times what they were. False, and nothing written, where native has no cycles. */
bool report_overhead_band(const json_t *run, const json_t *native, double *low, double *high);

/* ---- report_seeds.c and report_summary.c: runs that differ in their seed alone ---- */

/* The runs of each name, in order of first appearance, as {name: [run, ...]}; a seed that comes again is left out. New
 * reference; NULL where memory is short. */
json_t *report_seed_groups(const json_t *runs);
/* Whether any name has runs of several seeds. */
bool report_several_seeds(const json_t *groups);
/* The runs to show: the document's own where each has a name of its own seeds; else one a name, with the means of its
 * figures, "seeds" (how many), and "half_width": an object like the run, with what to add and subtract for the 95 %
 * interval. New reference; NULL where memory is short. */
json_t *report_by_name(const json_t *runs);
/* Adds "summary" to a document with several seeds. False where memory is short. */
bool report_summarize(json_t *document);

/* ---- report_rows.c: the figures of a comparison ---- */

/* What a row shows of one run. */
typedef const char *(*report_row_figure)(const json_t *run, const char *key, char text[REPORT_NUMBER]);
typedef struct report_row {
    const char *label;        /* from the document: any bytes */
    unsigned depth;           /* 1: part of the row with depth 0 before it */
    report_row_figure figure; /* NULL: only the heading of the rows that follow */
    const char *key;
    bool quotient; /* made of two figures: the runs' half-widths say nothing of it */
} report_row;
typedef void (*report_take_row)(void *context, const report_row *row);
/* Gives every row in its order, without those that say nothing of any run. False where memory is short. */
bool report_rows(const json_t *runs, report_take_row take, void *context);
/* The keys that stand at a path in any run, in order of first appearance, as an object. New reference; NULL where
 * memory is short. */
json_t *report_keys(const json_t *runs, const char *path);
/* The text of a row with a figure; of a mean of seeds with what to add and subtract: "1,234 +-56", where `between` is
 * " +-". */
enum { REPORT_CELL = 2 * REPORT_NUMBER + 8 };
const char *report_row_text(const report_row *row, const json_t *run, const char *between, char text[REPORT_CELL]);
/* " +-56", what to add and subtract at a path as figure() shows it; empty where a run is of one seed, or all seeds
 * agree.
 */
const char *report_half_width(const json_t *run, report_row_figure figure, const char *key, const char *between,
                              char text[REPORT_CELL]);
/* 0.385 at a path as "+38.5%"; "-" where there is no number. */
const char *report_overhead(const json_t *run, const char *path, char text[REPORT_NUMBER]);

/* ---- report_exits.c ---- */

typedef struct report_exit {
    const char *name;
    uint64_t number, count;
    uint64_t hardware_cycles, software_cycles;
    uint64_t least, most; /* cycles of the cheapest and the dearest */
} report_exit;
enum { REPORT_EXITS_MAX = 256 }; /* no vendor has more reasons */
/* The tables of exits that a run has: one, and of a nested guest two, what L1 handled and what went to L0. */
enum { REPORT_EXIT_TABLES = 2 };
/* Reasons of one of them that occurred, most frequent first (perf's order); equals stay as declared. How many; 0 of a
 * table that the run has not. */
unsigned report_exit_rows(const json_t *run, unsigned table, report_exit rows[REPORT_EXITS_MAX]);
/* What a table is of: "L2 EXIT, to L1"; NULL where a run has but one. */
const char *report_exit_title(const json_t *run, unsigned table);

/* Of a nested guest: exits to L0 by kind, as a sentence; NULL past the last. */
const char *report_l0_kind(const json_t *run, unsigned kind, uint64_t *count);

/* ---- report_measured.c: a measured host ---- */

/* What the host counted of a reason of a run's; NULL: none. */
const json_t *report_measured_of(const json_t *by_reason, const char *name);
typedef void (*report_take_reason)(void *context, const char *name);
/* Gives each reason that the host or a run has. False where memory is short. */
bool report_measured_rows(const json_t *runs, const json_t *measured, report_take_reason take, void *context);
/* A reason's share of all exits of `object` (of exits, of measured); a run's distance. As percent. */
const char *report_measured_share(const json_t *reason, const json_t *object, char text[REPORT_NUMBER]);
const char *report_share_difference(const json_t *run, const json_t *measured, char text[REPORT_NUMBER]);
/* The text's table, where the document has a measured host. */
vx_status report_measured(const json_t *document, const json_t *runs, FILE *out, vx_msg *msg);

/* ---- report_notes.c ---- */

/* What a flag of "approximate" means. */
const char *report_approximation(const char *flag);

/* ---- report_bars.c ---- */

/* Cycles of a vx_cause; 0 where the document has none. */
uint64_t report_cause_cycles(const json_t *run, unsigned cause);
/* All cycles as the run says; the sum of causes where it does not. */
uint64_t report_cycles(const json_t *run);

/* ---- report_grid.c: what is shown of the grid of a run's walks ---- */

enum { REPORT_GRID_MAX = 8, REPORT_GRID_LAYERS = 3 };
typedef struct report_grid_view {
    const char *row_names[REPORT_GRID_MAX], *column_names[REPORT_GRID_MAX]; /* borrowed from the run */
    size_t row_count, column_count;
    bool row_shown[REPORT_GRID_MAX], column_shown[REPORT_GRID_MAX];
    const json_t *layers[REPORT_GRID_LAYERS]; /* accesses, skipped, cycles; NULL: 0 throughout */
} report_grid_view;
/* False where there is no grid, or nothing in it. */
bool report_grid_view_of(const json_t *run, report_grid_view *view);
uint64_t report_grid_cell(const json_t *cells, size_t row, size_t column);

/* ---- parts of the text ---- */

/* All of one run: cycles, TLBs, walks, exits, derived figures. */
void report_run_tables(const json_t *run, FILE *out);

/* The table of a run's vCPUs, where it has several. */
void report_vcpus(const json_t *run, FILE *out);
/* Grids of walks: accesses, and what the walker's caches saved where they saved any. */
void report_grids(const json_t *run, FILE *out);
/* One grid of text, without the rows and columns that are not shown; `width` is a cell's, cell() gives its text. */
typedef struct report_labels {
    const char *const *names;
    const bool *shown;
    size_t count;
} report_labels;
typedef const char *(*report_cell)(void *context, size_t row, size_t column, char text[REPORT_NUMBER]);
void report_grid(FILE *out, const report_labels *rows, const report_labels *columns, int width, report_cell cell,
                 void *context);
void report_exits(const json_t *run, FILE *out);
vx_status report_side_by_side(const json_t *runs, FILE *out, vx_msg *msg);
void report_bars(const json_t *runs, FILE *out);
void report_walk(const json_t *run, FILE *out);
void report_launch(const json_t *document, FILE *out);

#endif
