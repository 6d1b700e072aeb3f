#include "knees_svg.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 960, HEIGHT = 540, LEFT = 60, RIGHT = 190, TOP = 40, BOTTOM = 50 };

/* Paul Tol's muted scheme and two more: told apart by colour-blind readers, and dashes tell the rest apart. */
static const char *const colours[] = {"#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77",
                                      "#CC6677", "#882255", "#AA4499", "#555555", "#E17C05", "#000000"};
static const char *const dashes[] = {"none", "8 3", "2 3"};

typedef struct frame {
    double low, high, top; /* log2 of pages, most cycles */
} frame;

static double x_of(const frame *f, double pages)
{
    return LEFT + (log2(pages) - f->low) / (f->high - f->low) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const frame *f, double cycles)
{
    return HEIGHT - BOTTOM - cycles / f->top * (HEIGHT - TOP - BOTTOM);
}

static void axes(FILE *out, const frame *f)
{
    fprintf(
        out,
        "<text x=\"%d\" y=\"24\" font-size=\"16\">Cycles that translation adds to an access, by pages touched</text>\n",
        LEFT);
    for (double p = exp2(ceil(f->low)); p <= exp2(f->high) * 1.001; p *= 2) {
        double x = x_of(f, p);
        fprintf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ddd\"/>\n", x, TOP, x,
                HEIGHT - BOTTOM);
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f</text>\n", x, HEIGHT - BOTTOM + 18, p);
    }
    for (double c = 0; c <= f->top + 0.1; c += 5) {
        double y = y_of(f, c);
        fprintf(out, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", LEFT, y, WIDTH - RIGHT,
                y);
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n", LEFT - 8, y + 4, c);
    }
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">pages of 4 KiB, one line each</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10);
}

static void line(FILE *out, const frame *f, const unsigned *pages, unsigned points, const double *curve, unsigned index,
                 const char *name)
{
    const char *colour = colours[index % (sizeof colours / sizeof *colours)];
    const char *dash = dashes[index % 3];
    fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" points=\"", colour,
            dash);
    for (unsigned i = 0; i < points; i++)
        if (!isnan(curve[i])) fprintf(out, "%.1f,%.1f ", x_of(f, pages[i]), y_of(f, curve[i]));
    fprintf(out, "\"/>\n");
    int y = TOP + 10 + (int)index * 22;
    fprintf(
        out,
        "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n",
        WIDTH - RIGHT + 15, y, WIDTH - RIGHT + 45, y, colour, dash);
    fprintf(out, "<text x=\"%d\" y=\"%d\">%s</text>\n", WIDTH - RIGHT + 52, y + 4, name);
}

vx_status knees_svg(const char *path, const unsigned *pages, unsigned points, const double *curves,
                    const char *const *names, unsigned count, vx_msg *msg)
{
    FILE *out = fopen(path, "w");
    if (!out) return vx_fail(msg, VX_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    frame f = {.low = log2(pages[0]), .high = log2(pages[points - 1]), .top = 5};
    for (unsigned i = 0; i < points * count; i++)
        if (!isnan(curves[i]) && curves[i] > f.top) f.top = curves[i];
    f.top = ceil(f.top / 5) * 5;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"13\">\n<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    axes(out, &f);
    for (unsigned c = 0; c < count; c++) line(out, &f, pages, points, curves + (size_t)c * points, c, names[c]);
    fprintf(out, "</svg>\n");
    int bad = ferror(out);
    if (fclose(out) != 0 || bad) return vx_fail(msg, VX_ERR_IO, "cannot write %s", path);
    return VX_OK;
}
