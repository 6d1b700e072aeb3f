/* Dropping what stands within the first instructions of a source. */
#include "source_skip.h"

#include <stdlib.h>

bool vx_batch_drop(vx_batch *batch, uint64_t skip, uint64_t *position)
{
    size_t i = 0;
    for (; skip && i < batch->count; i++) {
        uint64_t moved = vx_record_instructions(&batch->records[i], batch->payload);
        if (moved > skip - *position) break;
        *position += moved;
    }
    batch->records += i;
    batch->count -= i;
    return skip == 0 || batch->count > 0;
}

typedef struct skipper {
    vx_source source;
    vx_source *inner;
    uint64_t skip, position;
} skipper;

static vx_status skipper_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    skipper *self = (skipper *)source;
    vx_batch got;
    do {
        vx_status status = vx_source_next(self->inner, &got, msg);
        if (status) return status;
        if (got.count == 0) break;
        if (vx_batch_drop(&got, self->skip, &self->position)) self->skip = 0;
    } while (got.count == 0);
    *batch = got;
    return VX_OK;
}

static void skipper_close(vx_source *source)
{
    skipper *self = (skipper *)source;
    vx_source_close(self->inner);
    free(self);
}

static const vx_source_ops skipper_ops = {skipper_next, skipper_close};

vx_status vx_source_skip(vx_source **source, vx_source *inner, uint64_t skip, vx_msg *msg)
{
    if (skip == 0) {
        *source = inner;
        return VX_OK;
    }
    skipper *self = calloc(1, sizeof *self);
    if (!self) {
        vx_source_close(inner);
        return vx_fail_nomem(msg);
    }
    *self = (skipper){.source = {&skipper_ops, inner->header}, .inner = inner, .skip = skip};
    *source = &self->source;
    return VX_OK;
}
