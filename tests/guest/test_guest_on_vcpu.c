/* The modelled OS under the real vCPU and MMU, without a hypervisor: what it queues makes every reference translate to
 * the frame it chose, in every paging mode, with PCIDs and without, through unmapping and process switches. */
#include "test_cpu.h"
#include "test_support.h"
#include "vx_guest.h"
#include "vx_radix.h"
#include "vx_random.h"
#include "vx_vcpu.h"

typedef struct guest_world {
    vx_arena arena;
    vx_physmem memory;
    vx_ledger ledger;
    vx_cfg_cpu cpu;
    vx_mmu *mmu;
    vx_queue queue;
    vx_gpa_map ram;
    vx_guest *guest;
    vx_vcpu *vcpu;
    vx_msg msg;
} guest_world;

static vx_status page_fault(void *guest, vx_gva gva, uint32_t error_code, vx_queue *queue, vx_msg *msg)
{
    return vx_guest_page_fault(guest, gva, error_code, queue, msg);
}

static void guest_world_open(guest_world *world, const vx_cfg_guest *config, unsigned traces, uint64_t seed)
{
    *world = (guest_world){.cpu = test_cpu_nehalem(), .ram = {.bytes = config->ram_bytes, .granule_shift = 12}};
    vx_arena_init(&world->arena);
    size_t records, words;
    vx_guest_queue_bound(traces, 1, &records, &words);
    assert_int_equal(vx_physmem_init(&world->memory, config->ram_bytes, NULL), VX_OK);
    assert_int_equal(vx_mmu_init(&world->mmu, &world->arena, &world->cpu, &world->memory, &world->ledger, NULL), VX_OK);
    assert_int_equal(vx_queue_init(&world->queue, &world->arena, records, words, NULL), VX_OK);
    assert_int_equal(vx_guest_init(&world->guest, &world->arena, config, traces, seed, &world->msg), VX_OK);
    vx_vcpu_setup setup = {.cpu = &world->cpu,
                           .mmu = world->mmu,
                           .memory = &world->memory,
                           .ram = &world->ram,
                           .ledger = &world->ledger,
                           .queue = &world->queue,
                           .hooks = {.guest = world->guest, .on_page_fault = page_fault}};
    assert_int_equal(vx_vcpu_init(&world->vcpu, &world->arena, &setup, &world->msg), VX_OK);
    assert_int_equal(vx_guest_boot(world->guest, &world->queue, &world->msg), VX_OK);
    assert_int_equal(vx_vcpu_drain(world->vcpu, &world->msg), VX_OK);
}

static void guest_world_close(guest_world *world)
{
    vx_guest_fini(world->guest);
    vx_physmem_fini(&world->memory);
    vx_arena_fini(&world->arena);
}

/* One load, by the vCPU; then the MMU's answer against the tables in memory. */
static void load(guest_world *world, const vx_radix *format, uint64_t gva)
{
    vx_record record = {.kind = VX_REC_LOAD, .addr = gva, .size = 8, .count = 1};
    vx_batch batch = {.records = &record, .count = 1};
    vx_run run = {.instruction_limit = UINT64_MAX, .tick_limit = VX_TICK_NEVER};
    assert_int_equal(vx_vcpu_run(world->vcpu, &batch, &run, &world->msg), VX_STOP_BATCH);
    vx_radix_table table = {.format = format,
                            .root = vx_vcpu_registers(world->vcpu)->cr3 & 0x000FFFFFFFFFF000ULL,
                            .memory = &world->memory};
    vx_radix_spot spot = vx_radix_lookup(&table, gva, 1);
    assert_true(spot.present);
    assert_true(spot.entry & VX_PTE_A); /* the walker's mark, in memory and not in the OS's image */
    uint64_t offset = gva & (vx_page_bytes((vx_page_size)format->page[spot.level]) - 1);
    vx_mmu_translation translation;
    vx_mmu_fault fault;
    assert_int_equal(vx_mmu_access(world->mmu, (vx_gva){gva}, VX_ACCESS_LOAD, &translation, &fault), VX_MMU_DONE);
    assert_true(translation.hpa.v == vx_radix_frame(format, spot.entry, spot.level, true) + offset);
}

static uint64_t address_for(vx_random *random, unsigned levels)
{
    uint64_t low = vx_random_below(random, 1 << 20) * 8; /* 8 MiB */
    if (levels < 4) return 0x8000000 + low;
    return (vx_random_below(random, 2) ? 0x7F0000000000 : 0x400000) + low;
}

static void run_day(unsigned levels, vx_page_size page, bool pcid, uint64_t unmap_every, uint64_t seed)
{
    static const vx_radix *const formats[] = {&vx_radix_2level, &vx_radix_pae, &vx_radix_4level, &vx_radix_5level};
    vx_cfg_guest config = {.page = page,
                           .tables = (vx_table_placement)(seed % 3),
                           .levels = (uint8_t)levels,
                           .ram_bytes = page == VX_PAGE_1G ? 4ULL << 30 : 128ULL << 20,
                           .slice_instructions = 5000,
                           .unmap_every = unmap_every,
                           .pcid = pcid,
                           .fault_instructions = 100};
    guest_world world;
    guest_world_open(&world, &config, 2, seed);
    vx_random random;
    vx_random_init(&random, seed, "day");
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t now = vx_vcpu_counts_now(world.vcpu)->instructions;
        if (now >= vx_guest_next_event(world.guest)) {
            vx_guest_event(world.guest, now, &world.queue);
            assert_int_equal(vx_vcpu_drain(world.vcpu, &world.msg), VX_OK);
        }
        if (vx_random_below(&random, 100) == 0) {
            assert_int_equal(vx_guest_process(world.guest, vx_random_below(&random, 3), &world.queue, &world.msg),
                             VX_OK);
            assert_int_equal(vx_vcpu_drain(world.vcpu, &world.msg), VX_OK);
        }
        load(&world, formats[levels - 2], address_for(&random, levels));
    }
    const vx_guest_counts *counts = vx_guest_counts_now(world.guest);
    const vx_vcpu_counts *cpu_counts = vx_vcpu_counts_now(world.vcpu);
    assert_int_equal(cpu_counts->guest_faults, counts->faults);
    assert_int_equal(cpu_counts->exceptions, counts->faults);
    assert_int_equal(cpu_counts->interrupts, counts->ticks);
    assert_int_equal(cpu_counts->instructions, 100 * (counts->faults + counts->ticks));
    assert_true(counts->switches > 5 && counts->faults > 5);
    assert_true((unmap_every != 0) == (counts->unmaps != 0));
    assert_int_equal(vx_vcpu_registers(world.vcpu)->cpl, 3);
    guest_world_close(&world);
}

static void references_reach_the_frames_the_os_chose(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    for (unsigned levels = 2; levels <= 5; levels++) {
        run_day(levels, VX_PAGE_4K, false, 0, seed++);
        run_day(levels, VX_PAGE_4K, false, 2, seed++);
        run_day(levels, levels == 2 ? VX_PAGE_4M : VX_PAGE_2M, false, 0, seed++);
        if (levels < 4) continue;
        run_day(levels, VX_PAGE_4K, true, 3, seed++);
        run_day(levels, VX_PAGE_1G, true, 0, seed++);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(references_reach_the_frames_the_os_chose)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
