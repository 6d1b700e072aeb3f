/* Reads up to where the trace is to begin, keeps what the records make of the guest, and tells it first. */
#include "source_resume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "guest_image.h"
#include "source_skip.h"

enum { PAGE_WORDS = 2048, BATCH_RECORDS = 64, BATCH_WORDS = VX_TRACE_BATCH_WORDS };

_Static_assert((int)BATCH_WORDS >= (int)PAGE_WORDS + (int)IMAGE_WORDS, "a page and the state find room");

typedef struct resumed {
    vx_source source;
    vx_source *inner;
    guest_image image;
    image_page *pages; /* those still to tell are from `next` on; NULL: all is told */
    uint32_t next;
    vx_batch rest; /* of the inner source's batch in which the beginning lies; its memory */
    vx_record records[BATCH_RECORDS];
    uint64_t words[BATCH_WORDS];
} resumed;

/* ---- up to the beginning ---- */

static vx_status keep(guest_image *image, const vx_batch *batch, size_t count, vx_msg *msg)
{
    vx_status status = VX_OK;
    for (size_t i = 0; status == VX_OK && i < count; i++)
        status = guest_image_take(image, &batch->records[i], batch->payload, msg);
    return status;
}

/* Leaves in `rest` what stands behind. */
static vx_status pass(resumed *self, const char *name, uint64_t skip, vx_msg *msg)
{
    uint64_t position = 0;
    for (bool there = false; !there;) {
        vx_batch batch;
        vx_status status = vx_source_next(self->inner, &batch, msg);
        if (status) return status;
        if (batch.count == 0)
            return vx_fail(msg, VX_ERR_INPUT, "%s: ends within the %" PRIu64 " instructions to leave out", name, skip);
        self->rest = batch;
        there = vx_batch_drop(&self->rest, skip, &position);
        status = keep(&self->image, &batch, batch.count - self->rest.count, msg);
        if (status) return status;
    }
    if (self->image.stateful) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT, "%s: has not told the guest's state by instruction %" PRIu64, name, position);
}

/* ---- what it is told first ---- */

static void put(resumed *self, vx_batch *batch, vx_record record, unsigned words)
{
    record.arg = (uint32_t)batch->words;
    record.count = (uint16_t)words;
    self->records[batch->count++] = record;
    batch->words += words;
}

static void put_state(resumed *self, vx_batch *batch)
{
    memcpy(self->words, self->image.state, sizeof self->image.state);
    put(self, batch, (vx_record){.kind = VX_REC_STATE, .size = self->image.cpl}, IMAGE_WORDS);
}

static void tell(resumed *self, vx_batch *batch)
{
    *batch = (vx_batch){.records = self->records, .payload = self->words};
    if (self->next == 0) put_state(self, batch);
    for (; self->next < self->image.live; self->next++) {
        if (batch->count == BATCH_RECORDS || batch->words + PAGE_WORDS > BATCH_WORDS) return;
        const image_page *page = &self->pages[self->next];
        unsigned words = guest_image_entries(&self->image, page->gpa, self->words + batch->words);
        put(self, batch, (vx_record){.kind = VX_REC_PT_PAGE_NEW, .addr = page->gpa, .size = page->level}, words);
    }
    free(self->pages);
    self->pages = NULL;
}

/* ---- the source ---- */

static vx_status resumed_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    resumed *self = (resumed *)source;
    if (self->pages) {
        tell(self, batch);
        return VX_OK;
    }
    if (self->rest.count == 0) return vx_source_next(self->inner, batch, msg);
    *batch = self->rest;
    self->rest.count = 0;
    return VX_OK;
}

static void resumed_close(vx_source *source)
{
    resumed *self = (resumed *)source;
    vx_source_close(self->inner);
    guest_image_fini(&self->image);
    free(self->pages);
    free(self);
}

static const vx_source_ops resumed_ops = {resumed_next, resumed_close};

static vx_status begin(resumed *self, const char *name, uint64_t skip, vx_msg *msg)
{
    vx_status status = pass(self, name, skip, msg);
    if (status) return status;
    self->pages = guest_image_pages(&self->image);
    if (!self->pages) return vx_fail_nomem(msg);
    self->source.header.paging = guest_image_paging(&self->image);
    self->source.header.references = 0;
    return VX_OK;
}

vx_status vx_source_resume(vx_source **source, vx_source *inner, const char *name, uint64_t skip, vx_msg *msg)
{
    if (skip == 0) {
        *source = inner;
        return VX_OK;
    }
    resumed *self = calloc(1, sizeof *self);
    if (!self) {
        vx_source_close(inner);
        return vx_fail_nomem(msg);
    }
    vx_status status = guest_image_init(&self->image, msg);
    if (status) {
        vx_source_close(inner);
        free(self);
        return status;
    }
    self->source = (vx_source){&resumed_ops, inner->header};
    self->inner = inner;
    status = begin(self, name, skip, msg);
    if (status)
        resumed_close(&self->source);
    else
        *source = &self->source;
    return status;
}
