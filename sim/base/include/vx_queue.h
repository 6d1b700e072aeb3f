/* Records that software asks the vCPU to execute next: how a fault handler's page-table stores, an emulated
 * instruction or a timer tick reach the hardware. Software never runs the vCPU; it queues, and the next step drains
 * the queue before it retries the reference. */
#ifndef VX_QUEUE_H
#define VX_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "vx_arena.h"
#include "vx_record.h"
#include "vx_status.h"

typedef struct vx_queue {
    vx_record *records;
    uint64_t *payload;
    size_t count, room; /* records held, capacity */
    size_t words, word_room;
    bool overflowed; /* something did not fit: the run ends with an error, nothing is lost silently */
} vx_queue;

/* Capacity is fixed: the run loop allocates nothing. Memory from the arena. */
vx_status vx_queue_init(vx_queue *queue, vx_arena *arena, size_t records, size_t words, vx_msg *msg);

/* Appends an event record (not a reference) with `count` payload words, copied. */
void vx_queue_put(vx_queue *queue, vx_record_kind kind, unsigned size, uint64_t addr, const uint64_t *payload,
                  unsigned count);

/* What is held, as a batch; valid until the next put or clear. */
static inline vx_batch vx_queue_batch(const vx_queue *queue)
{
    return (vx_batch){queue->records, queue->count, queue->payload, queue->words};
}

/* Empty again; what vx_queue_batch gave is no longer valid. */
static inline void vx_queue_clear(vx_queue *queue) { queue->count = queue->words = 0; }

#endif
