/* Memory that QEMU's recorder and `vexit` share, so that what the recorder sends need not go through a pipe. */
#ifndef RECORD_SHARE_H
#define RECORD_SHARE_H

#include "vx_trace.h"

typedef struct record_share {
    int memory, credit; /* what QEMU is to inherit; -1: none */
} record_share;

/* Fills in the slots of `pipe`; none where there is no such memory (the pipe then takes all). */
void record_share_open(record_share *share, vx_trace_pipe *pipe);

/* After QEMU has been started, or could not be: it has its own. */
void record_share_pass(record_share *share);

/* Takes the slots out of `pipe` again. */
void record_share_close(vx_trace_pipe *pipe);

#endif
