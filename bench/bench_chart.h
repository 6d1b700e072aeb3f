/* Curves of an experiment: one CSV file and one SVG line chart, from the same figures. */
#ifndef BENCH_CHART_H
#define BENCH_CHART_H

#include <stdbool.h>
#include <stdio.h>

#include "vx_status.h"

typedef struct bench_axis {
    const char *label;
    bool logarithmic;
    double low, high; /* both 0: from the figures (a linear one then starts at 0) */
} bench_axis;

typedef struct bench_curve {
    const char *name;
    const double *y; /* `points` values; NaN is a gap */
    /* A band around the curve, NULL: none. */
    const double *low, *high;
} bench_curve;

typedef struct bench_chart {
    const char *title;
    bench_axis x, y;
    const double *at; /* x of each point, ascending */
    unsigned points;
    const bench_curve *curves;
    unsigned count;
} bench_chart;

/* NULL paths are fine: nothing is written. */
vx_status bench_chart_csv(const bench_chart *chart, const char *path, const char *x_name, vx_msg *msg);
vx_status bench_chart_svg(const bench_chart *chart, const char *path, vx_msg *msg);

/* A file for rows of an experiment's own: *file is NULL where path is. */
vx_status bench_csv_open(FILE **file, const char *path, vx_msg *msg);
/* Closes it (NULL is fine); the status given, or the failure to write. */
vx_status bench_csv_close(FILE *file, const char *path, vx_status status, vx_msg *msg);

#endif
