/* The vCPUs of a run that has several, a row each: what they did, what their exits were, how they interrupted each
 * other. Text and HTML print the same figures in the same order. */
#include "report_html.h"
#include "report_private.h"

static const struct {
    const char *head, *path;
} columns[] = {
    {"instructions", "instructions"}, {"cycles", "cycles.total"}, {"idle", "cycles.by_cause.idle"},
    {"exits", "exits.total"},         {"walks", "walks.count"},   {"IPIs sent", "ipis.sent"},
    {"received", "ipis.received"},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static const json_t *vcpus_of(const json_t *run) { return json_object_get(run, "vcpus"); }

/* ---- text ---- */

static void text_row(const json_t *vcpu, FILE *out)
{
    char number[REPORT_NUMBER];
    fprintf(out, "%4s", report_figure(json_object_get(vcpu, "apic_id"), number));
    for (size_t i = 0; i < COLUMNS; i++) fprintf(out, " %15s", report_figure(report_at(vcpu, columns[i].path), number));
    fputc('\n', out);
}

void report_vcpus(const json_t *run, FILE *out)
{
    const json_t *vcpus = vcpus_of(run);
    if (json_array_size(vcpus) == 0) return;
    fprintf(out, "\n%4s", "VCPU");
    for (size_t i = 0; i < COLUMNS; i++) fprintf(out, " %15s", columns[i].head);
    fputc('\n', out);
    for (size_t i = 0; i < json_array_size(vcpus); i++) text_row(json_array_get(vcpus, i), out);
    char number[REPORT_NUMBER];
    fprintf(out, "from the first to the last of them %s cycles\n",
            report_grouped(report_uint(run, "smp.elapsed"), number));
}

/* ---- HTML ---- */

static void html_row(const json_t *vcpu, FILE *out)
{
    char number[REPORT_NUMBER];
    fputs("<tr><th scope=\"row\">", out);
    html_put(out, report_figure(json_object_get(vcpu, "apic_id"), number));
    fputs("</th>", out);
    for (size_t i = 0; i < COLUMNS; i++) html_cell(out, report_figure(report_at(vcpu, columns[i].path), number));
    fputs("</tr>\n", out);
}

void html_vcpus(const json_t *runs, FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i), *vcpus = vcpus_of(run);
        if (json_array_size(vcpus) == 0) continue;
        if (!any) fputs("<h2>Virtual CPUs</h2>\n", out);
        any = true;
        fputs("<h3>", out);
        html_word(out, run, "name", "?");
        fputs("</h3>\n<div class=\"scroll\"><table>\n<thead><tr><th>vCPU</th>", out);
        for (size_t c = 0; c < COLUMNS; c++) fprintf(out, "<th scope=\"col\" class=\"n\">%s</th>", columns[c].head);
        fputs("</tr></thead>\n<tbody>\n", out);
        for (size_t v = 0; v < json_array_size(vcpus); v++) html_row(json_array_get(vcpus, v), out);
        fputs("</tbody></table></div>\n", out);
    }
}
