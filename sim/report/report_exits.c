/* The exit table, laid out as `perf kvm stat report` prints it, so that a measured host and the model read alike. Its
 * time is in cycles where perf has microseconds, and there is no deviation: the model knows sums, least and most. */
#include "report_private.h"

#include <inttypes.h>
#include <string.h>

enum { NAME_WIDTH = 20 };

static unsigned rows_at(const json_t *run, const char *path, report_exit rows[REPORT_EXITS_MAX])
{
    unsigned count = 0;
    const char *name;
    json_t *reason;
    json_object_foreach((json_t *)report_at(run, path), name, reason)
    {
        report_exit row = {.name = name,
                           .number = report_uint(reason, "number"),
                           .count = report_uint(reason, "count"),
                           .hardware_cycles = report_uint(reason, "hardware_cycles"),
                           .software_cycles = report_uint(reason, "software_cycles"),
                           .least = report_uint(reason, "min"),
                           .most = report_uint(reason, "max")};
        if (row.count == 0 || count == REPORT_EXITS_MAX) continue;
        unsigned at = count++;
        for (; at > 0 && rows[at - 1].count < row.count; at--) rows[at] = rows[at - 1];
        rows[at] = row;
    }
    return count;
}

unsigned report_exit_rows(const json_t *run, report_exit rows[REPORT_EXITS_MAX])
{
    return rows_at(run, "exits.by_reason", rows);
}

static uint64_t cycles_of(const report_exit *row) { return row->hardware_cycles + row->software_cycles; }

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0.0; }

static void print_row(const report_exit *row, uint64_t samples, uint64_t cycles, int width, FILE *out)
{
    char name[REPORT_WORD];
    fprintf(out, "%*s %10" PRIu64 " %8.2f%% %8.2f%% %11" PRIu64 " %11" PRIu64 " %16.2f\n", width,
            report_plain(row->name, name), row->count, percent(row->count, samples), percent(cycles_of(row), cycles),
            row->least, row->most, (double)cycles_of(row) / (double)row->count);
}

static void print_table(const report_exit *rows, unsigned count, const char *title, FILE *out)
{
    uint64_t samples = 0, cycles = 0;
    int width = NAME_WIDTH;
    for (unsigned i = 0; i < count; i++) {
        samples += rows[i].count;
        cycles += cycles_of(&rows[i]);
        int length = (int)strnlen(rows[i].name, REPORT_WORD - 1);
        if (length > width) width = length;
    }
    fprintf(out, "\n%*s %10s %9s %9s %11s %11s %16s\n\n", width, title, "Samples", "Samples%", "Time%", "Min Time",
            "Max Time", "Avg time");
    for (unsigned i = 0; i < count; i++) print_row(&rows[i], samples, cycles, width, out);
    fprintf(out, "\nTotal Samples:%" PRIu64 ", Total events handled time:%" PRIu64 " cycles.\n", samples, cycles);
}

static void print_kinds(const json_t *run, FILE *out)
{
    static const struct {
        const char *kind, *text;
    } kinds[] = {{"reflected", "exits of L2 that L0 reflected to L1"},
                 {"ept02_fill", "exits of L2 that L0 mended in EPT02"},
                 {"ept01_fill", "exits of L1 for memory that EPT01 lacked"},
                 {"ept12_store", "exits of L1 for stores to EPT12"},
                 {"vmx_instruction", "exits of L1 for VMX instructions"}};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        fprintf(out, "%*" PRIu64 "   %s\n", NAME_WIDTH + 11,
                report_uint(report_at(run, "nested.l0_exits.by_kind"), kinds[i].kind), kinds[i].text);
}

/* Of a nested guest two tables: what L1 handled, with all that it took, and the exits to L0, by reason and by kind. */
void report_exits(const json_t *run, FILE *out)
{
    report_exit rows[REPORT_EXITS_MAX];
    bool nested = report_at(run, "nested") != NULL;
    unsigned count = nested ? rows_at(run, "nested.l1_by_reason", rows) : report_exit_rows(run, rows);
    if (count > 0) print_table(rows, count, nested ? "L2 EXIT, to L1" : "VM-EXIT", out);
    if (!nested) return;
    count = rows_at(run, "nested.l0_exits.by_reason", rows);
    if (count > 0) print_table(rows, count, "EXIT, to L0", out);
    print_kinds(run, out);
}
