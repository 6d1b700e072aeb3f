/* AMD's twin: every record kind against its intercept bit and EXITCODE (APM Vol. 2, 15.9 to 15.13, Appendices B and C).
 */
#include <string.h>

#include "exit_rows.h"
#include "test_support.h"
#include "vx_vmcs.h"

/* Words of intercepts in a VMCB, in the order of their offsets. */
typedef enum intercept_word {
    CR_READ,
    CR_WRITE,
    DR_READ,
    DR_WRITE,
    EXCEPTIONS,
    WORD_00C,
    WORD_010,
    WORD_014,
    NONE
} intercept_word;

/* Bit `bit` of `word` makes the record exit with `code`; NONE: nothing does. */
typedef struct vmcb_row {
    vx_record_kind kind;
    uint8_t size;
    uint64_t addr;
    intercept_word word;
    unsigned bit;
    uint32_t code;
    uint64_t info1; /* with decode assists */
} vmcb_row;

#define MOV_CR (1ULL << 63)

static const vmcb_row rows[] = {
    {VX_REC_CR_READ, 0, 0, CR_READ, 0, 0x000, MOV_CR},
    {VX_REC_CR_READ, 2, 0, CR_READ, 2, 0x002, MOV_CR},
    {VX_REC_CR_READ, 3, 0, CR_READ, 3, 0x003, MOV_CR},
    {VX_REC_CR_READ, 4, 0, CR_READ, 4, 0x004, MOV_CR},
    {VX_REC_CR_READ, 8, 0, CR_READ, 8, 0x008, MOV_CR},
    {VX_REC_CR_WRITE, 0, 0, CR_WRITE, 0, 0x010, MOV_CR},
    {VX_REC_CR_WRITE, 2, 0, CR_WRITE, 2, 0x012, MOV_CR},
    {VX_REC_CR_WRITE, 3, 0, CR_WRITE, 3, 0x013, MOV_CR},
    {VX_REC_CR_WRITE, 4, 0, CR_WRITE, 4, 0x014, MOV_CR},
    {VX_REC_CR_WRITE, 8, 0, CR_WRITE, 8, 0x018, MOV_CR},
    {VX_REC_CLTS, 0, 0, CR_WRITE, 0, 0x010, 0},
    {VX_REC_LMSW, 0, 0, CR_WRITE, 0, 0x010, 0},
    {VX_REC_DR_READ, 0, 0, DR_READ, 0, 0x020, 0},
    {VX_REC_DR_READ, 7, 0, DR_READ, 7, 0x027, 0},
    {VX_REC_DR_WRITE, 0, 0, DR_WRITE, 0, 0x030, 0},
    {VX_REC_DR_WRITE, 7, 0, DR_WRITE, 7, 0x037, 0},
    {VX_REC_EXCEPTION, 0, 0, EXCEPTIONS, 0, 0x040, 0},
    {VX_REC_EXCEPTION, 8, 0, EXCEPTIONS, 8, 0x048, 0x55},
    {VX_REC_EXCEPTION, 9, 0, EXCEPTIONS, 9, 0x049, 0},
    {VX_REC_EXCEPTION, 13, 0, EXCEPTIONS, 13, 0x04D, 0x55},
    {VX_REC_EXCEPTION, 14, 0xCAFE, EXCEPTIONS, 14, 0x04E, 0x55},
    {VX_REC_EXCEPTION, 30, 0, EXCEPTIONS, 30, 0x05E, 0x55},
    {VX_REC_EXCEPTION, 2, 0, WORD_00C, 1, 0x061, 0}, /* NMI */
    {VX_REC_SIGNAL, VX_SIGNAL_NMI, 0, WORD_00C, 1, 0x061, 0},
    {VX_REC_SIGNAL, VX_SIGNAL_SMI, 0, WORD_00C, 2, 0x062, 0},
    {VX_REC_SIGNAL, VX_SIGNAL_INIT, 0, WORD_00C, 3, 0x063, 0},
    {VX_REC_SIGNAL, VX_SIGNAL_TASK_SWITCH, 0x28, WORD_00C, 29, 0x07D, 0},
    {VX_REC_SIGNAL, VX_SIGNAL_TRIPLE_FAULT, 0, WORD_00C, 31, 0x07F, 0},
    {VX_REC_SIGNAL, VX_SIGNAL_SIPI, 0x9A, NONE, 0, 0, 0},
    {VX_REC_SIGNAL, VX_SIGNAL_BUS_LOCK, 0, NONE, 0, 0, 0},
    {VX_REC_INSTRUCTION, VX_INSTRUCTION_RSM, 0, WORD_00C, 19, 0x073, 0},
    {VX_REC_INSTRUCTION, VX_INSTRUCTION_WBNOINVD, 0, WORD_010, 9, 0x089, 0},
    {VX_REC_INSTRUCTION, VX_INSTRUCTION_GETSEC, 0, NONE, 0, 0, 0},
    {VX_REC_INSTRUCTION, VX_INSTRUCTION_RDRAND, 0, NONE, 0, 0, 0},
    {VX_REC_INTERRUPT, 0x30, 0, WORD_00C, 0, 0x060, 0},
    {VX_REC_DESC_TABLE, VX_DESC_SIDT, 0, WORD_00C, 6, 0x066, 0},
    {VX_REC_DESC_TABLE, VX_DESC_SGDT, 0, WORD_00C, 7, 0x067, 0},
    {VX_REC_DESC_TABLE, VX_DESC_SLDT, 0, WORD_00C, 8, 0x068, 0},
    {VX_REC_DESC_TABLE, VX_DESC_STR, 0, WORD_00C, 9, 0x069, 0},
    {VX_REC_DESC_TABLE, VX_DESC_LIDT, 0, WORD_00C, 10, 0x06A, 0},
    {VX_REC_DESC_TABLE, VX_DESC_LGDT, 0, WORD_00C, 11, 0x06B, 0},
    {VX_REC_DESC_TABLE, VX_DESC_LLDT, 0, WORD_00C, 12, 0x06C, 0},
    {VX_REC_DESC_TABLE, VX_DESC_LTR, 0, WORD_00C, 13, 0x06D, 0},
    {VX_REC_DESC_TABLE, VX_DESC_SMSW, 0, CR_READ, 0, 0x000, 0},
    {VX_REC_RDTSC, 0, 1, WORD_00C, 14, 0x06E, 0},
    {VX_REC_RDPMC, 0, 0, WORD_00C, 15, 0x06F, 0},
    {VX_REC_PUSHF, 0, 0, WORD_00C, 16, 0x070, 0},
    {VX_REC_POPF, 0, 0, WORD_00C, 17, 0x071, 0},
    {VX_REC_CPUID, 0, 0, WORD_00C, 18, 0x072, 0},
    {VX_REC_IRET, 0, 0, WORD_00C, 20, 0x074, 0},
    {VX_REC_INT_N, 0x80, 0, WORD_00C, 21, 0x075, 0x80},
    {VX_REC_INVD, 0, 0, WORD_00C, 22, 0x076, 0},
    {VX_REC_PAUSE, 0, 1, WORD_00C, 23, 0x077, 0},
    {VX_REC_HLT, 0, 0, WORD_00C, 24, 0x078, 0},
    {VX_REC_INVLPG, 0, 0x7000, WORD_00C, 25, 0x079, 0x7000},
    {VX_REC_SVM, 0x7A, 0, WORD_00C, 26, 0x07A, 0}, /* INVLPGA */
    {VX_REC_RDMSR, 0, 0x2000, WORD_00C, 28, 0x07C, 0},
    {VX_REC_WRMSR, 0, 0x2000, WORD_00C, 28, 0x07C, 1},
    {VX_REC_SVM, 0x80, 0, WORD_010, 0, 0x080, 0}, /* VMRUN */
    {VX_REC_VMMCALL, 0, 0, WORD_010, 1, 0x081, 0},
    {VX_REC_SVM, 0x82, 0, WORD_010, 2, 0x082, 0}, /* VMLOAD */
    {VX_REC_SVM, 0x83, 0, WORD_010, 3, 0x083, 0}, /* VMSAVE */
    {VX_REC_SVM, 0x84, 0, WORD_010, 4, 0x084, 0}, /* STGI */
    {VX_REC_SVM, 0x85, 0, WORD_010, 5, 0x085, 0}, /* CLGI */
    {VX_REC_SVM, 0x86, 0, WORD_010, 6, 0x086, 0}, /* SKINIT */
    {VX_REC_RDTSCP, 0, 0, WORD_010, 7, 0x087, 0},
    {VX_REC_WBINVD, 0, 0, WORD_010, 9, 0x089, 0},
    {VX_REC_MONITOR, 0, 0, WORD_010, 10, 0x08A, 0},
    {VX_REC_MWAIT, 0, 0, WORD_010, 11, 0x08B, 0},
    {VX_REC_XSETBV, 0, 0, WORD_010, 13, 0x08D, 0},
    {VX_REC_INVPCID, 0, 0, WORD_014, 2, 0x0A2, 0},
    /* These consult a permission map too, all zero here; see below. */
    {VX_REC_IO_IN, 1, 0, NONE, 0, 0, 0},
    {VX_REC_IO_OUT, 1, 0, NONE, 0, 0, 0},
    {VX_REC_EFER_LOAD, 0, 0xD01, NONE, 0, 0, 0},
    /* Nothing intercepts these. */
    {VX_REC_FETCH, 0, 0, NONE, 0, 0, 0},
    {VX_REC_LOAD, 8, 0, NONE, 0, 0, 0},
    {VX_REC_STORE, 8, 0, NONE, 0, 0, 0},
    {VX_REC_PT_STORE, 8, 0, NONE, 0, 0, 0},
    {VX_REC_PT_PAGE_NEW, 1, 0, NONE, 0, 0, 0},
    {VX_REC_PT_PAGE_GONE, 0, 0, NONE, 0, 0, 0},
    {VX_REC_STATE, 0, 0, NONE, 0, 0, 0},
    {VX_REC_SKIPPED, 0, 0, NONE, 0, 0, 0},
    {VX_REC_GPA, 0, 0, NONE, 0, 0, 0},
    {VX_REC_PROCESS, 0, 0, NONE, 0, 0, 0},
    {VX_REC_MARK, 0, 0, NONE, 0, 0, 0},
    {VX_REC_PDPTE_LOAD, 0, 0, NONE, 0, 0, 0},
    {VX_REC_SYSCALL, 0, 0, NONE, 0, 0, 0},
    {VX_REC_SYSRET, 0, 0, NONE, 0, 0, 0},
    {VX_REC_SYSENTER, 0, 0, NONE, 0, 0, 0},
    {VX_REC_SYSEXIT, 0, 0, NONE, 0, 0, 0},
    {VX_REC_CPL, 3, 0, NONE, 0, 0, 0},
    {VX_REC_CLI, 0, 0, NONE, 0, 0, 0},
    {VX_REC_STI, 0, 0, NONE, 0, 0, 0},
    {VX_REC_SWAPGS, 0, 0, NONE, 0, 0, 0},
    {VX_REC_MMIO_READ, 4, 0xFEC00000, NONE, 0, 0, 0},
    {VX_REC_MMIO_WRITE, 4, 0xFEC00000, NONE, 0, 0, 0},
    {VX_REC_APIC_READ, 4, 0x80, NONE, 0, 0, 0},
    {VX_REC_APIC_WRITE, 4, 0x80, NONE, 0, 0, 0},
    {VX_REC_VMCALL, 0, 0, NONE, 0, 0, 0},
    {VX_REC_VMX, 27, 0, NONE, 0, 0, 0},
    {VX_REC_DMA, 0, 0, NONE, 0, 0, 0},
    {VX_REC_DMA_MAP, 0, 0, NONE, 0, 0, 0},
    {VX_REC_DMA_UNMAP, 0, 0, NONE, 0, 0, 0},
    {VX_REC_MSI, 0, 0, NONE, 0, 0, 0},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const vx_exit_context context = {.cr0 = 0x80000011};

static bool ask_in(const vx_vmcb *vmcb, const vx_exit_context *where, const vmcb_row *row, vx_exit *exit)
{
    vx_record record = {.kind = (uint8_t)row->kind, .size = row->size, .addr = row->addr, .count = 2};
    static const uint64_t payload[] = {0x55, 0};
    memset(exit, 0xA5, sizeof *exit);
    return vx_vmcb_exits(vmcb, where, &record, payload, exit);
}

static void set_bit(vx_vmcb *vmcb, intercept_word word, unsigned bit)
{
    uint32_t one = 1U << bit;
    switch (word) {
    case CR_READ:
        vmcb->cr_read |= (uint16_t)one;
        break;
    case CR_WRITE:
        vmcb->cr_write |= (uint16_t)one;
        break;
    case DR_READ:
        vmcb->dr_read |= (uint16_t)one;
        break;
    case DR_WRITE:
        vmcb->dr_write |= (uint16_t)one;
        break;
    case EXCEPTIONS:
        vmcb->exceptions |= one;
        break;
    case WORD_00C:
        vmcb->intercepts1 |= one;
        break;
    case WORD_010:
        vmcb->intercepts2 |= one;
        break;
    case WORD_014:
        vmcb->intercepts3 |= one;
        break;
    case NONE:
        break;
    }
}

/* Every row under every single intercept bit: it exits by its own bit and by no other. (The selective intercept of CR0
 * writes, word 00Ch bit 5, and the write traps, word 010h bits 15 to 31, have tests of their own.) */
static void every_row_exits_by_its_own_bit_only(void **state)
{
    (void)state;
    unsigned exits = 0;
    for (int i = 0; i < ROWS; i++)
        for (unsigned word = CR_READ; word < NONE; word++)
            for (unsigned bit = 0; bit < (word < EXCEPTIONS ? 16U : 32U); bit++) {
                if ((word == WORD_00C && bit == 5) || (word == WORD_010 && bit >= 15)) continue;
                vx_vmcb vmcb = {.decode_assists = true};
                set_bit(&vmcb, (intercept_word)word, bit);
                vx_exit exit;
                bool expected = rows[i].word == word && rows[i].bit == bit;
                if (ask_in(&vmcb, &context, &rows[i], &exit) != expected)
                    fail_msg("row %d, word %u bit %u", i, word, bit);
                if (!expected) continue;
                exits++;
                assert_int_equal(exit.reason, rows[i].code);
                assert_int_equal(exit.qualification, rows[i].info1);
                assert_int_equal(exit.information2, rows[i].code == 0x4E ? 0xCAFE : 0);
                assert_int_equal(exit.interruption, 0);
                assert_int_not_equal(vx_exit_reason_index(VX_VENDOR_AMD, exit.reason), -1);
            }
    print_message("%d rows, %u exits\n", ROWS, exits);
}

static void every_kind_is_covered(void **state)
{
    (void)state;
    int seen[VX_REC_KINDS] = {0}, kinds = 0;
    for (int i = 0; i < ROWS; i++) seen[rows[i].kind]++;
    for (unsigned kind = 0; kind < VX_REC_KINDS; kind++) {
        if (!vx_record_describe(kind)) continue;
        kinds++;
        if (!seen[kind]) fail_msg("no row for %s", vx_record_describe(kind)->name);
    }
    print_message("%d rows cover %d record kinds\n", ROWS, kinds);
}

static void without_decode_assists_operands_are_not_reported(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        if (rows[i].word == NONE || rows[i].kind == VX_REC_EXCEPTION || rows[i].kind == VX_REC_WRMSR) continue;
        vx_vmcb vmcb = {0};
        set_bit(&vmcb, rows[i].word, rows[i].bit);
        vx_exit exit;
        assert_true(ask_in(&vmcb, &context, &rows[i], &exit));
        assert_int_equal(exit.qualification, 0);
    }
}

/* ---- the selective intercept of CR0 writes ---- */

static void the_selective_intercept_ignores_ts_and_mp(void **state)
{
    (void)state;
    const vx_vmcb selective = {.intercepts1 = B(5)};
    for (int n = 0; n < 64; n++) {
        vmcb_row write = {.kind = VX_REC_CR_WRITE, .size = 0, .addr = context.cr0 ^ 1ULL << n};
        vx_exit exit;
        bool expected = n != 1 && n != 3;
        assert_int_equal(ask_in(&selective, &context, &write, &exit), expected);
        if (expected) assert_int_equal(exit.reason, 0x65);
    }
    vmcb_row same = {.kind = VX_REC_CR_WRITE, .size = 0, .addr = context.cr0}, clts = {.kind = VX_REC_CLTS};
    vmcb_row cr4 = {.kind = VX_REC_CR_WRITE, .size = 4, .addr = 0};
    vx_exit exit;
    assert_false(ask_in(&selective, &context, &same, &exit));
    assert_false(ask_in(&selective, &context, &clts, &exit));
    assert_false(ask_in(&selective, &context, &cr4, &exit));
}

static void the_general_intercept_comes_before_the_selective_one(void **state)
{
    (void)state;
    const vx_vmcb both = {.cr_write = B(0), .intercepts1 = B(5)};
    vmcb_row write = {.kind = VX_REC_CR_WRITE, .addr = 0}, lmsw = {.kind = VX_REC_LMSW, .addr = 0xF};
    vx_exit exit;
    assert_true(ask_in(&both, &context, &write, &exit));
    assert_int_equal(exit.reason, 0x10);
    assert_true(ask_in(&both, &context, &lmsw, &exit));
    assert_int_equal(exit.reason, 0x10);
}

/* LMSW treats the selective intercept as one that is not selective. */
static void lmsw_under_the_selective_intercept(void **state)
{
    (void)state;
    const vx_vmcb selective = {.intercepts1 = B(5)};
    for (uint64_t source = 0; source < 16; source++) {
        vmcb_row lmsw = {.kind = VX_REC_LMSW, .addr = source};
        vx_exit exit;
        assert_true(ask_in(&selective, &context, &lmsw, &exit));
        assert_int_equal(exit.reason, 0x65);
        assert_int_equal(exit.qualification, 0);
    }
}

/* Bits 15 to 31 of word 010h: after the write of EFER and of CR0 to CR15, EXITINFO1 holding the new value, unless a
 * fault-like intercept took the instruction first. */
static void write_traps_by_their_own_bit_only(void **state)
{
    (void)state;
    static const vmcb_row writers[] = {
        {VX_REC_EFER_LOAD, 0, 0xD01, WORD_010, 15, 0x08F, 0xD01},
        {VX_REC_CR_WRITE, 0, 0x80000013, WORD_010, 16, 0x090, 0x80000013},
        {VX_REC_CLTS, 0, 0, WORD_010, 16, 0x090, 0x80000011},
        {VX_REC_LMSW, 0, 0xE, WORD_010, 16, 0x090, 0x8000001F},
        {VX_REC_CR_WRITE, 2, 0x77, WORD_010, 18, 0x092, 0x77},
        {VX_REC_CR_WRITE, 3, 0x9000, WORD_010, 19, 0x093, 0x9000},
        {VX_REC_CR_WRITE, 4, 0x20, WORD_010, 20, 0x094, 0x20},
        {VX_REC_CR_WRITE, 8, 5, WORD_010, 24, 0x098, 5},
    };
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++)
        for (unsigned bit = 15; bit < 32; bit++) {
            vx_vmcb vmcb = {.intercepts2 = B(bit)};
            vx_exit exit;
            assert_int_equal(ask_in(&vmcb, &context, &writers[i], &exit), bit == writers[i].bit);
            if (bit != writers[i].bit) continue;
            assert_int_equal(exit.reason, writers[i].code);
            assert_int_equal(exit.qualification, writers[i].info1);
            assert_true(vx_exit_reason_at(VX_VENDOR_AMD, (unsigned)vx_exit_reason_index(VX_VENDOR_AMD, exit.reason))
                            ->trap_like);
            if (writers[i].kind == VX_REC_EFER_LOAD) continue;
            vmcb.cr_write = UINT16_MAX;
            assert_true(ask_in(&vmcb, &context, &writers[i], &exit));
            assert_int_equal(exit.reason, 0x10 + writers[i].size);
        }
}

static void mwait_with_the_monitor_armed(void **state)
{
    (void)state;
    const vx_exit_context armed = {.monitor_armed = true};
    const vx_vmcb conditional = {.intercepts2 = B(12)}, both = {.intercepts2 = B(11) | B(12)};
    vmcb_row mwait = {.kind = VX_REC_MWAIT};
    vx_exit exit;
    assert_false(ask_in(&conditional, &context, &mwait, &exit));
    assert_true(ask_in(&conditional, &armed, &mwait, &exit));
    assert_int_equal(exit.reason, 0x8C);
    assert_true(ask_in(&both, &armed, &mwait, &exit));
    assert_int_equal(exit.reason, 0x8C);
    assert_true(ask_in(&both, &context, &mwait, &exit));
    assert_int_equal(exit.reason, 0x8B);
}

/* ---- permission maps ---- */

/* Every port and three bits beyond FFFFH, every access size; only where IOIO is intercepted. */
static void ports_by_the_permission_map(void **state)
{
    (void)state;
    uint8_t map[VX_IOPM_BYTES] = {0};
    const vx_vmcb on = {.intercepts1 = B(27), .io_bitmap = map}, off = {.io_bitmap = map};
    for (uint32_t trapped = 0; trapped < 0x10003; trapped++) {
        map[trapped >> 3] = (uint8_t)(1 << (trapped & 7));
        for (uint32_t bytes = 1; bytes <= 4; bytes *= 2)
            for (int64_t port = (int64_t)trapped - 4; port <= (int64_t)trapped + 1; port++) {
                if (port < 0 || port > 0xFFFF) continue;
                vmcb_row in = {.kind = VX_REC_IO_IN, .size = (uint8_t)bytes, .addr = (uint64_t)port};
                bool touches = port <= trapped && trapped < port + bytes;
                vx_exit exit;
                assert_int_equal(ask_in(&on, &context, &in, &exit), touches);
                assert_false(ask_in(&off, &context, &in, &exit));
            }
        map[trapped >> 3] = 0;
    }
}

static void ioio_reports_direction_size_and_port(void **state)
{
    (void)state;
    uint8_t map[VX_IOPM_BYTES];
    memset(map, 0xFF, sizeof map);
    const vx_vmcb vmcb = {.intercepts1 = B(27), .io_bitmap = map};
    static const struct {
        vx_record record;
        uint64_t repetitions, info1;
    } cases[] = {
        {{.kind = VX_REC_IO_IN, .size = 1, .addr = 0x71, .count = 2}, 0, 0x00710011},
        {{.kind = VX_REC_IO_OUT, .size = 2, .addr = 0x1F0, .count = 2}, 0, 0x01F00020},
        {{.kind = VX_REC_IO_OUT, .size = 4, .addr = 0xCF8, .count = 2}, 0, 0x0CF80040},
        {{.kind = VX_REC_IO_IN, .size = 2, .addr = 0x1F0, .count = 2}, 256, 0x01F0002D},
        {{.kind = VX_REC_IO_IN, .size = 2, .addr = 0x1F0, .count = 2}, 1, 0x01F00025},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint64_t payload[] = {0, cases[i].repetitions};
        vx_exit exit;
        assert_true(vx_vmcb_exits(&vmcb, &context, &cases[i].record, payload, &exit));
        assert_int_equal(exit.reason, 0x7B);
        assert_int_equal(exit.qualification, cases[i].info1);
    }
}

/* Bit n of the map: MSR n/2 of its range, odd bits are writes; ranges at bytes 0, 800h and 1000h. */
static void msrs_by_the_permission_map(void **state)
{
    (void)state;
    static const uint64_t bases[] = {0, 0xC0000000, 0xC0010000};
    uint8_t map[VX_MSRPM_BYTES] = {0};
    const vx_vmcb on = {.intercepts1 = B(28), .msr_bitmap = map}, off = {.msr_bitmap = map};
    for (uint32_t n = 0; n < 3 * 0x4000; n++) {
        vmcb_row read = {.kind = VX_REC_RDMSR, .addr = bases[n / 0x4000] + n % 0x4000 / 2};
        vmcb_row write = {.kind = VX_REC_WRMSR, .addr = read.addr};
        map[n >> 3] = (uint8_t)(1 << (n & 7));
        vx_exit exit;
        assert_int_equal(ask_in(&on, &context, &read, &exit), n % 2 == 0);
        assert_int_equal(ask_in(&on, &context, &write, &exit), n % 2 == 1);
        if (n % 2 == 1) assert_int_equal(exit.qualification, 1);
        assert_false(ask_in(&off, &context, &write, &exit));
        map[n >> 3] = 0;
    }
    static const struct {
        uint64_t msr;
        bool exits;
    } outside[] = {{0x1FFF, false},    {0x2000, true},      {0xBFFFFFFF, true}, {0xC0001FFF, false}, {0xC0002000, true},
                   {0xC000FFFF, true}, {0xC0011FFF, false}, {0xC0012000, true}, {0x100000000, true}};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        vmcb_row read = {.kind = VX_REC_RDMSR, .addr = outside[i].msr};
        vx_exit exit;
        assert_int_equal(ask_in(&on, &context, &read, &exit), outside[i].exits);
    }
}

static void loading_efer_is_a_write_of_c0000080(void **state)
{
    (void)state;
    uint8_t map[VX_MSRPM_BYTES] = {0};
    const vx_vmcb vmcb = {.intercepts1 = B(28), .msr_bitmap = map};
    vmcb_row load = {.kind = VX_REC_EFER_LOAD, .addr = 0xD01};
    for (uint32_t n = 0; n < VX_MSRPM_BYTES * 8; n++) {
        map[n >> 3] = (uint8_t)(1 << (n & 7));
        vx_exit exit;
        assert_int_equal(ask_in(&vmcb, &context, &load, &exit), n == 0x800 * 8 + 0x80 * 2 + 1);
        map[n >> 3] = 0;
    }
}

static void hostile_records_are_no_exits(void **state)
{
    (void)state;
    vx_vmcb vmcb = {UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX,
                    UINT32_MAX, UINT32_MAX, UINT32_MAX, .intercepts3 = UINT32_MAX};
    vx_exit exit;
    for (unsigned size = 0; size < 256; size++) {
        vmcb_row exception = {.kind = VX_REC_EXCEPTION, .size = (uint8_t)size};
        vmcb_row table = {.kind = VX_REC_DESC_TABLE, .size = (uint8_t)size},
                 svm = {.kind = VX_REC_SVM, .size = (uint8_t)size};
        assert_int_equal(ask_in(&vmcb, &context, &exception, &exit), size < 32);
        assert_int_equal(ask_in(&vmcb, &context, &table, &exit), size < VX_DESC_TABLES);
        assert_int_equal(ask_in(&vmcb, &context, &svm, &exit), size >= 0x60 && size < 0xC0);
        vmcb_row unknown = {.kind = (vx_record_kind)size};
        if (!vx_record_describe(size)) assert_false(ask_in(&vmcb, &context, &unknown, &exit));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_exits_by_its_own_bit_only),
        cmocka_unit_test(every_kind_is_covered),
        cmocka_unit_test(without_decode_assists_operands_are_not_reported),
        cmocka_unit_test(the_selective_intercept_ignores_ts_and_mp),
        cmocka_unit_test(the_general_intercept_comes_before_the_selective_one),
        cmocka_unit_test(lmsw_under_the_selective_intercept),
        cmocka_unit_test(write_traps_by_their_own_bit_only),
        cmocka_unit_test(mwait_with_the_monitor_armed),
        cmocka_unit_test(ports_by_the_permission_map),
        cmocka_unit_test(ioio_reports_direction_size_and_port),
        cmocka_unit_test(msrs_by_the_permission_map),
        cmocka_unit_test(loading_efer_is_a_write_of_c0000080),
        cmocka_unit_test(hostile_records_are_no_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
