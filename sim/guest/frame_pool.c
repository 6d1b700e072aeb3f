/* NOT MODELLED: several memory zones, holes in guest RAM, per-CPU free lists. */
#include "frame_pool.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum {
    BLOCK_SHIFT = 21 - VX_PAGE_SHIFT, /* log2 of the frames of 2 MiB and of 1 GiB */
    GIGABYTE_SHIFT = 30 - VX_PAGE_SHIFT,
    WORD_FRAMES = 64,
    DRAWS = 64 /* scattered: random tries before a search; needed only where RAM is nearly full */
};
#define BLOCK_FRAMES (1ULL << BLOCK_SHIFT)
#define GIGABYTE_FRAMES (1ULL << GIGABYTE_SHIFT)

static uint64_t round_up(uint64_t frames, uint64_t to) { return (frames + to - 1) / to * to; }

static bool is_used(const vx_frame_pool *pool, uint64_t frame)
{
    return (pool->used[frame / WORD_FRAMES] >> (frame % WORD_FRAMES)) & 1;
}

static uint64_t take_frame(vx_frame_pool *pool, uint64_t frame)
{
    assert(!is_used(pool, frame));
    pool->used[frame / WORD_FRAMES] |= 1ULL << (frame % WORD_FRAMES);
    pool->used_in_block[frame >> BLOCK_SHIFT]++;
    pool->used_in_gigabyte[frame >> GIGABYTE_SHIFT]++;
    pool->free--;
    return frame << VX_PAGE_SHIFT;
}

/* Marks whole blocks of 2 MiB as used or free. */
static void set_blocks(vx_frame_pool *pool, uint64_t frame, uint64_t frames, bool used)
{
    memset(&pool->used[frame / WORD_FRAMES], used ? 0xFF : 0, frames / 8);
    for (uint64_t at = frame; at < frame + frames; at += BLOCK_FRAMES) {
        pool->used_in_block[at >> BLOCK_SHIFT] = used ? BLOCK_FRAMES : 0;
        uint32_t *gigabyte = &pool->used_in_gigabyte[at >> GIGABYTE_SHIFT];
        *gigabyte = (uint32_t)(used ? *gigabyte + BLOCK_FRAMES : *gigabyte - BLOCK_FRAMES);
    }
    pool->free = used ? pool->free - frames : pool->free + frames;
}

/* What the last block and gigabyte lack counts as used: such a block never passes for a free one. */
static void count_missing(vx_frame_pool *pool)
{
    uint64_t blocks_end = round_up(pool->frames, BLOCK_FRAMES);
    uint64_t gigabytes_end = round_up(pool->frames, GIGABYTE_FRAMES);
    pool->used_in_block[(blocks_end >> BLOCK_SHIFT) - 1] = (uint16_t)(blocks_end - pool->frames);
    pool->used_in_gigabyte[(gigabytes_end >> GIGABYTE_SHIFT) - 1] = (uint32_t)(gigabytes_end - pool->frames);
    for (uint64_t frame = pool->frames; frame % WORD_FRAMES != 0; frame++)
        pool->used[frame / WORD_FRAMES] |= 1ULL << (frame % WORD_FRAMES);
}

vx_status vx_frame_pool_init(vx_frame_pool *pool, vx_arena *arena, uint64_t ram_bytes, vx_table_placement placement,
                             uint64_t seed, vx_msg *msg)
{
    uint64_t frames = ram_bytes >> VX_PAGE_SHIFT;
    assert(frames >= 2);
    vx_frame_pool made = {.frames = frames, .free = frames, .placement = placement};
    made.used = vx_arena_array(arena, round_up(frames, WORD_FRAMES) / WORD_FRAMES, sizeof *made.used);
    made.used_in_block =
        vx_arena_array(arena, round_up(frames, BLOCK_FRAMES) >> BLOCK_SHIFT, sizeof *made.used_in_block);
    made.used_in_gigabyte =
        vx_arena_array(arena, round_up(frames, GIGABYTE_FRAMES) >> GIGABYTE_SHIFT, sizeof *made.used_in_gigabyte);
    if (!made.used || !made.used_in_block || !made.used_in_gigabyte) return vx_fail_nomem(msg);
    count_missing(&made);
    (void)take_frame(&made, 0);
    vx_random_init(&made.random, seed, "guest.tables");
    *pool = made;
    return VX_OK;
}

/* ---- searching ---- */

/* The first free frame of [from, end), or `end`. Full gigabytes, blocks and words are stepped over. */
static uint64_t find_frame(const vx_frame_pool *pool, uint64_t from, uint64_t end)
{
    uint64_t frame = from;
    while (frame < end) {
        if (frame % GIGABYTE_FRAMES == 0 && pool->used_in_gigabyte[frame >> GIGABYTE_SHIFT] == GIGABYTE_FRAMES) {
            frame += GIGABYTE_FRAMES;
        } else if (frame % BLOCK_FRAMES == 0 && pool->used_in_block[frame >> BLOCK_SHIFT] == BLOCK_FRAMES) {
            frame += BLOCK_FRAMES;
        } else {
            uint64_t free = ~pool->used[frame / WORD_FRAMES] >> (frame % WORD_FRAMES);
            if (free) {
                frame += (uint64_t)__builtin_ctzll(free);
                break;
            }
            frame += WORD_FRAMES - frame % WORD_FRAMES;
        }
    }
    return frame < end ? frame : end;
}

/* The lowest free frame below `end` that is not the tables' own, or 0. */
static uint64_t take_lowest(vx_frame_pool *pool, uint64_t end)
{
    uint64_t from = pool->hint[VX_PAGE_4K];
    if (from >= end) return 0;
    uint64_t frame = find_frame(pool, from, end);
    if (frame >= pool->cluster_next && frame < pool->cluster_end) frame = find_frame(pool, pool->cluster_end, end);
    pool->hint[VX_PAGE_4K] = frame;
    return frame < end ? take_frame(pool, frame) : 0;
}

static bool block_is_free(const vx_frame_pool *pool, vx_page_size size, uint64_t block)
{
    switch (size) {
    case VX_PAGE_1G:
        return pool->used_in_gigabyte[block] == 0;
    case VX_PAGE_4M:
        return pool->used_in_block[2 * block] == 0 && pool->used_in_block[2 * block + 1] == 0;
    default:
        return pool->used_in_block[block] == 0;
    }
}

static uint64_t find_block(vx_frame_pool *pool, vx_page_size size)
{
    uint64_t blocks = pool->frames >> (vx_page_shift(size) - VX_PAGE_SHIFT);
    uint64_t block = pool->hint[size];
    while (block < blocks && !block_is_free(pool, size, block)) block++;
    pool->hint[size] = block;
    return block < blocks ? block << vx_page_shift(size) : 0;
}

/* ---- data ---- */

static uint64_t take_from_cluster(vx_frame_pool *pool, uint64_t end)
{
    if (pool->cluster_next >= pool->cluster_end || pool->cluster_next >= end) return 0;
    return take_frame(pool, pool->cluster_next++);
}

uint64_t vx_frame_pool_take(vx_frame_pool *pool, vx_page_size size)
{
    if (size == VX_PAGE_4K) {
        uint64_t address = take_lowest(pool, pool->frames);
        return address ? address : take_from_cluster(pool, pool->frames);
    }
    uint64_t address = find_block(pool, size);
    if (address) set_blocks(pool, address >> VX_PAGE_SHIFT, vx_page_bytes(size) >> VX_PAGE_SHIFT, true);
    return address;
}

void vx_frame_pool_give(vx_frame_pool *pool, uint64_t address, vx_page_size size)
{
    uint64_t frame = address >> VX_PAGE_SHIFT;
    assert(frame != 0 && frame < pool->frames && is_used(pool, frame));
    if (size == VX_PAGE_4K) {
        pool->used[frame / WORD_FRAMES] &= ~(1ULL << (frame % WORD_FRAMES));
        pool->used_in_block[frame >> BLOCK_SHIFT]--;
        pool->used_in_gigabyte[frame >> GIGABYTE_SHIFT]--;
        pool->free++;
    } else {
        set_blocks(pool, frame, vx_page_bytes(size) >> VX_PAGE_SHIFT, false);
    }
    for (vx_page_size any = VX_PAGE_4K; any < VX_PAGE_SIZES; any++) {
        uint64_t block = address >> vx_page_shift(any);
        if (block < pool->hint[any]) pool->hint[any] = block;
    }
}

/* ---- tables ---- */

/* Tables fill 2 MiB blocks of their own, as Linux groups unmovable pages by page block. Where no block is free they
 * mix with data. */
static uint64_t take_clustered(vx_frame_pool *pool, uint64_t end)
{
    if (pool->cluster_next == pool->cluster_end) {
        uint64_t block = find_block(pool, VX_PAGE_2M) >> VX_PAGE_SHIFT;
        if (block != 0 && block < end) {
            pool->cluster_next = block;
            pool->cluster_end = block + BLOCK_FRAMES;
        }
    }
    uint64_t address = take_from_cluster(pool, end);
    return address ? address : take_lowest(pool, end);
}

static uint64_t take_scattered(vx_frame_pool *pool, uint64_t end)
{
    uint64_t frame = 0;
    for (unsigned draw = 0; draw < DRAWS; draw++) {
        frame = vx_random_below(&pool->random, end);
        if (!is_used(pool, frame)) return take_frame(pool, frame);
    }
    uint64_t above = find_frame(pool, frame, end);
    return above < end ? take_frame(pool, above) : take_lowest(pool, end);
}

uint64_t vx_frame_pool_take_table(vx_frame_pool *pool, uint64_t below)
{
    uint64_t end = below >> VX_PAGE_SHIFT < pool->frames ? below >> VX_PAGE_SHIFT : pool->frames;
    switch (pool->placement) {
    case VX_TABLES_CLUSTERED:
        return take_clustered(pool, end);
    case VX_TABLES_SCATTERED:
        return take_scattered(pool, end);
    default:
        return take_lowest(pool, end);
    }
}
