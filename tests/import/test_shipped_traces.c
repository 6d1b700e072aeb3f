/* The traces in traces/: whole, well formed, and what traces/README.md says of them. */
#include <inttypes.h>
#include <string.h>

#include "test_support.h"
#include "vx_trace.h"

typedef struct shipped {
    const char *file;
    uint64_t instructions, loads, stores;
    const char *recipe; /* a part of it */
} shipped;

static const shipped files[] = {
    {"compiler.vxt", 3494384, 965885, 539731, "gcc 12.2.0; references 30000001 to 35000000"},
    {"sqlite.vxt", 3419990, 1046662, 533348, "sqlite3 3.40.1; references 3000001 to 8000000"},
};

static void add_all(vx_source *source, vx_trace_totals *totals)
{
    vx_msg msg = {""};
    for (;;) {
        vx_batch batch;
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        if (batch.count == 0) return;
        for (size_t i = 0; i < batch.count; i++) assert_true(vx_record_valid(&batch.records[i], batch.words));
        vx_trace_totals_add(totals, batch.records, batch.count, batch.payload);
    }
}

static void traces_checked(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const shipped *file = &files[i];
        char path[1024];
        snprintf(path, sizeof path, "%s/traces/%s", VX_SOURCE_DIR, file->file);
        vx_msg msg = {""};
        vx_source *source = NULL;
        vx_trace_info info;
        assert_int_equal(vx_trace_info_read(path, NULL, &info, &msg), VX_OK);
        assert_int_equal(vx_trace_open(&source, path, NULL, &msg), VX_OK);
        vx_trace_totals totals = {0};
        add_all(source, &totals);
        assert_int_equal(totals.instructions, file->instructions);
        assert_int_equal(totals.fetches, file->instructions);
        assert_int_equal(totals.loads, file->loads);
        assert_int_equal(totals.stores, file->stores);
        assert_int_equal(totals.fetches + totals.loads + totals.stores, 5000000);
        assert_memory_equal(&totals, &info.totals, sizeof totals);
        assert_true(info.complete);
        assert_int_equal(source->header.tier, VX_TIER_FULL);
        assert_int_equal(source->header.kind, VX_TRACE_USER);
        assert_non_null(strstr(source->header.recipe, file->recipe));
        assert_non_null(strstr(source->header.recipe, "Valgrind-3.19.0"));
        vx_source_close(source);
        bytes += info.file_bytes;
    }
    assert_true(bytes <= 8u << 20);
}

/* DMA of a guest, imported from QEMU's log: as many accesses as the log has hits and fills. */
static void dma_trace(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/traces/vtd-e1000.vxt", VX_SOURCE_DIR);
    vx_msg msg = {""};
    vx_source *source = NULL;
    assert_int_equal(vx_trace_open(&source, path, NULL, &msg), VX_OK);
    vx_trace_totals totals = {0};
    add_all(source, &totals);
    assert_int_equal(source->header.kind, VX_TRACE_DMA);
    assert_int_equal(totals.by_kind[VX_REC_DMA], 3015 + 1010);
    assert_int_equal(totals.by_kind[VX_REC_DMA_MAP], 1010);
    assert_int_equal(totals.by_kind[VX_REC_DMA_UNMAP], 1008);
    assert_int_equal(totals.records, 6043);
    vx_source_close(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(traces_checked), cmocka_unit_test(dma_trace)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
