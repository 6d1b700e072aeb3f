#include "vxt0_file.h"

static uint64_t zigzag(int64_t value) { return (uint64_t)value << 1 ^ (uint64_t)(value >> 63); }

void vxt0_header(bytes *to, bool has_ppn, bool guest32)
{
    bytes_put(to, "VXT0", 4);
    bytes_le(to, has_ppn, 1);
    bytes_le(to, 1, 1);
    bytes_le(to, guest32, 2);
}

void vxt0_event_tag(bytes *to, unsigned event, uint64_t instructions, size_t count, const uint64_t *args)
{
    bytes_le(to, 3, 1);
    bytes_le(to, event, 1);
    bytes_varint(to, instructions);
    bytes_le(to, event == VXT0_PTPAGE && count > 3 ? 3 : count, 1);
    for (size_t i = 0; i < count; i++) bytes_varint(to, args[i]);
}

void vxt0_block_def(bytes *to, uint64_t id, uint64_t address, size_t instructions, const uint8_t *code)
{
    bytes_le(to, 1, 1);
    bytes_varint(to, id);
    bytes_varint(to, address);
    bytes_varint(to, instructions);
    bytes_put(to, code, 2 * instructions);
}

void vxt0_block_tag(bytes *to, uint64_t id)
{
    bytes_le(to, 2, 1);
    bytes_varint(to, id);
}

void vxt0_block_mem_tag(bytes *to, uint64_t id)
{
    bytes_le(to, 4, 1);
    bytes_varint(to, id);
}

void vxt0_reference_tag(bytes *to, bool store, unsigned log2_bytes, uint64_t index, int64_t delta)
{
    uint64_t coded = zigzag(delta);
    unsigned count = 0;
    while (count < 8 && coded >> 8 * count) count++;
    if (count == 7) count = 8;
    bytes_le(to, 0x80u | (unsigned)store << 6 | log2_bytes << 3 | (count == 8 ? 7 : count), 1);
    bytes_varint(to, index);
    bytes_le(to, coded, count);
}

void vxt0_filtered_tag(bytes *to, unsigned flags, int64_t page_delta, uint64_t instructions)
{
    bytes_le(to, 5, 1);
    bytes_le(to, flags, 1);
    bytes_varint(to, zigzag(page_delta));
    bytes_varint(to, instructions);
}
