#include "trace_samples.h"

#include <dirent.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "test_support.h"

const vx_trace_header vx_sample_header = {
    .tier = VX_TIER_FULL,
    .kind = VX_TRACE_SYSTEM,
    .paging = VX_PAGING_PAE,
    .features = 0x11,
    .ram_ranges = 2,
    .ram = {{0, 0xa0000}, {0x100000, 0x3ff00000}},
    .recipe = "made by a test; \xc3\xbc",
};

/* ---- records ---- */

static uint64_t random_word(vx_random *random) { return vx_random_u64(random) >> vx_random_below(random, 64); }

static void add_record(vx_sample *sample, vx_record record, const uint64_t *words)
{
    if (sample->count == sample->record_room) {
        sample->record_room = 2 * sample->record_room + 64;
        sample->records = realloc(sample->records, sample->record_room * sizeof *sample->records);
    }
    if (sample->words + record.count >= sample->word_room) {
        sample->word_room = 2 * (sample->word_room + record.count) + 64;
        sample->payload = realloc(sample->payload, sample->word_room * sizeof *sample->payload);
    }
    assert_non_null(sample->records);
    assert_non_null(sample->payload);
    if (words) {
        record.arg = (uint32_t)sample->words;
        memcpy(sample->payload + sample->words, words, record.count * sizeof *words);
        sample->words += record.count;
    }
    sample->records[sample->count++] = record;
    assert_true(vx_record_valid(&record, sample->words));
}

static vx_record random_fetch(vx_random *random)
{
    uint32_t count = 1 + (uint32_t)vx_random_below(random, 20);
    uint32_t bytes = count + (uint32_t)vx_random_below(random, count * 14 + 1);
    uint64_t page = random_word(random) & ~4095ULL;
    /* The last instruction starts within the page wherever the block ends at most one byte behind it. */
    uint64_t offset = vx_random_below(random, 4096 - bytes + 2);
    return (vx_record){page + offset, bytes, (uint16_t)count, 0, VX_REC_FETCH};
}

void vx_sample_add(vx_sample *sample, vx_random *random, vx_record_kind kind)
{
    const vx_record_info *info = vx_record_describe(kind);
    uint64_t words[2048] = {0};
    if (kind == VX_REC_FETCH) {
        add_record(sample, random_fetch(random), NULL);
        return;
    }
    for (;;) { /* until what is random in it happens to be valid */
        vx_record record = {.addr = random_word(random), .kind = (uint8_t)kind};
        record.size = (uint8_t)vx_random_below(random, info->size_max + 1u);
        if (kind == VX_REC_IO_IN || kind == VX_REC_IO_OUT) record.addr &= 0xffff;
        if (kind == VX_REC_APIC_READ || kind == VX_REC_APIC_WRITE) record.addr &= 0xfff;
        record.count =
            kind == VX_REC_LOAD || kind == VX_REC_STORE
                ? 1
                : (uint16_t)(info->words_min + vx_random_below(random, info->words_max - info->words_min + 1u));
        if (!vx_record_valid(&record, record.count)) continue;
        bool event = info->words_max > 0;
        for (unsigned i = 0; event && i < record.count; i++) words[i] = random_word(random);
        if (kind == VX_REC_SKIPPED)
            for (unsigned i = 0; i < 4; i++) words[i] >>= 32; /* totals of a test stay below 2^64 */
        add_record(sample, record, event ? words : NULL);
        return;
    }
}

vx_sample vx_sample_random(vx_random *random, size_t count)
{
    vx_sample made = {0};
    while (made.count < count) {
        unsigned kind = (unsigned)vx_random_below(random, VX_REC_KINDS);
        if (!vx_record_describe(kind)) continue;
        /* Page snapshots have up to 2048 words: fewer of them keep the sample small. */
        if (kind == VX_REC_PT_PAGE_NEW && vx_random_below(random, 20)) continue;
        vx_sample_add(&made, random, (vx_record_kind)kind);
    }
    return made;
}

vx_sample vx_sample_program(vx_random *random, size_t count)
{
    vx_sample made = {0};
    enum { BLOCKS = 50 };
    vx_record block[BLOCKS];
    uint64_t data[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = random_fetch(random);
        data[i] = random_word(random);
    }
    while (made.count < count) {
        unsigned i = (unsigned)vx_random_below(random, BLOCKS);
        add_record(&made, block[i], NULL);
        for (unsigned j = 0; j < i % 4; j++)
            add_record(&made,
                       (vx_record){data[i] += 8 * (i % 3), 0, 1, (uint8_t)(1 << j), j % 2 ? VX_REC_STORE : VX_REC_LOAD},
                       NULL);
        if (vx_random_below(random, 50) == 0) vx_sample_add(&made, random, VX_REC_CR_WRITE);
        if (vx_random_below(random, 50) == 0) vx_sample_add(&made, random, VX_REC_PT_STORE);
    }
    return made;
}

void vx_sample_free(vx_sample *sample)
{
    free(sample->records);
    free(sample->payload);
}

bool vx_sample_equals(const vx_sample *sample, size_t number, const vx_record *record, const uint64_t *payload)
{
    if (number >= sample->count) return false;
    const vx_record *mine = &sample->records[number];
    if (mine->addr != record->addr || mine->count != record->count || mine->size != record->size ||
        mine->kind != record->kind)
        return false;
    const vx_record_info *info = vx_record_describe(mine->kind);
    if (info->words_max == 0) return mine->kind != VX_REC_FETCH || mine->arg == record->arg;
    return memcmp(sample->payload + mine->arg, payload + record->arg, mine->count * sizeof *payload) == 0;
}

size_t vx_sample_compare(const vx_sample *sample, size_t first, vx_source *source)
{
    vx_msg msg = {""};
    for (size_t at = first;;) {
        vx_batch batch;
        vx_status status = vx_source_next(source, &batch, &msg);
        if (status) fail_msg("%s", msg.text);
        if (batch.count == 0) return at - first;
        for (size_t i = 0; i < batch.count; i++, at++)
            if (!vx_sample_equals(sample, at, &batch.records[i], batch.payload)) fail_msg("record %zu differs", at);
    }
}

/* ---- files ---- */

unsigned vx_sample_temporaries(const char *path)
{
    char pattern[600];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s.*.tmp", path);
    int missed = glob(pattern, 0, NULL, &found);
    unsigned count = missed ? 0 : (unsigned)found.gl_pathc;
    if (!missed) globfree(&found);
    return count;
}

vx_source *vx_sample_generator(const char *what, uint64_t seed)
{
    vx_source *source;
    vx_msg msg = {""};
    if (vx_source_open(&source, what, NULL, seed, &msg)) fail_msg("%s", msg.text);
    return source;
}

static char folder[64];

const char *vx_sample_path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    if (!folder[0]) {
        strcpy(folder, "test_trace_XXXXXX");
        assert_non_null(mkdtemp(folder));
    }
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

int vx_sample_folder_remove(void **state)
{
    (void)state;
    if (!folder[0]) return 0;
    DIR *open = opendir(folder);
    assert_non_null(open);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(open);
    assert_int_equal(rmdir(folder), 0);
    folder[0] = '\0';
    return 0;
}

void vx_sample_write(const char *path, const vx_sample *streams, uint32_t count, uint32_t chunk_records)
{
    vx_trace_write_options options = {.zstd_level = 1, .chunk_records = chunk_records};
    vx_trace_writer *writer;
    vx_msg msg = {""};
    if (vx_trace_writer_open(&writer, path, &vx_sample_header, &options, &msg)) fail_msg("%s", msg.text);
    for (uint32_t i = 0; i < count; i++) {
        vx_batch batch = {streams[i].records, streams[i].count, streams[i].payload, streams[i].words};
        if (vx_trace_writer_put(writer, i, &batch, &msg)) fail_msg("%s", msg.text);
    }
    if (vx_trace_writer_finish(writer, &msg)) fail_msg("%s", msg.text);
}

uint8_t *vx_sample_load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

void vx_sample_store(const char *path, const uint8_t *bytes, size_t size)
{
    unlink(path); /* file systems that flush a truncated file would make thousands of these slow */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}
