/* Line charts as SVG: fixed size, legend on the right, dashes and colours that colour-blind readers tell apart. */
#include "vx_chart.h"

#include <math.h>

enum { WIDTH = 960, HEIGHT = 540, LEFT = 80, RIGHT = 230, TOP = 45, BOTTOM = 60, LINEAR_STEPS = 8 };

/* Paul Tol's muted scheme and a few more. */
static const char *const colours[] = {"#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77",
                                      "#CC6677", "#882255", "#AA4499", "#555555", "#E17C05", "#000000"};
static const char *const dashes[] = {"none", "8 3", "2 3"};

typedef struct scale {
    bool logarithmic;
    double low, high, step; /* of the values, or of their logarithm to base 2 */
    double from, length;    /* on paper; a negative length goes up */
} scale;

static double place(const scale *s, double value)
{
    double v = s->logarithmic ? log2(value) : value;
    return s->from + (v - s->low) / (s->high - s->low) * s->length;
}

/* 1, 2 or 5 times a power of ten, so that there are at most LINEAR_STEPS of them. */
static double round_step(double range)
{
    double step = pow(10, floor(log10(range / LINEAR_STEPS)));
    if (range / step > LINEAR_STEPS) step *= 2;
    if (range / step > LINEAR_STEPS) step *= 2.5;
    if (range / step > LINEAR_STEPS) step *= 2;
    return step;
}

static void fit(scale *s)
{
    if (s->logarithmic) {
        s->low = floor(s->low + 1e-9);
        s->high = ceil(s->high - 1e-9);
        if (s->high <= s->low) s->high = s->low + 1;
        s->step = ceil((s->high - s->low) / 12);
        return;
    }
    if (s->high <= s->low) s->high = s->low + 1;
    s->step = round_step(s->high - s->low);
    s->high = ceil(s->high / s->step - 1e-9) * s->step;
    s->low = floor(s->low / s->step + 1e-9) * s->step;
}

static void reach(scale *s, double value)
{
    if (isnan(value) || (s->logarithmic && value <= 0)) return;
    double v = s->logarithmic ? log2(value) : value;
    if (v < s->low) s->low = v;
    if (v > s->high) s->high = v;
}

static scale scale_of(const vx_chart_axis *axis)
{
    scale s = {.logarithmic = axis->logarithmic, .low = axis->logarithmic ? INFINITY : 0, .high = -INFINITY};
    if (axis->low < axis->high) {
        reach(&s, axis->low);
        reach(&s, axis->high);
    }
    return s;
}

static void grid(FILE *out, const vx_chart *chart, const scale *x, const scale *y)
{
    fprintf(out, "<text x=\"%d\" y=\"26\" font-size=\"16\">%s</text>\n", LEFT, chart->title);
    for (unsigned i = 0; x->low + i * x->step <= x->high + x->step * 1e-6; i++) {
        double v = x->low + i * x->step;
        double value = x->logarithmic ? exp2(v) : v, at = place(x, value);
        fprintf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ddd\"/>\n", at, TOP, at,
                HEIGHT - BOTTOM);
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.7g</text>\n", at, HEIGHT - BOTTOM + 18, value);
    }
    for (unsigned i = 0; y->low + i * y->step <= y->high + y->step * 1e-6; i++) {
        double v = y->low + i * y->step;
        double value = y->logarithmic ? exp2(v) : v, at = place(y, value);
        fprintf(out, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", LEFT, at, WIDTH - RIGHT,
                at);
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n", LEFT - 8, at + 4, value);
    }
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14,
            chart->x.label);
    fprintf(out, "<text transform=\"translate(20 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
            (TOP + HEIGHT - BOTTOM) / 2, chart->y.label);
}

static bool drawable(const scale *y, double value) { return !isnan(value) && (!y->logarithmic || value > 0); }

static void band(FILE *out, const vx_chart *chart, const vx_curve *curve, const char *colour, const scale *x,
                 const scale *y)
{
    fprintf(out, "<polygon fill=\"%s\" fill-opacity=\"0.15\" stroke=\"none\" points=\"", colour);
    for (unsigned i = 0; i < chart->points; i++)
        if (drawable(y, curve->high[i])) fprintf(out, "%.1f,%.1f ", place(x, chart->at[i]), place(y, curve->high[i]));
    for (unsigned i = chart->points; i-- > 0;)
        if (drawable(y, curve->low[i])) fprintf(out, "%.1f,%.1f ", place(x, chart->at[i]), place(y, curve->low[i]));
    fprintf(out, "\"/>\n");
}

static void line(FILE *out, const vx_chart *chart, unsigned index, const scale *x, const scale *y)
{
    const vx_curve *curve = &chart->curves[index];
    const char *colour = colours[index % (sizeof colours / sizeof *colours)];
    const char *dash = dashes[index % 3];
    if (curve->low) band(out, chart, curve, colour, x, y);
    fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" points=\"", colour,
            dash);
    for (unsigned i = 0; i < chart->points; i++)
        if (drawable(y, curve->y[i])) fprintf(out, "%.1f,%.1f ", place(x, chart->at[i]), place(y, curve->y[i]));
    fprintf(out, "\"/>\n");
    int at = TOP + 10 + (int)index * 22;
    fprintf(
        out,
        "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n",
        WIDTH - RIGHT + 15, at, WIDTH - RIGHT + 45, at, colour, dash);
    fprintf(out, "<text x=\"%d\" y=\"%d\">%s</text>\n", WIDTH - RIGHT + 52, at + 4, curve->name);
}

static void reach_all(const vx_chart *chart, scale *x, scale *y)
{
    for (unsigned i = 0; i < chart->points; i++) {
        reach(x, chart->at[i]);
        for (unsigned c = 0; c < chart->count; c++) {
            reach(y, chart->curves[c].y[i]);
            if (chart->curves[c].high) reach(y, chart->curves[c].high[i]);
            if (chart->curves[c].low) reach(y, chart->curves[c].low[i]);
        }
    }
}

vx_status vx_chart_svg(const vx_chart *chart, const char *path, vx_msg *msg)
{
    FILE *out;
    vx_status status = vx_csv_open(&out, path, msg);
    if (status != VX_OK || !out) return status;
    scale x = scale_of(&chart->x), y = scale_of(&chart->y);
    reach_all(chart, &x, &y);
    fit(&x);
    fit(&y);
    x.from = LEFT;
    x.length = WIDTH - LEFT - RIGHT;
    y.from = HEIGHT - BOTTOM;
    y.length = -(HEIGHT - TOP - BOTTOM);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"13\">\n<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    grid(out, chart, &x, &y);
    for (unsigned c = 0; c < chart->count; c++) line(out, chart, c, &x, &y);
    fprintf(out, "</svg>\n");
    return vx_csv_close(out, path, VX_OK, msg);
}
