/* Every allocation of every importer fails once: a clean error each time, nothing leaked, nothing half open. */
#include "vxt0_file.h"

#include <string.h>

#include "failing_malloc.h"

static vx_status run(import_open *open, const bytes *file)
{
    vx_msg msg = {""};
    vx_input *input = NULL;
    vx_source *source = NULL;
    vx_status status = vx_input_open_memory(&input, "in", file->data, file->count, &msg);
    if (!status) status = open(&source, input, &msg);
    for (vx_batch batch = {.count = 1}; !status && batch.count > 0;) status = vx_source_next(source, &batch, &msg);
    vx_source_close(source);
    if (status) assert_true(strlen(msg.text) > 0);
    return status;
}

static void fail_each_allocation(import_open *open, const bytes *file)
{
    for (uint64_t n = 1;; n++) {
        vx_fail_allocation(n);
        vx_status status = run(open, file);
        if (!vx_fail_allocation_end()) {
            assert_int_equal(status, VX_OK);
            assert_true(n > 2);
            return;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
    }
}

static void lackey(void **state)
{
    (void)state;
    static const char text[] = "I  1000,3\n L 5000,8\n";
    for (packing how = 0; how < PACKINGS; how++) {
        bytes packed = {0};
        pack(how, text, sizeof text - 1, &packed);
        fail_each_allocation(vx_import_lackey, &packed);
        bytes_free(&packed);
    }
}

static void champsim(void **state)
{
    (void)state;
    static const uint8_t record[128] = {0, 0x10};
    bytes file = {0};
    bytes_put(&file, record, sizeof record);
    fail_each_allocation(vx_import_champsim, &file);
    bytes_free(&file);
}

/* Enough threads that their table grows. */
static void drmemtrace(void **state)
{
    (void)state;
    bytes file = {0};
    bytes_le(&file, 25, 4);
    bytes_le(&file, 7, 8);
    for (unsigned i = 0; i < 100; i++) {
        bytes_le(&file, 22, 4);
        bytes_le(&file, i, 8);
        bytes_le(&file, 24, 4);
        bytes_le(&file, i, 8);
    }
    bytes_le(&file, 26, 12);
    fail_each_allocation(vx_import_drmemtrace, &file);
    bytes_free(&file);
}

/* Pages beyond the first table, a block, a store that waits, more records than a batch begins with. */
static void vxt0(void **state)
{
    (void)state;
    static const uint8_t code[] = {3, 0, 4, 0};
    bytes file = {0};
    vxt0_header(&file, false, false);
    for (uint64_t i = 0; i < 300; i++) vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(i, 4, 1, 0, 0x67));
    vxt0_block_def(&file, 0, 0x1000, 2, code);
    vxt0_block_tag(&file, 0);
    vxt0_event_tag(&file, VXT0_PTW, 2, ARGS(0x1010, 8, 0x2067, 4));
    vxt0_reference_tag(&file, true, 3, 1, 0x7010);
    vxt0_event_tag(&file, VXT0_STATE, 0, ARGS(0x80050033, 0x1000, 0x6B0, 0xD01)); /* all pages go */
    fail_each_allocation(vx_import_vxt0, &file);
    bytes_free(&file);
}

/* Enough pages that their table grows, and an invalidation of all. */
static void qemu_vtd(void **state)
{
    (void)state;
    bytes file = {0};
    char line[160];
    for (unsigned i = 1; i <= 600; i++) {
        int length =
            snprintf(line, sizeof line,
                     "vtd_iotlb_page_update IOTLB page update sid 0x8 iova 0x%x slpte 0x1003 domain 0x3\n", i << 12);
        bytes_put(&file, line, (size_t)length);
    }
    static const char all[] = "vtd_inv_desc_iotlb_global iotlb invalidate global\n";
    bytes_put(&file, all, sizeof all - 1);
    fail_each_allocation(vx_import_qemu_vtd, &file);
    bytes_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qemu_vtd),   cmocka_unit_test(lackey), cmocka_unit_test(champsim),
        cmocka_unit_test(drmemtrace), cmocka_unit_test(vxt0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
