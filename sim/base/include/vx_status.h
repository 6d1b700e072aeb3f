/* How an operation failed, and the one sentence that says why.
 *
 * Three things have three mechanisms (docs/adr/0001): errors are a vx_status and a message; simulated faults and
 * exits are values in result structs; broken invariants are assert(). The library never exits, aborts or prints. */
#ifndef VX_STATUS_H
#define VX_STATUS_H

#include <stdarg.h>
#include <stddef.h>

/* Ordered as the command line maps them to exit codes: 0 done, 1 a check failed, 2 bad input, 3 input/output. */
typedef enum vx_status {
    VX_OK = 0,
    VX_ERR_CHECK,       /* a self-check found a disagreement: exit code 1 */
    VX_ERR_INPUT,       /* bad option, model or trace; the message names file and line or offset: exit code 2 */
    VX_ERR_IO,          /* cannot open, read or write: exit code 3 */
    VX_ERR_NOMEM,       /* out of memory: exit code 3 */
    VX_ERR_INTERRUPTED, /* asked to stop (signal); partial results are valid */
} vx_status;

/* A message, owned by the caller, always terminated. Too long a text is cut, never overrun. */
typedef struct vx_msg {
    char text[1024];
} vx_msg;

/* Writes the message (msg may be NULL; control characters become question marks) and returns `status`, so that a
 * failing function ends in one line: `return vx_fail(msg, VX_ERR_INPUT, "%s:%d: ...", file, line);` */
vx_status vx_fail(vx_msg *msg, vx_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* VX_ERR_NOMEM with the fixed message; needs no memory itself. */
static inline vx_status vx_fail_nomem(vx_msg *msg)
{
    (void)vx_fail(msg, VX_ERR_NOMEM, "out of memory");
    return VX_ERR_NOMEM; /* said here, so that compilers and analyzers know that it is never VX_OK */
}

/* The process exit code for a status (vexit(1), EXIT STATUS). Interrupted: 128 + SIGINT; whoever caught another signal
 * adds that to 128 instead. */
int vx_status_exit_code(vx_status status);

/* Edit distance for "did you mean": the member of `names` (count entries) nearest to `word`, or NULL where none is
 * near enough to be a slip of the finger (more than a third of the longer one's letters differ; a swap of neighbours
 * is one slip, case counts for nothing). The first of equals. Words beyond 63 letters have no neighbour. */
const char *vx_did_you_mean(const char *word, const char *const *names, size_t count);

#endif
