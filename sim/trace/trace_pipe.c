/* The recorder's end of the pipe as a source (traces/record/record_stream.h says what comes down it): frames of a
 * header, records and payload words, in this machine's byte order. The first record of all is the guest's state. A
 * pipe that ends within a frame loses that frame: the recorder was killed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vx_trace.h"

enum {
    FRAME_RECORDS_MAX = 1 << 20,
    FRAME_WORDS_MAX = 1 << 22,
    FRAME_END = 1,
    STATE_CR0 = 0, /* payload words of STATE */
    STATE_CR4 = 3,
    STATE_EFER = 4
};
#define FRAME_MAGIC 0x31525856u /* "VXR1" */
#define CR0_PG 0x80000000u
#define CR4_PAE 0x20u
#define CR4_LA57 0x1000u
#define EFER_LMA 0x400u
#define EFER_NXE 0x800u

typedef struct frame_header {
    uint32_t magic, records, words, flags;
} frame_header;

typedef struct pipe_source {
    vx_source source;
    int fd;
    bool ended, complete; /* nothing follows; because the recorder said so */
    bool held;            /* the frame read on opening waits */
    uint64_t offset;
    frame_header frame;
    vx_record *records;
    uint64_t *payload;
    size_t record_room, word_room;
} pipe_source;

/* False at the end of the pipe before `size` bytes, or where reading fails. */
static bool read_whole(pipe_source *self, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(self->fd, (char *)to + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        done += (size_t)got;
    }
    self->offset += size;
    return true;
}

static vx_status reserve(pipe_source *self, const frame_header *frame, vx_msg *msg)
{
    if (frame->records > self->record_room) {
        vx_record *grown = realloc(self->records, frame->records * sizeof *grown);
        if (!grown) return vx_fail_nomem(msg);
        self->records = grown;
        self->record_room = frame->records;
    }
    if (frame->words > self->word_room) {
        uint64_t *grown = realloc(self->payload, frame->words * sizeof *grown);
        if (!grown) return vx_fail_nomem(msg);
        self->payload = grown;
        self->word_room = frame->words;
    }
    return VX_OK;
}

/* Whoever reads a record's payload relies on this. References have none: the writer checks them. */
static bool events_valid(const pipe_source *self)
{
    for (uint32_t i = 0; i < self->frame.records; i++) {
        const vx_record *record = &self->records[i];
        bool reference = record->kind == VX_REC_FETCH || record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE;
        if (!reference && !vx_record_valid(record, self->frame.words)) return false;
    }
    return true;
}

/* Reads the next frame that has records; `ended` where there is none. */
static vx_status read_frame(pipe_source *self, vx_msg *msg)
{
    self->frame.records = 0;
    while (!self->ended && self->frame.records == 0) {
        frame_header frame;
        uint64_t at = self->offset;
        if (!read_whole(self, &frame, sizeof frame)) {
            self->ended = true;
            break;
        }
        if (frame.magic != FRAME_MAGIC || frame.records > FRAME_RECORDS_MAX || frame.words > FRAME_WORDS_MAX)
            return vx_fail(msg, VX_ERR_INPUT, "the recorder's pipe: byte %llu: no frame", (unsigned long long)at);
        vx_status status = reserve(self, &frame, msg);
        if (status) return status;
        self->ended = !read_whole(self, self->records, frame.records * sizeof *self->records) ||
                      !read_whole(self, self->payload, frame.words * sizeof *self->payload);
        if (self->ended) break;
        self->frame = frame;
        if (!events_valid(self))
            return vx_fail(msg, VX_ERR_INPUT, "the recorder's pipe: byte %llu: a frame with an invalid record",
                           (unsigned long long)at);
        self->ended = self->complete = (frame.flags & FRAME_END) != 0;
    }
    return VX_OK;
}

static vx_status pipe_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    pipe_source *self = (pipe_source *)source;
    if (!self->held) {
        vx_status status = read_frame(self, msg);
        if (status) return status;
    }
    self->held = false;
    *batch = (vx_batch){self->records, self->frame.records, self->payload, self->frame.words};
    self->frame.records = self->frame.words = 0;
    return VX_OK;
}

static void pipe_close(vx_source *source)
{
    pipe_source *self = (pipe_source *)source;
    free(self->records);
    free(self->payload);
    free(self);
}

static void take_state(vx_trace_header *header, const uint64_t *state)
{
    static const struct {
        uint32_t cr4, feature;
    } bits[] = {{1u << 7, 1}, {1u << 17, 2}, {1u << 20, 4}, {1u << 21, 8}}; /* PGE, PCIDE, SMEP, SMAP */
    uint64_t cr4 = state[STATE_CR4], efer = state[STATE_EFER];
    header->paging = VX_PAGING_NONE;
    if (state[STATE_CR0] & CR0_PG) {
        header->paging = cr4 & CR4_PAE ? VX_PAGING_PAE : VX_PAGING_32BIT;
        if (efer & EFER_LMA) header->paging = cr4 & CR4_LA57 ? VX_PAGING_5LEVEL : VX_PAGING_4LEVEL;
    }
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (cr4 & bits[i].cr4) header->features |= bits[i].feature;
    if (efer & EFER_NXE) header->features |= 16;
}

bool vx_trace_pipe_complete(const vx_source *source) { return ((const pipe_source *)source)->complete; }

vx_status vx_trace_pipe_open(vx_source **source, int fd, const vx_trace_header *header, vx_msg *msg)
{
    static const vx_source_ops ops = {pipe_next, pipe_close};
    pipe_source *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    *self = (pipe_source){.source = {&ops, *header}, .fd = fd};
    vx_status status = read_frame(self, msg);
    const vx_record *first = self->records;
    bool begins = self->frame.records && first->kind == VX_REC_STATE && vx_record_valid(first, self->frame.words);
    if (!status && self->frame.records == 0)
        status = vx_fail(msg, VX_ERR_INPUT, "nothing was recorded");
    else if (!status && !begins)
        status = vx_fail(msg, VX_ERR_INPUT, "the recorder's pipe: the first record is not the guest's state");
    if (status) {
        pipe_close(&self->source);
        return status;
    }
    self->held = true;
    take_state(&self->source.header, self->payload + first->arg);
    *source = &self->source;
    return VX_OK;
}
