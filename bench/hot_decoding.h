/* The decoding of a small .vxt file, as a workload of hot_paths. */
#ifndef HOT_DECODING_H
#define HOT_DECODING_H

#include <stdint.h>

#include "vx_status.h"

/* Writes a trace, decodes it and removes it. `mark` is called before the first batch and after the last; *records is
 * how many there were. */
vx_status hot_decoding(void (*mark)(void), uint64_t *records, vx_msg *msg);

#endif
