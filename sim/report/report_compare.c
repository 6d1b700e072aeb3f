/* Several runs side by side: a row a figure, a column a run. */
#include "report_private.h"

#include <string.h>

enum { LABEL_WIDTH = 30, CELL_WIDTH_MIN = 12 };

/* Up to how many runs stand in one block, and which. */
typedef struct run_block {
    const json_t *runs;
    size_t first, end;
    int width; /* of a cell, with the blank before it */
    FILE *out;
} run_block;

static void print_row(void *context, const report_row *row)
{
    const run_block *block = context;
    char plain[REPORT_WORD], text[REPORT_CELL];
    int indent = 2 * (int)row->depth;
    report_plain(row->label, plain);
    if (!row->figure) {
        fprintf(block->out, "%*s%s\n", indent, "", plain);
        return;
    }
    fprintf(block->out, "%*s%-*s", indent, "", LABEL_WIDTH - indent, plain);
    for (size_t i = block->first; i < block->end; i++)
        fprintf(block->out, " %*s", block->width - 1,
                report_row_text(row, json_array_get(block->runs, i), " +-", text));
    fputc('\n', block->out);
}

static void heads(const run_block *block)
{
    char name[REPORT_WORD];
    fprintf(block->out, "\n%-*s", LABEL_WIDTH, "");
    for (size_t i = block->first; i < block->end; i++)
        fprintf(block->out, " %*s", block->width - 1, report_word(json_array_get(block->runs, i), "name", "?", name));
    fputc('\n', block->out);
}

/* Makes the block's cells wide enough for a row. */
static void measure_row(void *context, const report_row *row)
{
    run_block *block = context;
    char text[REPORT_CELL];
    for (size_t i = 0; i < json_array_size(block->runs) && row->figure; i++) {
        int needed = (int)strlen(report_row_text(row, json_array_get(block->runs, i), " +-", text)) + 1;
        if (needed > block->width) block->width = needed;
    }
}

/* Wide enough for every figure and the longest name. */
static bool measure(run_block *block)
{
    for (size_t i = 0; i < json_array_size(block->runs); i++) {
        char name[REPORT_WORD];
        int needed = (int)strlen(report_word(json_array_get(block->runs, i), "name", "?", name)) + 1;
        if (needed > block->width) block->width = needed;
    }
    return report_rows(block->runs, measure_row, block);
}

vx_status report_side_by_side(const json_t *runs, FILE *out, vx_msg *msg)
{
    size_t count = json_array_size(runs);
    run_block block = {.runs = runs, .width = CELL_WIDTH_MIN, .out = out};
    if (!measure(&block)) return vx_fail_nomem(msg);
    size_t fitting = (size_t)((REPORT_COLUMNS - LABEL_WIDTH) / block.width);
    if (fitting == 0) fitting = 1;
    for (; block.first < count; block.first = block.end) {
        block.end = block.first + fitting < count ? block.first + fitting : count;
        heads(&block);
        if (!report_rows(runs, print_row, &block)) return vx_fail_nomem(msg);
    }
    return VX_OK;
}
