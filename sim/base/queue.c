#include "vx_queue.h"

#include <string.h>

vx_status vx_queue_init(vx_queue *queue, vx_arena *arena, size_t records, size_t words, vx_msg *msg)
{
    vx_record *record_memory = vx_arena_array(arena, records, sizeof *record_memory);
    uint64_t *payload_memory = vx_arena_array(arena, words, sizeof *payload_memory);
    if (!record_memory || !payload_memory) return vx_fail_nomem(msg);
    *queue = (vx_queue){.records = record_memory, .payload = payload_memory, .room = records, .word_room = words};
    return VX_OK;
}

void vx_queue_put(vx_queue *queue, vx_record_kind kind, unsigned size, uint64_t addr, const uint64_t *payload,
                  unsigned count)
{
    if (queue->count == queue->room || count > queue->word_room - queue->words) {
        queue->overflowed = true;
        return;
    }
    vx_record *record = &queue->records[queue->count++];
    *record = (vx_record){.addr = addr,
                          .arg = (uint32_t)queue->words,
                          .count = (uint16_t)count,
                          .size = (uint8_t)size,
                          .kind = (uint8_t)kind};
    if (count) memcpy(queue->payload + queue->words, payload, count * sizeof *payload);
    queue->words += count;
}
