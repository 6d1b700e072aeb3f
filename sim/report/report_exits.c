/* The exit table, laid out as `perf kvm stat report` prints it, so that a measured host and the model read alike. Its
 * time is in cycles where perf has microseconds, and there is no deviation: the model knows sums, least and most. */
#include "report_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct exit_row {
    const char *name;
    uint64_t count, cycles, least, most;
} exit_row;

enum { ROWS_MAX = 1024, NAME_WIDTH = 20 };

/* perf's default order: most samples first; equals stay as declared. */
static unsigned collect(const json_t *reasons, exit_row rows[ROWS_MAX])
{
    unsigned count = 0;
    const char *name;
    json_t *reason;
    json_object_foreach((json_t *)reasons, name, reason)
    {
        exit_row row = {.name = name,
                        .count = report_uint(reason, "count"),
                        .cycles = report_uint(reason, "hardware_cycles") + report_uint(reason, "software_cycles"),
                        .least = report_uint(reason, "min"),
                        .most = report_uint(reason, "max")};
        if (row.count == 0 || count == ROWS_MAX) continue;
        unsigned at = count++;
        for (; at > 0 && rows[at - 1].count < row.count; at--) rows[at] = rows[at - 1];
        rows[at] = row;
    }
    return count;
}

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0.0; }

static void print_row(const exit_row *row, uint64_t samples, uint64_t cycles, int width, FILE *out)
{
    char name[REPORT_WORD];
    fprintf(out, "%*s %10" PRIu64 " %8.2f%% %8.2f%% %11" PRIu64 " %11" PRIu64 " %16.2f\n", width,
            report_plain(row->name, name), row->count, percent(row->count, samples), percent(row->cycles, cycles),
            row->least, row->most, (double)row->cycles / (double)row->count);
}

void report_exits(const json_t *run, FILE *out)
{
    exit_row *rows = calloc(ROWS_MAX, sizeof *rows);
    if (!rows) return;
    unsigned count = collect(report_at(run, "exits.by_reason"), rows);
    uint64_t samples = 0, cycles = 0;
    int width = NAME_WIDTH;
    for (unsigned i = 0; i < count; i++) {
        samples += rows[i].count;
        cycles += rows[i].cycles;
        int length = (int)strnlen(rows[i].name, REPORT_WORD - 1);
        if (length > width) width = length;
    }
    if (count > 0) {
        fprintf(out, "\n%*s %10s %9s %9s %11s %11s %16s\n\n", width, "VM-EXIT", "Samples", "Samples%", "Time%",
                "Min Time", "Max Time", "Avg time");
        for (unsigned i = 0; i < count; i++) print_row(&rows[i], samples, cycles, width, out);
        fprintf(out, "\nTotal Samples:%" PRIu64 ", Total events handled time:%" PRIu64 " cycles.\n", samples, cycles);
    }
    free(rows);
}
