/* The HTML report's table of a measured host beside the runs. */
#include "report_html.h"

typedef struct measured_table {
    const json_t *runs, *measured;
    FILE *out;
} measured_table;

static void pair(const json_t *reason, const json_t *object, FILE *out)
{
    char text[REPORT_NUMBER];
    html_cell(out, report_figure(json_object_get(reason, "count"), text));
    html_cell(out, reason ? report_measured_share(reason, object, text) : "-");
}

static void reason_row(void *context, const char *name)
{
    const measured_table *table = context;
    fputs("<tr><th scope=\"row\">", table->out);
    html_put(table->out, name);
    fputs("</th>", table->out);
    pair(report_measured_of(json_object_get(table->measured, "by_reason"), name), table->measured, table->out);
    for (size_t i = 0; i < json_array_size(table->runs); i++) {
        const json_t *exits = json_object_get(json_array_get(table->runs, i), "exits");
        pair(json_object_get(json_object_get(exits, "by_reason"), name), exits, table->out);
    }
    fputs("</tr>\n", table->out);
}

static void heads(const measured_table *table)
{
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th>reason</th><th class=\"n\">measured</th>"
          "<th class=\"n\">share</th>",
          table->out);
    for (size_t i = 0; i < json_array_size(table->runs); i++) {
        fputs("<th scope=\"col\" class=\"n\">", table->out);
        html_word(table->out, json_array_get(table->runs, i), "name", "?");
        fputs("</th><th class=\"n\">share</th>", table->out);
    }
    fputs("</tr></thead>\n<tbody>\n", table->out);
}

static void sums(const measured_table *table)
{
    char text[REPORT_NUMBER];
    fputs("<tr><th scope=\"row\">exits; shares differ by</th>", table->out);
    html_cell(table->out, report_figure(json_object_get(table->measured, "total"), text));
    html_cell(table->out, "");
    for (size_t i = 0; i < json_array_size(table->runs); i++) {
        const json_t *run = json_array_get(table->runs, i);
        html_cell(table->out, report_figure(report_at(run, "exits.total"), text));
        html_cell(table->out, report_share_difference(run, table->measured, text));
    }
    fputs("</tr>\n</tbody></table></div>\n", table->out);
}

vx_status html_measured(const json_t *document, const json_t *runs, FILE *out, vx_msg *msg)
{
    measured_table table = {runs, json_object_get(document, "measured"), out};
    if (!json_is_object(table.measured)) return VX_OK;
    fputs("<h2>Exits beside a measured host</h2>\n<p>", out);
    html_word(out, table.measured, "path", "?");
    fputs(". The host may have run for longer than the trace: compare shares, not counts.</p>\n", out);
    heads(&table);
    bool done = report_measured_rows(runs, table.measured, reason_row, &table);
    sums(&table);
    return done ? VX_OK : vx_fail_nomem(msg);
}
