/* The recorder's end of the pipe as a source (traces/record/record_stream.h says what comes down it): frames of a
 * header, steps, events and payload words, in this machine's byte order. The first event of all is the guest's state. A
 * pipe that ends within a frame loses that frame: the recorder was killed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "header_features.h"
#include "step_runs.h"
#include "vx_trace.h"

enum {
    FRAME_STEPS_MAX = 1 << 20,
    FRAME_RECORDS_MAX = 1 << 20,
    FRAME_WORDS_MAX = 1 << 22,
    FRAME_END = 1,
    STEP_EVENT = 0x8002,
    STATE_CR0 = 0, /* payload words of STATE */
    STATE_CR4 = 3,
    STATE_EFER = 4
};
#define FRAME_MAGIC 0x32525856u /* "VXR2" */

typedef struct frame_header {
    uint32_t magic, flags, steps, records, words;
    uint32_t slot; /* of the shared memory, which holds the steps, + 1; 0: they follow */
} frame_header;

typedef struct pipe_source {
    vx_source source;
    vx_trace_pipe from;
    bool ended, complete; /* nothing follows; because the recorder said so */
    uint64_t offset, at;  /* of what is read next; of the frame */
    frame_header frame;
    uint64_t *steps;
    vx_record *records;
    uint64_t *payload;
    size_t step_room, record_room, word_room;
    step_runs reader;
    /* For whoever wants records: the runs expanded. */
    vx_record *expanded;
    size_t expanded_room;
} pipe_source;

/* False at the end of the pipe before `size` bytes, or where reading fails. */
static bool read_whole(pipe_source *self, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(self->from.fd, (char *)to + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        done += (size_t)got;
    }
    self->offset += size;
    return true;
}

/* Room for `count` items of `size` bytes, whose old content goes. */
static bool reserve(void *array, size_t *room, size_t count, size_t size)
{
    void *data;
    if (count <= *room) return true;
    memcpy(&data, array, sizeof data);
    free(data);
    data = malloc(count * size);
    memcpy(array, &data, sizeof data);
    *room = data ? count : 0;
    return data != NULL;
}

/* Whoever reads a record's payload relies on this. References are no events: steps make them. */
static bool events_valid(const pipe_source *self)
{
    for (uint32_t i = 0; i < self->frame.records; i++) {
        const vx_record *record = &self->records[i];
        bool reference = record->kind == VX_REC_FETCH || record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE;
        if (reference || !vx_record_valid(record, self->frame.words)) return false;
    }
    return true;
}

static vx_status refuse(const pipe_source *self, const char *why, vx_msg *msg)
{
    return vx_fail(msg, VX_ERR_INPUT, "the recorder's pipe: byte %llu: %s", (unsigned long long)self->at, why);
}

static bool is_frame(const frame_header *frame, const vx_trace_pipe *from)
{
    bool lies_in_slot = frame->slot <= from->slot_count && frame->steps <= from->slot_bytes / sizeof(uint64_t);
    return frame->magic == FRAME_MAGIC && frame->steps <= FRAME_STEPS_MAX && frame->records <= FRAME_RECORDS_MAX &&
           frame->words <= FRAME_WORDS_MAX && (!frame->slot || lies_in_slot);
}

/* The steps are copied out of shared memory before any is looked at: the recorder might change them in between. Where
 * it is gone, it does not matter that the slot does not reach it. */
static bool read_steps(pipe_source *self, const frame_header *frame)
{
    size_t bytes = frame->steps * sizeof *self->steps;
    if (!frame->slot) return read_whole(self, self->steps, bytes);
    const uint8_t slot = (uint8_t)(frame->slot - 1);
    memcpy(self->steps, (const char *)self->from.slots + slot * self->from.slot_bytes, bytes);
    while (send(self->from.credit, &slot, 1, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
    return true;
}

/* Reads the next frame that has steps; `ended` where there is none. */
static vx_status read_frame(pipe_source *self, vx_msg *msg)
{
    frame_header frame = {0};
    while (!self->ended && frame.steps == 0) {
        self->at = self->offset;
        if (!read_whole(self, &frame, sizeof frame)) {
            self->ended = true;
            return VX_OK;
        }
        if (!is_frame(&frame, &self->from)) return refuse(self, "no frame", msg);
        if (!reserve(&self->steps, &self->step_room, frame.steps + 1, sizeof *self->steps) ||
            !reserve(&self->records, &self->record_room, frame.records, sizeof *self->records) ||
            !reserve(&self->payload, &self->word_room, frame.words + STEP_RUNS_WORDS, sizeof *self->payload))
            return vx_fail_nomem(msg);
        self->ended = !read_steps(self, &frame) ||
                      !read_whole(self, self->records, frame.records * sizeof *self->records) ||
                      !read_whole(self, self->payload, frame.words * sizeof *self->payload);
        if (self->ended) return VX_OK;
        self->frame = frame;
        if (!events_valid(self)) return refuse(self, "a frame with an invalid record", msg);
        self->ended = self->complete = (frame.flags & FRAME_END) != 0;
    }
    self->steps[frame.steps] = STEP_NONE;
    step_runs_frame(&self->reader, self->steps, frame.steps, self->records, frame.records, self->payload, frame.words);
    return VX_OK;
}

/* The frame's next runs; count 0 at its end. */
static vx_status next_of_frame(pipe_source *self, vxt_runs *runs, vx_msg *msg)
{
    const char *why;
    vx_status status = step_runs_next(&self->reader, runs, &why);
    if (status == VX_ERR_NOMEM) return vx_fail_nomem(msg);
    if (status) return refuse(self, why, msg);
    runs->payload = self->payload;
    runs->words = self->frame.words + STEP_RUNS_WORDS;
    return VX_OK;
}

vx_status vxt_source_next_runs(vx_source *source, vxt_runs *runs, vx_msg *msg)
{
    pipe_source *self = (pipe_source *)source;
    vxt_runs got = {0};
    vx_status status = next_of_frame(self, &got, msg);
    while (!status && got.count == 0 && !self->ended) {
        status = read_frame(self, msg);
        if (!status) status = next_of_frame(self, &got, msg);
    }
    if (!status) *runs = got;
    return status;
}

static vx_status pipe_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    pipe_source *self = (pipe_source *)source;
    vxt_runs runs;
    vxt_runs_place place = {0};
    size_t count = 0;
    vx_status status = vxt_source_next_runs(source, &runs, msg);
    if (status) return status;
    if (!reserve(&self->expanded, &self->expanded_room, runs.count * VXT_SHAPE_RECORDS, sizeof *self->expanded))
        return vx_fail_nomem(msg);
    while (place.run < runs.count) count += vxt_runs_expand(&runs, &place, self->expanded + count);
    *batch = (vx_batch){self->expanded, count, runs.payload, runs.words};
    return VX_OK;
}

static void pipe_close(vx_source *source)
{
    pipe_source *self = (pipe_source *)source;
    step_runs_fini(&self->reader);
    free(self->steps);
    free(self->records);
    free(self->payload);
    free(self->expanded);
    free(self);
}

static const vx_source_ops pipe_ops = {pipe_next, pipe_close};

bool vxt_source_has_runs(const vx_source *source) { return source->ops == &pipe_ops; }

bool vx_trace_pipe_complete(const vx_source *source) { return ((const pipe_source *)source)->complete; }

vx_status vx_trace_pipe_open(vx_source **source, const vx_trace_pipe *pipe, const vx_trace_header *header, vx_msg *msg)
{
    pipe_source *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    *self = (pipe_source){.source = {&pipe_ops, *header}, .from = *pipe};
    vx_status status = step_runs_init(&self->reader, msg);
    if (status) {
        free(self);
        return status;
    }
    status = read_frame(self, msg);
    const vx_record *first = self->records;
    bool begins = self->frame.steps && (uint16_t)self->steps[0] == STEP_EVENT && self->frame.records &&
                  first->kind == VX_REC_STATE;
    if (!status && self->frame.steps == 0)
        status = vx_fail(msg, VX_ERR_INPUT, "nothing was recorded");
    else if (!status && !begins)
        status = refuse(self, "the first record is not the guest's state", msg);
    if (status) {
        pipe_close(&self->source);
        return status;
    }
    const uint64_t *state = self->payload + first->arg;
    self->source.header.paging = vx_paging_mode_of(state[STATE_CR0], state[STATE_CR4], state[STATE_EFER]);
    self->source.header.features |= header_features(state[STATE_CR4], state[STATE_EFER]);
    *source = &self->source;
    return VX_OK;
}
