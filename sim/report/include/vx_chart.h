/* Line charts: one CSV file and one SVG picture from the same figures. */
#ifndef VX_CHART_H
#define VX_CHART_H

#include <stdbool.h>
#include <stdio.h>

#include "vx_status.h"

typedef struct vx_chart_axis {
    const char *label;
    bool logarithmic;
    double low, high; /* both 0: from the figures (a linear one then starts at 0) */
} vx_chart_axis;

typedef struct vx_curve {
    const char *name;
    const double *y; /* `points` values; NaN is a gap */
    /* A band around the curve, NULL: none. */
    const double *low, *high;
} vx_curve;

typedef struct vx_chart {
    const char *title;
    vx_chart_axis x, y;
    const double *at; /* x of each point, ascending */
    unsigned points;
    const vx_curve *curves;
    unsigned count;
} vx_chart;

/* NULL paths are fine: nothing is written. */
vx_status vx_chart_csv(const vx_chart *chart, const char *path, const char *x_name, vx_msg *msg);
vx_status vx_chart_svg(const vx_chart *chart, const char *path, vx_msg *msg);

/* A file for rows of an experiment's own: *file is NULL where path is. */
vx_status vx_csv_open(FILE **file, const char *path, vx_msg *msg);
/* Closes it (NULL is fine); the status given, or the failure to write. */
vx_status vx_csv_close(FILE *file, const char *path, vx_status status, vx_msg *msg);

#endif
