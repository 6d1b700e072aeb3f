/* What bench/hostlat printed on a real machine: pages,ns,cycles, under a line of headings. */
#ifndef TLB_KNEES_MEASURED_H
#define TLB_KNEES_MEASURED_H

#include <stdio.h>

#include "vx_status.h"

/* curve[i]: cycles an access at pages[i] pages, of `points`; NaN where it was not measured. VX_ERR_INPUT names the line
 * `name`:n that is none, or `name` where no point is one of `pages`. */
vx_status knees_measured_parse(FILE *in, const char *name, const unsigned *pages, unsigned points, double *curve,
                               vx_msg *msg);

/* The same of a file; VX_ERR_IO where it cannot be read. */
vx_status knees_measured_read(const char *path, const unsigned *pages, unsigned points, double *curve, vx_msg *msg);

#endif
