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

static bool is_nested(const json_t *run) { return report_at(run, "nested") != NULL; }

unsigned report_exit_rows(const json_t *run, unsigned table, report_exit rows[REPORT_EXITS_MAX])
{
    static const char *const nested[REPORT_EXIT_TABLES] = {"nested.l1_by_reason", "nested.l0_exits.by_reason"};
    if (is_nested(run)) return rows_at(run, nested[table], rows);
    return table == 0 ? rows_at(run, "exits.by_reason", rows) : 0;
}

const char *report_exit_title(const json_t *run, unsigned table)
{
    static const char *const titles[REPORT_EXIT_TABLES] = {"L2 EXIT, to L1", "EXIT, to L0"};
    return is_nested(run) ? titles[table] : NULL;
}

const char *report_l0_kind(const json_t *run, unsigned kind, uint64_t *count)
{
    static const struct {
        const char *kind, *text;
    } kinds[] = {{"reflected", "exits of L2 that L0 reflected to L1"},
                 {"ept02_fill", "exits of L2 that L0 mended in EPT02"},
                 {"npt02_fill", "exits of L2 that L0 mended in NPT02"},
                 {"alone", "exits of L2 that L0 alone intercepts"},
                 {"ept01_fill", "exits of L1 for memory that EPT01 lacked"},
                 {"npt01_fill", "exits of L1 for memory that NPT01 lacked"},
                 {"ept12_store", "exits of L1 for stores to EPT12"},
                 {"npt12_store", "exits of L1 for stores to NPT12"},
                 {"vmx_instruction", "exits of L1 for VMX instructions"},
                 {"svm_instruction", "exits of L1 on its way into L2"}};
    const json_t *by_kind = report_at(run, "nested.l0_exits.by_kind");
    for (unsigned i = 0; is_nested(run) && i < sizeof kinds / sizeof *kinds; i++) {
        if (!json_object_get(by_kind, kinds[i].kind) || kind-- > 0) continue;
        *count = report_uint(by_kind, kinds[i].kind);
        return kinds[i].text;
    }
    return NULL;
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

void report_exits(const json_t *run, FILE *out)
{
    report_exit rows[REPORT_EXITS_MAX];
    for (unsigned table = 0; table < REPORT_EXIT_TABLES; table++) {
        unsigned count = report_exit_rows(run, table, rows);
        const char *title = report_exit_title(run, table);
        if (count > 0) print_table(rows, count, title ? title : "VM-EXIT", out);
    }
    uint64_t count;
    const char *text;
    for (unsigned kind = 0; (text = report_l0_kind(run, kind, &count)) != NULL; kind++)
        fprintf(out, "%*" PRIu64 "   %s\n", NAME_WIDTH + 11, count, text);
}
