#include "vcpu_world.h"

#include "test_cpu.h"
#include "test_support.h"

enum { RAM_BYTES = 64 << 20, QUEUE_RECORDS = 16 };

static uint64_t new_table(void *context, unsigned level)
{
    (void)level;
    return vcpu_page(context);
}

uint64_t vcpu_page(vcpu_world *world)
{
    uint64_t page = world->next_page;
    world->next_page += VX_PAGE_BYTES;
    assert_true(world->next_page <= RAM_BYTES);
    return page;
}

uint64_t vcpu_map(vcpu_world *world, uint64_t gva)
{
    vx_radix_table table = {&vx_radix_4level, world->root, &world->memory, NULL, NULL};
    uint64_t frame = vcpu_page(world), all = VX_PTE_P | VX_PTE_W | VX_PTE_U;
    assert_int_equal(
        vx_radix_map(&table, gva & ~0xFFFULL, frame, VX_PAGE_4K, all, all, new_table, NULL, world, &world->msg), VX_OK);
    return frame;
}

uint64_t vcpu_ept(vcpu_world *world, uint64_t gpa, uint64_t leaf)
{
    uint64_t root = vcpu_page(world), at = root, all = VX_EPT_R | VX_EPT_W | VX_EPT_X;
    for (unsigned level = 4; level > 1; level--) {
        uint64_t next = vcpu_page(world);
        vx_physmem_write64(&world->memory, (vx_hpa){at + 8 * vx_radix_index(&vx_radix_ept4, level, gpa)}, next | all);
        at = next;
    }
    vx_physmem_write64(&world->memory, (vx_hpa){at + 8 * vx_radix_index(&vx_radix_ept4, 1, gpa)}, leaf);
    return root | 0x1E;
}

/* ---- software ---- */

static vx_resume handle_exit(void *hypervisor, vx_vcpu *vcpu, const vx_exit *exit, const vx_record *record,
                             const uint64_t *payload)
{
    (void)record, (void)payload;
    vcpu_world *world = hypervisor;
    if (world->exit_count < VCPU_EXITS_KEPT) world->exits[world->exit_count] = *exit;
    world->exit_count++;
    world->at_exit = *vx_vcpu_registers(vcpu);
    vx_vcpu_charge_software(vcpu, exit->reason, world->handler_ticks);
    if (world->inject && (exit->interruption & 0xFF) == 14)
        vx_vcpu_inject_page_fault(vcpu, exit->linear, exit->error_code);
    return world->resume;
}

static void on_state(void *hypervisor, vx_vcpu *vcpu, const vx_registers *guest)
{
    (void)hypervisor;
    vx_vcpu_set_registers(vcpu, guest);
}

static vx_status on_page_fault(void *guest, vx_gva gva, uint32_t error_code, vx_queue *queue, vx_msg *msg)
{
    (void)msg;
    vcpu_world *world = guest;
    world->faults++;
    vcpu_map(world, gva.v);
    const uint64_t code = error_code, skipped[4] = {50, 0, 0, 0};
    vx_queue_put(queue, VX_REC_EXCEPTION, 14, gva.v, &code, 1);
    vx_queue_put(queue, VX_REC_SKIPPED, 0, 0, skipped, 4);
    for (unsigned i = 0; i < world->flood; i++) vx_queue_put(queue, VX_REC_PAUSE, 0, 1, NULL, 0);
    vx_queue_put(queue, VX_REC_IRET, 0, 0, NULL, 0);
    vx_queue_put(queue, VX_REC_CPL, 3, 0, NULL, 0);
    return VX_OK;
}

static vx_status on_interrupt(void *guest, uint8_t vector, vx_queue *queue, vx_msg *msg)
{
    (void)queue, (void)msg;
    vcpu_world *world = guest;
    if (world->vector_count < VCPU_VECTORS_KEPT) world->vectors[world->vector_count] = vector;
    world->vector_count++;
    return VX_OK;
}

static void send(void *bus, const vx_interrupt_message *message)
{
    vcpu_world *world = bus;
    if (vx_apic_matches(&world->apic, message)) (void)vx_apic_accept(&world->apic, message);
}

static vx_status on_translation(void *checker, const vx_vcpu *vcpu, vx_gva gva, vx_access access, vx_hpa hpa,
                                vx_msg *msg)
{
    (void)vcpu, (void)access;
    vcpu_world *world = checker;
    world->last = hpa;
    if (++world->told != world->refused) return VX_OK;
    return vx_fail(msg, VX_ERR_CHECK, "refused at 0x%llx", (unsigned long long)gva.v);
}

/* ---- life ---- */

static void make_vcpu(vcpu_world *world, const vcpu_world_options *options)
{
    vx_vcpu_setup setup = {.cpu = &world->cpu,
                           .mmu = world->mmu,
                           .memory = &world->memory,
                           .ram = &world->ram,
                           .ledger = &world->ledger,
                           .queue = &world->queue};
    if (options->hypervisor) {
        setup.hooks.hypervisor = world;
        setup.hooks.on_exit = options->on_exit ? options->on_exit : handle_exit;
        setup.hooks.on_state = on_state;
    }
    if (options->os) {
        setup.hooks.guest = world;
        setup.hooks.on_page_fault = on_page_fault;
    }
    if (options->apic) {
        vx_apic_init(&world->apic,
                     &(vx_apic_setup){.page = world->apic_page, .timer_ticks = 1, .send = send, .bus = world});
        (void)vx_apic_write(&world->apic, VX_APIC_SVR, 0x1FF, 0);
        setup.apic = &world->apic;
        setup.hooks.guest = world;
        setup.hooks.on_interrupt = on_interrupt;
    }
    if (options->checker) {
        setup.hooks.checker = world;
        setup.hooks.on_translation = on_translation;
    }
    assert_int_equal(vx_vcpu_init(&world->vcpu, &world->arena, &setup, &world->msg), VX_OK);
    if (options->hypervisor) vx_vcpu_virtualize(world->vcpu, &world->vmcs, NULL, false);
}

void vcpu_world_open(vcpu_world *world, const vcpu_world_options *options)
{
    *world = (vcpu_world){.ram = {.bytes = RAM_BYTES, .granule_shift = 12}, .next_page = 0x10000};
    world->cpu = test_cpu_nehalem();
    world->cpu.core.cpi_milli = options->cpi_milli ? options->cpi_milli : 1000;
    world->cpu.cost = (vx_cfg_cost){.vmexit_ticks = 500, .vmentry_ticks = 200, .interrupt_ticks = 40};
    world->cpu.memory.caches = options->caches;
    world->cpu.memory.level[0] = (vx_cfg_cache){.bytes = 32 << 10, .ways = 8, .hit_ticks = 4};
    world->cpu.memory.level[1] = (vx_cfg_cache){.bytes = 256 << 10, .ways = 8, .hit_ticks = 10};
    vx_arena_init(&world->arena);
    assert_int_equal(vx_physmem_init(&world->memory, RAM_BYTES, &world->msg), VX_OK);
    assert_int_equal(vx_queue_init(&world->queue, &world->arena, QUEUE_RECORDS, 64, &world->msg), VX_OK);
    assert_int_equal(vx_mmu_init(&world->mmu, &world->arena, &world->cpu, &world->memory, &world->ledger, &world->msg),
                     VX_OK);
    make_vcpu(world, options);
    world->root = vcpu_page(world);
}

void vcpu_world_close(vcpu_world *world)
{
    vx_physmem_fini(&world->memory);
    vx_arena_fini(&world->arena);
}

void vcpu_world_boot(vcpu_world *world)
{
    const uint64_t state[13] = {VX_CR0_PE | VX_CR0_WP | VX_CR0_PG, 0, world->root, VX_CR4_PAE | VX_CR4_PGE,
                                VX_EFER_LME | VX_EFER_LMA | VX_EFER_NXE};
    vcpu_do(world, VX_REC_STATE, 3, 0, state, 13);
}

vx_stop vcpu_run_all(vcpu_world *world, const vx_record *records, size_t count, const uint64_t *payload, size_t words)
{
    vx_batch batch = {.records = records, .count = count, .payload = payload, .words = words};
    vx_run run = {.instruction_limit = UINT64_MAX, .tick_limit = VX_TICK_NEVER};
    vx_stop stop = vx_vcpu_run(world->vcpu, &batch, &run, &world->msg);
    if (stop == VX_STOP_BATCH) assert_int_equal(run.position, count);
    return stop;
}

void vcpu_do(vcpu_world *world, vx_record_kind kind, unsigned size, uint64_t addr, const uint64_t *payload,
             unsigned words)
{
    vx_record record = {.kind = (uint8_t)kind, .size = (uint8_t)size, .addr = addr, .count = (uint16_t)words};
    if (vcpu_run_all(world, &record, 1, payload, words) == VX_STOP_ERROR) fail_msg("%s", world->msg.text);
}

/* ---- counts ---- */

const vx_vcpu_counts *vcpu_counts(const vcpu_world *world) { return vx_vcpu_counts_now(world->vcpu); }

uint64_t vcpu_lookups(vcpu_world *world)
{
    const vx_mmu_counts *counts = vx_mmu_counts_now(world->mmu);
    uint64_t lookups = 0;
    for (unsigned i = 0; i < world->cpu.tlb_count; i++)
        if (world->cpu.tlb[i].level != VX_TLB_L2) lookups += counts->tlb[i].lookups;
    return lookups;
}

uint64_t vcpu_flushes(vcpu_world *world, vx_mmu_op op) { return vx_mmu_counts_now(world->mmu)->flushes[op]; }
