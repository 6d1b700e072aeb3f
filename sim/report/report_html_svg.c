/* The charts of the HTML report, as inline SVG: cycles by cause, overheads with their bands, grids of walks.
 * Coordinates are whole pixels, so that no locale and no rounding of the library's shows in the bytes. */
#include "report_html.h"

#include <math.h>
#include <string.h>

#include "vx_ledger.h"

enum { WIDTH = 1160, LABEL_END = 150, PLOT = 160, ROW = 34, BAR = 24, LETTERS_MAX = 20 };
enum { CELL_WIDTH = 64, CELL_HEIGHT = 30, GRID_LEFT = 44, GRID_TOP = 22, CELL_LETTERS = 9 };

static void begin_svg(int width, int height, const char *label, FILE *out)
{
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"%s\">\n", width,
            height, width, height, label);
}

/* A text of the document at a place that has room for some letters; the whole of it is the tooltip. */
static void name_label(const json_t *run, int x, int y, FILE *out)
{
    const char *name = json_string_value(json_object_get(run, "name"));
    fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"end name\">", x, y);
    html_put_cut(out, name ? name : "?", LETTERS_MAX);
    fputs("<title>", out);
    html_put(out, name ? name : "?");
    fputs("</title></text>\n", out);
}

/* 1234567 as "1.23 M": for a segment or cell too narrow for all digits. */
static const char *compact(uint64_t value, char text[REPORT_NUMBER])
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P", " E"};
    unsigned unit = 0;
    double part = (double)value;
    for (; part >= 999.5 && unit < 6; unit++) part /= 1000.0;
    int digits = unit == 0 || part >= 99.95 ? 0 : part >= 9.995 ? 1 : 2;
    snprintf(text, REPORT_NUMBER, "%.*f%s", digits, part, units[unit]);
    return text;
}

/* ---- cycles by cause ---- */

enum { BARS_WIDTH = 790, SEGMENT_LABEL = 54 };

/* The length of a bar: causes are never less than what is drawn of them, whatever the document's total says. */
static double sum_of_causes(const json_t *run)
{
    double sum = 0.0;
    for (unsigned cause = 0; cause < VX_CAUSES; cause++) sum += (double)report_cause_cycles(run, cause);
    return sum;
}

static void segment(unsigned cause, uint64_t cycles, double share, int from, int to, int y, FILE *out)
{
    char number[REPORT_NUMBER];
    int gap = to - from > 3; /* the page shows between neighbours, so that they differ without colour too */
    fprintf(out, "<g class=\"seg s%u\"><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"><title>%s: %s cycles, ",
            cause, PLOT + from, y, to - from - gap, BAR, vx_cause_name((vx_cause)cause),
            report_grouped(cycles, number));
    fprintf(out, "%s</title></rect>", report_percent(share, 1.0, number));
    if (to - from >= SEGMENT_LABEL)
        fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"mid\">%s</text>", PLOT + (from + to) / 2, y + 17,
                compact(cycles, number));
    fputs("</g>\n", out);
}

/* Ends are rounded, not lengths: a bar is right whatever the number of its segments. */
static void bar(const json_t *run, double most, int y, FILE *out)
{
    double all = sum_of_causes(run), sum = 0.0;
    int from = 0;
    char number[REPORT_NUMBER];
    name_label(run, LABEL_END, y + 17, out);
    for (unsigned cause = 0; cause < VX_CAUSES; cause++) {
        uint64_t cycles = report_cause_cycles(run, cause);
        sum += (double)cycles;
        int to = (int)(sum / most * BARS_WIDTH + 0.5);
        if (to > from) segment(cause, cycles, (double)cycles / all, from, to, y, out);
        from = to;
    }
    fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"n\">%s", PLOT + from + 8, y + 17,
            report_grouped(report_cycles(run), number));
    const json_t *overhead = report_at(run, "derived.overhead_vs_native.value");
    if (json_is_number(overhead)) fprintf(out, " (%+.1f%%)", 100.0 * json_number_value(overhead));
    fputs("</text>\n", out);
}

static void legend(const json_t *runs, FILE *out)
{
    fputs("<ul class=\"legend\">\n", out);
    for (unsigned cause = 0; cause < VX_CAUSES; cause++) {
        bool used = false;
        for (size_t i = 0; i < json_array_size(runs); i++)
            used |= report_cause_cycles(json_array_get(runs, i), cause) > 0;
        if (used)
            fprintf(out,
                    "<li><svg width=\"14\" height=\"14\" aria-hidden=\"true\"><g class=\"seg s%u\"><rect width=\"14\" "
                    "height=\"14\"/></g></svg>%s <span class=\"soft\">%s</span></li>\n",
                    cause, vx_cause_name((vx_cause)cause), vx_cause_doc((vx_cause)cause));
    }
    fputs("</ul>\n", out);
}

void html_bars(const json_t *runs, FILE *out)
{
    double most = 0.0;
    for (size_t i = 0; i < json_array_size(runs); i++) most = fmax(most, sum_of_causes(json_array_get(runs, i)));
    if (most <= 0.0) return;
    fputs("<h2>Where the cycles went</h2>\n<div class=\"scroll\">", out);
    begin_svg(WIDTH, (int)json_array_size(runs) * ROW, "cycles by cause, a bar a run", out);
    for (size_t i = 0; i < json_array_size(runs); i++) bar(json_array_get(runs, i), most, (int)i * ROW + 5, out);
    fputs("</svg></div>\n", out);
    legend(runs, out);
}

/* ---- overheads ---- */

enum { OVERHEAD_WIDTH = 700, TICKS_MAX = 8 };

typedef struct percent_axis {
    double low, high; /* in percent */
    double step;
} percent_axis;

static int place(const percent_axis *axis, double percent)
{
    return PLOT + (int)floor((percent - axis->low) / (axis->high - axis->low) * OVERHEAD_WIDTH + 0.5);
}

/* Whole steps of 1, 2 or 5 x 10^n that hold every band and 0. */
static percent_axis axis_of(const json_t *runs)
{
    static const double factors[] = {2.0, 2.5, 2.0}; /* 1, 2, 5, 10, ... */
    percent_axis axis = {0.0, 0.0, 1.0};
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        double value = 100.0 * report_real(run, "derived.overhead_vs_native.value");
        axis.low = fmin(axis.low, fmin(value, 100.0 * report_real(run, "derived.overhead_band.low")));
        axis.high = fmax(axis.high, fmax(value, 100.0 * report_real(run, "derived.overhead_band.high")));
    }
    for (unsigned i = 0; (axis.high - axis.low) / axis.step > TICKS_MAX; i++) axis.step *= factors[i % 3];
    axis.low = floor(axis.low / axis.step) * axis.step;
    axis.high = fmax(ceil(axis.high / axis.step) * axis.step, axis.low + axis.step);
    return axis;
}

static void axis_lines(const percent_axis *axis, int bottom, FILE *out)
{
    int ticks = (int)((axis->high - axis->low) / axis->step + 0.5);
    for (int i = 0; i <= ticks; i++) {
        double percent = axis->low + i * axis->step;
        int x = place(axis, percent);
        fprintf(out, "<path d=\"M%d 0V%d\" class=\"%s\"/><text x=\"%d\" y=\"%d\" class=\"mid tick\">%.0f%%</text>\n", x,
                bottom, fabs(percent) < axis->step / 2 ? "zero" : "rule", x, bottom + 16, percent);
    }
}

static void overhead(const json_t *run, const percent_axis *axis, int y, FILE *out)
{
    char half[REPORT_CELL];
    double value = 100.0 * report_real(run, "derived.overhead_vs_native.value");
    const json_t *low = report_at(run, "derived.overhead_band.low");
    const json_t *high = report_at(run, "derived.overhead_band.high");
    bool banded = json_is_number(low) && json_is_number(high);
    name_label(run, LABEL_END, y + 17, out);
    if (banded) {
        int from = place(axis, 100.0 * json_number_value(low)), to = place(axis, 100.0 * json_number_value(high));
        fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"10\" rx=\"3\" class=\"bandbar\"/>\n", from, y + 7,
                to - from > 1 ? to - from : 1);
    }
    fprintf(out, "<circle cx=\"%d\" cy=\"%d\" r=\"5\" class=\"dot\"/>\n", place(axis, value), y + 12);
    fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"n\">%+.1f%%%s", PLOT + OVERHEAD_WIDTH + 20, y + 17, value,
            report_half_width(run, report_overhead, "derived.overhead_vs_native.value", " \u00b1", half));
    if (banded) fprintf(out, " (%+.1f%% to %+.1f%%)", 100.0 * json_number_value(low), 100.0 * json_number_value(high));
    fputs("</text>\n", out);
}

static bool has_overhead(const json_t *run)
{
    return json_is_number(report_at(run, "derived.overhead_vs_native.value"));
}

void html_overheads(const json_t *runs, FILE *out)
{
    int rows = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) rows += has_overhead(json_array_get(runs, i));
    if (rows == 0) return;
    percent_axis axis = axis_of(runs);
    fputs("<h2>Overhead against native</h2>\n<p class=\"soft\">Cycles more than the native run's, over the latter. The "
          "band: the exposed cycles of walks (native's too) and the cost of exits each 50% lower or higher.</p>\n"
          "<div class=\"scroll\">",
          out);
    begin_svg(WIDTH, rows * ROW + 24, "overhead against native with its band", out);
    axis_lines(&axis, rows * ROW + 4, out);
    int y = 4;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        if (!has_overhead(json_array_get(runs, i))) continue;
        overhead(json_array_get(runs, i), &axis, y, out);
        y += ROW;
    }
    fputs("</svg></div>\n", out);
}

/* ---- grids ---- */

static void grid_text(const char *text, int x, int y, const char *class, FILE *out)
{
    fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    html_put_cut(out, text, CELL_LETTERS);
    fputs("</text>\n", out);
}

/* The shade is the value's tenth of the greatest; anything but 0 has one. */
static void grid_cell(uint64_t value, uint64_t most, int x, int y, FILE *out)
{
    char text[REPORT_NUMBER];
    unsigned shade = most ? (unsigned)ceil((double)value / (double)most * 10.0) : 0;
    const char *shown = report_grouped(value, text);
    fprintf(out, "<g class=\"h%u\"><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\">", shade, x, y, CELL_WIDTH - 2,
            CELL_HEIGHT - 2);
    fprintf(out, "<title>%s</title></rect>", shown);
    if (strlen(shown) > CELL_LETTERS) shown = compact(value, text);
    fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"mid\">%s</text></g>\n", x + CELL_WIDTH / 2 - 1, y + 19, shown);
}

static void grid_row(const report_grid_view *view, const json_t *cells, size_t row, uint64_t most, int y, FILE *out)
{
    int x = GRID_LEFT;
    grid_text(view->row_names[row], GRID_LEFT - 6, y + 19, "end tick", out);
    for (size_t column = 0; column < view->column_count; column++) {
        if (!view->column_shown[column]) continue;
        /* The data's own access is no page-table access: that corner of the grid is empty by definition. */
        bool corner = row + 1 == view->row_count && column + 1 == view->column_count;
        if (!corner) grid_cell(report_grid_cell(cells, row, column), most, x, y, out);
        x += CELL_WIDTH;
    }
}

static uint64_t greatest(const report_grid_view *view, const json_t *cells)
{
    uint64_t most = 0;
    for (size_t row = 0; row < view->row_count; row++)
        for (size_t column = 0; column < view->column_count; column++)
            if (report_grid_cell(cells, row, column) > most) most = report_grid_cell(cells, row, column);
    return most;
}

static int shown_of(const bool *shown)
{
    int count = 0;
    for (unsigned i = 0; i < REPORT_GRID_MAX; i++) count += shown[i];
    return count;
}

/* Rows and columns are told once, above all grids. */
static const char *const captions[REPORT_GRID_LAYERS] = {"accesses", "accesses that the walker's caches saved",
                                                         "exposed cycles"};

static void grid_layer(const report_grid_view *view, unsigned layer, FILE *out)
{
    const json_t *cells = view->layers[layer];
    uint64_t most = greatest(view, cells);
    int x = GRID_LEFT, y = GRID_TOP;
    fprintf(out, "<figure class=\"heat%u\"><figcaption>%s</figcaption>\n", layer, captions[layer]);
    begin_svg(GRID_LEFT + shown_of(view->column_shown) * CELL_WIDTH, GRID_TOP + shown_of(view->row_shown) * CELL_HEIGHT,
              captions[layer], out);
    for (size_t column = 0; column < view->column_count; column++) {
        if (!view->column_shown[column]) continue;
        grid_text(view->column_names[column], x + CELL_WIDTH / 2 - 1, GRID_TOP - 7, "mid tick", out);
        x += CELL_WIDTH;
    }
    for (size_t row = 0; row < view->row_count; row++) {
        if (!view->row_shown[row]) continue;
        grid_row(view, cells, row, most, y, out);
        y += CELL_HEIGHT;
    }
    fputs("</svg></figure>\n", out);
}

static void grid_of_run(const json_t *run, const report_grid_view *view, FILE *out)
{
    char count[REPORT_NUMBER], accesses[REPORT_NUMBER];
    fputs("<h3>", out);
    html_word(out, run, "name", "?");
    fprintf(out, "</h3>\n<p class=\"soft\">%s walks, %s accesses",
            report_grouped(report_uint(run, "walks.count"), count),
            report_grouped(report_uint(run, "walks.accesses"), accesses));
    if (report_uint(run, "walks.count"))
        fprintf(out, ", %.2f a walk", report_real(run, "walks.accesses") / report_real(run, "walks.count"));
    fputs("</p>\n<div class=\"grids\">\n", out);
    for (unsigned layer = 0; layer < REPORT_GRID_LAYERS; layer++)
        if (view->layers[layer]) grid_layer(view, layer, out);
    fputs("</div>\n", out);
}

void html_grids(const json_t *runs, FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        report_grid_view view;
        if (!report_grid_view_of(json_array_get(runs, i), &view)) continue;
        if (!any)
            fputs(
                "<h2>Page walks</h2>\n<p class=\"soft\">Rows are guest levels, and the data's guest-physical address; "
                "columns are nested levels, and the guest's own entry. A walk of one dimension has only the last. The "
                "stronger a cell's colour, the nearer to the greatest of its grid.</p>\n",
                out);
        any = true;
        grid_of_run(json_array_get(runs, i), &view, out);
    }
}
