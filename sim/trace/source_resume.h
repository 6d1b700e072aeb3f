/* A system trace from its middle on. */
#ifndef SOURCE_RESUME_H
#define SOURCE_RESUME_H

#include "vx_trace.h"

/* Replaces `inner`, which it then owns, by a source without its first `skip` instructions, which begins with what they
 * made of the guest: its state, and each live page table as one record. These are read here. `name`: of the trace, for
 * errors. The header's paging mode is the one at the new beginning; its references are not known (0). VX_ERR_INPUT
 * where the guest has no state by then, or nothing is left. With 0 it is `inner` itself. On failure `inner` is closed.
 */
vx_status vx_source_resume(vx_source **source, vx_source *inner, const char *name, uint64_t skip, vx_msg *msg);

#endif
