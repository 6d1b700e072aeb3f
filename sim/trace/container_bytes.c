/* The container's header, chunk headers, index and end mark to bytes and back. docs/trace-format.md is this file in
 * prose; the two must agree. */
#include "vxt_container.h"

#include <xxhash.h>

#include "vxt_chunk.h"

static const uint8_t file_magic[4] = {'V', 'X', 'T', '1'}, chunk_magic[4] = {'V', 'X', 'C', 'K'},
                     index_magic[4] = {'V', 'X', 'I', 'X'}, end_magic[8] = {'V', 'X', 'T', '1', '-', 'e', 'n', 'd'};

void vx_trace_index_fini(vx_trace_index *index)
{
    free(index->entries);
    free(index->totals);
    *index = (vx_trace_index){0};
}

bool vx_trace_index_add(vx_trace_index *index, const vx_trace_entry *entry)
{
    if (index->count == index->capacity) {
        uint32_t capacity = index->capacity ? index->capacity * 2 : 16;
        vx_trace_entry *entries = realloc(index->entries, capacity * sizeof *entries);
        if (!entries) return false;
        index->entries = entries;
        index->capacity = capacity;
    }
    index->entries[index->count++] = *entry;
    return true;
}

/* ---- header ---- */

const char *vx_trace_header_check(const vx_trace_header *header)
{
    if (header->tier != VX_TIER_FULL && header->tier != VX_TIER_FILTERED && header->tier != VX_TIER_EVENTS)
        return "unknown tier";
    if (header->kind < VX_TRACE_USER || header->kind > VX_TRACE_DMA) return "unknown kind of trace";
    if (header->paging < VX_PAGING_NONE || header->paging >= VX_PAGING_MODES) return "unknown paging mode";
    if (header->tier != VX_TIER_FILTERED && header->filter_sets > 0) return "filter sets in a tier without a filter";
    if (header->ram_ranges > VX_TRACE_RAM_RANGES) return "too many RAM ranges";
    for (uint32_t i = 0; i < header->ram_ranges; i++)
        if (header->ram[i].bytes == 0 || header->ram[i].gpa > UINT64_MAX - header->ram[i].bytes) return "bad RAM range";
    if (!memchr(header->recipe, 0, sizeof header->recipe)) return "recipe without an end";
    return NULL;
}

size_t vx_trace_header_encode(const vx_trace_header *header, uint8_t *out)
{
    size_t recipe = strlen(header->recipe), length = VXT_HEADER_FIXED + 16 * (size_t)header->ram_ranges + recipe + 8;
    memset(out, 0, VXT_HEADER_FIXED);
    memcpy(out, file_magic, sizeof file_magic);
    vxt_set32(out + 4, VXT_VERSION);
    vxt_set32(out + 8, (uint32_t)length);
    out[12] = (uint8_t)header->tier;
    out[13] = (uint8_t)header->kind;
    out[14] = (uint8_t)header->paging;
    vxt_set32(out + 16, header->filter_sets);
    vxt_set32(out + 20, header->ram_ranges);
    vxt_set64(out + 24, header->references);
    vxt_set64(out + 32, header->features);
    vxt_set32(out + 40, (uint32_t)recipe);
    uint8_t *at = out + VXT_HEADER_FIXED;
    for (uint32_t i = 0; i < header->ram_ranges; i++, at += 16) {
        vxt_set64(at, header->ram[i].gpa);
        vxt_set64(at + 8, header->ram[i].bytes);
    }
    memcpy(at, header->recipe, recipe);
    vxt_set64(at + recipe, XXH3_64bits(out, length - 8));
    return length;
}

const char *vx_trace_header_decode(const uint8_t *bytes, size_t size, vx_trace_header *header, size_t *length,
                                   size_t *where)
{
    *where = 0;
    if (size < 4 || memcmp(bytes, file_magic, 4) != 0) return "not a .vxt trace (no VXT1 at its start)";
    *where = size;
    if (size < VXT_HEADER_FIXED) return "cut within its header";
    *where = 4;
    if (vxt_get32(bytes + 4) != VXT_VERSION) return "version of .vxt that this program does not know";
    size_t total = vxt_get32(bytes + 8), ranges = vxt_get32(bytes + 20), recipe = vxt_get32(bytes + 40);
    *where = 8;
    if (ranges > VX_TRACE_RAM_RANGES || recipe >= VX_TRACE_RECIPE ||
        total != VXT_HEADER_FIXED + 16 * ranges + recipe + 8)
        return "header of a wrong length";
    *where = size;
    if (total > size) return "cut within its header";
    *where = total - 8;
    if (vxt_get64(bytes + total - 8) != XXH3_64bits(bytes, total - 8)) return "header damaged (checksum differs)";
    vx_trace_header out = {.tier = (vx_tier)bytes[12],
                           .kind = (vx_trace_kind)bytes[13],
                           .paging = (vx_paging_mode)bytes[14],
                           .filter_sets = vxt_get32(bytes + 16),
                           .ram_ranges = (uint32_t)ranges,
                           .references = vxt_get64(bytes + 24),
                           .features = vxt_get64(bytes + 32)};
    const uint8_t *at = bytes + VXT_HEADER_FIXED;
    for (size_t i = 0; i < ranges; i++, at += 16) {
        out.ram[i].gpa = vxt_get64(at);
        out.ram[i].bytes = vxt_get64(at + 8);
    }
    memcpy(out.recipe, at, recipe);
    *where = 12;
    const char *why = vx_trace_header_check(&out);
    if (why) return why;
    if (bytes[15] || vxt_get32(bytes + 44)) return "reserved bytes of the header are not 0";
    *header = out;
    *length = total;
    return NULL;
}

/* ---- chunks ---- */

/* The part that chunk header and index entry have in common: 44 bytes. */
static void entry_encode(const vx_trace_entry *entry, uint8_t *out)
{
    vxt_set32(out, entry->stream);
    vxt_set32(out + 4, entry->packed_bytes);
    vxt_set32(out + 8, entry->raw_bytes);
    vxt_set32(out + 12, entry->records);
    vxt_set32(out + 16, 0);
    vxt_set64(out + 20, entry->first_instruction);
    vxt_set64(out + 28, entry->instructions);
    vxt_set64(out + 36, entry->checksum);
}

/* Every bound that reading a chunk relies on. A chunk holds a record or more, so that a source's empty batch can only
 * be the end. */
static bool entry_decode(const uint8_t *in, vx_trace_entry *entry)
{
    entry->stream = vxt_get32(in);
    entry->packed_bytes = vxt_get32(in + 4);
    entry->raw_bytes = vxt_get32(in + 8);
    entry->records = vxt_get32(in + 12);
    entry->first_instruction = vxt_get64(in + 20);
    entry->instructions = vxt_get64(in + 28);
    entry->checksum = vxt_get64(in + 36);
    return vxt_get32(in + 16) == 0 && entry->stream < VXT_STREAMS_MAX && entry->packed_bytes > 0 &&
           entry->packed_bytes <= 2 * VXT_RAW_MAX && entry->raw_bytes >= VXT_COLUMN_TABLE &&
           entry->raw_bytes <= VXT_RAW_MAX && entry->records > 0 && entry->records <= VXT_RECORDS_MAX;
}

void vx_chunk_header_encode(const vx_trace_entry *entry, uint8_t out[VXT_CHUNK_HEADER])
{
    memcpy(out, chunk_magic, 4);
    entry_encode(entry, out + 4);
    vxt_set64(out + 48, XXH3_64bits(out, 48));
}

bool vx_chunk_header_decode(const uint8_t in[VXT_CHUNK_HEADER], vx_trace_entry *entry)
{
    vx_trace_entry read = {.offset = entry->offset};
    if (memcmp(in, chunk_magic, 4) != 0 || vxt_get64(in + 48) != XXH3_64bits(in, 48) || !entry_decode(in + 4, &read))
        return false;
    *entry = read;
    return true;
}

/* ---- index and end mark ---- */

static void totals_encode(const vx_trace_totals *totals, uint8_t *out)
{
    vxt_set64(out, totals->instructions);
    vxt_set64(out + 8, totals->fetches);
    vxt_set64(out + 16, totals->loads);
    vxt_set64(out + 24, totals->stores);
    vxt_set64(out + 32, totals->records);
    for (unsigned i = 0; i < VX_REC_KINDS; i++) vxt_set64(out + 40 + 8 * i, totals->by_kind[i]);
}

static void totals_decode(const uint8_t *in, unsigned kinds, vx_trace_totals *totals)
{
    *totals = (vx_trace_totals){0};
    totals->instructions = vxt_get64(in);
    totals->fetches = vxt_get64(in + 8);
    totals->loads = vxt_get64(in + 16);
    totals->stores = vxt_get64(in + 24);
    totals->records = vxt_get64(in + 32);
    for (unsigned i = 0; i < kinds; i++) totals->by_kind[i] = vxt_get64(in + 40 + 8 * i);
}

vx_status vx_trace_index_encode(const vx_trace_index *index, uint64_t offset, vxt_bytes *out)
{
    size_t size = VXT_INDEX_FIXED + (size_t)index->count * VXT_ENTRY + (size_t)index->streams * VXT_TOTALS + 8;
    out->size = 0;
    if (!vxt_bytes_room(out, size + VXT_END_MARK)) return VX_ERR_NOMEM;
    uint8_t *at = out->data;
    memcpy(at, index_magic, 4);
    vxt_set32(at + 4, index->count);
    vxt_set32(at + 8, index->streams);
    vxt_set32(at + 12, VX_REC_KINDS);
    vxt_set64(at + 16, index->references);
    at += VXT_INDEX_FIXED;
    for (uint32_t i = 0; i < index->count; i++, at += VXT_ENTRY) {
        vxt_set64(at, index->entries[i].offset);
        entry_encode(&index->entries[i], at + 8);
        vxt_set32(at + 52, 0);
    }
    for (uint32_t i = 0; i < index->streams; i++, at += VXT_TOTALS) totals_encode(&index->totals[i], at);
    vxt_set64(at, XXH3_64bits(out->data, size - 8));
    at += 8;
    vxt_set64(at, offset);
    vxt_set64(at + 8, size);
    vxt_set64(at + 16, 0);
    vxt_set64(at + 24, XXH3_64bits(at, 24));
    memcpy(at + 32, end_magic, 8);
    out->size = size + VXT_END_MARK;
    return VX_OK;
}

bool vx_trace_end_mark_decode(const uint8_t in[VXT_END_MARK], uint64_t *offset, uint64_t *bytes)
{
    if (memcmp(in + 32, end_magic, 8) != 0 || vxt_get64(in + 24) != XXH3_64bits(in, 24) || vxt_get64(in + 16))
        return false;
    *offset = vxt_get64(in);
    *bytes = vxt_get64(in + 8);
    return true;
}

/* The chunks must follow each other without a gap, and each stream's instruction counts likewise. */
static const char *entries_decode(const uint8_t *at, uint64_t first, uint64_t end, vx_trace_index *index)
{
    uint64_t offset = first, instructions[VXT_STREAMS_MAX] = {0}, records[VXT_STREAMS_MAX] = {0};
    for (uint32_t i = 0; i < index->count; i++, at += VXT_ENTRY) {
        vx_trace_entry *entry = &index->entries[i];
        entry->offset = vxt_get64(at);
        if (!entry_decode(at + 8, entry) || vxt_get32(at + 52) != 0 || entry->stream >= index->streams)
            return "index has a chunk with impossible sizes";
        if (entry->offset != offset || VXT_CHUNK_HEADER + entry->packed_bytes > end - offset)
            return "index has chunks that do not follow each other";
        offset += VXT_CHUNK_HEADER + entry->packed_bytes;
        if (entry->first_instruction != instructions[entry->stream]) return "index has instruction counts with a gap";
        instructions[entry->stream] += entry->instructions;
        records[entry->stream] += entry->records;
    }
    if (offset != end) return "index leaves bytes before it unexplained";
    for (uint32_t i = 0; i < index->streams; i++)
        if (index->totals[i].instructions != instructions[i] || index->totals[i].records != records[i])
            return "index has totals that its chunks do not add up to";
    return NULL;
}

vx_status vx_trace_index_decode(const uint8_t *bytes, size_t size, uint64_t first, uint64_t end, vx_trace_index *index,
                                const char **why)
{
    *why = "index damaged";
    if (size < VXT_INDEX_FIXED + 8 || memcmp(bytes, index_magic, 4) != 0) return VX_ERR_INPUT;
    *why = "index damaged (checksum differs)";
    if (vxt_get64(bytes + size - 8) != XXH3_64bits(bytes, size - 8)) return VX_ERR_INPUT;
    *why = "index with record kinds that this program does not know";
    uint32_t kinds = vxt_get32(bytes + 12); /* kinds are only ever appended: fewer are an older file's */
    if (kinds > VX_REC_KINDS) return VX_ERR_INPUT;
    size_t stride = 8 * (5 + (size_t)kinds);
    vx_trace_index read = {.count = vxt_get32(bytes + 4), .streams = vxt_get32(bytes + 8)};
    read.references = vxt_get64(bytes + 16);
    *why = "index of a wrong length";
    if (read.streams > VXT_STREAMS_MAX ||
        size != VXT_INDEX_FIXED + (uint64_t)read.count * VXT_ENTRY + read.streams * stride + 8)
        return VX_ERR_INPUT;
    read.capacity = read.count;
    read.entries = malloc(read.count ? read.count * sizeof *read.entries : 1);
    read.totals = malloc(read.streams ? read.streams * sizeof *read.totals : 1);
    if (!read.entries || !read.totals) {
        vx_trace_index_fini(&read);
        return VX_ERR_NOMEM;
    }
    const uint8_t *totals = bytes + VXT_INDEX_FIXED + (size_t)read.count * VXT_ENTRY;
    for (uint32_t i = 0; i < read.streams; i++) totals_decode(totals + i * stride, kinds, &read.totals[i]);
    *why = entries_decode(bytes + VXT_INDEX_FIXED, first, end, &read);
    if (*why) {
        vx_trace_index_fini(&read);
        return VX_ERR_INPUT;
    }
    *index = read;
    return VX_OK;
}
