/* The mean of repeated runs (seeds) and how far it can be trusted. */
#ifndef VX_CONFIDENCE_H
#define VX_CONFIDENCE_H

#include <stddef.h>

#include "vx_status.h"

/* Figures have the unit of the values. */
typedef struct vx_confidence {
    size_t count;
    double mean;
    double deviation;  /* of the sample (count - 1 in the denominator); 0 for one value */
    double half_width; /* the 95 % interval is mean +- half_width; infinite for one value, which bounds nothing */
} vx_confidence;

/* Mean and two-sided 95 % confidence interval by Student's t with count - 1 degrees of freedom. The values are taken to
 * be independent and about normally distributed. VX_ERR_INPUT where count is 0 or a value is not finite. */
vx_status vx_confidence_of(vx_confidence *result, const double *values, size_t count, vx_msg *msg);

#endif
