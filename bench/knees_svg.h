/* The chart of tlb_knees: pages (logarithmic) against added cycles, one line a model. */
#ifndef KNEES_SVG_H
#define KNEES_SVG_H

#include "vx_status.h"

/* curves: count rows of `points` values; NaN is a gap. */
vx_status knees_svg(const char *path, const unsigned *pages, unsigned points, const double *curves,
                    const char *const *names, unsigned count, vx_msg *msg);

#endif
