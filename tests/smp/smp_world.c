#include "smp_world.h"

#include <stdlib.h>
#include <string.h>

#include "test_cpu.h"
#include "vx_random.h"

enum { RAM_BYTES = 1 << 20, IPI_EVERY = 40, CODE = 0x2000, HANDLER = 30 };

/* ---- the guest ---- */

static vx_status on_interrupt(void *guest, uint8_t vector, vx_queue *queue, vx_msg *msg)
{
    (void)msg;
    smp_vcpu *v = guest;
    vx_tick now = vx_vcpu_now(v->vcpu);
    v->ipis += vector == SMP_VECTOR_IPI;
    v->timers += vector == SMP_VECTOR_TIMER;
    v->trail = vx_mix64(v->trail ^ now << 8 ^ vector);
    vx_queue_put(queue, VX_REC_SKIPPED, 0, 0, (uint64_t[]){HANDLER, 0, 0, 0}, 4);
    if (vector == SMP_VECTOR_IPI) vx_queue_put(queue, VX_REC_INVLPG, 0, CODE, NULL, 0); /* the shootdown */
    vx_queue_put(queue, VX_REC_APIC_WRITE, 4, VX_APIC_EOI, (uint64_t[]){0, 0xFEE000B0}, 2);
    vx_queue_put(queue, VX_REC_IRET, 0, 0, NULL, 0);
    return VX_OK;
}

static vx_record *put_write(vx_record *at, uint64_t *payload, uint32_t *words, uint32_t offset, uint32_t value)
{
    payload[*words] = value;
    payload[*words + 1] = 0xFEE00000 | offset;
    *at = (vx_record){.kind = VX_REC_APIC_WRITE, .size = 4, .addr = offset, .arg = *words, .count = 2};
    *words += 2;
    return at + 1;
}

static bool make_program(smp_vcpu *v)
{
    unsigned blocks = v->world->options.blocks, ipis = blocks / IPI_EVERY;
    vx_record *records = vx_arena_array(&v->arena, blocks + 2 * ipis + 4, sizeof *records), *at = records;
    uint64_t *payload = vx_arena_array(&v->arena, 4 * ipis + 8, sizeof *payload);
    uint32_t words = 0, other = 1 - v->index;
    if (!records || !payload) return false;
    at = put_write(at, payload, &words, VX_APIC_SVR, 0x1FF);
    at = put_write(at, payload, &words, VX_APIC_DIVIDE, 0xB);
    at = put_write(at, payload, &words, VX_APIC_LVT_TIMER, 0x20000 | SMP_VECTOR_TIMER);
    at = put_write(at, payload, &words, VX_APIC_INITIAL_COUNT, (uint32_t)v->world->options.timer);
    for (unsigned i = 1; i <= blocks; i++) {
        *at++ = (vx_record){.kind = VX_REC_FETCH, .addr = CODE, .count = 10, .arg = 40};
        if (i % IPI_EVERY) continue;
        at = put_write(at, payload, &words, VX_APIC_ICR_HIGH, other << 24);
        at = put_write(at, payload, &words, VX_APIC_ICR_LOW, SMP_VECTOR_IPI);
    }
    v->batch = (vx_batch){.records = records, .count = (size_t)(at - records), .payload = payload, .words = words};
    return true;
}

/* ---- the machine ---- */

/* An IPI is under way for `latency` ticks, then a hard event of the clock. */
static void send(void *bus, const vx_interrupt_message *message)
{
    smp_vcpu *from = bus;
    smp_world *world = from->world;
    vx_tick due = vx_vcpu_now(from->vcpu) + world->options.latency;
    for (unsigned i = 0; i < SMP_VCPUS; i++) {
        smp_vcpu *to = &world->vcpu[i];
        if (!vx_apic_matches(&to->apic, message) || to->coming_count == SMP_QUEUED) continue;
        to->coming[to->coming_count].due = due;
        to->coming[to->coming_count++].vector = message->vector;
        if (due < vx_clk_due(to->line)) vx_clk_arm(to->line, due);
    }
}

static void arrive(smp_vcpu *v, vx_tick due, vx_tick *latest)
{
    vx_tick own = vx_vcpu_now(v->vcpu);
    if (own > due && own - due > *latest) *latest = own - due;
    vx_clk_kick(v->process, due > vx_clk_now(v->world->clk) ? due : vx_clk_now(v->world->clk));
}

static void line_rises(void *self, vx_tick now)
{
    smp_vcpu *v = self;
    vx_tick next = VX_TICK_NEVER;
    unsigned left = 0;
    for (unsigned i = 0; i < v->coming_count; i++) {
        if (v->coming[i].due <= now) {
            vx_vcpu_interrupt(v->vcpu, v->coming[i].vector);
            arrive(v, v->coming[i].due, &v->latest_ipi);
            continue;
        }
        if (v->coming[i].due < next) next = v->coming[i].due;
        v->coming[left++] = v->coming[i];
    }
    v->coming_count = left;
    vx_clk_arm(v->line, next);
}

/* The guest's APIC timer: its processor's own, or a timer of the hypervisor's, whose interrupt exits. */
static void timer_expires(void *self, vx_tick now)
{
    smp_vcpu *v = self;
    vx_apic_timer_advance(&v->apic, now);
    if (v->vmm) vx_vcpu_exit(v->vcpu, &(vx_exit){.reason = VX_EXIT_EXTERNAL_INTERRUPT});
    arrive(v, now, &v->latest_timer);
    vx_clk_arm(v->timer, vx_apic_timer_due(&v->apic));
}

static vx_tick step(void *self, vx_tick now, vx_tick horizon)
{
    (void)now;
    smp_vcpu *v = self;
    smp_world *world = v->world;
    for (;;) {
        vx_run run = {.instruction_limit = UINT64_MAX, .tick_limit = horizon, .position = v->position};
        vx_stop stop = vx_vcpu_run(v->vcpu, &v->batch, &run, &world->msg);
        v->position = run.position;
        if (stop == VX_STOP_ERROR) {
            world->status = run.status;
            vx_clk_stop(world->clk);
        }
        if (stop != VX_STOP_TICKS) return VX_TICK_NEVER;
        if (vx_apic_timer_due(&v->apic) != vx_clk_due(v->timer)) vx_clk_arm(v->timer, vx_apic_timer_due(&v->apic));
        horizon = vx_clk_horizon(world->clk);
        vx_tick own = vx_vcpu_now(v->vcpu);
        if (own >= horizon) return own;
    }
}

/* ---- building it ---- */

static void configure(smp_world *w)
{
    bool apicv = w->options.kind == SMP_APICV;
    w->cpu = test_cpu_nehalem();
    w->cpu.core.cpi_milli = 1000;
    w->cpu.vmx.tpr_shadow = w->cpu.vmx.virtualize_apic_accesses = true;
    w->cpu.vmx.apic_register_virtualization = w->cpu.vmx.virtual_interrupt_delivery = w->cpu.vmx.posted_interrupts =
        apicv;
    w->cpu.cost = (vx_cfg_cost){.vmexit_ticks = 50, .vmentry_ticks = 20, .interrupt_ticks = 10};
    w->config = (vx_cfg_vmm){.name = "plain",
                             .schemes = 1U << VX_SCHEME_EPT,
                             .vpid = true,
                             .flexpriority = true,
                             .apicv = apicv,
                             .handler_count = 1,
                             .handler = {{.reason = "default", .ticks = 100}}};
}

static vx_status make_vmm(smp_vcpu *v, vx_vcpu_setup *setup, vx_msg *msg)
{
    smp_world *w = v->world;
    if (w->options.kind == SMP_NATIVE) return VX_OK;
    const vx_vmm_setup vmm = {.cpu = &w->cpu,
                              .vmm = &w->config,
                              .scheme = VX_SCHEME_EPT,
                              .vpid = true,
                              .memory = &v->memory,
                              .layout = &v->layout,
                              .vms = 1};
    vx_status status = vx_vmm_init(&v->vmm, &v->arena, &vmm, msg);
    if (status == VX_OK) vx_vmm_hooks(v->vmm, 0, &setup->hooks);
    return status;
}

static vx_status make_vcpu(smp_vcpu *v, vx_msg *msg)
{
    smp_world *w = v->world;
    vx_scheme scheme = w->options.kind == SMP_NATIVE ? VX_SCHEME_NATIVE : VX_SCHEME_EPT;
    vx_arena_init(&v->arena);
    vx_apic_init(&v->apic,
                 &(vx_apic_setup){
                     .page = v->page, .id = v->index, .physical_bits = 36, .timer_ticks = 1, .send = send, .bus = v});
    w->bus.apic[w->bus.count++] = &v->apic;
    vx_status status = vx_host_layout_make(&v->layout, scheme, &w->config, RAM_BYTES, 1, 1, msg);
    if (status == VX_OK) status = vx_physmem_init(&v->memory, v->layout.bytes, msg);
    if (status == VX_OK) status = vx_queue_init(&v->queue, &v->arena, 8, 16, msg);
    if (status == VX_OK) status = vx_mmu_init(&v->mmu, &v->arena, &w->cpu, &v->memory, &v->ledger, msg);
    vx_vcpu_setup setup = {.cpu = &w->cpu,
                           .mmu = v->mmu,
                           .memory = &v->memory,
                           .ram = &v->layout.ram[0],
                           .ledger = &v->ledger,
                           .queue = &v->queue,
                           .apic = &v->apic,
                           .hooks = {.guest = v, .on_interrupt = on_interrupt}};
    if (status == VX_OK) status = make_vmm(v, &setup, msg);
    if (status == VX_OK) status = vx_vcpu_init(&v->vcpu, &v->arena, &setup, msg);
    if (status == VX_OK && v->vmm) vx_vmm_attach(v->vmm, 0, v->vcpu);
    if (status == VX_OK && !v->vmm) vx_vcpu_load(v->vcpu);
    return status == VX_OK && !make_program(v) ? vx_fail_nomem(msg) : status;
}

static vx_status build(smp_world *w, const char *kind, vx_msg *msg)
{
    configure(w);
    vx_status status = vx_clk_open(&w->clk, kind, w->options.quantum, msg);
    for (unsigned i = 0; status == VX_OK && i < SMP_VCPUS; i++) {
        smp_vcpu *v = &w->vcpu[i];
        *v = (smp_vcpu){.world = w, .index = i};
        status = make_vcpu(v, msg);
        if (status == VX_OK) status = vx_clk_add_process(w->clk, "vcpu", step, v, &v->process, msg);
        if (status == VX_OK) status = vx_clk_add_timer(w->clk, "apic timer", timer_expires, v, &v->timer, msg);
        if (status == VX_OK) status = vx_clk_add_timer(w->clk, "interrupts", line_rises, v, &v->line, msg);
        if (status == VX_OK) vx_clk_kick(v->process, 0);
    }
    return status;
}

void smp_scenario(const char *kind, clk_log *log, const void *self)
{
    enum { FOREVER = 100000000 };
    smp_world *w = calloc(1, sizeof *w);
    if (!w) return;
    w->options = *(const smp_options *)self;
    w->status = build(w, kind, &log->msg);
    if (w->status == VX_OK) {
        vx_clk_observe(w->clk, clk_log_event, log);
        /* Timers go on for ever: until both programs have ended, and a little. */
        vx_tick until = (vx_tick)w->options.blocks * 10 * 8;
        if (until > FOREVER) until = FOREVER;
        (void)clk_log_run(w->clk, until, log);
    }
    for (unsigned i = 0; i < SMP_VCPUS; i++) {
        smp_vcpu *v = &w->vcpu[i];
        if (!v->vcpu) continue;
        const vx_vcpu_counts *counts = vx_vcpu_counts_now(v->vcpu);
        const uint64_t notes[SMP_NOTES] = {
            v->ipis,       v->timers,       v->trail,     counts->instructions, vx_vcpu_now(v->vcpu),
            counts->exits, v->latest_timer, v->latest_ipi};
        for (unsigned n = 0; n < SMP_NOTES; n++) clk_log_note(log, notes[n]);
        vx_physmem_fini(&v->memory);
        vx_arena_fini(&v->arena);
    }
    clk_log_note(log, w->status);
    if (w->status != VX_OK && !log->msg.text[0]) log->msg = w->msg;
    vx_clk_close(w->clk);
    free(w);
}
