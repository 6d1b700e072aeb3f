/* The grid of a walk: a row per guest level (and one for the data), a column per nested level (and one for the guest's
 * own entry). */
#include "report_private.h"

enum { GRID_MAX = 8, LABEL_WIDTH = 8, CELL_WIDTH = 15 };

static json_int_t cell_at(const json_t *matrix, size_t row, size_t column)
{
    return json_integer_value(json_array_get(json_array_get(matrix, row), column));
}

void report_grid(FILE *out, const json_t *rows, const json_t *columns, const bool *row_shown, const bool *column_shown,
                 int width, report_cell cell, void *context)
{
    char label[REPORT_WORD], number[REPORT_NUMBER];
    fprintf(out, "%-*s", LABEL_WIDTH, "");
    for (size_t column = 0; column < json_array_size(columns); column++)
        if (column_shown[column]) {
            const char *text = json_string_value(json_array_get(columns, column));
            fprintf(out, "%*s", width, report_plain(text ? text : "?", label));
        }
    fputc('\n', out);
    for (size_t row = 0; row < json_array_size(rows); row++) {
        if (!row_shown[row]) continue;
        const char *text = json_string_value(json_array_get(rows, row));
        fprintf(out, "%-*s", LABEL_WIDTH, report_plain(text ? text : "?", label));
        for (size_t column = 0; column < json_array_size(columns); column++)
            if (column_shown[column]) fprintf(out, "%*s", width, cell(context, row, column, number));
        fputc('\n', out);
    }
}

static const char *matrix_cell(void *context, size_t row, size_t column, char text[REPORT_NUMBER])
{
    return report_figure(json_array_get(json_array_get(context, row), column), text);
}

/* Marks the rows and columns of `matrix` that hold anything; whether any does. */
static bool mark_used(const json_t *matrix, size_t rows, size_t columns, bool *row_shown, bool *column_shown)
{
    bool any = false;
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++)
            if (cell_at(matrix, row, column)) any = row_shown[row] = column_shown[column] = true;
    return any;
}

void report_grids(const json_t *run, FILE *out)
{
    static const struct {
        const char *key, *title;
    } grids[] = {
        {"accesses", "accesses by guest level (rows) and nested level (columns)"},
        {"skipped", "accesses that the walker's caches saved"},
        {"cycles", "exposed cycles"},
    };
    const json_t *grid = report_at(run, "walks.grid");
    const json_t *rows = json_object_get(grid, "rows"), *columns = json_object_get(grid, "columns");
    bool row_shown[GRID_MAX] = {false}, column_shown[GRID_MAX] = {false}, any[3];
    if (json_array_size(rows) > GRID_MAX || json_array_size(columns) > GRID_MAX) return;
    for (unsigned i = 0; i < 3; i++)
        any[i] = mark_used(json_object_get(grid, grids[i].key), json_array_size(rows), json_array_size(columns),
                           row_shown, column_shown);
    for (unsigned i = 0; i < 3; i++)
        if (any[i]) {
            fprintf(out, "%s\n", grids[i].title);
            report_grid(out, rows, columns, row_shown, column_shown, CELL_WIDTH, matrix_cell,
                        json_object_get(grid, grids[i].key));
        }
}
