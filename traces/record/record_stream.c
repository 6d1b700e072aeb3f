/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record_stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { RUN_INSTRUCTIONS = 1 << 20 }; /* a run of PAUSE or RDTSC covers at most so many */

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

static void send_frame(vxr_stream *stream, uint32_t flags)
{
    const vxr_frame frame = {FRAME_MAGIC, stream->records, stream->words, flags};
    put_all(stream, &frame, sizeof frame);
    put_all(stream, stream->record, stream->records * sizeof *stream->record);
    put_all(stream, stream->word, stream->words * sizeof *stream->word);
    stream->records = stream->words = 0;
    stream->counting = false;
    stream->flushes++;
    if (stream->broken) stream->on = false;
}

static vxr_record *put_event(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size, const uint64_t *words,
                             unsigned count)
{
    if (stream->records == STREAM_RECORDS || stream->words + count > STREAM_WORDS) send_frame(stream, 0);
    vxr_record *record = &stream->record[stream->records++];
    *record = (vxr_record){addr, stream->words, (uint16_t)count, (uint8_t)size, (uint8_t)kind};
    if (count) memcpy(stream->word + stream->words, words, count * sizeof *words);
    stream->words += count;
    stream->counting = false;
    return record;
}

static void put_skipped(vxr_stream *stream)
{
    if (stream->references || stream->told == stream->instructions) return;
    const uint64_t words[4] = {stream->instructions - stream->told, 0, 0, 0};
    put_event(stream, REC_SKIPPED, 0, 0, words, 4);
    stream->told = stream->instructions;
}

static void put_runs(vxr_stream *stream)
{
    if (!stream->pauses && !stream->rdtscs) return;
    put_skipped(stream);
    if (stream->rdtscs) put_event(stream, REC_RDTSC, stream->rdtscs, 0, NULL, 0);
    if (stream->pauses) put_event(stream, REC_PAUSE, stream->pauses, 0, NULL, 0);
    stream->rdtscs = stream->pauses = 0;
}

void vxr_stream_flush(vxr_stream *stream, bool end)
{
    if (end && stream->on) {
        put_runs(stream);
        put_skipped(stream);
    }
    if (stream->records || end) send_frame(stream, end ? FRAME_END : 0);
}

vxr_record *vxr_stream_event(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size, const uint64_t *words,
                             unsigned count)
{
    if (!stream->on) return NULL;
    put_runs(stream);
    put_skipped(stream);
    return put_event(stream, kind, addr, size, words, count);
}

void vxr_stream_run(vxr_stream *stream, unsigned kind)
{
    if (!stream->on) return;
    if (stream->references) {
        put_event(stream, kind, 1, 0, NULL, 0);
        return;
    }
    if (!stream->pauses && !stream->rdtscs) stream->run_began = stream->instructions;
    if (kind == REC_PAUSE) stream->pauses++;
    if (kind == REC_RDTSC) stream->rdtscs++;
    if (stream->instructions - stream->run_began > RUN_INSTRUCTIONS) put_runs(stream);
}
