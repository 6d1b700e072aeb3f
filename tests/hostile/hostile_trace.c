#include "hostile_trace.h"

#include <stdlib.h>
#include <string.h>

bool hostile_put(hostile_trace *trace, vx_record_kind kind, uint64_t addr, unsigned size, const uint64_t *payload,
                 unsigned words)
{
    if (trace->count == HOSTILE_RECORDS || trace->words + words > HOSTILE_WORDS) return false;
    vx_record record = {.kind = (uint8_t)kind,
                        .addr = addr,
                        .size = (uint8_t)size,
                        .arg = (uint32_t)trace->words,
                        .count = (uint16_t)words};
    if (!vx_record_valid(&record, trace->words + words)) return false;
    for (unsigned i = 0; i < words; i++) trace->payload[trace->words++] = payload[i];
    trace->records[trace->count++] = record;
    return true;
}

static bool put_reference(hostile_trace *trace, vx_record record)
{
    if (trace->count == HOSTILE_RECORDS || !vx_record_valid(&record, 0)) return false;
    trace->records[trace->count++] = record;
    return true;
}

bool hostile_load(hostile_trace *trace, uint64_t gva)
{
    return put_reference(trace, (vx_record){.kind = VX_REC_LOAD, .addr = gva, .size = 8, .count = 1});
}

bool hostile_store(hostile_trace *trace, uint64_t gva)
{
    return put_reference(trace, (vx_record){.kind = VX_REC_STORE, .addr = gva, .size = 8, .count = 1});
}

bool hostile_fetch(hostile_trace *trace, uint64_t gva, unsigned instructions)
{
    return put_reference(
        trace,
        (vx_record){.kind = VX_REC_FETCH, .addr = gva, .count = (uint16_t)instructions, .arg = (uint32_t)instructions});
}

bool hostile_state(hostile_trace *trace, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    uint64_t state[13] = {cr0, 0, cr3, cr4, efer};
    return hostile_put(trace, VX_REC_STATE, 0, 0, state, 13);
}

void hostile_begin(hostile_trace *trace)
{
    enum { PAGES = 512 };
    *trace = (hostile_trace){.ram_bytes = HOSTILE_RAM};
    const uint64_t bits = VX_PTE_P | VX_PTE_W | VX_PTE_U;
    uint64_t pages[2 * PAGES];
    for (unsigned i = 0; i < PAGES; i++) {
        pages[2 * i] = i;
        pages[2 * i + 1] = (uint64_t)i << VX_PAGE_SHIFT | bits;
    }
    hostile_put(trace, VX_REC_PT_PAGE_NEW, 0x4000, 1, pages, 2 * PAGES);
    hostile_put(trace, VX_REC_PT_PAGE_NEW, 0x3000, 2, (uint64_t[]){0, 0x4000 | bits}, 2);
    hostile_put(trace, VX_REC_PT_PAGE_NEW, 0x5000, 2, (uint64_t[]){0, 0x200000 | bits | VX_PTE_PS}, 2);
    hostile_put(trace, VX_REC_PT_PAGE_NEW, 0x2000, 3, (uint64_t[]){0, 0x3000 | bits, 1, 0x5000 | bits}, 4);
    hostile_put(trace, VX_REC_PT_PAGE_NEW, HOSTILE_CR3, 4, (uint64_t[]){0, 0x2000 | bits}, 2);
    hostile_state(trace, VX_CR0_PG | VX_CR0_PE | VX_CR0_WP, HOSTILE_CR3, VX_CR4_PAE, VX_EFER_LME | VX_EFER_LMA);
}

vx_status hostile_write(const hostile_trace *trace, const char *path, vx_msg *msg)
{
    vx_trace_header header = {.tier = VX_TIER_FULL,
                              .kind = trace->user ? VX_TRACE_USER : VX_TRACE_SYSTEM,
                              .paging = VX_PAGING_4LEVEL,
                              .ram_ranges = 1,
                              .ram = {{trace->ram_start, trace->ram_bytes}},
                              .recipe = "made by a test"};
    vx_batch batch = {
        .records = trace->records, .count = trace->count, .payload = trace->payload, .words = trace->words};
    vx_trace_writer *writer;
    vx_status status = vx_trace_writer_open(&writer, path, &header, NULL, msg);
    if (status != VX_OK) return status;
    status = vx_trace_writer_put(writer, 0, &batch, msg);
    if (status == VX_OK) return vx_trace_writer_finish(writer, msg);
    vx_trace_writer_abandon(writer);
    return status;
}

const hostile_machine hostile_machines[] = {
    {"nehalem", "native", NULL},
    {"nehalem", "shadow-wp", NULL},
    {"nehalem", "shadow-wp+vpid", NULL},
    {"nehalem", "shadow-vtlb", NULL},
    {"nehalem", "shadow-vtlb+vpid", NULL},
    {"nehalem", "ept", NULL},
    {"nehalem", "ept+vpid", NULL},
    {"sapphire-rapids", "native", NULL},
    {"sapphire-rapids", "shadow-wp", NULL},
    {"sapphire-rapids", "ept+vpid", NULL},
    {"prescott", "shadow-wp", NULL},
    {"prescott", "shadow-vtlb", NULL},
    {"zen2", "native", NULL},
    {"zen2", "shadow-wp", NULL},
    {"zen2", "shadow-vtlb+vpid", NULL},
    {"zen2", "npt", NULL},
    {"zen2", "npt+vpid", NULL},
    {"nehalem", "ept", "kvm-6.1"},
    {0},
};

vx_status hostile_run(const char *path, const hostile_machine *machine, bool check, vx_msg *msg)
{
    setenv("VEXIT_MODELS", VX_SOURCE_DIR "/models", 1);
    const char *traces[] = {path};
    vx_sim_options options = {.cpu = machine->cpu,
                              .vmm = machine->vmm,
                              .scheme = machine->scheme,
                              .traces = traces,
                              .trace_count = 1,
                              .seed = 1,
                              .check = check};
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    status = vx_sim_run(sim, msg);
    vx_sim_close(sim);
    return status;
}
