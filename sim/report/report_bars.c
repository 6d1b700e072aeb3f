/* Cycles by cause as one bar a run, all to one scale: who costs what, at a glance. */
#include "report_private.h"

#include <string.h>

#include "vx_ledger.h"

enum { NAME_WIDTH = 16, BAR_WIDTH = 64, TOTAL_WIDTH = 16 };

/* A letter a cause: capitals are exits. */
static const char letters[VX_CAUSES] = {
    [VX_CAUSE_GUEST_INSTRUCTIONS] = '=', [VX_CAUSE_GUEST_FAULT] = 'f',   [VX_CAUSE_TLB_L2_HIT] = 't',
    [VX_CAUSE_WALK_GUEST] = 'g',         [VX_CAUSE_WALK_NESTED] = 'n',   [VX_CAUSE_WALK_SHADOW] = 's',
    [VX_CAUSE_MEM_DATA] = 'm',           [VX_CAUSE_EXIT_HARDWARE] = 'H', [VX_CAUSE_EXIT_SOFTWARE] = 'S',
    [VX_CAUSE_INTERRUPT] = 'i',          [VX_CAUSE_IDLE] = '.',          [VX_CAUSE_IO_BACKEND] = 'b',
};

uint64_t report_cause_cycles(const json_t *run, unsigned cause)
{
    const json_t *causes = report_at(run, "cycles.by_cause");
    json_int_t value = json_integer_value(json_object_get(causes, vx_cause_name((vx_cause)cause)));
    return value > 0 ? (uint64_t)value : 0;
}

uint64_t report_cycles(const json_t *run)
{
    if (json_is_integer(report_at(run, "cycles.total"))) return report_uint(run, "cycles.total");
    uint64_t sum = 0;
    for (unsigned cause = 0; cause < VX_CAUSES; cause++) sum += report_cause_cycles(run, cause);
    return sum;
}

/* Ends of segments are rounded, not lengths: the bar's length is right whatever the number of causes. */
static void bar(const json_t *run, double scale, FILE *out)
{
    char name[REPORT_WORD], total[REPORT_NUMBER];
    fprintf(out, "%-*.*s |", NAME_WIDTH, NAME_WIDTH, report_word(run, "name", "?", name));
    double sum = 0.0;
    long drawn = 0;
    for (unsigned cause = 0; cause < VX_CAUSES; cause++) {
        sum += (double)report_cause_cycles(run, cause);
        long end = (long)(sum / scale + 0.5);
        for (; drawn < end && drawn < BAR_WIDTH; drawn++) fputc(letters[cause], out);
    }
    fprintf(out, "%*s %*s\n", (int)(BAR_WIDTH - drawn), "", TOTAL_WIDTH, report_grouped(report_cycles(run), total));
}

static void legend(const json_t *runs, FILE *out)
{
    unsigned column = 0;
    for (unsigned cause = 0; cause < VX_CAUSES; cause++) {
        bool used = false;
        for (size_t i = 0; i < json_array_size(runs); i++)
            used |= report_cause_cycles(json_array_get(runs, i), cause) > 0;
        if (!used) continue;
        const char *name = vx_cause_name((vx_cause)cause);
        unsigned width = (unsigned)strlen(name) + 4;
        if (column + width > REPORT_COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        fprintf(out, "%s%c %s", column ? "  " : "", letters[cause], name);
        column += width;
    }
    fputc('\n', out);
}

void report_bars(const json_t *runs, FILE *out)
{
    double most = 0.0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        double sum = 0.0;
        for (unsigned cause = 0; cause < VX_CAUSES; cause++)
            sum += (double)report_cause_cycles(json_array_get(runs, i), cause);
        if (sum > most) most = sum;
    }
    if (most <= 0.0) return;
    double scale = most / BAR_WIDTH;
    char number[REPORT_NUMBER];
    fprintf(out, "\nCYCLES BY CAUSE (one character: %s cycles)\n", report_grouped((uint64_t)(scale + 0.5), number));
    for (size_t i = 0; i < json_array_size(runs); i++) bar(json_array_get(runs, i), scale, out);
    legend(runs, out);
}

vx_status vx_report_write_bars(const json_t *document, FILE *out, vx_msg *msg)
{
    report_bars(json_object_get(document, "runs"), out);
    return report_end(out, msg);
}
