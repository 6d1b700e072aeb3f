/* The bytes of the prototype recorder's stream: varints (LEB128), zigzag, and six tags. */
#include <inttypes.h>
#include <string.h>

#include "import_vxt0.h"

enum {
    TAG_BYTES_MAX = 32 * 1024, /* the longest tag: a page-table page of 1024 entries, 12 bytes each */
    BYTE_BLOCK_DEF = 1,
    BYTE_BLOCK = 2,
    BYTE_EVENT = 3,
    BYTE_BLOCK_MEM = 4,
    BYTE_FILTERED = 5,
    BYTE_REFERENCE = 0x80, /* and above */
};

/* Reads run to the end and note that they failed; one check at the end of a tag suffices. */
typedef struct cursor {
    const uint8_t *at, *end;
    const char *fault;
} cursor;

static uint8_t take(cursor *c)
{
    if (c->at < c->end) return *c->at++;
    c->fault = "the recording is cut";
    return 0;
}

static uint64_t take_varint(cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take(c);
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) return value;
    }
    c->fault = "a number has more than 64 bits";
    return 0;
}

static int64_t unzigzag(uint64_t value) { return (int64_t)(value >> 1 ^ -(value & 1)); }

static void take_block_def(cursor *c, vxt0_tag *tag)
{
    tag->kind = VXT0_TAG_BLOCK_DEF;
    tag->block = take_varint(c);
    tag->address = take_varint(c);
    tag->block_instructions = take_varint(c);
    if (c->fault) return;
    if (tag->block_instructions == 0 || tag->block_instructions > VXT0_BLOCK_MAX) {
        c->fault = "a block of 0 or more than 4096 instructions";
        return;
    }
    tag->lengths_and_kinds = c->at;
    size_t bytes = 2 * (size_t)tag->block_instructions;
    if ((size_t)(c->end - c->at) < bytes)
        c->fault = "the recording is cut";
    else
        c->at += bytes;
}

static void take_pairs(cursor *c, vxt0_tag *tag)
{
    if (tag->arg[2] > VXT0_ENTRIES_MAX) {
        c->fault = "a page-table page of more than 1024 entries";
        return;
    }
    tag->pairs = (size_t)tag->arg[2];
    for (size_t i = 0; i < 2 * tag->pairs && !c->fault; i++) tag->pair[i] = take_varint(c);
}

static void take_event(cursor *c, vxt0_tag *tag)
{
    tag->kind = VXT0_TAG_EVENT;
    tag->event = take(c);
    tag->instructions = take_varint(c);
    tag->args = take(c);
    tag->pairs = 0;
    if (c->fault) return;
    if (tag->event >= VXT0_EVENTS) {
        c->fault = "unknown event";
        return;
    }
    if (tag->args != vxt0_event_args(tag->event)) {
        c->fault = "an event with the wrong number of operands";
        return;
    }
    for (unsigned i = 0; i < tag->args; i++) tag->arg[i] = take_varint(c);
    if (tag->event == VXT0_PTPAGE && !c->fault) take_pairs(c, tag);
}

static void take_filtered(cursor *c, vxt0_tag *tag)
{
    tag->kind = VXT0_TAG_FILTERED;
    uint8_t flags = take(c);
    tag->store = flags & 1;
    tag->fetch = flags & 2;
    if (flags > 2) c->fault = "unknown flags of a filtered reference";
    tag->delta = unzigzag(take_varint(c));
    tag->instructions = take_varint(c);
}

/* The first byte: 1, store, log2 of the size (3 bits), bytes of the address difference (3 bits, 7 for 8). */
static void take_reference(cursor *c, uint8_t first, bool has_ppn, vxt0_tag *tag)
{
    tag->kind = VXT0_TAG_REFERENCE;
    tag->store = first >> 6 & 1;
    unsigned log2_bytes = first >> 3 & 7, delta_bytes = first & 7;
    if (log2_bytes > 6) c->fault = "a reference of more than 64 bytes";
    tag->bytes = 1u << log2_bytes;
    tag->index = take_varint(c);
    uint64_t delta = 0;
    for (unsigned i = 0; i < (delta_bytes == 7 ? 8 : delta_bytes); i++) delta |= (uint64_t)take(c) << 8 * i;
    tag->delta = unzigzag(delta);
    tag->ppn = has_ppn ? take_varint(c) : 0;
}

static void take_tag(cursor *c, bool has_ppn, vxt0_tag *tag)
{
    uint8_t first = take(c);
    if (first >= BYTE_REFERENCE) {
        take_reference(c, first, has_ppn, tag);
        return;
    }
    switch (first) {
    case BYTE_BLOCK_DEF:
        take_block_def(c, tag);
        break;
    case BYTE_BLOCK:
    case BYTE_BLOCK_MEM:
        tag->kind = first == BYTE_BLOCK ? VXT0_TAG_BLOCK : VXT0_TAG_BLOCK_MEM;
        tag->block = take_varint(c);
        break;
    case BYTE_EVENT:
        take_event(c, tag);
        break;
    case BYTE_FILTERED:
        take_filtered(c, tag);
        break;
    default:
        c->fault = "unknown tag";
    }
}

vx_status vxt0_read_tag(vx_input *input, bool has_ppn, vxt0_tag *tag, vx_msg *msg)
{
    vx_status status = vx_input_need(input, TAG_BYTES_MAX, msg);
    if (status) return status;
    tag->offset = vx_input_offset(input);
    if (vx_input_left(input) == 0) {
        tag->kind = VXT0_TAG_END;
        return VX_OK;
    }
    cursor c = {input->at, input->end, NULL};
    take_tag(&c, has_ppn, tag);
    if (c.fault) return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": %s", input->name, tag->offset, c.fault);
    input->at = c.at;
    return VX_OK;
}

vx_status vxt0_read_header(vx_input *input, bool *has_ppn, bool *guest32, vx_msg *msg)
{
    enum { HEADER_BYTES = 8 };
    const uint8_t *head = input->at;
    size_t left = vx_input_left(input);
    if (left < 4 || memcmp(head, "VXT0", 4) != 0)
        return vx_fail(msg, VX_ERR_INPUT, "%s: byte 0: not a VXT0 recording%s", input->name,
                       vx_import_hint(head, left, "vxt0"));
    if (left < HEADER_BYTES) return vx_fail(msg, VX_ERR_INPUT, "%s: byte 4: the header is cut", input->name);
    if (head[4] > 1 || head[5] > 1 || head[6] > 1 || head[7] != 0)
        return vx_fail(msg, VX_ERR_INPUT, "%s: byte 4: unknown flags in the header", input->name);
    *has_ppn = head[4];
    *guest32 = head[6];
    input->at += HEADER_BYTES;
    return VX_OK;
}
