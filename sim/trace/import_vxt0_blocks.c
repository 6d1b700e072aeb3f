/* Code blocks of a full recording: defined once, executed by number. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "import_vxt0.h"

enum { INSTRUCTIONS_MAX = 1 << 24 }; /* in all blocks; a boot of Linux translates under 2 million */

static vx_status reserve_instructions(vxt0_blocks *blocks, size_t more, vx_msg *msg)
{
    size_t wanted = blocks->instructions + more;
    if (wanted <= blocks->instruction_capacity) return VX_OK;
    size_t larger = 2 * blocks->instruction_capacity;
    if (larger < wanted) larger = wanted + VXT0_BLOCK_MAX;
    uint8_t *bytes = realloc(blocks->lengths_and_kinds, 2 * larger);
    if (!bytes) return vx_fail_nomem(msg);
    blocks->lengths_and_kinds = bytes;
    uint64_t *last = realloc(blocks->last, larger * sizeof *last);
    if (!last) return vx_fail_nomem(msg);
    blocks->last = last;
    blocks->instruction_capacity = larger;
    return VX_OK;
}

static vx_status reserve_block(vxt0_blocks *blocks, vx_msg *msg)
{
    if (blocks->count < blocks->capacity) return VX_OK;
    size_t larger = blocks->capacity ? 2 * blocks->capacity : 1024;
    vxt0_block *moved = realloc(blocks->blocks, larger * sizeof *moved);
    if (!moved) return vx_fail_nomem(msg);
    blocks->blocks = moved;
    blocks->capacity = larger;
    return VX_OK;
}

static const char *block_wrong(const vxt0_blocks *blocks, const vxt0_tag *tag)
{
    if (tag->block != blocks->count) return "blocks are not numbered in order";
    if (blocks->instructions + tag->block_instructions > INSTRUCTIONS_MAX) return "more than 16777216 instructions";
    for (size_t i = 0; i < tag->block_instructions; i++) {
        unsigned length = tag->lengths_and_kinds[2 * i];
        if (length == 0 || length > VX_IMPORT_INSTRUCTION_BYTES) return "an instruction of 0 or more than 15 bytes";
    }
    return NULL;
}

vx_status vxt0_blocks_add(vxt0_blocks *blocks, const vxt0_tag *tag, const char *name, vx_msg *msg)
{
    const char *wrong = block_wrong(blocks, tag);
    if (wrong) return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": %s", name, tag->offset, wrong);
    size_t instructions = (size_t)tag->block_instructions;
    vx_status status = reserve_instructions(blocks, instructions, msg);
    if (!status) status = reserve_block(blocks, msg);
    if (status) return status;
    memcpy(blocks->lengths_and_kinds + 2 * blocks->instructions, tag->lengths_and_kinds, 2 * instructions);
    memset(blocks->last + blocks->instructions, 0, instructions * sizeof *blocks->last);
    blocks->blocks[blocks->count++] = (vxt0_block){tag->address, blocks->instructions, (uint32_t)instructions};
    blocks->instructions += instructions;
    return VX_OK;
}

void vxt0_blocks_fini(vxt0_blocks *blocks)
{
    free(blocks->blocks);
    free(blocks->lengths_and_kinds);
    free(blocks->last);
    *blocks = (vxt0_blocks){0};
}

uint64_t vxt0_block_address(const vxt0_blocks *blocks, const vxt0_block *block, size_t index)
{
    uint64_t address = block->address;
    for (size_t i = 0; i < index; i++) address += blocks->lengths_and_kinds[2 * (block->first + i)];
    return address;
}
