#include "guest_machine.h"

#include <string.h>

#include "vx_vcpu.h"

#define ROOT_MASK 0x000FFFFFFFFFF000ULL

/* ---- tables ---- */

static const vx_radix *format_of(unsigned levels)
{
    static const vx_radix *const formats[] = {&vx_radix_2level, &vx_radix_pae, &vx_radix_4level, &vx_radix_5level};
    return formats[levels - 2];
}

static void machine_init(guest_machine *machine, const vx_cfg_guest *config)
{
    memset(machine, 0, sizeof *machine);
    machine->format = format_of(config->levels);
    machine->frames = config->ram_bytes >> VX_PAGE_SHIFT;
    assert_int_equal(vx_physmem_init(&machine->memory, config->ram_bytes, NULL), VX_OK);
    machine->table_level = calloc(machine->frames, sizeof *machine->table_level);
    machine->table_root = calloc(machine->frames, sizeof *machine->table_root);
    machine->data_root = calloc(machine->frames, sizeof *machine->data_root);
    machine->cached = calloc(MACHINE_CACHED, sizeof *machine->cached);
}

static void machine_fini(guest_machine *machine)
{
    vx_physmem_fini(&machine->memory);
    free(machine->table_level);
    free(machine->table_root);
    free(machine->data_root);
    free(machine->cached);
}

machine_translation machine_walk(guest_machine *machine, uint64_t gva)
{
    vx_radix_table table = {.format = machine->format, .root = machine->cr3 & ROOT_MASK, .memory = &machine->memory};
    vx_radix_spot spot = vx_radix_lookup(&table, gva, 1);
    machine_translation found = {.cr3 = machine->cr3, .gva = gva};
    if (!spot.present) return found;
    found.valid = true;
    found.size = (vx_page_size)machine->format->page[spot.level];
    found.frame = vx_radix_frame(machine->format, spot.entry, spot.level, true);
    found.gva = gva & ~(vx_page_bytes(found.size) - 1);
    /* Rights: a user can use the page, and A and D are left to the hardware. */
    assert_true((spot.entry & (VX_PTE_P | VX_PTE_W | VX_PTE_U)) == (VX_PTE_P | VX_PTE_W | VX_PTE_U));
    assert_false(spot.entry & (VX_PTE_A | VX_PTE_D | VX_PTE_NX));
    return found;
}

/* The entry of a table names another table: of the next level, and linked nowhere else. */
static void link_table(guest_machine *machine, unsigned level, uint32_t root, uint64_t entry)
{
    uint64_t child = vx_radix_frame(machine->format, entry, level, false) >> VX_PAGE_SHIFT;
    assert_true(child < machine->frames);
    assert_int_equal(machine->table_level[child], level - 1);
    assert_int_equal(machine->table_root[child], 0);
    machine->table_root[child] = root;
}

static void new_table(guest_machine *machine, uint64_t gpa, unsigned level, const uint64_t *pairs, unsigned words)
{
    assert_int_equal(gpa % VX_PAGE_BYTES, 0);
    uint64_t frame = gpa >> VX_PAGE_SHIFT;
    assert_in_range(frame, 1, machine->frames - 1);
    assert_in_range(level, 1, machine->format->top);
    assert_int_equal(machine->table_level[frame], 0);
    assert_int_equal(machine->data_root[frame], 0);
    machine->table_level[frame] = (uint8_t)level;
    if (level == machine->format->top) machine->table_root[frame] = (uint32_t)frame;
    vx_physmem_clear_page(&machine->memory, (vx_hpa){gpa});
    machine->tables++;
    for (unsigned i = 0; i < words; i += 2) {
        assert_int_equal(level, machine->format->top); /* only a root is filled at birth: others have no owner yet */
        vx_radix_write(machine->format, &machine->memory, (vx_hpa){gpa + pairs[i] * machine->format->entry_bytes},
                       pairs[i + 1]);
        link_table(machine, level, (uint32_t)frame, pairs[i + 1]);
    }
}

/* A leaf's frames come into or out of use. */
static void own(guest_machine *machine, uint64_t entry, unsigned level, uint32_t root, bool now)
{
    uint64_t first = vx_radix_frame(machine->format, entry, level, true) >> VX_PAGE_SHIFT;
    uint64_t count = vx_page_bytes((vx_page_size)machine->format->page[level]) >> VX_PAGE_SHIFT;
    assert_in_range(first, 1, machine->frames - count);
    for (uint64_t frame = first; frame < first + count; frame++) {
        assert_int_equal(machine->table_level[frame], 0);
        assert_int_equal(machine->data_root[frame], now ? 0 : root);
        machine->data_root[frame] = now ? root : 0;
    }
    machine->data_frames = now ? machine->data_frames + count : machine->data_frames - count;
}

static void store(guest_machine *machine, unsigned size, uint64_t gpa, uint64_t value)
{
    const vx_radix *format = machine->format;
    assert_int_equal(size, format->entry_bytes);
    assert_int_equal(gpa % size, 0);
    uint64_t table = gpa >> VX_PAGE_SHIFT;
    assert_true(table < machine->frames);
    unsigned level = machine->table_level[table];
    uint32_t root = machine->table_root[table];
    assert_int_not_equal(level, 0); /* PT_PAGE_NEW has come before */
    assert_int_not_equal(root, 0);  /* and it is linked */
    uint64_t old = vx_radix_read(format, &machine->memory, (vx_hpa){gpa});
    if (old & format->present) {
        assert_true(vx_radix_is_leaf(format, level, old));
        own(machine, old, level, root, false);
    }
    vx_radix_write(format, &machine->memory, (vx_hpa){gpa}, value);
    if (!(value & format->present)) return;
    if (vx_radix_is_leaf(format, level, value)) {
        own(machine, value, level, root, true);
        return;
    }
    link_table(machine, level, root, value);
}

void machine_forget(guest_machine *machine, uint64_t root)
{
    for (uint64_t frame = 0; frame < machine->frames; frame++) {
        if (machine->data_root[frame] != root >> VX_PAGE_SHIFT) continue;
        machine->data_root[frame] = 0;
        machine->data_frames--;
    }
}

/* ---- the TLB ---- */

static void cache(guest_machine *machine, const machine_translation *found)
{
    for (size_t i = 0; i < machine->cached_count; i++)
        if (machine->cached[i].valid && machine->cached[i].cr3 == found->cr3 && machine->cached[i].gva == found->gva)
            return;
    assert_true(machine->cached_count < MACHINE_CACHED);
    machine->cached[machine->cached_count++] = *found;
}

static void invalidate(guest_machine *machine, uint64_t gva)
{
    for (size_t i = 0; i < machine->cached_count; i++) {
        machine_translation *entry = &machine->cached[i];
        if (entry->cr3 == machine->cr3 && gva - entry->gva < vx_page_bytes(entry->size)) entry->valid = false;
    }
}

static void check_cached(guest_machine *machine)
{
    for (size_t i = 0; i < machine->cached_count; i++) {
        const machine_translation *entry = &machine->cached[i];
        if (!entry->valid || entry->cr3 != machine->cr3) continue;
        machine_translation now = machine_walk(machine, entry->gva);
        assert_true(now.valid);
        assert_int_equal(now.frame, entry->frame);
        assert_int_equal(now.size, entry->size);
    }
}

/* ---- control registers ---- */

static void check_root(const guest_machine *machine, uint64_t cr3)
{
    uint64_t frame = (cr3 & ROOT_MASK) >> VX_PAGE_SHIFT;
    assert_true(frame < machine->frames);
    assert_int_equal(machine->table_level[frame], machine->format->top);
    if (machine->format == &vx_radix_pae) assert_true(cr3 < 1ULL << 32);
    bool pcid = machine->cr4 & VX_CR4_PCIDE;
    assert_true(pcid ? (cr3 & 0xFFF) != 0 : (cr3 & 0xFFF) == 0);
}

static void load_cr3(guest_machine *machine, uint64_t value)
{
    bool keep = value & VX_CR3_NO_FLUSH;
    assert_true(!keep || (machine->cr4 & VX_CR4_PCIDE));
    machine->cr3 = value & ~VX_CR3_NO_FLUSH;
    check_root(machine, machine->cr3);
    if (!keep) machine->cached_count = 0;
}

static void latch_pdptes(guest_machine *machine, const uint64_t *pdpte)
{
    for (unsigned i = 0; i < 4; i++) {
        bool pae = machine->format == &vx_radix_pae;
        uint64_t in_memory = vx_physmem_read64(&machine->memory, (vx_hpa){(machine->cr3 & ROOT_MASK) + 8 * i});
        assert_true(pdpte[i] == (pae ? in_memory : 0));
        assert_true(!pae || (pdpte[i] & VX_PTE_P));
        assert_false(pdpte[i] & (VX_PTE_W | VX_PTE_U | VX_PTE_PS)); /* reserved (SDM Vol. 3A, Table 4-8) */
        machine->pdpte[i] = pdpte[i];
    }
}

static void check_latched(guest_machine *machine)
{
    if (machine->format != &vx_radix_pae) return;
    for (unsigned i = 0; i < 4; i++)
        assert_true(machine->pdpte[i] ==
                    vx_physmem_read64(&machine->memory, (vx_hpa){(machine->cr3 & ROOT_MASK) + 8 * i}));
}

static void load_state(guest_machine *machine, const uint64_t *state)
{
    machine->cr0 = state[0];
    machine->cr4 = state[3];
    machine->efer = state[4];
    load_cr3(machine, state[2]);
    latch_pdptes(machine, &state[5]);
}

/* ---- records ---- */

static void execute(guest_machine *machine, const vx_record *record, const uint64_t *payload)
{
    bool booted = machine->cr0 != 0;
    switch (record->kind) {
    case VX_REC_PT_PAGE_NEW:
        assert_int_equal(machine->cpl, 0);
        new_table(machine, record->addr, record->size, payload, record->count);
        break;
    case VX_REC_PT_STORE:
        assert_int_equal(machine->cpl, 0);
        assert_true(record->addr == VX_GVA_UNKNOWN);
        store(machine, record->size, payload[0], payload[1]);
        break;
    case VX_REC_STATE:
        load_state(machine, payload);
        machine->cpl = record->size;
        break;
    case VX_REC_CR_WRITE:
        assert_int_equal(machine->cpl, 0);
        assert_int_equal(record->size, 3);
        load_cr3(machine, record->addr);
        break;
    case VX_REC_PDPTE_LOAD:
        latch_pdptes(machine, payload);
        break;
    case VX_REC_INVLPG:
        assert_int_equal(machine->cpl, 0);
        invalidate(machine, record->addr);
        machine->invlpgs++;
        break;
    case VX_REC_EXCEPTION:
    case VX_REC_INTERRUPT:
        assert_true(booted && machine->cpl == 3);
        break;
    case VX_REC_IRET:
        assert_int_equal(machine->cpl, 0);
        break;
    case VX_REC_CPL:
        machine->cpl = record->size;
        break;
    case VX_REC_SKIPPED:
        machine->instructions += payload[0];
        break;
    default:
        fail_msg("record kind %u was not expected", record->kind);
    }
}

/* ---- the rig ---- */

vx_cfg_guest rig_config(unsigned levels, vx_page_size page, vx_table_placement tables, uint64_t ram_bytes)
{
    return (vx_cfg_guest){.page = page,
                          .tables = tables,
                          .levels = (uint8_t)levels,
                          .ram_bytes = ram_bytes,
                          .slice_instructions = 10000000,
                          .fault_instructions = 1000};
}

void rig_drain(guest_rig *rig)
{
    vx_batch batch = vx_queue_batch(&rig->queue);
    assert_false(rig->queue.overflowed);
    for (size_t i = 0; i < batch.count; i++) {
        assert_true(vx_record_valid(&batch.records[i], batch.words));
        execute(&rig->machine, &batch.records[i], batch.payload + batch.records[i].arg);
    }
    vx_queue_clear(&rig->queue);
    assert_int_equal(rig->machine.cpl, 3);
    check_latched(&rig->machine);
    check_cached(&rig->machine);
}

void rig_open(guest_rig *rig, const vx_cfg_guest *config, unsigned processes, uint64_t seed)
{
    rig->config = *config;
    vx_arena_init(&rig->arena);
    size_t records, words;
    vx_guest_queue_bound(processes, 1, &records, &words);
    assert_int_equal(vx_queue_init(&rig->queue, &rig->arena, records, words, &rig->msg), VX_OK);
    assert_int_equal(vx_guest_init(&rig->guest, &rig->arena, config, processes, seed, &rig->msg), VX_OK);
    machine_init(&rig->machine, config);
    assert_int_equal(vx_guest_boot(rig->guest, &rig->queue, &rig->msg), VX_OK);
    rig_drain(rig);
}

void rig_close(guest_rig *rig)
{
    vx_guest_fini(rig->guest);
    machine_fini(&rig->machine);
    vx_arena_fini(&rig->arena);
}

vx_status rig_touch(guest_rig *rig, uint64_t gva)
{
    machine_translation found = machine_walk(&rig->machine, gva);
    if (!found.valid) {
        vx_status status = vx_guest_page_fault(rig->guest, (vx_gva){gva}, 4, &rig->queue, &rig->msg);
        if (status != VX_OK) {
            assert_int_equal(rig->queue.count, 0);
            return status;
        }
        rig_drain(rig);
        found = machine_walk(&rig->machine, gva);
        assert_true(found.valid);
    }
    cache(&rig->machine, &found);
    return VX_OK;
}
