/* Full recordings (tier F): which instructions of which block ran, from the recorder's tags.
 *
 * The recorder says "block b begins", then tells the block's events and references, each before or as it happens. A
 * block is put instruction by instruction as far as it is known to have run:
 * - a reference names its instruction: up to and with that one;
 * - an event is made by an instruction whose class the block's definition gives: up to and with that one;
 * - the next block begins, or the recording ends: to the end;
 * - an exception whose RIP lies within what is left of the block: up to, not with, the instruction there. It did not
 *   complete, and appears again when the guest restarts it;
 * - QEMU runs an I/O instruction again in a block of its own (tag 4): up to and with that one, and if the next block
 *   begins right behind it, no further. */
#include "import_vxt0.h"

enum { BLOCK_RECORDS_MAX = 512 }; /* fetches of 4096 instructions of 15 bytes, one a page at least, and a few more */

static const vxt0_block *running_block(const vxt0_source *vxt0) { return &vxt0->blocks.blocks[vxt0->block]; }

static const uint8_t *instruction(const vxt0_source *vxt0, size_t index)
{
    return vxt0->blocks.lengths_and_kinds + 2 * (running_block(vxt0)->first + index);
}

static uint64_t mask(const vxt0_source *vxt0, uint64_t address)
{
    return vxt0->guest32 ? address & UINT32_MAX : address;
}

/* Puts the running block's instructions before number `end`. */
static void run_to(vxt0_source *vxt0, size_t end)
{
    while (vxt0->next_index < end) {
        unsigned length = instruction(vxt0, vxt0->next_index)[0];
        vx_import_fetch(&vxt0->batch, mask(vxt0, vxt0->next_address), length);
        vxt0->next_address += length;
        vxt0->next_index++;
    }
}

/* Number of the instruction at `address` among those not yet put; the block's count where none is there. */
static size_t find_ahead(const vxt0_source *vxt0, uint64_t address)
{
    size_t count = running_block(vxt0)->instructions, index = vxt0->next_index;
    for (uint64_t at = vxt0->next_address; index < count && mask(vxt0, at) != address; index++)
        at += instruction(vxt0, index)[0];
    return index;
}

static void finish_block(vxt0_source *vxt0)
{
    if (vxt0->running) run_to(vxt0, running_block(vxt0)->instructions);
    vxt0->running = false;
}

static vx_status known_block(const vxt0_source *vxt0, vx_msg *msg)
{
    return vxt0->tag.block < vxt0->blocks.count ? VX_OK : vxt0_fault(vxt0, "a block that was not defined", msg);
}

vx_status vxt0_full_block(vxt0_source *vxt0, vx_msg *msg)
{
    vx_status status = known_block(vxt0, msg);
    if (!status) status = vxt0_full_release(vxt0, msg);
    if (status) return status;
    size_t id = (size_t)vxt0->tag.block;
    const vxt0_block *block = &vxt0->blocks.blocks[id];
    bool cut = vxt0->running && vxt0->interrupted && block->address == vxt0->next_address;
    if (cut) vxt0->running = false;
    finish_block(vxt0);
    vxt0->running = vxt0->has_current = true;
    vxt0->interrupted = false;
    vxt0->block = vxt0->current = id;
    vxt0->next_index = 0;
    vxt0->next_address = block->address;
    vxt0->block_clock += block->instructions;
    return VX_OK;
}

vx_status vxt0_full_block_mem(vxt0_source *vxt0, vx_msg *msg)
{
    vx_status status = known_block(vxt0, msg);
    if (status) return status;
    vxt0->has_current = true;
    vxt0->current = (size_t)vxt0->tag.block;
    return VX_OK;
}

/* Puts the instructions up to and with the one that makes the reference. */
static void run_to_reference(vxt0_source *vxt0, size_t index)
{
    if (!vxt0->running) return;
    if (vxt0->current == vxt0->block) {
        run_to(vxt0, index + 1);
        return;
    }
    const vxt0_block *current = &vxt0->blocks.blocks[vxt0->current];
    size_t ahead = find_ahead(vxt0, mask(vxt0, vxt0_block_address(&vxt0->blocks, current, index)));
    if (ahead == running_block(vxt0)->instructions) return;
    run_to(vxt0, ahead + 1);
    vxt0->interrupted = true;
}

/* Moves the records that wait into the batch, behind what is there. */
static vx_status put_held(vxt0_source *vxt0, vx_msg *msg)
{
    vx_import_batch *held = &vxt0->held;
    vx_status status =
        vx_import_batch_reserve(&vxt0->batch, held->count + BLOCK_RECORDS_MAX, held->words + VXT0_ENTRIES_MAX * 4, msg);
    if (status) return status;
    for (size_t i = 0; i < held->count; i++) {
        const vx_record *record = &held->records[i];
        vx_import_event(&vxt0->batch, record->kind, record->addr, record->size, held->payload + record->arg,
                        record->count);
    }
    held->count = held->words = 0;
    vxt0->waiting = VXT0_WAITS_NOT;
    return VX_OK;
}

vx_status vxt0_full_release(vxt0_source *vxt0, vx_msg *msg)
{
    if (vxt0->waiting != VXT0_WAITS_NOT) return put_held(vxt0, msg);
    return VX_OK;
}

static bool is_awaited(const vxt0_source *vxt0, uint64_t address)
{
    const vxt0_tag *tag = &vxt0->tag;
    if (vxt0->waiting == VXT0_WAITS_NOT || tag->store != vxt0->waiting_store || tag->bytes != vxt0->waiting_bytes)
        return false;
    uint64_t bits =
        vxt0->waiting == VXT0_WAITS_FOR_STORE ? VX_PAGE_BYTES - 1 : UINT64_MAX; /* gpa and gva share these */
    return ((address ^ vxt0->waiting_address) & bits) == 0;
}

/* Gives the waiting page-table stores the address of their reference. */
static void name_held_stores(vxt0_source *vxt0, uint64_t address)
{
    for (size_t i = 0; i < vxt0->held.count; i++) {
        vx_record *record = &vxt0->held.records[i];
        if (record->kind == VX_REC_PT_STORE)
            record->addr = mask(vxt0, address + (vxt0->held.payload[record->arg] - vxt0->waiting_address));
    }
}

static void put_reference(vxt0_source *vxt0, uint64_t address)
{
    const vxt0_tag *tag = &vxt0->tag;
    if (tag->ppn)
        vx_import_event(&vxt0->batch, VX_REC_GPA, tag->ppn << VX_PAGE_SHIFT | address % VX_PAGE_BYTES, 0, NULL, 0);
    vx_import_reference(&vxt0->batch, tag->store ? VX_REC_STORE : VX_REC_LOAD, address, tag->bytes);
}

vx_status vxt0_full_reference(vxt0_source *vxt0, vx_msg *msg)
{
    const vxt0_tag *tag = &vxt0->tag;
    if (!vxt0->has_current) return vxt0_fault(vxt0, "a reference before any block", msg);
    const vxt0_block *block = &vxt0->blocks.blocks[vxt0->current];
    if (tag->index >= block->instructions) return vxt0_fault(vxt0, "a reference of no instruction of its block", msg);
    if (tag->ppn >> 40) return vxt0_fault(vxt0, "a page number of more than 40 bits", msg);
    uint64_t *last = &vxt0->blocks.last[block->first + tag->index];
    uint64_t address = mask(vxt0, *last + (uint64_t)tag->delta);
    if (!vx_canonical(address, 57)) return vxt0_fault(vxt0, "the reference's address is not canonical", msg);
    *last = address;
    bool awaited = is_awaited(vxt0, address);
    vx_status status = awaited ? VX_OK : vxt0_full_release(vxt0, msg);
    if (status) return status;
    run_to_reference(vxt0, (size_t)tag->index);
    if (!awaited) {
        put_reference(vxt0, address);
        return VX_OK;
    }
    if (vxt0->waiting == VXT0_WAITS_FOR_STORE) name_held_stores(vxt0, address);
    return put_held(vxt0, msg);
}

/* The instruction that makes the event: the next of its class. Without one (a recorder that told the class to leave it
 * out of the definition) the event stands where the block is. */
static void run_to_event(vxt0_source *vxt0)
{
    size_t count = running_block(vxt0)->instructions;
    for (size_t index = vxt0->next_index; index < count; index++) {
        if (!vxt0_event_of_class(vxt0->tag.event, instruction(vxt0, index)[1])) continue;
        run_to(vxt0, index + 1);
        return;
    }
}

vx_status vxt0_full_before_event(vxt0_source *vxt0, vx_msg *msg)
{
    const vxt0_tag *tag = &vxt0->tag;
    bool is_boundary = tag->event == VXT0_EXC || tag->event == VXT0_IRQ || tag->event == VXT0_STATE;
    if (vxt0->running && tag->event == VXT0_EXC) run_to(vxt0, find_ahead(vxt0, mask(vxt0, tag->arg[3])));
    if (vxt0->running && tag->event == VXT0_EXC) vxt0->running = false;
    if (vxt0->running && !is_boundary) run_to_event(vxt0);
    uint64_t recorded = vxt0->block_clock + vxt0->unrecorded;
    uint64_t gap = vxt0->event_clock > recorded ? vxt0->event_clock - recorded : 0;
    if (is_boundary || gap > 0) finish_block(vxt0);
    vx_status status = vx_import_batch_reserve(&vxt0->batch, BLOCK_RECORDS_MAX, VXT0_ENTRIES_MAX * 4, msg);
    if (status) return status;
    vx_import_skipped(&vxt0->batch, gap, 0);
    vxt0->unrecorded += gap;
    return VX_OK;
}

vx_status vxt0_full_end(vxt0_source *vxt0, vx_msg *msg)
{
    vx_status status = vxt0_full_release(vxt0, msg);
    if (!status) finish_block(vxt0);
    return status;
}
