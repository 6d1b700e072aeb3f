/* QEMU's vtd_* log: what becomes a record, when a page is mapped and unmapped, what is refused. */
#include "import_support.h"

#include <string.h>

#define UPDATE "vtd_iotlb_page_update IOTLB page update "
#define HIT "vtd_iotlb_page_hit IOTLB page hit "
#define PAGES "vtd_inv_desc_iotlb_pages iotlb invalidate "

/* Words: source-id, PASID, bytes; source-id, gpa, bytes, rights; source-id, bytes. */
static void a_page_lives_from_sight_to_invalidation(void **state)
{
    (void)state;
    assert_imports_text(vx_import_qemu_vtd,
                        "vtd_inv_desc_cc_global context invalidate globally\n" /* of no interest */
                        UPDATE "sid 0x8 iova 0xffe59002 slpte 0x5aa3001 domain 0x3\n" HIT
                        "sid 0x8 iova 0xffe59010 slpte 0x5aa3001 domain 0x3\n" PAGES
                        "domain 0x3 addr 0xffe59000 mask 0x0\n" PAGES
                        "domain 0x3 addr 0xffe59000 mask 0x0\n" /* nothing there any more */
                        UPDATE "sid 0x8 iova 0xffe59a02 slpte 0x5278002 domain 0x3\n",
                        "dma_map ffe59000 0 8 5aa3000 1000 1\n"
                        "dma ffe59002 0 8 ffffffff 0\n"
                        "dma ffe59010 0 8 ffffffff 0\n"
                        "dma_unmap ffe59000 0 8 1000\n"
                        "dma_map ffe59000 0 8 5278000 1000 2\n"
                        "dma ffe59a02 1 8 ffffffff 0\n");
}

static void a_changed_entry_is_mapped_anew(void **state)
{
    (void)state;
    assert_imports_text(vx_import_qemu_vtd,
                        UPDATE "sid 0x8 iova 0x1000 slpte 0x5001 domain 0x3\n" UPDATE
                               "sid 0x8 iova 0x1000 slpte 0x6001 domain 0x3\n",
                        "dma_map 1000 0 8 5000 1000 1\ndma 1000 0 8 ffffffff 0\n"
                        "dma_unmap 1000 0 8 1000\ndma_map 1000 0 8 6000 1000 1\ndma 1000 0 8 ffffffff 0\n");
}

/* Domains are apart; a mask names 2^mask aligned pages; domain and global invalidations name all. */
static void what_an_invalidation_names(void **state)
{
    (void)state;
#define THREE                                                                                                          \
    UPDATE "sid 0x8 iova 0x4000 slpte 0x5003 domain 0x3\n" UPDATE                                                      \
           "sid 0x8 iova 0x7000 slpte 0x6003 domain 0x3\n" UPDATE "sid 0x9 iova 0x4000 slpte 0x7003 domain 0x4\n"
#define THREE_OUT                                                                                                      \
    "dma_map 4000 0 8 5000 1000 3\ndma 4000 0 8 ffffffff 0\ndma_map 7000 0 8 6000 1000 3\ndma 7000 0 8 ffffffff 0\n"   \
    "dma_map 4000 0 9 7000 1000 3\ndma 4000 0 9 ffffffff 0\n"
    assert_imports_text(vx_import_qemu_vtd, THREE PAGES "domain 0x3 addr 0x5000 mask 0x2\n",
                        THREE_OUT "dma_unmap 4000 0 8 1000\ndma_unmap 7000 0 8 1000\n");
    assert_imports_text(vx_import_qemu_vtd, THREE PAGES "domain 0x4 addr 0x0 mask 0x34\n",
                        THREE_OUT "dma_unmap 4000 0 9 1000\n");
    assert_imports_text(vx_import_qemu_vtd, THREE "vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x3\n",
                        THREE_OUT "dma_unmap 4000 0 8 1000\ndma_unmap 7000 0 8 1000\n");
    assert_imports_text(vx_import_qemu_vtd, THREE "vtd_inv_desc_iotlb_global iotlb invalidate global\n",
                        THREE_OUT "dma_unmap 4000 0 8 1000\ndma_unmap 7000 0 8 1000\ndma_unmap 4000 0 9 1000\n");
}

static void large_pages(void **state)
{
    (void)state;
    assert_imports_text(vx_import_qemu_vtd,
                        UPDATE "sid 0x8 iova 0x3ff008 slpte 0x5a00083 domain 0x3\n" PAGES
                               "domain 0x3 addr 0x400000 mask 0x0\n" PAGES "domain 0x3 addr 0x2ff000 mask 0x0\n",
                        "dma_map 200000 0 8 5a00000 200000 3\ndma 3ff008 0 8 ffffffff 0\n"
                        "dma_unmap 200000 0 8 200000\n");
}

static void log_prefixes_and_other_events(void **state)
{
    (void)state;
    assert_imports_text(vx_import_qemu_vtd,
                        "\n4711@1700000000.123456:" UPDATE "sid 0x8 iova 0x1000 slpte 0x5001 domain 0x3\r\n"
                        "pci_cfg_read e1000 02:0 @0x0 -> 0x8086\n",
                        "dma_map 1000 0 8 5000 1000 1\ndma 1000 0 8 ffffffff 0\n");
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"vtd_inv_desc_cc_global context invalidate globally\n", "no DMA in 1 lines"},
        {"Hello\n", "in:1: not a trace event of QEMU: \"Hello\""},
        {"I  04001090,3\n", "use --from lackey"},
        {UPDATE "sid 0x8 iova 0x1000 domain 0x3\n", "in:1: expected sid, iova, slpte and domain"},
        {UPDATE "sid 0x10000 iova 0x1000 slpte 0x1 domain 0x3\n", "expected sid, iova, slpte and domain"},
        {UPDATE "sid 0x8 iova 0x10000000000000000 slpte 0x1 domain 0x3\n", "expected sid, iova, slpte and domain"},
        {UPDATE "sid 0x8 iova 0x1000 slpte 0x5000 domain 0x3\n", "the entry allows nothing"},
        {PAGES "domain 0x3 addr 0x1000\n", "expected addr and mask"},
        {PAGES "domain 0x3 addr 0x1000 mask 0x35\n", "expected addr and mask"},
        {PAGES "addr 0x1000 mask 0x0\n", "expected a domain"},
        {UPDATE "sid 0x8 iova 0x1000 slpte 0x5001 domain 0x3", "the file is cut"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = import_text(vx_import_qemu_vtd, rows[i].text, strlen(rows[i].text));
        if (!strstr(text, rows[i].says)) fail_msg("row %u: %s", i, text);
        free(text);
    }
    char long_line[3000];
    memset(long_line, 'a', sizeof long_line);
    char *text = import_text(vx_import_qemu_vtd, long_line, sizeof long_line);
    assert_non_null(strstr(text, "longer than 1024 bytes"));
    free(text);
    static const char zero[] = "vtd_x\0y\n";
    text = import_text(vx_import_qemu_vtd, zero, sizeof zero - 1);
    assert_non_null(strstr(text, "a byte 0 in a line"));
    free(text);
}

/* Many pages, so that the table of pages grows and closes its gaps; each is unmapped exactly once. */
static void many_pages(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    bytes input = {0};
    char line[200];
    for (unsigned turn = 0; turn < 2; turn++)
        for (unsigned i = 0; i < MANY; i++) {
            unsigned page = i * 7919 % MANY + 1;
            int length = turn ? snprintf(line, sizeof line, PAGES "domain 0x3 addr 0x%x mask 0x0\n", page << 12)
                              : snprintf(line, sizeof line, UPDATE "sid 0x8 iova 0x%x slpte 0x%x003 domain 0x3\n",
                                         page << 12, page);
            bytes_put(&input, line, (size_t)length);
        }
    char *text = import_text(vx_import_qemu_vtd, input.data, input.count);
    unsigned unmaps = 0;
    for (const char *at = text; (at = strstr(at, "dma_unmap")); at++) unmaps++;
    assert_int_equal(unmaps, MANY);
    free(text);
    bytes_free(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_lives_from_sight_to_invalidation),
        cmocka_unit_test(a_changed_entry_is_mapped_anew),
        cmocka_unit_test(what_an_invalidation_names),
        cmocka_unit_test(large_pages),
        cmocka_unit_test(log_prefixes_and_other_events),
        cmocka_unit_test(refusals),
        cmocka_unit_test(many_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
