#include "guest_script.h"

#include <string.h>
#include <unistd.h>

#include "test_support.h"
#include "vx_radix.h"
#include "vx_vcpu.h"

enum { TABLES = VX_PTE_P | VX_PTE_W | VX_PTE_U };

uint64_t script_table(unsigned space, unsigned level) { return 0x10000ULL * (space + 1) + 0x1000ULL * level; }
uint64_t script_page(unsigned space, unsigned page) { return 0x1000000ULL * (space + 1) + 0x1000ULL * page; }
uint64_t script_gva(unsigned page) { return SCRIPT_GVA + 0x1000ULL * page; }
uint64_t script_table_gva(void) { return SCRIPT_GVA + 0x1000ULL * 511; }
uint64_t script_leaf(unsigned space, unsigned page) { return script_page(space, page) | TABLES; }

void script_add(guest_script *script, vx_record_kind kind, unsigned size, uint64_t addr, unsigned words,
                const uint64_t *payload)
{
    assert_true(script->count < SCRIPT_RECORDS && script->words + words <= SCRIPT_WORDS);
    vx_record *record = &script->records[script->count++];
    *record = (vx_record){.addr = addr,
                          .arg = (uint32_t)script->words,
                          .count = (uint16_t)words,
                          .size = (uint8_t)size,
                          .kind = (uint8_t)kind};
    for (unsigned i = 0; i < words; i++) script->payload[script->words++] = payload[i];
}

static void new_table(guest_script *script, unsigned space, unsigned level, const uint64_t *pairs, unsigned words)
{
    script_add(script, VX_REC_PT_PAGE_NEW, level, script_table(space, level), words, pairs);
}

static void space_tables(guest_script *script, unsigned space)
{
    uint64_t pt[2 * (SCRIPT_PAGES + 1)];
    for (unsigned i = 0; i < SCRIPT_PAGES; i++) {
        pt[2 * i] = i;
        pt[2 * i + 1] = script_leaf(space, i);
    }
    pt[2 * SCRIPT_PAGES] = 511;
    pt[2 * SCRIPT_PAGES + 1] = script_table(space, 1) | TABLES;
    new_table(script, space, 1, pt, 2 * (SCRIPT_PAGES + 1));
    new_table(script, space, 2, (const uint64_t[]){SCRIPT_GVA >> 21, script_table(space, 1) | TABLES}, 2);
    new_table(script, space, 3, (const uint64_t[]){0, script_table(space, 2) | TABLES}, 2);
    new_table(script, space, 4, (const uint64_t[]){0, script_table(space, 3) | TABLES}, 2);
}

void script_begin(guest_script *script)
{
    memset(script, 0, sizeof *script);
    space_tables(script, 0);
    space_tables(script, 1);
    const uint64_t state[13] = {VX_CR0_PG | VX_CR0_PE | VX_CR0_WP | VX_CR0_NE, 0, script_table(0, 4), VX_CR4_PAE,
                                VX_EFER_LME | VX_EFER_LMA | VX_EFER_NXE};
    script_add(script, VX_REC_STATE, 0, 0, 13, state);
}

static void reference(guest_script *script, vx_record_kind kind, unsigned size, uint64_t gva, unsigned bytes)
{
    assert_true(script->count < SCRIPT_RECORDS);
    script->records[script->count++] =
        (vx_record){.addr = gva, .arg = bytes, .count = 1, .size = (uint8_t)size, .kind = (uint8_t)kind};
}

void script_load(guest_script *script, uint64_t gva) { reference(script, VX_REC_LOAD, 8, gva, 0); }
void script_store(guest_script *script, uint64_t gva) { reference(script, VX_REC_STORE, 8, gva, 0); }

void script_cr3(guest_script *script, unsigned space)
{
    script_add(script, VX_REC_CR_WRITE, 3, script_table(space, 4), 0, NULL);
}

void script_invlpg(guest_script *script, uint64_t gva) { script_add(script, VX_REC_INVLPG, 0, gva, 0, NULL); }

void script_pt_store(guest_script *script, unsigned space, unsigned index, uint64_t value, uint64_t gva)
{
    script_add(script, VX_REC_PT_STORE, 8, gva ? gva : VX_GVA_UNKNOWN, 2,
               (const uint64_t[]){script_table(space, 1) + 8ULL * index, value});
}

void script_page_fault(guest_script *script, uint64_t gva, uint64_t error_code)
{
    script_add(script, VX_REC_EXCEPTION, 14, gva, 1, &error_code);
}

char script_file[] = "/tmp/vexit-script-XXXXXX";

int script_file_make(void **state)
{
    (void)state;
    int file = mkstemp(script_file);
    return file < 0 ? -1 : close(file);
}

int script_file_remove(void **state)
{
    (void)state;
    return remove(script_file);
}

void script_write(const guest_script *script, vx_tier tier)
{
    static vx_trace_header header;
    header = (vx_trace_header){.tier = tier, .kind = VX_TRACE_SYSTEM, .paging = VX_PAGING_4LEVEL, .ram_ranges = 1};
    header.ram[0].bytes = SCRIPT_RAM;
    snprintf(header.recipe, sizeof header.recipe, "written by hand for a test");
    vx_msg msg;
    vx_trace_writer *writer;
    vx_batch batch = {
        .records = script->records, .count = script->count, .payload = script->payload, .words = script->words};
    if (vx_trace_writer_open(&writer, script_file, &header, NULL, &msg) != VX_OK ||
        vx_trace_writer_put(writer, 0, &batch, &msg) != VX_OK || vx_trace_writer_finish(writer, &msg) != VX_OK)
        fail_msg("%s", msg.text);
}
