/* One trace decoded once for runs that go side by side: a process decodes it into memory that it shares with theirs.
 * Decoding is a third of a replay that hits; five schemes over one trace would do it five times. */
#ifndef SHARED_TRACE_H
#define SHARED_TRACE_H

#include <signal.h>

#include "vx_trace.h"

enum { SHARED_TRACE_READERS = 64 };

typedef struct shared_trace shared_trace;

/* Starts the process that decodes stream 0 of the .vxt file `path` for `readers` processes, 1 to SHARED_TRACE_READERS,
 * each of which must be a child of the caller, started after this call, and must open its source: what has been
 * decoded is kept until all have taken it. VX_ERR_INPUT, VX_ERR_IO as vx_trace_open; VX_ERR_NOMEM. */
vx_status shared_trace_start(shared_trace **trace, const char *path, bool whole_chunks, unsigned readers, vx_msg *msg);

/* In the process of reader `reader`, once: the same records, and the same error at the same place, as vx_trace_open's
 * source yields; and VX_ERR_INTERRUPTED where *stop is not 0 while it waits for records. Closing the source lets the
 * others go on without this reader. */
vx_status shared_trace_open(shared_trace *trace, unsigned reader, const volatile sig_atomic_t *stop, vx_source **source,
                            vx_msg *msg);

/* Ends the decoding process, done or not, and frees the memory. NULL is fine. */
void shared_trace_end(shared_trace *trace);

#endif
