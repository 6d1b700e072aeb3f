/* Steps, as the recorder sends them (traces/record/record_stream.h), to runs of records. */
#ifndef STEP_RUNS_H
#define STEP_RUNS_H

#include "block_shapes.h"

typedef struct step_runs {
    block_shapes shapes;
    bool running;   /* a block has begun */
    uint32_t block; /* which */
    uint16_t from;  /* instructions of it that are told */
    /* What is left of the frame. */
    const uint64_t *step, *steps_end;
    const vx_record *event, *events_end;
    uint64_t *spare; /* behind its payload, */
    uint32_t words;  /* of so many words */
    /* The runs being made. */
    uint32_t *runs;
    uint64_t *addresses;
    vx_record *events;
    size_t count, address_count, event_count;
} step_runs;

vx_status step_runs_init(step_runs *self, vx_msg *msg);
void step_runs_fini(step_runs *self);

/* The next frame: it stays in place until all of it has come back as runs. The events are valid. Behind the steps is
 * one more, STEP_NONE, and behind the payload's words room for STEP_RUNS_WORDS more. */
#define STEP_NONE UINT64_MAX
void step_runs_frame(step_runs *self, const uint64_t *steps, uint32_t step_count, const vx_record *events,
                     uint32_t event_count, uint64_t *payload, uint32_t words);

/* The frame's next runs, at most STEP_RUNS_MAX; count 0 at its end. VX_ERR_NOMEM, or VX_ERR_INPUT: `why` (static text)
 * says what is wrong with self->step. */
enum { STEP_RUNS_MAX = 1024, STEP_RUNS_WORDS = 4 * (STEP_RUNS_MAX + 1) };
vx_status step_runs_next(step_runs *self, vxt_runs *runs, const char **why);

#endif
