/* What the files of the HTML report share. Everything that comes from the document goes through html_put: it may hold
 * any bytes. The page is well-formed XML, so that tests and tools can parse it strictly. */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include "report_private.h"

/* Writes text of any length, escaped for element content and for attributes in double quotes. */
void html_put(FILE *out, const char *text);
/* The same, at most `most` characters of it. */
void html_put_cut(FILE *out, const char *text, size_t most);
/* <tag>text</tag>. */
void html_element(FILE *out, const char *tag, const char *text);
/* The string at a path, escaped; `missing` where there is none. */
void html_word(FILE *out, const json_t *object, const char *path, const char *missing);
/* The names of those runs for which `holds` does, or "all runs". */
void html_runs(FILE *out, const json_t *runs, bool (*holds)(const json_t *run, const void *context),
               const void *context);
/* A number's cell: <td>1,234</td>. */
void html_cell(FILE *out, const char *text);

/* ---- report_html_style.c ---- */
void html_style(FILE *out);

/* ---- report_html_svg.c ---- */
void html_bars(const json_t *runs, FILE *out);
void html_overheads(const json_t *runs, FILE *out);
void html_grids(const json_t *runs, FILE *out);

/* ---- report_html_notes.c ---- */
void html_notes(const json_t *document, const json_t *runs, FILE *out);

/* ---- report_html_config.c ---- */
vx_status html_config(const json_t *runs, FILE *out, vx_msg *msg);

/* ---- report_html_tables.c ---- */
vx_status html_side_by_side(const json_t *runs, FILE *out, vx_msg *msg);
void html_tlbs(const json_t *runs, FILE *out);
/* After the TLBs. */
vx_status html_flushes(const json_t *runs, FILE *out, vx_msg *msg);
void html_exits(const json_t *runs, FILE *out);

/* report_vcpus.c: the vCPUs of each run that has several. */
void html_vcpus(const json_t *runs, FILE *out);
vx_status html_measured(const json_t *document, const json_t *runs, FILE *out, vx_msg *msg);
vx_status html_derived(const json_t *runs, FILE *out, vx_msg *msg);

#endif
