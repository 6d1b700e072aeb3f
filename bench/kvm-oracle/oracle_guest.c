/* Instructions of the oracle's guest as trace records, and its page tables. */
#include "oracle_guest.h"

#include <stdlib.h>

enum { MARK_BEGIN = 1, MARK_END = 2, ENTRIES = 512, FETCH_BYTES = 3 };
enum { IDT_AT = 0x2022b0, CODE_AT = 0x200700, HANDLER_AT = 0x2004d0, PARAMETERS_AT = 0x8000 };
#define ADDRESS 0x000FFFFFFFFFF000ULL
#define CR0_START 0x80010033ULL
#define CR4_START 0x620ULL
#define EFER_START 0x500ULL

static void flush(oracle_guest *g)
{
    vx_batch batch = {.records = g->records, .count = g->record_count, .payload = g->words, .words = g->word_count};
    if (g->status == VX_OK && g->record_count) g->status = vx_trace_writer_put(g->writer, 0, &batch, g->msg);
    g->record_count = g->word_count = 0;
}

void guest_record(oracle_guest *g, vx_record_kind kind, unsigned size, uint64_t addr, unsigned words,
                  const uint64_t *payload)
{
    if (g->record_count == BATCH_RECORDS || g->word_count + words > BATCH_WORDS) flush(g);
    vx_record *record = &g->records[g->record_count++];
    *record = (vx_record){.kind = (uint8_t)kind, .size = (uint8_t)size, .addr = addr, .count = (uint16_t)words};
    if (kind == VX_REC_FETCH) {
        record->arg = FETCH_BYTES;
        record->count = 1;
    } else if (kind == VX_REC_LOAD || kind == VX_REC_STORE) {
        record->count = 1;
    } else {
        record->arg = (uint32_t)g->word_count;
    }
    for (unsigned i = 0; i < words; i++) g->words[g->word_count++] = payload[i];
}

uint64_t guest_get(const oracle_guest *g, uint64_t gpa) { return g->ram[gpa / 8]; }

/* ---- translation ---- */

enum { FAULT_NONE = -1 };

/* Walks the guest's tables as its processor does; returns the page fault's error code, or FAULT_NONE with A and D set.
 */
static int translate(oracle_guest *g, uint64_t gva, bool store, uint64_t *gpa)
{
    uint64_t table = g->cr3 & ADDRESS, at[5];
    bool writable = true;
    for (unsigned level = 4; level > 0; level--) {
        at[level] = table + (gva >> (12 + 9 * (level - 1)) & (ENTRIES - 1)) * 8;
        uint64_t entry = guest_get(g, at[level]);
        if (!(entry & PTE_P)) return store ? 2 : 0;
        writable &= (entry & PTE_W) != 0;
        table = entry & ADDRESS;
    }
    if (store && !writable && (g->cr0 >> 16 & 1)) return 3;
    for (unsigned level = 4; level > 0; level--) g->ram[at[level] / 8] |= PTE_A | (level == 1 && store ? PTE_D : 0);
    *gpa = table | (gva & 0xFFF);
    return FAULT_NONE;
}

static void fetch(oracle_guest *g, uint64_t at) { guest_record(g, VX_REC_FETCH, 0, at, 0, NULL); }

void guest_at(oracle_guest *g) { fetch(g, CODE_AT); }

/* Until the access translates, or the handler skips it, or the guest is lost. */
static void reference(oracle_guest *g, vx_record_kind kind, uint64_t gva, uint64_t value)
{
    bool store = kind != VX_REC_LOAD;
    uint64_t gpa;
    for (int error; !g->died && (error = translate(g, gva, store, &gpa)) != FAULT_NONE;) {
        guest_record(g, store ? VX_REC_STORE : VX_REC_LOAD, 8, gva, 0, NULL);
        guest_handle_fault(g, gva, (uint32_t)error);
        if (g->skipped) {
            g->skipped = false;
            return;
        }
        fetch(g, CODE_AT);
    }
    if (g->died) return;
    if (kind == VX_REC_PT_STORE) {
        guest_record(g, kind, 8, gva, 2, (uint64_t[]){gpa, value});
        g->ram[gpa / 8] = value;
    } else {
        guest_record(g, kind, 8, gva, 0, NULL);
    }
}

void guest_call(oracle_guest *g) { guest_store(g, GUEST_STACK - 128); }
void guest_leave(oracle_guest *g) { guest_load(g, GUEST_STACK - 128); }

void guest_load(oracle_guest *g, uint64_t gva)
{
    fetch(g, CODE_AT);
    reference(g, VX_REC_LOAD, gva, 0);
}

void guest_store(oracle_guest *g, uint64_t gva)
{
    fetch(g, CODE_AT);
    reference(g, VX_REC_STORE, gva, 0);
}

void guest_set(oracle_guest *g, uint64_t gpa, uint64_t value)
{
    fetch(g, CODE_AT);
    reference(g, VX_REC_PT_STORE, gpa, value);
}

void guest_change(oracle_guest *g, uint64_t gpa, uint64_t set, uint64_t clear)
{
    fetch(g, CODE_AT);
    reference(g, VX_REC_LOAD, gpa, 0);
    reference(g, VX_REC_PT_STORE, gpa, (guest_get(g, gpa) & ~clear) | set);
}

/* The stores are no page-table stores, whatever the page was; from then on it is an empty table. */
void guest_zero(oracle_guest *g, uint64_t gpa)
{
    fetch(g, CODE_AT);
    guest_record(g, VX_REC_PT_PAGE_GONE, 0, gpa, 0, NULL);
    for (unsigned i = 0; i < ENTRIES; i++) {
        reference(g, VX_REC_STORE, gpa + 8ULL * i, 0);
        g->ram[gpa / 8 + i] = 0;
    }
    guest_record(g, VX_REC_PT_PAGE_NEW, 1, gpa, 0, NULL); /* of whatever level */
}

uint64_t guest_page(oracle_guest *g)
{
    uint64_t page = g->pool;
    g->pool += 4096;
    if (g->pool > GUEST_RAM) g->died = true;
    return g->died ? GUEST_POOL : page;
}

uint64_t guest_zero_page(oracle_guest *g)
{
    uint64_t page = guest_page(g);
    guest_zero(g, page);
    return page;
}

void guest_instruction(oracle_guest *g, vx_record_kind kind, unsigned size, uint64_t addr)
{
    fetch(g, CODE_AT);
    const vx_record_info *info = vx_record_describe(kind);
    const uint64_t zeros[4] = {0};
    guest_record(g, kind, size, addr, info->words_min, zeros);
}

void guest_cr3(oracle_guest *g, uint64_t value)
{
    guest_instruction(g, VX_REC_CR_WRITE, 3, value);
    g->cr3 = value;
    fetch(g, CODE_AT);
}

void guest_invlpg(oracle_guest *g, uint64_t gva) { guest_instruction(g, VX_REC_INVLPG, 0, gva); }

/* ---- exceptions ---- */

static void deliver(oracle_guest *g, unsigned vector)
{
    reference(g, VX_REC_LOAD, IDT_AT + 16ULL * vector, 0);
    reference(g, VX_REC_STORE, GUEST_STACK - 256, 0);
    fetch(g, HANDLER_AT);
}

void guest_exception(oracle_guest *g, unsigned vector, uint64_t error_code, uint64_t cr2)
{
    guest_record(g, VX_REC_EXCEPTION, vector, cr2, 1, &error_code);
    deliver(g, vector);
}

void guest_interrupt(oracle_guest *g, unsigned vector)
{
    guest_record(g, VX_REC_INTERRUPT, vector, 0, 0, NULL);
    deliver(g, vector);
}

void guest_return(oracle_guest *g)
{
    reference(g, VX_REC_LOAD, GUEST_STACK - 256, 0);
    guest_record(g, VX_REC_IRET, 0, 0, 0, NULL);
}

/* ---- the whole run ---- */

static void boot_table(oracle_guest *g, uint64_t gpa, unsigned level)
{
    uint64_t pairs[2 * ENTRIES];
    unsigned words = 0;
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry = guest_get(g, gpa + 8ULL * i);
        if (!entry) continue;
        pairs[words++] = i;
        pairs[words++] = entry;
    }
    guest_record(g, VX_REC_PT_PAGE_NEW, level, gpa, words, pairs);
}

/* What oracle/vmm/vx.c builds before the guest runs: PML4, PDPT, PD of the first GiB, PD and PT of the APIC page, eight
 * PTs of the identity. */
static void boot(oracle_guest *g)
{
    uint64_t *pml4 = g->ram + GUEST_BOOT / 8, *pdpt = pml4 + 512, *pd0 = pml4 + 1024, *pd3 = pml4 + 1536,
             *apic = pml4 + 2048, *pt = pml4 + 2560;
    pml4[0] = (GUEST_BOOT + 0x1000) | 7;
    pdpt[0] = (GUEST_BOOT + 0x2000) | 7;
    pdpt[3] = (GUEST_BOOT + 0x3000) | 7;
    for (uint64_t i = 0; i < 8; i++) pd0[i] = (GUEST_BOOT + 0x5000 + i * 4096) | 7;
    for (uint64_t i = 0; i < 8 * 512; i++) pt[i] = i << 12 | 0x63;
    pd3[(0xFEE00000U >> 21) & 511] = (GUEST_BOOT + 0x4000) | 7;
    apic[(0xFEE00000U >> 12) & 511] = 0xFEE00000ULL | 0x7b;
    static const uint8_t levels[13] = {4, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (uint64_t i = 0; i < 13; i++) boot_table(g, GUEST_BOOT + i * 4096, levels[i]);
    g->cr0 = CR0_START;
    g->cr3 = g->boot_cr3 = GUEST_BOOT;
    g->cr4 = CR4_START;
    const uint64_t state[13] = {g->cr0, 0, g->cr3, g->cr4, EFER_START};
    guest_record(g, VX_REC_STATE, 0, 0, 13, state);
}

/* _start, gmain's entry and tables(): stack, parameters, GDT and IDT are touched. */
static void start(oracle_guest *g)
{
    fetch(g, GUEST_TEXT);
    reference(g, VX_REC_STORE, GUEST_STACK - 8, 0);
    fetch(g, GUEST_TEXT + 0x660);
    reference(g, VX_REC_LOAD, PARAMETERS_AT, 0);
    reference(g, VX_REC_LOAD, GUEST_TEXT + 0x1990, 0); /* the switch's table */
    reference(g, VX_REC_LOAD, GUEST_TEXT + 0x2008, 0); /* GDT */
    for (uint64_t vector = 0; vector < 256; vector++) reference(g, VX_REC_STORE, IDT_AT + 16 * vector, 0);
    reference(g, VX_REC_STORE, GUEST_TEXT + 0x3300, 0); /* n */
}

void guest_begin(oracle_guest *g)
{
    guest_record(g, VX_REC_MARK, 0, MARK_BEGIN, 0, NULL);
    fetch(g, CODE_AT);
}

void guest_end(oracle_guest *g) { guest_record(g, VX_REC_MARK, 0, MARK_END, 0, NULL); }

static vx_status write_all(oracle_guest *g, const char *path)
{
    vx_trace_header header = {.tier = VX_TIER_FULL,
                              .kind = VX_TRACE_SYSTEM,
                              .paging = VX_PAGING_4LEVEL,
                              .features = 1,
                              .ram_ranges = 1,
                              .recipe = "bench/kvm-oracle: the oracle's guest on the host"};
    header.ram[0].bytes = GUEST_RAM;
    g->status = vx_trace_writer_open(&g->writer, path, &header, NULL, g->msg);
    if (g->status != VX_OK) return g->status;
    boot(g);
    start(g);
    guest_run(g);
    flush(g);
    if (g->status == VX_OK && g->died)
        g->status = vx_fail(g->msg, VX_ERR_INPUT, "workload %u: the guest died (16 MiB of RAM)", g->work.number);
    if (g->status == VX_OK) return vx_trace_writer_finish(g->writer, g->msg);
    vx_trace_writer_abandon(g->writer);
    return g->status;
}

vx_status oracle_guest_write(const workload *work, const char *path, vx_msg *msg)
{
    oracle_guest *g = calloc(1, sizeof *g);
    uint64_t *ram = calloc(1, GUEST_RAM);
    vx_status status = VX_ERR_NOMEM;
    if (g && ram) {
        g->ram = ram;
        g->msg = msg;
        g->work = *work;
        g->pool = GUEST_POOL;
        status = write_all(g, path);
    } else {
        status = vx_fail_nomem(msg);
    }
    free(ram);
    free(g);
    return status;
}
