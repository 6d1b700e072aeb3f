/* Copies a source to a .vxt file. */
#include "source_skip.h"

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

static vx_status copy_records(vx_source *source, vx_trace_writer *writer, uint64_t skip, uint64_t left,
                              vx_trace_totals *totals, vx_msg *msg)
{
    uint64_t position = 0;
    for (bool more = true; more;) {
        vx_batch batch;
        vx_status status = vx_source_next(source, &batch, msg);
        if (status) return status;
        if (batch.count == 0) return VX_OK;
        if (vx_batch_drop(&batch, skip, &position)) skip = 0;
        more = clip_end(&batch, &left);
        status = vx_trace_writer_put(writer, 0, &batch, msg);
        if (status) return status;
        for (size_t i = 0; i < batch.count; i++) vx_trace_totals_add(totals, &batch.records[i], batch.payload);
    }
    return VX_OK;
}

vx_status vx_trace_copy(vx_source *source, const char *path, uint64_t skip_instructions, uint64_t max_instructions,
                        const vx_trace_write_options *options, vx_trace_totals *totals, vx_msg *msg)
{
    vx_trace_totals copied = {0};
    vx_trace_header header = source->header;
    if (skip_instructions || max_instructions) header.references = 0; /* those of the part, counted on the way */
    vx_trace_writer *writer;
    vx_status status = vx_trace_writer_open(&writer, path, &header, options, msg);
    if (status) return status;
    status =
        copy_records(source, writer, skip_instructions, max_instructions ? max_instructions : UINT64_MAX, &copied, msg);
    if (status) {
        vx_trace_writer_abandon(writer);
        return status;
    }
    status = vx_trace_writer_finish(writer, msg);
    if (!status && totals) *totals = copied;
    return status;
}
