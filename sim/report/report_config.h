/* The effective configuration in a report. */
#ifndef VX_REPORT_CONFIG_H
#define VX_REPORT_CONFIG_H

#include <jansson.h>

#include "vx_model.h"

/* {path: {"value", "from", "source", "assumed"}, ...} of all leaves of the models (NULL: none). NULL where memory is
 * short. */
json_t *report_config(const vx_model *const models[4]);

#endif
