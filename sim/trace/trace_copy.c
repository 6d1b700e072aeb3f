/* Copies a source, or all streams of a .vxt file, to a .vxt file. */
#include "record_runs.h"
#include "source_resume.h"
#include "source_skip.h"
#include "trace_filter.h"

/* Keeps of the batch what does not stand behind `left` instructions, which it counts down. False once something did. */
static bool clip_end(vx_batch *batch, uint64_t *left)
{
    for (size_t i = 0; i < batch->count; i++) {
        uint64_t moved = vx_record_instructions(&batch->records[i], batch->payload);
        if (moved > *left) {
            batch->count = i;
            return false;
        }
        *left -= moved;
    }
    return true;
}

/* Keeps what is whole of a copy that failed, where that was asked for; the copy's own message stays. */
static void give_up(vx_trace_writer *writer, const vx_trace_write_options *options)
{
    vx_msg ignored;
    if (options && options->keep_whole_chunks)
        vx_trace_writer_keep(writer, &ignored);
    else
        vx_trace_writer_abandon(writer);
}

/* The header of what is written, where the options ask for another tier. */
static vx_status retier(vx_trace_header *header, const vx_trace_write_options *options, vx_msg *msg)
{
    if (!options || !options->tier || options->tier == header->tier) return VX_OK;
    return vx_filter_header(header, options->tier, options->filter_sets, msg);
}

/* Reads through a filter where the options ask for one; the caller keeps `source`. */
typedef struct borrowed {
    vx_source source;
    vx_source *lender;
} borrowed;

static vx_status borrowed_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    return vx_source_next(((borrowed *)source)->lender, batch, msg);
}

static void borrowed_close(vx_source *source) { (void)source; }

/* What of a source is copied, in instructions. */
typedef struct clip {
    uint64_t skip, left; /* left: UINT64_MAX for all */
} clip;

static vx_status copy_records(vx_source *source, vx_trace_writer *writer, uint32_t stream, clip part,
                              vx_trace_totals *totals, vx_msg *msg)
{
    uint64_t position = 0;
    for (bool more = true; more;) {
        vx_batch batch;
        vx_status status = vx_source_next(source, &batch, msg);
        if (status) return status;
        if (batch.count == 0) return VX_OK;
        if (part.skip && vx_batch_drop(&batch, part.skip, &position)) part.skip = 0;
        if (part.left != UINT64_MAX) more = clip_end(&batch, &part.left);
        status = vx_trace_writer_put(writer, stream, &batch, msg);
        if (status) return status;
        if (totals) vx_trace_totals_add(totals, batch.records, batch.count, batch.payload);
    }
    return VX_OK;
}

/* The same of all records of a source that has them as runs. */
static vx_status copy_runs(vx_source *source, vx_trace_writer *writer, uint32_t stream, vx_trace_totals *totals,
                           vx_msg *msg)
{
    for (;;) {
        vxt_runs runs;
        vx_status status = vxt_source_next_runs(source, &runs, msg);
        if (status) return status;
        if (runs.count == 0) return VX_OK;
        status = vxt_writer_put_runs(writer, stream, &runs, msg);
        if (status) return status;
        if (totals) vxt_runs_total(&runs, &(vxt_runs_place){0}, runs.count, totals);
    }
}

static vx_status copy_tier(vx_source *source, vx_trace_writer *writer, uint32_t stream, clip part,
                           const vx_trace_write_options *options, vx_trace_totals *totals, vx_msg *msg)
{
    static const vx_source_ops ops = {borrowed_next, borrowed_close};
    borrowed lent = {{&ops, source->header}, source};
    vx_source *filtered;
    if (!options || !options->tier || options->tier == source->header.tier) {
        bool all = part.skip == 0 && part.left == UINT64_MAX;
        return all && vxt_source_has_runs(source) ? copy_runs(source, writer, stream, totals, msg)
                                                  : copy_records(source, writer, stream, part, totals, msg);
    }
    vx_status status = vx_source_filter(&filtered, &lent.source, options->tier, options->filter_sets, msg);
    if (status) return status;
    status = copy_records(filtered, writer, stream, part, totals, msg);
    vx_source_close(filtered);
    return status;
}

vx_status vx_trace_copy(vx_source *source, const char *path, uint64_t skip_instructions, uint64_t max_instructions,
                        const vx_trace_write_options *options, vx_trace_totals *totals, vx_msg *msg)
{
    vx_trace_totals copied = {0};
    vx_trace_header header = source->header;
    if (skip_instructions || max_instructions) header.references = 0; /* those of the part, counted on the way */
    vx_trace_writer *writer;
    vx_status status = retier(&header, options, msg);
    if (!status) status = vx_trace_writer_open(&writer, path, &header, options, msg);
    if (status) return status;
    const clip part = {skip_instructions, max_instructions ? max_instructions : UINT64_MAX};
    status = copy_tier(source, writer, 0, part, options, totals ? &copied : NULL, msg);
    if (status) {
        give_up(writer, options);
        return status;
    }
    status = vx_trace_writer_finish(writer, msg);
    if (!status && totals) *totals = copied;
    return status;
}

/* Copies stream after stream; the reader does the skipping, by its index. */
static vx_status copy_streams(const char *from, const vx_trace_options *from_options, uint32_t streams,
                              vx_trace_writer *writer, uint64_t left, const vx_trace_write_options *writing,
                              vx_msg *msg)
{
    for (uint32_t stream = 0; stream < streams; stream++) {
        vx_trace_options options = *from_options;
        vx_source *source;
        options.stream = stream;
        vx_status status = vx_trace_open(&source, from, &options, msg);
        if (status) return status;
        status = copy_tier(source, writer, stream, (clip){0, left}, writing, NULL, msg);
        vx_source_close(source);
        if (status) return status;
    }
    return VX_OK;
}

/* The part of a system trace behind `skip`. */
static vx_status copy_resumed(const char *from, const vx_trace_options *reading, const char *path, uint64_t skip,
                              uint64_t max, const vx_trace_write_options *options, vx_msg *msg)
{
    vx_source *whole, *part;
    vx_status status = vx_trace_open(&whole, from, reading, msg);
    if (!status) status = vx_source_resume(&part, whole, from, skip, msg);
    if (status) return status;
    status = vx_trace_copy(part, path, 0, max, options, NULL, msg);
    vx_source_close(part);
    return status;
}

vx_status vx_trace_repack(const char *from, const vx_trace_options *from_options, const char *path,
                          uint64_t skip_instructions, uint64_t max_instructions, const vx_trace_write_options *options,
                          vx_msg *msg)
{
    vx_trace_options reading = {.whole_chunks = from_options && from_options->whole_chunks};
    vx_trace_info info;
    vx_trace_writer *writer;
    vx_status status = vx_trace_info_read(from, &reading, &info, msg);
    if (status) return status;
    if (skip_instructions && info.header.kind == VX_TRACE_SYSTEM) {
        if (info.streams <= 1)
            return copy_resumed(from, &reading, path, skip_instructions, max_instructions, options, msg);
        return vx_fail(msg, VX_ERR_INPUT,
                       "%s: the start of a system trace of %u streams cannot be cut off: each builds page tables", from,
                       info.streams);
    }
    if (skip_instructions || max_instructions || !info.complete) info.header.references = 0;
    status = retier(&info.header, options, msg);
    if (!status) status = vx_trace_writer_open(&writer, path, &info.header, options, msg);
    if (status) return status;
    reading.skip_instructions = skip_instructions;
    status = copy_streams(from, &reading, info.streams, writer, max_instructions ? max_instructions : UINT64_MAX,
                          options, msg);
    if (status) {
        vx_trace_writer_abandon(writer);
        return status;
    }
    return vx_trace_writer_finish(writer, msg);
}
