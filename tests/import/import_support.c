#include "import_support.h"

#include <inttypes.h>
#include <lz4frame.h>
#include <lzma.h>
#include <string.h>
#include <zip.h>
#include <zlib.h>
#include <zstd.h>

static void reserve(bytes *to, size_t more)
{
    if (to->count + more <= to->capacity) return;
    to->capacity = 2 * to->capacity + more;
    to->data = realloc(to->data, to->capacity);
    assert_non_null(to->data);
}

void bytes_put(bytes *to, const void *data, size_t count)
{
    reserve(to, count + 1);
    memcpy(to->data + to->count, data, count);
    to->count += count;
}

void bytes_le(bytes *to, uint64_t value, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)value;
        value >>= 8;
        bytes_put(to, &byte, 1);
    }
}

void bytes_varint(bytes *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) bytes_le(to, 0x80 | (value & 0x7F), 1);
    bytes_le(to, value, 1);
}

void bytes_free(bytes *to)
{
    free(to->data);
    *to = (bytes){0};
}

static void put_line(bytes *to, const char *line) { bytes_put(to, line, strlen(line)); }

static void put_record(bytes *to, const vx_record *record, const vx_batch *batch)
{
    char line[128];
    assert_true(vx_record_valid(record, batch->words));
    const char *name = vx_record_describe(record->kind)->name;
    if (record->kind == VX_REC_FETCH)
        snprintf(line, sizeof line, "%s %" PRIx64 " %x %x\n", name, record->addr, record->count, record->arg);
    else
        snprintf(line, sizeof line, "%s %" PRIx64 " %x", name, record->addr, record->size);
    put_line(to, line);
    if (record->kind == VX_REC_FETCH) return;
    bool has_words = record->kind != VX_REC_LOAD && record->kind != VX_REC_STORE;
    for (unsigned i = 0; has_words && i < record->count; i++) {
        snprintf(line, sizeof line, " %" PRIx64, batch->payload[record->arg + i]);
        put_line(to, line);
    }
    put_line(to, "\n");
}

static vx_status put_all(bytes *to, vx_source *source, vx_msg *msg)
{
    for (;;) {
        vx_batch batch = {0};
        vx_status status = vx_source_next(source, &batch, msg);
        if (status || batch.count == 0) return status;
        for (size_t i = 0; i < batch.count; i++) put_record(to, &batch.records[i], &batch);
    }
}

char *import_text(import_open *open, const void *data, size_t count)
{
    bytes text = {0};
    vx_msg msg = {""};
    vx_input *input = NULL;
    vx_source *source = NULL;
    vx_status status = vx_input_open_memory(&input, "in", data, count, &msg);
    if (!status) status = open(&source, input, &msg);
    if (!status) status = put_all(&text, source, &msg);
    vx_source_close(source);
    if (status) {
        char line[1200];
        snprintf(line, sizeof line, "error %d: %s\n", (int)status, msg.text);
        put_line(&text, line);
    }
    bytes_put(&text, "", 1);
    return (char *)text.data;
}

void assert_imports(import_open *open, const void *data, size_t count, const char *expected)
{
    char *text = import_text(open, data, count);
    assert_string_equal(text, expected);
    free(text);
}

void assert_imports_text(import_open *open, const char *input, const char *expected)
{
    assert_imports(open, input, strlen(input), expected);
}

static size_t pack_gz(const void *data, size_t count, uint8_t *out, size_t room)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)data;
    stream.avail_in = (uInt)count;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t packed = room - stream.avail_out;
    deflateEnd(&stream);
    return packed;
}

static size_t pack_xz(const void *data, size_t count, uint8_t *out, size_t room)
{
    size_t packed = 0;
    assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, data, count, out, &packed, room), LZMA_OK);
    return packed;
}

static void add_member(zip_t *archive, const char *name, const void *data, size_t count)
{
    zip_source_t *source = zip_source_buffer(archive, data, count, 0);
    assert_non_null(source);
    assert_true(zip_file_add(archive, name, source, 0) >= 0);
}

static void pack_zip(const void *data, size_t count, bytes *to)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *file = zip_source_buffer_create(NULL, 0, 0, &error);
    assert_non_null(file);
    zip_source_keep(file);
    zip_t *archive = zip_open_from_source(file, ZIP_TRUNCATE, &error);
    assert_non_null(archive);
    add_member(archive, "chunk.0000", data, count / 2);
    assert_true(zip_dir_add(archive, "folder", 0) >= 0);
    add_member(archive, "chunk.0001", (const uint8_t *)data + count / 2, count - count / 2);
    assert_int_equal(zip_close(archive), 0);
    zip_stat_t info;
    assert_int_equal(zip_source_stat(file, &info), 0);
    assert_int_equal(zip_source_open(file), 0);
    reserve(to, (size_t)info.size);
    assert_int_equal(zip_source_read(file, to->data + to->count, info.size), (zip_int64_t)info.size);
    to->count += (size_t)info.size;
    zip_source_close(file);
    zip_source_free(file);
}

void pack(packing how, const void *data, size_t count, bytes *to)
{
    size_t room = count + count / 2 + 4096;
    reserve(to, room);
    uint8_t *out = to->data + to->count;
    switch (how) {
    case PACK_GZ:
        to->count += pack_gz(data, count, out, room);
        break;
    case PACK_ZST:
        to->count += ZSTD_compress(out, room, data, count, 1);
        break;
    case PACK_XZ:
        to->count += pack_xz(data, count, out, room);
        break;
    case PACK_LZ4:
        to->count += LZ4F_compressFrame(out, room, data, count, NULL);
        break;
    default:
        pack_zip(data, count, to);
    }
}
