/* Reports: from the statistics registry to JSON, and from that JSON to text and CSV.
 *
 * The JSON document is the one source: workers hand their run objects to the parent as JSON, and every other format is
 * rendered from the document, so that no two formats can disagree. Its contract is docs/schema/vexit-1.json. */
#ifndef VX_REPORT_H
#define VX_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vx_model.h"
#include "vx_stats.h"
#include "vx_status.h"

/* Which part of the trace was counted, as it was asked for; in instructions, 0: not asked for. */
typedef struct vx_report_window {
    uint64_t skip, warmup, max, interval;
    bool by_region;
    uint16_t region; /* where by_region */
} vx_report_window;

/* What a run says about itself beside its statistics. All strings are borrowed. */
typedef struct vx_report_run {
    const char *name;               /* "ept+vpid" */
    const char *scheme, *cpu, *vmm; /* vmm NULL: native */
    bool vpid;
    uint64_t seed;
    const char *claim_class;        /* "A" to "D" for reproductions, NULL otherwise */
    const vx_report_window *window; /* NULL: the whole trace was counted */
    const vx_model *models[4];      /* effective configuration; unused: NULL */
    const char *const *approximate; /* ended by NULL; NULL: none */
    const char *const *warnings;    /* ended by NULL; NULL: none */
    const vx_stats *stats;
    const vx_identity *identities;
    unsigned identity_count;
} vx_report_run;

/* The run object of the contract: registry entries at their paths in order of declaration, config with provenance,
 * "identities": "ok" or the list of those that failed. How each kind of entry looks is told in docs/rooms/report.md.
 * New reference; NULL and a message where memory is short or two tables of one grid have different labels. */
json_t *vx_report_run_json(const vx_report_run *run, vx_msg *msg);

/* The same for a machine that is more or less than a CPU under a hypervisor: members that speak of what it lacks
 * (`lacking`, ended by NULL) are left out, `own` come to the others (stolen, on errors too; NULL: no memory). */
json_t *vx_report_run_json_of(const vx_report_run *run, const char *const *lacking, json_t *own, vx_msg *msg);

/* Every statistic of a registry as a run object has them, and nothing else: a vCPU's part of a run. As above. */
json_t *vx_report_figures(const vx_stats *stats, vx_msg *msg);

/* A snapshot of every scalar and every one-column table by path ({"references": N, "tlb.l1d.misses": N,
 * "cycles.by_cause.idle": N, ...}): one interval of --interval, the counters since counting began. New reference; NULL
 * and a message where memory is short. */
json_t *vx_report_snapshot(const vx_stats *stats, vx_msg *msg);

/* How often one kind of record stands in a trace. */
typedef struct vx_report_event {
    const char *name; /* "mov_cr3" */
    uint64_t count;
} vx_report_event;

typedef struct vx_report_trace {
    const char *path;
    uint64_t hash;                               /* printed as 16 hexadecimal digits */
    char tier;                                   /* 'F', 'S', 'E' */
    uint64_t references, replayed, instructions; /* in the trace, counted by the run, in the trace */
    const vx_report_event *events;               /* kinds with count 0 are left out; NULL: not known */
    unsigned event_count;
} vx_report_trace;

/* The document: {"schema","verb","complete","tool","trace","runs"}. Steals `runs` (an array), on errors too. traces:
 * count 0 gives null, 1 an object, more an array. New reference; NULL and a message where memory is short. */
json_t *vx_report_document(const char *verb, bool complete, const vx_report_trace *traces, unsigned trace_count,
                           json_t *runs, vx_msg *msg);

/* Adds to a document of several runs what follows from their neighbours. Where some run's scheme is "native":
 * derived.overhead_vs_native, a run's cycles less those of the native run with its seed (else of the first native run),
 * over the latter; and derived.overhead_band, how far that moves with the exposure of walks and the cost of exits (each
 * +-50 %). Where runs of one name have several seeds: "summary", means with their 95 % intervals. */
vx_status vx_report_compare(json_t *document, vx_msg *msg);

/* Whether every run's identities hold; VX_ERR_CHECK names run and identity where one does not. */
vx_status vx_report_identities(const json_t *document, vx_msg *msg);

/* Renderers. `out` is written to, not closed; VX_ERR_IO where writing fails. What a document lacks is left out of the
 * rendering. JSON ends in one newline, keys in order, numbers with a fraction to 12 significant digits: equal documents
 * give equal bytes, in any locale. */
vx_status vx_report_write_json(const json_t *document, FILE *out, vx_msg *msg);
/* For humans: plain ASCII, at most 100 columns unless names are longer. */
vx_status vx_report_write_text(const json_t *document, FILE *out, vx_msg *msg);
/* Only the bar chart of cycles by cause, a bar a run; the text report holds it too where there are several runs. */
vx_status vx_report_write_bars(const json_t *document, FILE *out, vx_msg *msg);
/* One row a run, one column a scalar path; RFC 4180. The rows of a run's intervals stand before its own; theirs have a
 * number in the column "interval". */
vx_status vx_report_write_csv(const json_t *document, FILE *out, vx_msg *msg);

/* One page: style and charts inline, no network, no script; well-formed as XML. */
vx_status vx_report_write_html(const json_t *document, FILE *out, vx_msg *msg);

/* Writes a whole file by way of a temporary one beside it, fsync and rename: the file is either as before or whole. "-"
 * is standard output; what is no regular file (a pipe, /dev/null) is written in place. */
vx_status vx_report_save(const json_t *document, const char *path,
                         vx_status (*write)(const json_t *document, FILE *out, vx_msg *msg), vx_msg *msg);

#endif
