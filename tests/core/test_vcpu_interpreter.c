/* The step's fast instances against a slow interpreter that makes each lookup by itself, on random streams: every
 * counter of vCPU and MMU and the whole ledger are equal. */
#include "test_support.h"
#include "vcpu_world.h"
#include "vx_random.h"

enum { RECORDS = 4000, PAGES = 96, CODE = 0x400000 };

static uint64_t any_page(vx_random *random) { return CODE + vx_random_below(random, PAGES) * 0x1000; }

static vx_record any_record(vx_random *random)
{
    uint64_t gva = any_page(random) + (vx_random_below(random, 4) ? vx_random_below(random, 0x1000) : 0xFF8);
    unsigned count = 1 + (unsigned)vx_random_below(random, 12);
    switch (vx_random_below(random, 40)) {
    case 0:
        return (vx_record){.kind = VX_REC_INVLPG, .addr = gva};
    case 1:
        return (vx_record){.kind = VX_REC_CPL, .size = vx_random_below(random, 2) ? 3 : 0};
    case 2:
        return (vx_record){.kind = VX_REC_CR_WRITE, .size = 3};
    case 3:
        return (vx_record){.kind = VX_REC_INTERRUPT, .size = 32};
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        return vcpu_load(gva, 1 + (unsigned)vx_random_below(random, 16));
    case 12:
    case 13:
    case 14:
    case 15:
        return vcpu_store(gva, 1 + (unsigned)vx_random_below(random, 16));
    default: /* instructions start in the page: all but the last end in it */
        return vcpu_fetch(gva & ~0x3FULL, count, count * 4 + (unsigned)vx_random_below(random, 2) * 8);
    }
}

/* ---- the slow side ---- */

typedef struct slow {
    vcpu_world *world;
    uint64_t instructions, fetches, loads, stores, crossings, untranslated;
} slow;

static void look_up(slow *s, uint64_t gva, vx_access access)
{
    vx_mmu_translation translation;
    vx_mmu_fault fault;
    assert_int_equal(vx_mmu_access(s->world->mmu, (vx_gva){gva}, access, &translation, &fault), VX_MMU_DONE);
    vx_mmu_data(s->world->mmu, translation.hpa, access);
}

/* A block goes to the data caches once for each page it touches, however many instructions it has. */
static void slow_fetch(slow *s, const vx_record *record)
{
    for (unsigned i = 0; i < record->count; i++) {
        vx_mmu_translation translation;
        vx_mmu_fault fault;
        if (i == 0)
            look_up(s, record->addr, VX_ACCESS_FETCH);
        else
            assert_int_equal(
                vx_mmu_access(s->world->mmu, (vx_gva){record->addr}, VX_ACCESS_FETCH, &translation, &fault),
                VX_MMU_DONE);
        s->instructions++;
        s->fetches++;
    }
    if ((record->addr & 0xFFF) + record->arg <= 0x1000) return;
    s->crossings++;
    look_up(s, (record->addr | 0xFFF) + 1, VX_ACCESS_FETCH);
}

static void slow_data(slow *s, const vx_record *record, vx_access access)
{
    if (access == VX_ACCESS_LOAD)
        s->loads++;
    else
        s->stores++;
    look_up(s, record->addr, access);
    if ((record->addr & 0xFFF) + record->size <= 0x1000) return;
    s->crossings++;
    look_up(s, (record->addr | 0xFFF) + 1, access);
}

static void slow_step(slow *s, const vx_record *record)
{
    switch (record->kind) {
    case VX_REC_FETCH:
        slow_fetch(s, record);
        break;
    case VX_REC_LOAD:
        slow_data(s, record, VX_ACCESS_LOAD);
        break;
    case VX_REC_STORE:
        slow_data(s, record, VX_ACCESS_STORE);
        break;
    default:
        vx_vcpu_execute(s->world->vcpu, record, NULL);
        break;
    }
}

/* ---- both ---- */

static void open_world(vcpu_world *world, vx_cache_mode caches, uint32_t cpi)
{
    vcpu_world_open(world, &(vcpu_world_options){.caches = caches, .cpi_milli = cpi});
    for (unsigned i = 0; i <= PAGES; i++) vcpu_map(world, CODE + i * 0x1000ULL);
    vcpu_world_boot(world);
}

static void compare(vcpu_world *fast, slow *s)
{
    const vx_vcpu_counts *c = vcpu_counts(fast);
    assert_int_equal(c->instructions, s->instructions);
    assert_int_equal(c->fetches, s->fetches);
    assert_int_equal(c->loads, s->loads);
    assert_int_equal(c->stores, s->stores);
    assert_int_equal(c->crossings, s->crossings);
    assert_int_equal(c->untranslated, 0);
    assert_int_equal(c->retries, 0);
    const vx_mmu_counts *a = vx_mmu_counts_now(fast->mmu), *b = vx_mmu_counts_now(s->world->mmu);
    assert_memory_equal(a, b, sizeof *a);
    vx_ledger ledger = s->world->ledger;
    vx_ledger_charge(&ledger, VX_CAUSE_GUEST_INSTRUCTIONS, s->instructions * fast->cpu.core.cpi_milli / 1000);
    assert_memory_equal(&ledger, &fast->ledger, sizeof ledger);
}

static void run_both(vx_cache_mode caches, uint32_t cpi, uint64_t seed)
{
    vcpu_world fast, other;
    open_world(&fast, caches, cpi);
    open_world(&other, caches, cpi);
    vx_random random;
    vx_random_init(&random, seed, "records");
    vx_record *records = calloc(RECORDS, sizeof *records);
    assert_non_null(records);
    for (unsigned i = 0; i < RECORDS; i++) {
        records[i] = any_record(&random);
        if (records[i].kind == VX_REC_CR_WRITE) records[i].addr = fast.root;
    }
    slow s = {.world = &other};
    for (unsigned i = 0; i < RECORDS; i++) slow_step(&s, &records[i]);
    /* In pieces, as clocks and batches cut it. */
    vx_batch batch = {.records = records, .count = RECORDS};
    vx_run run = {.position = 0};
    vx_stop stop = VX_STOP_TICKS;
    while (stop != VX_STOP_BATCH) {
        run.instruction_limit = vx_vcpu_position(fast.vcpu) + 1 + vx_random_below(&random, 300);
        run.tick_limit = vx_vcpu_now(fast.vcpu) + 1 + vx_random_below(&random, 600);
        stop = vx_vcpu_run(fast.vcpu, &batch, &run, &fast.msg);
        assert_true(stop == VX_STOP_BATCH || stop == VX_STOP_INSTRUCTIONS || stop == VX_STOP_TICKS);
    }
    compare(&fast, &s);
    free(records);
    vcpu_world_close(&fast);
    vcpu_world_close(&other);
}

static void every_counter_is_equal(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    for (unsigned i = 0; i < 6; i++) {
        run_both(VX_CACHES_FIXED, 1000 + 150 * i, seed + i);
        run_both(VX_CACHES_WALKS, 1000, seed + i);
        run_both(VX_CACHES_ALL, 700, seed + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_counter_is_equal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
