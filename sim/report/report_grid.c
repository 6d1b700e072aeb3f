/* The grid of a walk: a row per guest level (and one for the data), a column per nested level (and one for the guest's
 * own entry). */
#include "report_private.h"

enum { LABEL_WIDTH = 8, CELL_WIDTH = 15 };

uint64_t report_grid_cell(const json_t *cells, size_t row, size_t column)
{
    json_int_t value = json_integer_value(json_array_get(json_array_get(cells, row), column));
    return value > 0 ? (uint64_t)value : 0;
}

void report_grid(FILE *out, const report_labels *rows, const report_labels *columns, int width, report_cell cell,
                 void *context)
{
    char label[REPORT_WORD], number[REPORT_NUMBER];
    fprintf(out, "%-*s", LABEL_WIDTH, "");
    for (size_t column = 0; column < columns->count; column++)
        if (columns->shown[column]) fprintf(out, "%*s", width, report_plain(columns->names[column], label));
    fputc('\n', out);
    for (size_t row = 0; row < rows->count; row++) {
        if (!rows->shown[row]) continue;
        fprintf(out, "%-*s", LABEL_WIDTH, report_plain(rows->names[row], label));
        for (size_t column = 0; column < columns->count; column++)
            if (columns->shown[column]) fprintf(out, "%*s", width, cell(context, row, column, number));
        fputc('\n', out);
    }
}

static const char *matrix_cell(void *context, size_t row, size_t column, char text[REPORT_NUMBER])
{
    return report_figure(json_array_get(json_array_get(context, row), column), text);
}

/* Marks the rows and columns of `cells` that hold anything; whether any does. */
static bool mark_used(report_grid_view *view, const json_t *cells)
{
    bool any = false;
    for (size_t row = 0; row < view->row_count; row++)
        for (size_t column = 0; column < view->column_count; column++)
            if (report_grid_cell(cells, row, column)) any = view->row_shown[row] = view->column_shown[column] = true;
    return any;
}

/* How many; none where there are more than any paging mode has. */
static size_t take_names(const json_t *labels, const char *names[REPORT_GRID_MAX])
{
    size_t count = json_array_size(labels);
    if (count > REPORT_GRID_MAX) return 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(labels, i));
        names[i] = name ? name : "?";
    }
    return count;
}

bool report_grid_view_of(const json_t *run, report_grid_view *view)
{
    static const char *const keys[REPORT_GRID_LAYERS] = {"accesses", "skipped", "cycles"};
    const json_t *grid = report_at(run, "walks.grid");
    bool any = false;
    *view = (report_grid_view){.row_count = 0};
    view->row_count = take_names(json_object_get(grid, "rows"), view->row_names);
    view->column_count = take_names(json_object_get(grid, "columns"), view->column_names);
    for (unsigned i = 0; i < REPORT_GRID_LAYERS; i++) {
        const json_t *cells = json_object_get(grid, keys[i]);
        if (!mark_used(view, cells)) continue;
        view->layers[i] = cells;
        any = true;
    }
    return any;
}

void report_grids(const json_t *run, FILE *out)
{
    static const char *const titles[REPORT_GRID_LAYERS] = {"accesses by guest level (rows) and nested level (columns)",
                                                           "accesses that the walker's caches saved", "exposed cycles"};
    report_grid_view view;
    if (!report_grid_view_of(run, &view)) return;
    const report_labels rows = {view.row_names, view.row_shown, view.row_count};
    const report_labels columns = {view.column_names, view.column_shown, view.column_count};
    for (unsigned i = 0; i < REPORT_GRID_LAYERS; i++)
        if (view.layers[i]) {
            fprintf(out, "%s\n", titles[i]);
            report_grid(out, &rows, &columns, CELL_WIDTH, matrix_cell, (void *)view.layers[i]);
        }
}
