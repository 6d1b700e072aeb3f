/* The tables of the HTML report. */
#include "report_html.h"

static void name_heads(const json_t *runs, FILE *out)
{
    for (size_t i = 0; i < json_array_size(runs); i++) {
        fputs("<th scope=\"col\" class=\"n\">", out);
        html_word(out, json_array_get(runs, i), "name", "?");
        fputs("</th>", out);
    }
}

static void begin_table(FILE *out) { fputs("<div class=\"scroll\"><table>\n<thead><tr>", out); }
static void begin_rows(FILE *out) { fputs("</tr></thead>\n<tbody>\n", out); }
static void end_table(FILE *out) { fputs("</tbody></table></div>\n", out); }

/* ---- side by side ---- */

typedef struct side_by_side {
    const json_t *runs;
    FILE *out;
} side_by_side;

static void side_row(void *context, const report_row *row)
{
    const side_by_side *table = context;
    char text[REPORT_CELL];
    static const char *const classes[] = {"top", "part", "part deep"};
    fprintf(table->out, "<tr class=\"%s\"><th scope=\"row\">", classes[row->depth < 2 ? row->depth : 2]);
    html_put(table->out, row->label);
    fputs("</th>", table->out);
    for (size_t i = 0; i < json_array_size(table->runs); i++)
        html_cell(table->out, row->figure ? report_row_text(row, json_array_get(table->runs, i), " \u00b1", text) : "");
    fputs("</tr>\n", table->out);
}

vx_status html_side_by_side(const json_t *runs, FILE *out, vx_msg *msg)
{
    side_by_side table = {runs, out};
    fprintf(out, "<h2>%s</h2>\n", json_array_size(runs) == 1 ? "Figures" : "Side by side");
    begin_table(out);
    fputs("<th></th>", out);
    name_heads(runs, out);
    begin_rows(out);
    bool done = report_rows(runs, side_row, &table);
    end_table(out);
    return done ? VX_OK : vx_fail_nomem(msg);
}

/* ---- exits ---- */

static void exit_row(const report_exit *row, uint64_t samples, uint64_t cycles, FILE *out)
{
    char text[REPORT_NUMBER];
    uint64_t own = row->hardware_cycles + row->software_cycles;
    fputs("<tr><th scope=\"row\">", out);
    html_put(out, row->name);
    fputs("</th>", out);
    html_cell(out, report_grouped(row->number, text));
    html_cell(out, report_grouped(row->count, text));
    html_cell(out, report_percent((double)row->count, (double)samples, text));
    html_cell(out, report_percent((double)own, (double)cycles, text));
    html_cell(out, report_grouped(row->hardware_cycles, text));
    html_cell(out, report_grouped(row->software_cycles, text));
    html_cell(out, report_grouped(row->least, text));
    html_cell(out, report_grouped(row->most, text));
    html_cell(out, report_grouped((uint64_t)((double)own / (double)row->count + 0.5), text));
    fputs("</tr>\n", out);
}

static void exit_table(const json_t *run, const char *title, const report_exit *rows, unsigned count, FILE *out)
{
    static const char *const heads[] = {"number",          "exits",    "of exits", "of time", "hardware cycles",
                                        "software cycles", "cheapest", "dearest",  "mean"};
    uint64_t samples = 0, cycles = 0;
    for (unsigned i = 0; i < count; i++) {
        samples += rows[i].count;
        cycles += rows[i].hardware_cycles + rows[i].software_cycles;
    }
    fputs("<h3>", out);
    html_word(out, run, "name", "?");
    if (title) fprintf(out, ": %s", title);
    fputs("</h3>\n", out);
    begin_table(out);
    fputs("<th>reason</th>", out);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        fprintf(out, "<th scope=\"col\" class=\"n\">%s</th>", heads[i]);
    begin_rows(out);
    for (unsigned i = 0; i < count; i++) exit_row(&rows[i], samples, cycles, out);
    end_table(out);
}

/* Of a nested guest: who exited to L0. */
static void l0_kinds(const json_t *run, FILE *out)
{
    char number[REPORT_NUMBER];
    uint64_t count;
    const char *text;
    for (unsigned kind = 0; (text = report_l0_kind(run, kind, &count)) != NULL; kind++)
        fprintf(out, "%s%s %s", kind ? ", " : "<p>", report_grouped(count, number), text);
    if (report_l0_kind(run, 0, &count)) fputs(".</p>\n", out);
}

void html_exits(const json_t *runs, FILE *out)
{
    report_exit rows[REPORT_EXITS_MAX];
    bool any = false;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        for (unsigned table = 0; table < REPORT_EXIT_TABLES; table++) {
            unsigned count = report_exit_rows(run, table, rows);
            if (count == 0) continue;
            if (!any) fputs("<h2>VM exits</h2>\n", out);
            any = true;
            exit_table(run, report_exit_title(run, table), rows, count, out);
        }
        l0_kinds(run, out);
    }
}

/* ---- TLBs ---- */

static void tlb_row(const json_t *run, const char *name, const json_t *tlb, FILE *out)
{
    char text[REPORT_NUMBER];
    fputs("<tr><th scope=\"row\">", out);
    html_word(out, run, "name", "?");
    fputs("</th>", out);
    html_element(out, "td", name);
    fputs("<td>", out);
    html_word(out, tlb, "class", "-");
    fputs("</td>", out);
    html_cell(out, report_figure(json_object_get(tlb, "lookups"), text));
    html_cell(out, report_figure(json_object_get(tlb, "hits"), text));
    html_cell(out, report_figure(json_object_get(tlb, "misses"), text));
    html_cell(out, report_percent(report_real(tlb, "misses"), report_real(tlb, "lookups"), text));
    fputs("</tr>\n", out);
}

void html_tlbs(const json_t *runs, FILE *out)
{
    fputs("<h2>TLBs</h2>\n", out);
    begin_table(out);
    fputs("<th>run</th><th>structure</th><th>class</th><th class=\"n\">lookups</th><th class=\"n\">hits</th>"
          "<th class=\"n\">misses</th><th class=\"n\">miss rate</th>",
          out);
    begin_rows(out);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const char *name;
        json_t *tlb;
        json_object_foreach(json_object_get(json_array_get(runs, i), "tlb"), name, tlb)
        {
            if (json_object_get(tlb, "lookups")) tlb_row(json_array_get(runs, i), name, tlb, out);
        }
    }
    end_table(out);
}

/* ---- flushes ---- */

static bool ever_flushed(const json_t *runs, const char *cause)
{
    for (size_t i = 0; i < json_array_size(runs); i++)
        if (report_uint(json_object_get(report_at(json_array_get(runs, i), "tlb.flushes"), cause), "count"))
            return true;
    return false;
}

static void flush_row(const json_t *runs, const char *cause, FILE *out)
{
    char count[REPORT_NUMBER], entries[REPORT_NUMBER];
    fputs("<tr><th scope=\"row\">", out);
    html_put(out, cause);
    fputs("</th>", out);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *flushes = json_object_get(report_at(json_array_get(runs, i), "tlb.flushes"), cause);
        fprintf(out, "<td class=\"n\">%s (%s)</td>", report_figure(json_object_get(flushes, "count"), count),
                report_figure(json_object_get(flushes, "entries"), entries));
    }
    fputs("</tr>\n", out);
}

vx_status html_flushes(const json_t *runs, FILE *out, vx_msg *msg)
{
    json_t *causes = report_keys(runs, "tlb.flushes"), *unused;
    if (!causes) return vx_fail_nomem(msg);
    const char *cause;
    bool any = false;
    json_object_foreach(causes, cause, unused)
    {
        if (!ever_flushed(runs, cause)) continue;
        if (!any) {
            fputs("<h3>Flushes (TLB entries dropped)</h3>\n", out);
            begin_table(out);
            fputs("<th>cause</th>", out);
            name_heads(runs, out);
            begin_rows(out);
        }
        any = true;
        flush_row(runs, cause, out);
    }
    if (any) end_table(out);
    json_decref(causes);
    return VX_OK;
}

/* ---- derived ---- */

static void derived_row(const json_t *runs, const char *key, FILE *out)
{
    char text[REPORT_NUMBER];
    fputs("<tr><th scope=\"row\">", out);
    html_put(out, key);
    fputs("</th>", out);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *figure = json_object_get(json_object_get(json_array_get(runs, i), "derived"), key);
        const json_t *low = json_object_get(figure, "low");
        const json_t *shown = json_is_object(figure) && !low ? json_object_get(figure, "value") : low ? low : figure;
        fputs("<td class=\"n\">", out);
        html_put(out, report_figure(shown, text));
        if (low) fprintf(out, " to %s", report_figure(json_object_get(figure, "high"), text));
        fputs("</td>", out);
    }
    fputs("</tr>\n", out);
}

vx_status html_derived(const json_t *runs, FILE *out, vx_msg *msg)
{
    json_t *keys = report_keys(runs, "derived");
    if (!keys) return vx_fail_nomem(msg);
    const char *key;
    json_t *unused;
    fputs("<h2>Derived figures</h2>\n", out);
    begin_table(out);
    fputs("<th></th>", out);
    name_heads(runs, out);
    begin_rows(out);
    json_object_foreach(keys, key, unused) derived_row(runs, key, out);
    end_table(out);
    json_decref(keys);
    return VX_OK;
}
