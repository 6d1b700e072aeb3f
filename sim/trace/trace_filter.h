/* Making tiers S and E of a full trace (docs/rooms/trace.md). Private to the trace room. */
#ifndef TRACE_FILTER_H
#define TRACE_FILTER_H

#include "vx_trace.h"

enum { VX_FILTER_SETS_MAX = 1 << 20 };

/* Wraps a source of tier F: the new one is of tier S, with a filter of `sets` sets, or of tier E. The new source owns
 * `inner`, which is closed on an error too. VX_ERR_INPUT where inner is not tier F or sets is not 1 to 2^20. */
vx_status vx_source_filter(vx_source **source, vx_source *inner, vx_tier tier, uint32_t sets, vx_msg *msg);

/* The header of what vx_source_filter makes. */
vx_status vx_filter_header(vx_trace_header *header, vx_tier tier, uint32_t sets, vx_msg *msg);

#endif
