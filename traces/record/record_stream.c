/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record_stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { RUN_INSTRUCTIONS = 1 << 20 }; /* a run of PAUSE or RDTSC covers at most so many */

void vxr_stream_init(vxr_stream *stream, int fd, bool references)
{
    memset(stream, 0, offsetof(vxr_stream, record));
    stream->fd = fd;
    stream->references = references;
    stream->slots = NULL;
    stream->at = stream->step = stream->own;
}

/* Waits for a slot that the reader has done with. */
static void take_slot(vxr_stream *stream)
{
    uint8_t slot;
    ssize_t got;
    do got = read(stream->credit, &slot, 1);
    while (got < 0 && errno == EINTR);
    stream->broken |= got != 1 || slot >= stream->slot_count;
    if (stream->broken) return;
    stream->slot = slot;
    stream->step = stream->slots + (size_t)slot * STREAM_STEPS;
}

/* The slot is the reader's now. What still comes after the last frame goes nowhere. */
static void leave_slot(vxr_stream *stream, bool end)
{
    if (!end) {
        take_slot(stream);
        return;
    }
    stream->slots = NULL;
    stream->step = stream->own;
}

void vxr_stream_share(vxr_stream *stream, void *slots, uint32_t count, int credit)
{
    stream->slots = slots;
    stream->slot_count = count;
    stream->credit = credit;
    take_slot(stream);
    stream->at = stream->step;
}

static void put_all(vxr_stream *stream, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size && !stream->broken;) {
        ssize_t put = write(stream->fd, (const char *)bytes + done, size - done);
        if (put >= 0)
            done += (size_t)put;
        else if (errno != EINTR)
            stream->broken = true;
    }
}

/* Nothing leaves while nothing is wanted. */
static void send_frame(vxr_stream *stream, uint32_t flags)
{
    vxr_frame frame = {.magic = FRAME_MAGIC,
                       .flags = flags,
                       .steps = (uint32_t)(stream->at - stream->step),
                       .records = stream->records,
                       .words = stream->words};
    if (stream->slots && frame.steps) frame.slot = stream->slot + 1;
    if (stream->on) {
        put_all(stream, &frame, sizeof frame);
        if (!frame.slot) put_all(stream, stream->step, frame.steps * sizeof *stream->step);
        put_all(stream, stream->record, frame.records * sizeof *stream->record);
        put_all(stream, stream->word, frame.words * sizeof *stream->word);
        if (frame.slot) leave_slot(stream, flags & FRAME_END);
    }
    stream->at = stream->step;
    stream->records = stream->words = 0;
    stream->flushes++;
    if (stream->broken) stream->on = false;
}

/* Room for steps that belong together. */
static void reserve_steps(vxr_stream *stream, unsigned count)
{
    if (stream->at > stream->step + STREAM_STEPS - count) send_frame(stream, 0);
}

static void put_step(vxr_stream *stream, unsigned tag, uint64_t operand)
{
    *stream->at++ = operand << STEP_OPERAND | tag;
}

static void put_ran(vxr_stream *stream)
{
    if (stream->ran && stream->references) put_step(stream, STEP_RAN, stream->ran);
    stream->ran = 0;
}

/* Room for one event of `words` payload words, and the step before it. */
static void reserve_event(vxr_stream *stream, unsigned words)
{
    if (stream->records == STREAM_RECORDS || stream->words + words > STREAM_WORDS) send_frame(stream, 0);
    reserve_steps(stream, 2);
}

static vxr_record *put_event(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size, const uint64_t *words,
                             unsigned count)
{
    reserve_event(stream, count);
    put_ran(stream);
    put_step(stream, STEP_EVENT, 0);
    vxr_record *record = &stream->record[stream->records++];
    *record = (vxr_record){addr, stream->words, (uint16_t)count, (uint8_t)size, (uint8_t)kind};
    if (count) memcpy(stream->word + stream->words, words, count * sizeof *words);
    stream->words += count;
    return record;
}

static void put_small_event(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size)
{
    if (addr > UINT32_MAX) {
        put_event(stream, kind, addr, size, NULL, 0);
        return;
    }
    reserve_steps(stream, 2);
    put_ran(stream);
    put_step(stream, STEP_SMALL_EVENT, kind | (uint64_t)(uint8_t)size << STEP_EVENT_SIZE | addr << STEP_EVENT_ADDRESS);
}

static void put_skipped(vxr_stream *stream)
{
    const uint64_t most = UINT64_MAX >> STEP_OPERAND;
    uint64_t now = stream->instructions - stream->ahead;
    while (!stream->references && now > stream->told) {
        uint64_t count = now - stream->told < most ? now - stream->told : most;
        reserve_steps(stream, 1);
        put_step(stream, STEP_SKIPPED, count);
        stream->told += count;
    }
}

static void put_runs(vxr_stream *stream)
{
    if (!stream->pauses && !stream->rdtscs) return;
    put_skipped(stream);
    if (stream->rdtscs) put_small_event(stream, REC_RDTSC, stream->rdtscs, 0);
    if (stream->pauses) put_small_event(stream, REC_PAUSE, stream->pauses, 0);
    stream->rdtscs = stream->pauses = 0;
}

void vxr_stream_flush(vxr_stream *stream, bool end)
{
    if (end && stream->on) {
        put_runs(stream);
        put_skipped(stream);
        reserve_steps(stream, 1);
        put_ran(stream);
    }
    if (stream->at != stream->step || end) send_frame(stream, end ? FRAME_END : 0);
}

vxr_record *vxr_stream_event(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size, const uint64_t *words,
                             unsigned count)
{
    if (!stream->on) return NULL;
    put_runs(stream);
    put_skipped(stream);
    return put_event(stream, kind, addr, size, words, count);
}

void vxr_stream_small_event(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size)
{
    if (!stream->on) return;
    put_runs(stream);
    put_skipped(stream);
    put_small_event(stream, kind, addr, size);
}

void vxr_stream_run(vxr_stream *stream, unsigned kind)
{
    if (!stream->on) return;
    if (stream->references) {
        put_small_event(stream, kind, 1, 0);
        return;
    }
    uint64_t now = stream->instructions - stream->ahead;
    if (!stream->pauses && !stream->rdtscs) stream->run_began = now;
    if (kind == REC_PAUSE) stream->pauses++;
    if (kind == REC_RDTSC) stream->rdtscs++;
    if (now - stream->run_began > RUN_INSTRUCTIONS) put_runs(stream);
}

uint32_t vxr_stream_define(vxr_stream *stream, uint64_t address, const uint8_t *bytes, uint32_t count)
{
    reserve_steps(stream, DEFINITION_STEPS);
    put_step(stream, STEP_DEFINE, count);
    *stream->at++ = address;
    for (uint32_t i = 0; i < count; i += 16) {
        uint64_t lengths = 0;
        for (uint32_t j = i; j < count && j < i + 16; j++) lengths |= (uint64_t)(bytes[j] & 15) << 4 * (j - i);
        *stream->at++ = lengths;
    }
    return stream->blocks++;
}

void vxr_stream_cut(vxr_stream *stream, uint32_t ran)
{
    stream->ran = 0;
    if (!stream->on || !stream->references) return;
    reserve_steps(stream, 1);
    put_step(stream, STEP_CUT, ran);
}
