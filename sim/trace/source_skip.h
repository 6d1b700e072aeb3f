/* Dropping what stands within the first instructions of a source. */
#ifndef SOURCE_SKIP_H
#define SOURCE_SKIP_H

#include "vx_trace.h"

/* How far one record moves the instruction count. */
uint64_t vx_record_instructions(const vx_record *record, const uint64_t *payload);

/* Takes the records off the front of `batch` that stand within the first `skip` instructions of the stream; *position
 * counts the instructions taken so far. A record that begins within them and ends behind stays whole. A stream's first
 * records stand at 0 instructions; with skip 0 they stay. True once nothing more is to be dropped. */
bool vx_batch_drop(vx_batch *batch, uint64_t skip, uint64_t *position);

/* Replaces `inner`, which it then owns, by a source without its first `skip` instructions; with 0 that is `inner`
 * itself. On failure `inner` is closed. */
vx_status vx_source_skip(vx_source **source, vx_source *inner, uint64_t skip, vx_msg *msg);

#endif
