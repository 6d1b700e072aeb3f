/* Forked workers: each makes one run and hands its JSON to the parent through a pipe. A crash in one is that run's
 * error, not the program's; and a SystemC simulation, of which a process can have one only, gets a process of its own.
 */
#ifndef WORKER_H
#define WORKER_H

#include <signal.h>

#include "vexit.h"

/* Makes the run of index `index`; runs in the child. The reference is the caller's. */
typedef vx_status (*worker_fn)(void *context, unsigned index, json_t **run, vx_msg *msg);

/* Makes runs 0 to count - 1, at most `jobs` at a time, and returns them in order. The first that fails ends all: its
 * status and message are the call's. Where *stop becomes not 0 children are told, and what they hand over is whole. */
vx_status worker_run_all(json_t **runs, unsigned count, unsigned jobs, worker_fn work, void *context,
                         const volatile sig_atomic_t *stop, vx_msg *msg);

/* Processors this process may use. */
unsigned worker_processors(void);

#endif
