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
    char plain[REPORT_WORD], number[REPORT_NUMBER];
    int indent = 2 * (int)row->depth;
    report_plain(row->label, plain);
    if (!row->figure) {
        fprintf(block->out, "%*s%s\n", indent, "", plain);
        return;
    }
    fprintf(block->out, "%*s%-*s", indent, "", LABEL_WIDTH - indent, plain);
    for (size_t i = block->first; i < block->end; i++)
        fprintf(block->out, " %*s", block->width - 1, report_row_text(row, json_array_get(block->runs, i), number));
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

/* Wide enough for the largest number (cycles in total) and the longest name. */
static int cell_width(const json_t *runs)
{
    size_t width = CELL_WIDTH_MIN;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        char number[REPORT_NUMBER], name[REPORT_WORD];
        size_t digits = strlen(report_figure(report_at(json_array_get(runs, i), "cycles.total"), number));
        size_t letters = strlen(report_word(json_array_get(runs, i), "name", "?", name));
        if (digits + 1 > width) width = digits + 1;
        if (letters + 1 > width) width = letters + 1;
    }
    return (int)width;
}

vx_status report_side_by_side(const json_t *runs, FILE *out, vx_msg *msg)
{
    size_t count = json_array_size(runs);
    run_block block = {.runs = runs, .width = cell_width(runs), .out = out};
    size_t fitting = (size_t)((REPORT_COLUMNS - LABEL_WIDTH) / block.width);
    if (fitting == 0) fitting = 1;
    for (; block.first < count; block.first = block.end) {
        block.end = block.first + fitting < count ? block.first + fitting : count;
        heads(&block);
        if (!report_rows(runs, print_row, &block)) return vx_fail_nomem(msg);
    }
    return VX_OK;
}
