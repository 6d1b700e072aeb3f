/* The text of one run: cycles, TLBs, walks, exits, derived figures. */
#include "report_private.h"

#include <string.h>

static void cycles(const json_t *run, FILE *out)
{
    const json_t *causes = report_at(run, "cycles.by_cause");
    double total = report_real(run, "cycles.total");
    char name[REPORT_WORD], count[REPORT_NUMBER], share[REPORT_NUMBER];
    if (!report_at(run, "cycles.total")) return;
    fprintf(out, "\n%-30s %20s %8s\n", "CYCLES BY CAUSE", "cycles", "share");
    const char *cause;
    json_t *value;
    json_object_foreach((json_t *)causes, cause, value)
    {
        if (json_integer_value(value) == 0) continue;
        fprintf(out, "%-30s %20s %8s\n", report_plain(cause, name), report_figure(value, count),
                report_percent(json_number_value(value), total, share));
    }
    fprintf(out, "%-30s %20s %8s\n", "total", report_grouped(report_uint(run, "cycles.total"), count),
            report_percent(total, total, share));
}

static void tlbs(const json_t *run, FILE *out)
{
    const json_t *tlb = json_object_get(run, "tlb");
    if (json_object_size(tlb) == 0) return;
    fprintf(out, "\n%-30s %-6s %20s %20s %10s\n", "TLB", "class", "lookups", "misses", "miss rate");
    const char *structure;
    json_t *value;
    char name[REPORT_WORD], class[REPORT_WORD], lookups[REPORT_NUMBER], misses[REPORT_NUMBER], rate[REPORT_NUMBER];
    json_object_foreach((json_t *)tlb, structure, value)
    {
        if (!json_object_get(value, "lookups")) continue;
        fprintf(out, "%-30s %-6s %20s %20s %10s\n", report_plain(structure, name),
                report_word(value, "class", "-", class), report_figure(json_object_get(value, "lookups"), lookups),
                report_figure(json_object_get(value, "misses"), misses),
                report_percent(report_real(value, "misses"), report_real(value, "lookups"), rate));
    }
    uint64_t retries = report_uint(run, "tlb.retries");
    if (retries) fprintf(out, "lookups made again after a fault or exit: %s\n", report_grouped(retries, lookups));
}

static void walks(const json_t *run, FILE *out)
{
    const json_t *walks = json_object_get(run, "walks");
    if (!walks) return;
    uint64_t count = report_uint(walks, "count"), accesses = report_uint(walks, "accesses");
    uint64_t aborted = report_uint(walks, "aborted");
    char number[REPORT_NUMBER];
    report_heading(out, "PAGE WALKS");
    fprintf(out, "walks %s", report_grouped(count, number));
    if (aborted) fprintf(out, " (%s aborted)", report_grouped(aborted, number));
    fprintf(out, ", accesses %s", report_grouped(accesses, number));
    if (count) fprintf(out, ", %.2f a walk", (double)accesses / (double)count);
    fprintf(out, ", A and D updates %s\n", report_grouped(report_uint(walks, "ad_writes"), number));
    report_grids(run, out);
}

static void band(const char *key, const json_t *figure, FILE *out)
{
    char name[REPORT_WORD], low[REPORT_NUMBER], high[REPORT_NUMBER];
    fprintf(out, "%-38s %16s   to %s (walks, exits +-50%%)\n", report_plain(key, name),
            report_figure(json_object_get(figure, "low"), low), report_figure(json_object_get(figure, "high"), high));
}

/* "12.345 misses": a ratio, what it was made of, or a plain number. */
static void derived(const json_t *run, FILE *out)
{
    const json_t *figures = json_object_get(run, "derived");
    if (json_object_size(figures) == 0) return;
    fprintf(out, "\n%-38s %16s   %s\n", "DERIVED", "value", "from");
    const char *key;
    json_t *figure;
    char name[REPORT_WORD], value[REPORT_NUMBER], num[REPORT_NUMBER], den[REPORT_NUMBER];
    json_object_foreach((json_t *)figures, key, figure)
    {
        if (json_object_get(figure, "low")) {
            band(key, figure, out);
            continue;
        }
        const json_t *shown = json_is_object(figure) ? json_object_get(figure, "value") : figure;
        fprintf(out, "%-38s %16s", report_plain(key, name), report_figure(shown, value));
        if (json_is_object(figure))
            fprintf(out, "   %s / %s", report_figure(json_object_get(figure, "num"), num),
                    report_figure(json_object_get(figure, "den"), den));
        if (json_object_get(figure, "scale")) fprintf(out, " x %g", report_real(figure, "scale"));
        fputc('\n', out);
    }
}

void report_run_tables(const json_t *run, FILE *out)
{
    cycles(run, out);
    tlbs(run, out);
    walks(run, out);
    report_exits(run, out);
    report_vcpus(run, out);
    derived(run, out);
}
