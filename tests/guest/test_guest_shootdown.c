/* Remote TLB shootdown of an OS with several CPUs, on processors whose TLBs never forget by themselves: what a CPU
 * still holds when it must not would reach a frame that is another page's by then. */
#include <string.h>

#include "test_support.h"
#include "vx_apic_page.h"
#include "vx_guest.h"
#include "vx_physmem.h"
#include "vx_radix.h"
#include "vx_random.h"

enum { CPUS_MAX = 4, CACHED = 512, PAGES = 48, RAM = 16 << 20, HANDLER = 100 };
#define ADDRESS ((uint64_t)0x000FFFFFFFFFF000)
#define SHORTHAND_OTHERS 3

typedef struct cached {
    bool valid;
    uint64_t cr3, gva, frame;
} cached;

typedef struct cpu {
    vx_guest *guest;
    vx_queue queue;
    uint64_t cr3, instructions;
    cached tlb[CACHED];
    unsigned ipis, pending, invlpgs, commands;
    bool deaf; /* forgets nothing when it is told to */
} cpu;

typedef struct world {
    vx_arena arena;
    vx_physmem memory;
    vx_cfg_guest config;
    vx_msg msg;
    unsigned cpus;
    cpu cpu[CPUS_MAX];
    uint32_t high; /* destination, ICR bits 63:32 */
    unsigned violations, stale_uses;
} world;

/* ---- processors ---- */

static void invalidate(cpu *c, uint64_t gva)
{
    c->invlpgs++;
    for (unsigned i = 0; !c->deaf && i < CACHED; i++)
        if (c->tlb[i].cr3 == c->cr3 && c->tlb[i].gva == (gva & ~0xFFFULL)) c->tlb[i].valid = false;
}

static void load_cr3(world *w, cpu *c, uint64_t value)
{
    bool keep = w->config.pcid && value >> 63;
    c->cr3 = value & ~(1ULL << 63);
    for (unsigned i = 0; !keep && i < CACHED; i++)
        if (!w->config.pcid || c->tlb[i].cr3 == c->cr3) c->tlb[i].valid = false;
}

static void command(world *w, unsigned from, uint32_t low, uint32_t destination)
{
    assert_int_equal(low & 0xFF, VX_GUEST_CALL_VECTOR);
    w->cpu[from].commands++;
    for (unsigned i = 0; i < w->cpus; i++) {
        bool others = (low >> 18 & 3) == SHORTHAND_OTHERS;
        if (i == from || (!others && destination != i)) continue;
        w->cpu[i].pending++;
        w->cpu[i].ipis++;
    }
}

/* A page is mapped where none was, or goes. */
static void store(world *w, uint64_t gpa, uint64_t value)
{
    if (vx_physmem_read64(&w->memory, (vx_hpa){gpa}) & VX_PTE_P) assert_int_equal(value, 0);
    vx_physmem_write64(&w->memory, (vx_hpa){gpa}, value);
}

static void wrote_apic(world *w, unsigned number, uint32_t offset, uint64_t value)
{
    if (offset == VX_APIC_ICR_HIGH) w->high = (uint32_t)value >> 24;
    if (offset != VX_APIC_ICR_LOW) return;
    bool x2apic = w->config.priority.apic == VX_APIC_ACCESS_X2APIC;
    command(w, number, (uint32_t)value, x2apic ? (uint32_t)(value >> 32) : w->high);
}

static void drain(world *w, unsigned number)
{
    cpu *c = &w->cpu[number];
    assert_false(c->queue.overflowed);
    for (size_t i = 0; i < c->queue.count; i++) {
        const vx_record *record = &c->queue.records[i];
        const uint64_t *payload = c->queue.payload + record->arg;
        if (record->kind == VX_REC_STATE) c->cr3 = payload[2];
        if (record->kind == VX_REC_CR_WRITE) load_cr3(w, c, record->addr);
        if (record->kind == VX_REC_INVLPG) invalidate(c, record->addr);
        if (record->kind == VX_REC_PT_STORE) store(w, payload[0], payload[1]);
        if (record->kind == VX_REC_PT_PAGE_NEW) vx_physmem_clear_page(&w->memory, (vx_hpa){record->addr});
        if (record->kind == VX_REC_SKIPPED) c->instructions += payload[0];
        if (record->kind == VX_REC_WRMSR && record->addr == vx_apic_msr(VX_APIC_ICR_LOW))
            wrote_apic(w, number, VX_APIC_ICR_LOW, payload[0]);
        if (record->kind == VX_REC_APIC_WRITE) wrote_apic(w, number, (uint32_t)record->addr, payload[0]);
    }
    vx_queue_clear(&c->queue);
}

static cached *find(cpu *c, uint64_t gva)
{
    for (unsigned i = 0; i < CACHED; i++)
        if (c->tlb[i].valid && c->tlb[i].cr3 == c->cr3 && c->tlb[i].gva == gva) return &c->tlb[i];
    return NULL;
}

/* The translation that memory has: what a processor without a TLB would use. */
static uint64_t walk(world *w, const cpu *c, uint64_t gva)
{
    const vx_radix_table table = {.format = &vx_radix_4level, .root = c->cr3 & ADDRESS, .memory = &w->memory};
    vx_radix_spot spot = vx_radix_lookup(&table, gva, 1);
    return spot.present ? spot.entry & ADDRESS : 0;
}

/* What a TLB hit may differ in is a page that was unmapped and whose shootdown this CPU has not answered; and even then
 * the frame is nobody else's. */
static void use(world *w, unsigned number, const cached *entry)
{
    cpu *c = &w->cpu[number];
    if (walk(w, c, entry->gva) == entry->frame) return;
    w->stale_uses++;
    bool reused = false;
    for (unsigned other = 0; other < w->cpus; other++)
        for (unsigned page = 0; page < PAGES; page++) {
            uint64_t gva = (uint64_t)(page + 1) << VX_PAGE_SHIFT;
            reused |= walk(w, &w->cpu[other], gva) == entry->frame;
        }
    if (reused || !vx_guest_may_be_stale(c->guest, (vx_gva){entry->gva})) w->violations++;
}

static void touch(world *w, unsigned number, uint64_t gva)
{
    cpu *c = &w->cpu[number];
    const cached *hit = find(c, gva);
    if (hit) {
        use(w, number, hit);
        return;
    }
    if (!walk(w, c, gva)) {
        assert_int_equal(vx_guest_page_fault(c->guest, (vx_gva){gva}, 4, &c->queue, &w->msg), VX_OK);
        drain(w, number);
    }
    unsigned slot = 0;
    while (slot < CACHED && c->tlb[slot].valid) slot++;
    assert_true(slot < CACHED);
    c->tlb[slot] = (cached){true, c->cr3, gva, walk(w, c, gva)};
}

static void take_interrupt(world *w, unsigned number)
{
    cpu *c = &w->cpu[number];
    if (c->pending == 0) return;
    c->pending = 0; /* one bit of the request register */
    vx_guest_interrupt(c->guest, VX_GUEST_CALL_VECTOR, &c->queue);
    drain(w, number);
}

/* ---- the world ---- */

typedef struct variant {
    unsigned cpus;
    bool threads, pcid;
    vx_apic_access apic;
} variant;

static void open_world(world *w, const variant *v, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    vx_arena_init(&w->arena);
    w->cpus = v->cpus;
    w->config = (vx_cfg_guest){.name = "test",
                               .page = VX_PAGE_4K,
                               .levels = 4,
                               .ram_bytes = RAM,
                               .slice_instructions = 10000000,
                               .unmap_instructions = 3 * HANDLER,
                               .fault_instructions = HANDLER,
                               .pcid = v->pcid,
                               .priority = {.apic = v->apic, .hold_instructions = 100, .level = 4}};
    assert_int_equal(vx_physmem_init(&w->memory, RAM, &w->msg), VX_OK);
    for (unsigned i = 0; i < v->cpus; i++) {
        cpu *c = &w->cpu[i];
        size_t records, words;
        vx_guest_queue_bound(1, v->cpus, &records, &words);
        assert_int_equal(vx_queue_init(&c->queue, &w->arena, records, words, &w->msg), VX_OK);
        vx_status status = i == 0 ? vx_guest_init(&c->guest, &w->arena, &w->config, 1, seed, &w->msg)
                                  : vx_guest_add_cpu(&c->guest, &w->arena, w->cpu[0].guest, 1, v->threads, &w->msg);
        if (status != VX_OK) fail_msg("%s", w->msg.text);
    }
    for (unsigned i = 0; i < v->cpus; i++) {
        assert_int_equal(vx_guest_boot(w->cpu[i].guest, &w->cpu[i].queue, &w->msg), VX_OK);
        drain(w, i);
    }
}

static void close_world(world *w)
{
    for (unsigned i = 0; i < w->cpus; i++) vx_guest_fini(w->cpu[i].guest);
    vx_physmem_fini(&w->memory);
    vx_arena_fini(&w->arena);
}

static void act(world *w, unsigned number, vx_random *random)
{
    cpu *c = &w->cpu[number];
    if (vx_random_below(random, 3) == 0) take_interrupt(w, number);
    if (vx_guest_waits(c->guest)) return; /* in its kernel */
    switch (vx_random_below(random, 8)) {
    case 0:
        assert_int_equal(vx_guest_process(c->guest, vx_random_below(random, 3), &c->queue, &w->msg), VX_OK);
        drain(w, number);
        break;
    case 1:
        c->instructions += 10 * HANDLER;
        (void)vx_guest_event(c->guest, c->instructions, &c->queue);
        drain(w, number);
        break;
    default:
        touch(w, number, (1 + vx_random_below(random, PAGES)) << VX_PAGE_SHIFT);
    }
}

static const variant variants[] = {
    {2, true, false, VX_APIC_ACCESS_X2APIC}, {3, true, true, VX_APIC_ACCESS_X2APIC},
    {4, true, false, VX_APIC_ACCESS_PAGE},   {4, true, true, VX_APIC_ACCESS_CR8},
    {3, false, true, VX_APIC_ACCESS_PAGE},
};
enum { VARIANTS = sizeof variants / sizeof *variants, STEPS = 20000 };

static void run(world *w, vx_random *random)
{
    for (unsigned step = 0; step < STEPS; step++) act(w, (unsigned)vx_random_below(random, w->cpus), random);
    for (unsigned i = 0; i < w->cpus; i++) take_interrupt(w, i);
    for (unsigned i = 0; i < w->cpus; i++) assert_false(vx_guest_waits(w->cpu[i].guest));
}

static void no_stale_use_after_a_shootdown(void **state)
{
    (void)state;
    const uint64_t seed = vx_test_seed();
    world *w = malloc(sizeof *w);
    for (unsigned v = 0; v < VARIANTS; v++) {
        vx_random random;
        vx_random_init(&random, seed + v, "shootdown");
        open_world(w, &variants[v], seed);
        run(w, &random);
        vx_guest_counts total = {0};
        unsigned ipis = 0, commands = 0;
        for (unsigned i = 0; i < w->cpus; i++) {
            vx_guest_counts_add(&total, vx_guest_counts_now(w->cpu[i].guest));
            ipis += w->cpu[i].ipis;
            commands += w->cpu[i].commands;
        }
        if (w->violations) fail_msg("variant %u: %u stale uses after their shootdown", v, w->violations);
        assert_true(total.unmaps > 100);
        assert_int_equal(total.shootdown_ipis, ipis);
        assert_true(commands <= ipis);
        if (variants[v].threads)
            assert_true(total.shootdowns > 50 && w->stale_uses > 0);
        else
            assert_int_equal(total.shootdowns + ipis, 0); /* nobody else runs the process */
        assert_true(total.shootdown_answers >= total.shootdowns && total.shootdown_ipis <= total.shootdown_answers);
        close_world(w);
    }
    free(w);
}

/* The oracle sees: a CPU that does not forget what it is told to. */
static void a_deaf_cpu_is_found(void **state)
{
    (void)state;
    const uint64_t seed = vx_test_seed();
    world *w = malloc(sizeof *w);
    vx_random random;
    vx_random_init(&random, seed, "shootdown");
    open_world(w, &variants[0], seed);
    w->cpu[1].deaf = true;
    for (unsigned step = 0; step < STEPS && w->violations == 0; step++)
        act(w, (unsigned)vx_random_below(&random, w->cpus), &random);
    assert_true(w->violations > 0);
    close_world(w);
    free(w);
}

/* Page, by CPU 0, of a process that all run: one command, an answer each, and no frame before the last. */
static void one_unmapping(void **state)
{
    (void)state;
    const variant four = {4, true, false, VX_APIC_ACCESS_X2APIC};
    world *w = malloc(sizeof *w);
    open_world(w, &four, 1);
    for (unsigned page = 1; page <= 20; page++)
        for (unsigned i = 0; i < 4; i++) touch(w, i, (uint64_t)page << VX_PAGE_SHIFT);
    uint64_t frame = find(&w->cpu[3], VX_PAGE_BYTES)->frame;
    w->cpu[0].instructions += 10 * HANDLER;
    (void)vx_guest_event(w->cpu[0].guest, w->cpu[0].instructions, &w->cpu[0].queue);
    drain(w, 0);
    assert_null(find(&w->cpu[0], VX_PAGE_BYTES));
    assert_int_equal(w->cpu[0].commands, 1);
    for (unsigned i = 1; i < 4; i++) {
        assert_true(vx_guest_waits(w->cpu[0].guest));
        assert_true(vx_guest_may_be_stale(w->cpu[i].guest, (vx_gva){VX_PAGE_BYTES + 5}));
        assert_false(vx_guest_may_be_stale(w->cpu[i].guest, (vx_gva){2 * VX_PAGE_BYTES}));
        assert_int_equal(find(&w->cpu[i], VX_PAGE_BYTES)->frame, frame);
        take_interrupt(w, i);
        assert_int_equal(vx_guest_take_answered(w->cpu[i].guest), 1);
        assert_int_equal(vx_guest_take_answered(w->cpu[i].guest), 0);
        assert_null(find(&w->cpu[i], VX_PAGE_BYTES));
        assert_int_equal(w->cpu[i].invlpgs, 1);
    }
    assert_false(vx_guest_waits(w->cpu[0].guest));
    touch(w, 2, 30ULL << VX_PAGE_SHIFT);
    assert_int_equal(find(&w->cpu[2], 30ULL << VX_PAGE_SHIFT)->frame, frame);
    close_world(w);
    free(w);
}

/* Who has come to the end of his traces is not told; who is alone sends nothing. */
static void the_last_cpu_is_alone(void **state)
{
    (void)state;
    const variant two = {2, true, false, VX_APIC_ACCESS_X2APIC};
    world *w = malloc(sizeof *w);
    open_world(w, &two, 1);
    for (unsigned page = 1; page <= 20; page++) touch(w, 0, (uint64_t)page << VX_PAGE_SHIFT);
    assert_false(vx_guest_exit(w->cpu[1].guest, &w->cpu[1].queue));
    assert_false(vx_guest_exit(w->cpu[1].guest, &w->cpu[1].queue)); /* and again */
    w->cpu[0].instructions += 10 * HANDLER;
    (void)vx_guest_event(w->cpu[0].guest, w->cpu[0].instructions, &w->cpu[0].queue);
    drain(w, 0);
    assert_int_equal(vx_guest_counts_now(w->cpu[0].guest)->unmaps, 1);
    assert_false(vx_guest_waits(w->cpu[0].guest));
    assert_int_equal(w->cpu[0].commands, 0);
    close_world(w);
    free(w);
}

static void what_an_os_of_several_cpus_needs(void **state)
{
    (void)state;
    world w = {.config = {.page = VX_PAGE_4K, .levels = 4, .ram_bytes = RAM, .fault_instructions = 10}};
    vx_arena_init(&w.arena);
    vx_guest *first, *second = NULL;
    assert_int_equal(vx_guest_init(&first, &w.arena, &w.config, 1, 1, &w.msg), VX_OK);
    assert_int_equal(vx_guest_add_cpu(&second, &w.arena, first, 1, true, &w.msg), VX_ERR_INPUT);
    assert_string_equal(w.msg.text,
                        "vm.priority.apic=none: an OS of several CPUs needs local APICs (page, cr8 or x2apic)");
    vx_guest_fini(first);
    w.config.priority.apic = VX_APIC_ACCESS_PAGE;
    assert_int_equal(vx_guest_init(&first, &w.arena, &w.config, 1, 1, &w.msg), VX_OK);
    assert_int_equal(vx_guest_add_cpu(&second, &w.arena, first, 2, true, &w.msg), VX_ERR_INPUT);
    assert_string_equal(w.msg.text,
                        "vm.vcpus=threads: CPU 1 has 2 traces, and the first CPU, whose threads they are, 1");
    assert_int_equal(vx_guest_add_cpu(&second, &w.arena, first, 2, false, &w.msg), VX_OK);
    vx_guest_fini(first);
    vx_guest_fini(second); /* nothing of its own */
    vx_arena_fini(&w.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_stale_use_after_a_shootdown),
        cmocka_unit_test(a_deaf_cpu_is_found),
        cmocka_unit_test(one_unmapping),
        cmocka_unit_test(the_last_cpu_is_alone),
        cmocka_unit_test(what_an_os_of_several_cpus_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
