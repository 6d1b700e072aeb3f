#include "vxt0_file.h"

#include <string.h>

static void check(bytes *file, const char *expected)
{
    assert_imports(vx_import_vxt0, file->data, file->count, expected);
    bytes_free(file);
}

static bytes start(void)
{
    bytes file = {0};
    vxt0_header(&file, false, false);
    return file;
}

/* Long mode, 4-level: what most tests run under. */
static void long_mode(bytes *file) { vxt0_event_tag(file, VXT0_STATE, 0, ARGS(0x80050033, 0x1000, 0x6F0, 0xD01)); }
static const char long_mode_text[] = "state 0 0 80050033 0 1000 6f0 d01 0 0 0 0 0 0 0 0\n";

/* `expected` after the state's line. */
static void check_long_mode(bytes *file, const char *expected)
{
    bytes text = {0};
    bytes_put(&text, long_mode_text, sizeof long_mode_text - 1);
    bytes_put(&text, expected, strlen(expected) + 1);
    assert_imports(vx_import_vxt0, file->data, file->count, (char *)text.data);
    bytes_free(&text);
    bytes_free(file);
}

/* ---- tier E ---- */

static void events_map_one_by_one(void **state)
{
    (void)state;
    static const struct {
        unsigned event;
        size_t count;
        uint64_t args[5];
        const char *expected;
    } cases[] = {
        {VXT0_CR3W, 2, {0x2000, 0x1000}, "cr_write 2000 3\n"},
        {VXT0_CR0W, 1, {0x80000011}, "cr_write 80000011 0\n"},
        {VXT0_CR4W, 2, {0x6F0, 0}, "cr_write 6f0 4\n"},
        {VXT0_CR8W, 1, {5}, "cr_write 5 8\n"},
        {VXT0_CR8R, 1, {8}, "cr_read 0 8\n"},
        {VXT0_CR3R, 1, {3}, "cr_read 0 3\n"},
        {VXT0_CR0R, 1, {0}, "cr_read 0 0\n"},
        {VXT0_CR2R, 1, {2}, "cr_read 0 2\n"},
        {VXT0_CR4R, 1, {4}, "cr_read 0 4\n"},
        {VXT0_INVLPG, 1, {0xFFFF888000001000}, "invlpg ffff888000001000 0\n"},
        {VXT0_LIDT, 2, {0xFFFFFE0000000000, 0xFFF}, "desc_table fffffe0000000000 3\n"},
        {VXT0_LGDT, 0, {0}, "desc_table 0 2\n"},
        {VXT0_LTR, 0, {0}, "desc_table 0 7\n"},
        {VXT0_SIDT, 0, {0}, "desc_table 0 1\n"},
        {VXT0_EXC, 5, {14, 6, 0x33, 0x401000, 0x7FFF1234}, "exception 7fff1234 e 6\n"},
        {VXT0_EXC, 5, {13, 0x10, 0x33, 0x401000, 0x99}, "exception 0 d 10\n"},
        {VXT0_IRQ, 5, {0xEC, 0, 0x10, 0x1234, 0}, "interrupt 0 ec\n"},
        {VXT0_SWINT, 1, {0x80}, "int_n 0 80\n"},
        {VXT0_SYSCALL, 1, {39}, "syscall 0 0\n"},
        {VXT0_SYSRET, 0, {0}, "sysret 0 0\n"},
        {VXT0_SYSENTER, 1, {39}, "sysenter 0 0\n"},
        {VXT0_SYSEXIT, 0, {0}, "sysexit 0 0\n"},
        {VXT0_IRET, 1, {0x33}, "iret 0 0\n"}, /* real mode: CS holds no privilege level */
        {VXT0_IN, 2, {0x3F8, 1}, "io_in 3f8 1 0 0\n"},
        {VXT0_OUT, 3, {0x3F8, 2, 0x41}, "io_out 3f8 2 41 0\n"},
        {VXT0_INS, 3, {0x1F0, 2, 256}, "io_in 1f0 2 0 100\n"},
        {VXT0_OUTS, 3, {0x1F0, 4, 3}, "io_out 1f0 4 0 3\n"},
        {VXT0_MMIOR, 4, {0xFEBC0000, 4, 7, 0xFFFFC90000000000}, "mmio_read febc0000 4 7 ffffc90000000000\n"},
        {VXT0_MMIOW, 4, {0xFEBC0000, 8, 7, 0xFFFFC90000000000}, "mmio_write febc0000 8 7 ffffc90000000000\n"},
        {VXT0_APICR, 4, {0xFEE00390, 4, 7, 0xFFFFFFFFFF5FC390}, "apic_read 390 4 7 ffffffffff5fc390\n"},
        {VXT0_APICW, 4, {0xFEE00380, 4, 7, 0xFFFFFFFFFF5FC380}, "apic_write 380 4 7 ffffffffff5fc380\n"},
        {VXT0_TPRR, 4, {0x80, 4, 0xD1, 0xFEE00080}, "apic_read 80 4 d1 fee00080\n"},
        {VXT0_TPRW, 4, {0x80, 4, 0xD1, 0xFEE00080}, "apic_write 80 4 d1 fee00080\n"},
        {VXT0_EOI, 4, {0xB0, 4, 0, 0xFEE000B0}, "apic_write b0 4 0 fee000b0\n"},
        {VXT0_ICR, 4, {0x300, 4, 0xFD, 0xFEE00300}, "apic_write 300 4 fd fee00300\n"},
        {VXT0_CPUID, 2, {0xD, 1}, "cpuid d 0 1\n"},
        {VXT0_HLT, 0, {0}, "hlt 0 0\n"},
        {VXT0_RDMSR, 1, {0x1B}, "rdmsr 1b 0 0\n"},
        {VXT0_WRMSR, 2, {0xC0000101, 0xFFFF888000000000}, "wrmsr c0000101 0 ffff888000000000\n"},
        {VXT0_WRMSR, 2, {0xC0000080, 0xD01}, "efer_load d01 0\n"},
        {VXT0_RDTSC, 0, {0}, "rdtsc 1 0\n"},
        {VXT0_PAUSE, 0, {0}, "pause 1 0\n"},
        {VXT0_MWAIT, 0, {0}, "mwait 0 0\n"},
        {VXT0_WBINVD, 0, {0}, "wbinvd 0 0\n"},
        {VXT0_MOVDR, 2, {7, 15}, "dr_write 0 7\n"},
        {VXT0_XSETBV, 0, {0}, "xsetbv 0 0\n"},
        {VXT0_CLTS, 0, {0}, "clts 0 0\n"},
        {VXT0_CLI, 0, {0}, "cli 0 0\n"},
        {VXT0_STI, 0, {0}, "sti 0 0\n"},
        {VXT0_PUSHF, 0, {0}, "pushf 0 0\n"},
        {VXT0_POPF, 0, {0}, "popf 0 0\n"},
        {VXT0_PDPTE, 4, {1, 0x2001, 0x3001, 0x4001}, "pdpte_load 0 0 1 2001 3001 4001\n"},
        {VXT0_MARK, 1, {0x10}, "mark 10 0\n"},
        {VXT0_INVPCID, 1, {0x7000}, "invpcid 0 2 0\n"},
        {VXT0_VMX, 0, {0}, "vmcall 0 0\n"},
        {VXT0_PTDROP, 1, {0x1234}, "pt_page_gone 1234000 0\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bytes file = start();
        vxt0_event_tag(&file, cases[i].event, 0, cases[i].count, cases[i].args);
        check(&file, cases[i].expected);
    }
}

static void instructions_between_events_are_skipped(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_event_tag(&file, VXT0_CLI, 100, NO_ARGS);
    vxt0_event_tag(&file, VXT0_STI, 0, NO_ARGS);
    vxt0_event_tag(&file, VXT0_HLT, 5000000000, NO_ARGS);
    check(&file, "skipped 0 0 64 0 0 0\ncli 0 0\nsti 0 0\nskipped 0 0 12a05f200 0 0 0\nhlt 0 0\n");
}

static void iret_names_the_privilege_level(void **state)
{
    (void)state;
    bytes file = start();
    long_mode(&file);
    vxt0_event_tag(&file, VXT0_IRET, 0, ARGS(0x33));
    vxt0_event_tag(&file, VXT0_IRET, 0, ARGS(0x10));
    check_long_mode(&file, "iret 0 0\ncpl 0 3\niret 0 0\ncpl 0 0\n");
}

/* INT n's own delivery is left out; one behind a fault, or of another vector, is not. */
static void int_n_is_delivered_once(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_event_tag(&file, VXT0_SWINT, 0, ARGS(0x80));
    vxt0_event_tag(&file, VXT0_IRQ, 0, ARGS(0x80, 0, 0, 0, 0));
    vxt0_event_tag(&file, VXT0_SWINT, 0, ARGS(0x80));
    vxt0_event_tag(&file, VXT0_EXC, 0, ARGS(14, 0, 0, 0, 0x10));
    vxt0_event_tag(&file, VXT0_SWINT, 0, ARGS(3));
    vxt0_event_tag(&file, VXT0_EXC, 0, ARGS(3, 0, 0, 0, 0));
    vxt0_event_tag(&file, VXT0_SWINT, 0, ARGS(0x20));
    vxt0_event_tag(&file, VXT0_IRQ, 7, ARGS(0x20, 0, 0, 0, 0));
    check(&file,
          "int_n 0 80\nint_n 0 80\nexception 10 e 0\nint_n 0 3\nint_n 0 20\nskipped 0 0 7 0 0 0\ninterrupt 0 20\n");
}

static void rep_ins_is_one_record(void **state)
{
    (void)state;
    bytes file = start();
    for (uint64_t left = 3; left <= 3; left--) vxt0_event_tag(&file, VXT0_INS, 0, ARGS(0x1F0, 2, left));
    vxt0_event_tag(&file, VXT0_INS, 0, ARGS(0x1F0, 2, 1)); /* another one */
    check(&file, "io_in 1f0 2 0 3\nio_in 1f0 2 0 1\n");
}

/* ---- page tables ---- */

static void page_table_pages_come_and_go(void **state)
{
    (void)state;
    bytes file = start();
    long_mode(&file);
    vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x1, 4, 2, 0, 0x2067, 511, 0x3067));
    vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x2, 3, 0));
    vxt0_event_tag(&file, VXT0_PTW, 0, ARGS(0x2008, 8, 0x4067, 3));
    vxt0_event_tag(&file, VXT0_PTDROP, 0, ARGS(0x2));
    check_long_mode(&file, "pt_page_new 1000 4 0 2067 1ff 3067\npt_page_new 2000 3\n"
                           "pt_store 8000000000000000 8 2008 4067\npt_page_gone 2000 0\n");
}

/* Linux clears the writable bit of an entry with a byte-wide LOCK AND. */
static void narrow_and_wide_stores_become_entries(void **state)
{
    (void)state;
    bytes file = start();
    long_mode(&file);
    vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x5, 1, 2, 1, 0x80000000ABCDE067, 2, 0x1111));
    vxt0_event_tag(&file, VXT0_PTW, 0, ARGS(0x5008, 1, 0x65, 1));
    vxt0_event_tag(&file, VXT0_PTW, 0, ARGS(0x500F, 1, 0, 1));
    vxt0_event_tag(&file, VXT0_PTW, 0, ARGS(0x500E, 4, 0xAABBCCDD, 1)); /* over two entries */
    vxt0_event_tag(&file, VXT0_PTW, 0, ARGS(0x5000, 16, 0, 1));
    vxt0_event_tag(&file, VXT0_PTW, 0, ARGS(0x5014, 4, 0x77, 1)); /* aligned: as it is */
    check_long_mode(&file, "pt_page_new 5000 1 1 80000000abcde067 2 1111\n"
                           "pt_store 8000000000000000 8 5008 80000000abcde065\n"
                           "pt_store 8000000000000000 8 5008 abcde065\n"
                           "pt_store 8000000000000000 8 5008 ccdd0000abcde065\n"
                           "pt_store 8000000000000000 8 5010 aabb\n"
                           "pt_store 8000000000000000 8 5000 0\n"
                           "pt_store 8000000000000000 8 5008 0\n"
                           "pt_store 8000000000000000 4 5014 77\n");
}

/* 2-level paging: entries of 4 bytes, 1024 a page. */
static void two_level_entries_are_4_bytes(void **state)
{
    (void)state;
    bytes file = {0};
    vxt0_header(&file, false, true);
    vxt0_event_tag(&file, VXT0_STATE, 0, ARGS(0x80000011, 0x1000, 0x10, 0));
    vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x1, 2, 1, 1023, 0x2067));
    vxt0_event_tag(&file, VXT0_PTW, 0, ARGS(0x1FFD, 1, 0xFF, 2));
    check(&file, "state 0 0 80000011 0 1000 10 0 0 0 0 0 0 0 0 0\npt_page_new 1000 2 3ff 2067\n"
                 "pt_store 8000000000000000 4 1ffc ff67\n");
}

static void a_new_paging_mode_drops_all_pages(void **state)
{
    (void)state;
    bytes file = start();
    long_mode(&file);
    vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x1, 4, 0));
    vxt0_event_tag(&file, VXT0_STATE, 0, ARGS(0x80050033, 0x1000, 0x6B0, 0xD01)); /* same mode */
    vxt0_event_tag(&file, VXT0_STATE, 0, ARGS(0x50033, 0x1000, 0x6B0, 0x801));    /* paging off */
    check_long_mode(&file, "pt_page_new 1000 4\n"
                           "state 0 0 80050033 0 1000 6b0 d01 0 0 0 0 0 0 0 0\n"
                           "pt_page_gone 1000 0\n"
                           "state 0 0 50033 0 1000 6b0 801 0 0 0 0 0 0 0 0\n");
}

static void state_holds_the_latched_pdptes(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_event_tag(&file, VXT0_PDPTE, 0, ARGS(1, 2, 3, 4));
    vxt0_event_tag(&file, VXT0_STATE, 0, ARGS(0x80000011, 0x1000, 0x20, 0));
    check(&file, "pdpte_load 0 0 1 2 3 4\nstate 0 0 80000011 0 1000 20 0 1 2 3 4 0 0 0 0\n");
}

/* More pages than one table of the importer's first size, dropped and announced again. */
static void many_pages_keep_their_contents(void **state)
{
    (void)state;
    enum { PAGES = 1000 };
    bytes file = start(), expected = {0};
    long_mode(&file);
    bytes_put(&expected, long_mode_text, sizeof long_mode_text - 1);
    char line[96];
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < PAGES; i++) {
            vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x100 * i, 1, 1, 0, 0xAA00 + i));
            int length =
                snprintf(line, sizeof line, "pt_page_new %x 1 0 %x\n", (unsigned)i << 20, 0xAA00 + (unsigned)i);
            bytes_put(&expected, line, (size_t)length);
        }
        for (uint64_t i = 0; i < PAGES; i++) {
            vxt0_event_tag(&file, VXT0_PTW, 0, ARGS(0x100000 * i + 3, 1, 1, 1));
            vxt0_event_tag(&file, VXT0_PTDROP, 0, ARGS(0x100 * i));
            int length = snprintf(line, sizeof line, "pt_store 8000000000000000 8 %x %x\npt_page_gone %x 0\n",
                                  (unsigned)i << 20, 0x100AA00 + (unsigned)i, (unsigned)i << 20);
            bytes_put(&expected, line, (size_t)length);
        }
    }
    bytes_put(&expected, "", 1);
    check(&file, (char *)expected.data);
    bytes_free(&expected);
}

/* ---- tier S ---- */

static void filtered_references_stand_at_their_pages(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_event_tag(&file, VXT0_MARK, 1000, ARGS(1)); /* the region begins: the filter's clock starts */
    vxt0_filtered_tag(&file, 2, 0x401, 0);
    vxt0_filtered_tag(&file, 0, 0x7FFFF, 4);
    vxt0_filtered_tag(&file, 1, -1, 0);
    vxt0_filtered_tag(&file, 2, 0x10, 6);
    vxt0_event_tag(&file, VXT0_CLI, 15, NO_ARGS);
    vxt0_event_tag(&file, VXT0_MARK, 5, ARGS(2));
    vxt0_event_tag(&file, VXT0_CLI, 100, NO_ARGS); /* outside the region */
    vxt0_event_tag(&file, VXT0_MARK, 0, ARGS(1));
    vxt0_filtered_tag(&file, 2, 1, 13); /* 23 in the filter's clock, 20 of them in the first region */
    check(&file, "skipped 0 0 3e8 0 0 0\nmark 1 0\n"
                 "fetch 401000 1 1\nskipped 0 0 3 3 0 0\nload 7ffff000 1\nstore 7fffe000 1\n"
                 "skipped 0 0 6 6 0 0\nfetch 411000 1 1\nskipped 0 0 4 4 0 0\ncli 0 0\n"
                 "skipped 0 0 5 5 0 0\nmark 2 0\nskipped 0 0 64 0 0 0\ncli 0 0\nmark 1 0\n"
                 "skipped 0 0 3 3 0 0\nfetch 412000 1 1\n");
}

static void a_device_access_replaces_its_filtered_reference(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_filtered_tag(&file, 2, 0x401, 0);
    vxt0_event_tag(&file, VXT0_MMIOW, 5, ARGS(0xFEB00010, 4, 1, 0x8010));
    vxt0_filtered_tag(&file, 1, 8, 5); /* its own */
    vxt0_event_tag(&file, VXT0_MMIOW, 0, ARGS(0xFEB00010, 4, 2, 0x8010));
    vxt0_filtered_tag(&file, 0, 0, 0); /* a load: another */
    check(&file, "fetch 401000 1 1\nskipped 0 0 4 4 0 0\nmmio_write feb00010 4 1 8010\nmmio_write feb00010 4 2 8010\n"
                 "load 8000 1\n");
}

/* ---- tier F ---- */

/* mov (3 bytes); store (4); cli (1, class 23); load (2). */
static const uint8_t four[] = {3, 0, 4, 0, 1, 23, 2, 0};

static void blocks_are_fetched_around_their_references(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_tag(&file, 0);
    vxt0_reference_tag(&file, true, 3, 1, 0x7000);
    vxt0_event_tag(&file, VXT0_CLI, 4, NO_ARGS);
    vxt0_reference_tag(&file, false, 2, 3, 0x8000);
    vxt0_block_tag(&file, 0); /* again: addresses are differences from the last ones */
    vxt0_reference_tag(&file, true, 3, 1, 8);
    vxt0_block_tag(&file, 0);
    vxt0_event_tag(&file, VXT0_HLT, 8, NO_ARGS); /* of no class in the block: stands where the block is */
    check(&file, "fetch 1000 2 7\nstore 7000 8\nfetch 1007 1 1\ncli 0 0\nfetch 1008 1 2\nload 8000 4\n"
                 "fetch 1000 2 7\nstore 7008 8\nfetch 1007 2 3\nhlt 0 0\nfetch 1000 4 a\n");
}

static void blocks_cross_pages(void **state)
{
    (void)state;
    static const uint8_t code[] = {4, 0, 4, 0, 2, 0};
    bytes file = start();
    vxt0_block_def(&file, 0, 0x1FF9, 3, code); /* 0x1FF9, 0x1FFD (crosses), 0x2001 */
    vxt0_block_tag(&file, 0);
    vxt0_block_tag(&file, 0);
    check(&file, "fetch 1ff9 2 8\nfetch 2001 1 2\nfetch 1ff9 2 8\nfetch 2001 1 2\n");
}

static void a_fault_cuts_its_block(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_def(&file, 1, 0x9000, 1, four);
    vxt0_block_tag(&file, 0);
    vxt0_event_tag(&file, VXT0_EXC, 4, ARGS(14, 2, 0x10, 0x1003, 0x7000)); /* the store faulted */
    vxt0_block_tag(&file, 1);
    vxt0_event_tag(&file, VXT0_IRQ, 1, ARGS(0x20, 0, 0x10, 0x9003, 0));
    check(&file, "fetch 1000 1 3\nexception 7000 e 2\nfetch 9000 1 3\ninterrupt 0 20\n");
}

/* RIP is behind the block: it ran whole, and the fetch of the next one faulted. */
static void a_fault_behind_its_block_does_not_cut(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_tag(&file, 0);
    vxt0_event_tag(&file, VXT0_EXC, 4, ARGS(14, 0x10, 0x33, 0x100A, 0x100A));
    check(&file, "fetch 1000 4 a\nexception 100a e 10\n");
}

static void a_page_table_store_is_one_with_its_reference(void **state)
{
    (void)state;
    bytes file = start();
    long_mode(&file);
    vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x1, 4, 0));
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_tag(&file, 0);
    vxt0_event_tag(&file, VXT0_PTW, 4, ARGS(0x1010, 8, 0x2067, 4));
    vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x2, 3, 0)); /* it linked a page */
    vxt0_reference_tag(&file, true, 3, 1, (int64_t)0xFFFF888000001010);
    vxt0_reference_tag(&file, false, 0, 3, 0x5000);
    check_long_mode(&file, "pt_page_new 1000 4\nfetch 1000 2 7\npt_store ffff888000001010 8 1010 2067\n"
                           "pt_page_new 2000 3\nfetch 1007 2 3\nload 5000 1\n");
}

static void a_store_that_is_another_does_not_belong(void **state)
{
    (void)state;
    static const struct {
        bool store;
        unsigned log2_bytes;
        int64_t address;
        const char *expected;
    } cases[] = {
        {false, 3, 0x7010, "load 7010 8\nfetch 1003 3 7\n"},
        {true, 2, 0x7010, "store 7010 4\nfetch 1003 3 7\n"},
        {true, 3, 0x7018, "store 7018 8\nfetch 1003 3 7\n"},
    };
    for (size_t i = 0; i < 3; i++) {
        bytes file = start(), expected = {0};
        vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x1, 4, 0));
        vxt0_block_def(&file, 0, 0x1000, 4, four);
        vxt0_block_tag(&file, 0);
        vxt0_event_tag(&file, VXT0_PTW, 4, ARGS(0x1010, 8, 0x2067, 4));
        vxt0_reference_tag(&file, cases[i].store, cases[i].log2_bytes, 0, cases[i].address);
        static const char head[] = "pt_page_new 1000 4\npt_store 8000000000000000 8 1010 2067\nfetch 1000 1 3\n";
        bytes_put(&expected, head, sizeof head - 1);
        bytes_put(&expected, cases[i].expected, strlen(cases[i].expected) + 1);
        check(&file, (char *)expected.data);
        bytes_free(&expected);
    }
}

static void a_byte_store_is_named_at_its_entry(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x1, 1, 1, 2, 0x67));
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_tag(&file, 0);
    vxt0_event_tag(&file, VXT0_PTW, 4, ARGS(0x1011, 1, 1, 1));
    vxt0_reference_tag(&file, true, 0, 1, 0x7011);
    check(&file, "pt_page_new 1000 1 2 67\nfetch 1000 2 7\npt_store 7010 8 1010 167\nfetch 1007 2 3\n");
}

static void a_device_access_replaces_its_reference(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_def(&file, 1, 0x1003, 1, four + 2); /* QEMU runs the store again, alone */
    vxt0_block_tag(&file, 0);
    vxt0_event_tag(&file, VXT0_MMIOW, 4, ARGS(0xFEB00000, 4, 9, 0x7000));
    vxt0_block_mem_tag(&file, 1);
    vxt0_reference_tag(&file, true, 2, 0, 0x7000);
    check(&file, "fetch 1000 2 7\nmmio_write feb00000 4 9 7000\nfetch 1007 2 3\n");
}

/* After an I/O instruction ran alone, a block that begins right behind it is the rest of the first one. */
static void an_interrupted_block_goes_on_in_another(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_def(&file, 1, 0x1003, 1, four + 2);
    vxt0_block_def(&file, 2, 0x1007, 2, four + 4);
    vxt0_block_def(&file, 3, 0x3000, 1, four);
    vxt0_block_tag(&file, 0);
    vxt0_block_mem_tag(&file, 1);
    vxt0_reference_tag(&file, true, 2, 0, 0x7000);
    vxt0_block_tag(&file, 2);
    vxt0_reference_tag(&file, false, 2, 1, 0x8000);
    vxt0_block_tag(&file, 3);
    vxt0_block_tag(&file, 3);
    check(&file, "fetch 1000 2 7\nstore 7000 4\nfetch 1007 2 3\nload 8000 4\nfetch 3000 1 3\nfetch 3000 1 3\n");
}

static void recorded_pages_come_before_their_references(void **state)
{
    (void)state;
    bytes file = {0};
    vxt0_header(&file, true, false);
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_tag(&file, 0);
    vxt0_reference_tag(&file, true, 3, 1, 0x7123);
    bytes_varint(&file, 0x55);
    check(&file, "fetch 1000 2 7\ngpa 55123 0\nstore 7123 8\nfetch 1007 2 3\n");
}

static void addresses_of_32_bit_guests_have_32_bits(void **state)
{
    (void)state;
    bytes file = {0};
    vxt0_header(&file, false, true);
    vxt0_block_def(&file, 0, 0xFFFFFFFD, 4, four); /* wraps */
    vxt0_block_tag(&file, 0);
    vxt0_reference_tag(&file, false, 2, 0, 0x1C0001000);
    vxt0_block_tag(&file, 0);
    vxt0_event_tag(&file, VXT0_INVLPG, 8, ARGS(0x1C0002000));
    check(&file,
          "fetch fffffffd 1 3\nload c0001000 4\nfetch 0 3 7\ninvlpg c0002000 0\nfetch fffffffd 1 3\nfetch 0 3 7\n");
}

static void instructions_outside_recorded_blocks_are_skipped(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_event_tag(&file, VXT0_MARK, 100, ARGS(1));
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_tag(&file, 0);
    vxt0_event_tag(&file, VXT0_MARK, 4, ARGS(2));
    vxt0_event_tag(&file, VXT0_HLT, 50, NO_ARGS);
    check(&file, "skipped 0 0 64 0 0 0\nmark 1 0\nmark 2 0\nfetch 1000 4 a\nskipped 0 0 32 0 0 0\nhlt 0 0\n");
}

/* ---- header, errors ---- */

static void header_of(const bytes *file, vx_trace_header *header)
{
    vx_input *input = NULL;
    vx_source *source = NULL;
    vx_msg msg;
    assert_int_equal(vx_input_open_memory(&input, "in", file->data, file->count, &msg), VX_OK);
    assert_int_equal(vx_import_vxt0(&source, input, &msg), VX_OK);
    *header = source->header;
    vx_source_close(source);
}

static void headers_tell_tier_and_paging(void **state)
{
    (void)state;
    vx_trace_header header;
    bytes file = start();
    vxt0_event_tag(&file, VXT0_STATE, 0, ARGS(0x80000011, 0, 0x20, 0));
    vxt0_event_tag(&file, VXT0_STATE, 0, ARGS(0x80000011, 0, 1u << 7 | 1u << 17 | 1u << 20 | 1u << 21, 0xD00));
    header_of(&file, &header);
    assert_int_equal(header.kind, VX_TRACE_SYSTEM);
    assert_int_equal(header.tier, VX_TIER_EVENTS);
    assert_int_equal(header.paging, VX_PAGING_PAE); /* at the start */
    assert_int_equal(header.features, 1 | 2 | 4 | 8 | 16);
    vxt0_filtered_tag(&file, 0, 1, 1);
    header_of(&file, &header);
    assert_int_equal(header.tier, VX_TIER_FILTERED);
    assert_int_equal(header.filter_sets, 0);
    assert_non_null(strstr(header.recipe, "fully associative 16-entry LRU filter: approximate"));
    bytes_free(&file);
    file = start();
    vxt0_block_def(&file, 0, 0x1000, 4, four);
    vxt0_block_tag(&file, 0);
    header_of(&file, &header);
    assert_int_equal(header.tier, VX_TIER_FULL);
    bytes_free(&file);
}

/* Everything that may follow the header, each wrong in one way. */
static void names_offset_and_fault(void **state)
{
    (void)state;
#define TAG(text) text, sizeof(text) - 1
    static const struct {
        const char *tag;
        size_t count;
        const char *expected;
    } cases[] = {
        {TAG("\x06"), "error 2: in: byte 8: unknown tag\n"},
        {TAG("\x03"), "error 2: in: byte 8: the recording is cut\n"},
        {TAG("\x03\x39\x00\x00"), "error 2: in: byte 8: unknown event\n"},
        {TAG("\x03\x00\x00\x01\x00"), "error 2: in: byte 8: an event with the wrong number of operands\n"},
        {TAG("\x03\x27\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"),
         "error 2: in: byte 8: a number has more than 64 bits\n"},
        {TAG("\x03\x2B\x00\x03\x01\x01\x81\x08"), "error 2: in: byte 8: a page-table page of more than 1024 entries\n"},
        {TAG("\x03\x2B\x00\x03\x01\x01\x01\x80\x04\x01"),
         "error 2: in: byte 8: event ptpage: an entry outside the page\n"},
        {TAG("\x03\x2B\x00\x03\x01\x06\x00"), "error 2: in: byte 8: event ptpage: impossible operands\n"},
        {TAG("\x03\x2C\x00\x04\x08\x08\x00\x01"),
         "error 2: in: byte 8: event ptw: a store to a page that is no page table\n"},
        {TAG("\x03\x2C\x00\x04\x08\x00\x00\x01"), "error 2: in: byte 8: event ptw: impossible operands\n"},
        {TAG("\x03\x0A\x00\x05\x20\x00\x00\x00\x00"), "error 2: in: byte 8: event exc: impossible vector\n"},
        {TAG("\x03\x0B\x00\x05\x80\x02\x00\x00\x00\x00"), "error 2: in: byte 8: event irq: impossible vector\n"},
        {TAG("\x03\x0C\x00\x01\x80\x02"), "error 2: in: byte 8: event swint: impossible operands\n"},
        {TAG("\x03\x12\x00\x02\x10\x03"), "error 2: in: byte 8: event in: impossible operands\n"},
        {TAG("\x05\x03\x00\x00"), "error 2: in: byte 8: unknown flags of a filtered reference\n"},
        {TAG("\x05\x00\x80\x80\x80\x80\x80\x80\x10\x00"),
         "error 2: in: byte 8: the reference's address is not canonical\n"},
        {TAG("\x02\x00"), "error 2: in: byte 8: a block that was not defined\n"},
        {TAG("\x04\x00"), "error 2: in: byte 8: a block that was not defined\n"},
        {TAG("\x80\x00"), "error 2: in: byte 8: a reference before any block\n"},
        {TAG("\xB8\x00"), "error 2: in: byte 8: a reference of more than 64 bytes\n"},
        {TAG("\x01\x00\x00\x00"), "error 2: in: byte 8: a block of 0 or more than 4096 instructions\n"},
        {TAG("\x01\x00\x00\x02\x01\x00\x01"), "error 2: in: byte 8: the recording is cut\n"},
        {TAG("\x01\x01\x00\x01\x01\x00"), "error 2: in: byte 8: blocks are not numbered in order\n"},
        {TAG("\x01\x00\x00\x01\x10\x00"), "error 2: in: byte 8: an instruction of 0 or more than 15 bytes\n"},
        {TAG("\x01\x00\x00\x01\x01\x00\x02\x00\x80\x01"),
         "error 2: in: byte 16: a reference of no instruction of its block\n"},
        {TAG("\x01\x00\x00\x01\x01\x00\x02\x00\x87\x00\x00\x00\x00\x00\x00\x00\x00\x40"),
         "error 2: in: byte 16: the reference's address is not canonical\n"},
        {TAG("\x01\x00\x00\x01\x01\x00\x02\x00\x05\x00\x00\x00"),
         "error 2: in: byte 16: both filtered and unfiltered references\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bytes file = start();
        bytes_put(&file, cases[i].tag, cases[i].count);
        check(&file, cases[i].expected);
    }
}

static void refuses_bad_headers(void **state)
{
    (void)state;
    assert_imports(vx_import_vxt0, TAG(""), "error 2: in: the file is empty\n");
    assert_imports(vx_import_vxt0, TAG("VXT"), "error 2: in: byte 0: not a VXT0 recording\n");
    assert_imports(vx_import_vxt0, TAG("VXT0\0\0\0"), "error 2: in: byte 4: the header is cut\n");
    assert_imports(vx_import_vxt0, TAG("VXT0\0\0\0\1"), "error 2: in: byte 4: unknown flags in the header\n");
    assert_imports(vx_import_vxt0, TAG("VXT1\0\0\0\0"),
                   "error 2: in: byte 0: not a VXT0 recording; it is a .vxt trace: no import is needed\n");
    assert_imports(vx_import_vxt0, TAG("I  1000,3\n"),
                   "error 2: in: byte 0: not a VXT0 recording; it looks like lackey text: use --from lackey\n");
}

/* A recording that ends anywhere but between tags is cut, and says so before the first record. */
static void every_cut_is_noticed(void **state)
{
    (void)state;
    bytes file = start();
    vxt0_event_tag(&file, VXT0_PTPAGE, 0, ARGS(0x1, 4, 2, 0, 0x2067, 511, 0x3067));
    for (size_t count = 9; count < file.count; count++)
        assert_imports(vx_import_vxt0, file.data, count, "error 2: in: byte 8: the recording is cut\n");
    bytes_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_map_one_by_one),
        cmocka_unit_test(instructions_between_events_are_skipped),
        cmocka_unit_test(iret_names_the_privilege_level),
        cmocka_unit_test(int_n_is_delivered_once),
        cmocka_unit_test(rep_ins_is_one_record),
        cmocka_unit_test(page_table_pages_come_and_go),
        cmocka_unit_test(narrow_and_wide_stores_become_entries),
        cmocka_unit_test(two_level_entries_are_4_bytes),
        cmocka_unit_test(a_new_paging_mode_drops_all_pages),
        cmocka_unit_test(state_holds_the_latched_pdptes),
        cmocka_unit_test(many_pages_keep_their_contents),
        cmocka_unit_test(filtered_references_stand_at_their_pages),
        cmocka_unit_test(a_device_access_replaces_its_filtered_reference),
        cmocka_unit_test(blocks_are_fetched_around_their_references),
        cmocka_unit_test(blocks_cross_pages),
        cmocka_unit_test(a_fault_cuts_its_block),
        cmocka_unit_test(a_fault_behind_its_block_does_not_cut),
        cmocka_unit_test(a_page_table_store_is_one_with_its_reference),
        cmocka_unit_test(a_store_that_is_another_does_not_belong),
        cmocka_unit_test(a_byte_store_is_named_at_its_entry),
        cmocka_unit_test(a_device_access_replaces_its_reference),
        cmocka_unit_test(an_interrupted_block_goes_on_in_another),
        cmocka_unit_test(recorded_pages_come_before_their_references),
        cmocka_unit_test(addresses_of_32_bit_guests_have_32_bits),
        cmocka_unit_test(instructions_outside_recorded_blocks_are_skipped),
        cmocka_unit_test(headers_tell_tier_and_paging),
        cmocka_unit_test(names_offset_and_fault),
        cmocka_unit_test(refuses_bad_headers),
        cmocka_unit_test(every_cut_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
