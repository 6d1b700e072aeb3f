/* The machine of guests, back-end, card and wire (vx_io_machine.h): construction, processes, accounts. */
#include "vx_io_machine.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "io_private.h"

enum { TABLE_BYTES = 16 << 20, SOURCE_ID = 0x100, GUEST_BYTES = 1 << 21, LATENCY_STEPS = 16 };

/* Where guests' buffers lie in host memory, behind the IOMMU's tables; a guest's own addresses begin at its queue's. */
static const uint64_t host_base = 1ULL << 32;

static const io_path *const paths[VX_IO_PATHS] = {[VX_IO_PATH_NATIVE] = &io_path_native,
                                                  [VX_IO_PATH_EMULATED] = &io_path_emulated,
                                                  [VX_IO_PATH_PARA] = &io_path_para,
                                                  [VX_IO_PATH_PASSTHROUGH] = &io_path_passthrough,
                                                  [VX_IO_PATH_SRIOV] = &io_path_sriov};

const char *vx_io_path_name(vx_io_path path) { return paths[path]->name; }
const char *vx_io_path_doc(vx_io_path path) { return paths[path]->doc; }

bool vx_io_path_parse(const char *word, vx_io_path *path)
{
    for (unsigned i = 0; i < VX_IO_PATHS; i++) {
        if (strcmp(word, paths[i]->name) != 0) continue;
        *path = (vx_io_path)i;
        return true;
    }
    return false;
}

const char *vx_io_exit_name(vx_io_exit exit)
{
    static const char *const names[VX_IO_EXITS] = {"EPT_MISCONFIG", "VMCALL", "EXTERNAL_INTERRUPT", "APIC_ACCESS"};
    assert(exit < VX_IO_EXITS);
    return names[exit];
}

/* ---- construction ---- */

static vx_status check(const vx_io_machine_config *config, vx_msg *msg)
{
    const io_path *path = paths[config->path];
    if (config->guests < 1 || config->guests > VX_IO_GUESTS_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%u guests: must be 1 to %d", config->guests, VX_IO_GUESTS_MAX);
    if (config->payload < 1 || config->payload > VX_IO_PAYLOAD_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "a payload of %u bytes: must be 1 to %d", config->payload, VX_IO_PAYLOAD_MAX);
    if (config->window < 2 || config->window > VX_IO_WINDOW_MAX || config->window > config->nic->tx_ring)
        return vx_fail(msg, VX_ERR_INPUT, "a window of %u frames: must be 2 to %d, and no more than the ring's %u",
                       config->window, VX_IO_WINDOW_MAX, config->nic->tx_ring);
    if (config->guests > 1 && !path->shared)
        return vx_fail(msg, VX_ERR_INPUT, "path %s serves one guest, not %u", path->name, config->guests);
    if (path->functions && config->nic->functions < config->guests)
        return vx_fail(msg, VX_ERR_INPUT, "path %s: %s has %u virtual functions for %u guests", path->name,
                       config->nic->name, config->nic->functions, config->guests);
    if (path->vtd && !config->chipset->iommu.present)
        return vx_fail(msg, VX_ERR_INPUT, "path %s needs VT-d, which the chipset %s has not", path->name,
                       config->chipset->name);
    return VX_OK;
}

/* A domain for each guest, with its memory in large pages where the IOMMU has them; the hypervisor maps it once. */
static vx_status build_vtd(vx_io_machine *machine, vx_arena *arena, vx_physmem *memory, vx_msg *msg)
{
    vx_cfg_iommu hardware = machine->config.chipset->iommu;
    hardware.ticks_per_us = machine->config.cpu->core.mhz;
    const vx_iommu_driver_config driver = {.policy = VX_IOMMU_STRICT,
                                           .tables = VX_PAGE_BYTES,
                                           .table_bytes = TABLE_BYTES - VX_PAGE_BYTES,
                                           .flush_unmaps = 1};
    vx_status status = vx_iommu_init(&machine->iommu, arena, &hardware, memory, NULL, msg);
    if (!status) status = vx_iommu_driver_init(&machine->iommu_driver, arena, machine->iommu, memory, &driver, msg);
    for (unsigned g = 0; g < machine->config.guests && !status; g++) {
        uint64_t at = (uint64_t)g * GUEST_BYTES;
        status = vx_iommu_driver_map(machine->iommu_driver, (uint16_t)(SOURCE_ID + g), at, host_base + at, GUEST_BYTES,
                                     VX_VTD_SL_R | VX_VTD_SL_W, 0, msg);
    }
    machine->posted = hardware.posted_interrupts && machine->config.cpu->vmx.posted_interrupts;
    return status;
}

static void nic_kick(void *context, const void *process, vx_tick at)
{
    vx_io_machine *machine = context;
    unsigned nic = machine->config.guests + 1;
    machine->hooks.kick(machine->hooks.context, process == machine->nic ? nic : nic + 1, at);
}

static void nic_interrupt(void *context, unsigned queue, vx_tick now)
{
    vx_io_machine *machine = context;
    machine->path->arrived(machine, queue, now);
}

static vx_status build_nic(vx_io_machine *machine, vx_arena *arena, vx_msg *msg)
{
    const vx_dev_hooks hooks = {machine, nic_kick, nic_interrupt};
    const vx_nic_config config = {.nic = machine->config.nic,
                                  .iommu = machine->iommu,
                                  .source_id = SOURCE_ID,
                                  .queues = machine->config.guests,
                                  .buffers = machine->iommu ? 0 : host_base,
                                  .ticks_per_us = machine->config.cpu->core.mhz,
                                  .dma_page_ns = machine->config.chipset->dma_page_ns};
    return vx_nic_init(&machine->nic, &machine->wire, arena, &config, &hooks, msg);
}

vx_status vx_io_machine_init(vx_io_machine **machine, vx_arena *arena, vx_physmem *memory,
                             const vx_io_machine_config *config, const vx_io_machine_hooks *hooks, vx_msg *msg)
{
    vx_status status = check(config, msg);
    if (status) return status;
    vx_io_machine *made = vx_arena_alloc(arena, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    made->config = *config;
    made->hooks = *hooks;
    made->path = paths[config->path];
    made->guest = vx_arena_array(arena, config->guests, sizeof *made->guest);
    if (!made->guest) return vx_fail_nomem(msg);
    made->backend.machine = made;
    for (unsigned g = 0; g < config->guests; g++) {
        made->guest[g].machine = made;
        made->guest[g].index = g;
        snprintf(made->guest[g].name, sizeof made->guest[g].name, "guest%u", g);
    }
    if (made->path->vtd) status = build_vtd(made, arena, memory, msg);
    if (!status) status = build_nic(made, arena, msg);
    if (!status) *machine = made;
    return status;
}

/* ---- processes ---- */

unsigned vx_io_machine_processes(const vx_io_machine *machine) { return machine->config.guests + 3; }

void vx_io_machine_process(const vx_io_machine *machine, unsigned n, const char **name, vx_step_fn *step, void **self)
{
    unsigned guests = machine->config.guests;
    static const char *const names[] = {"backend", "nic", "wire"};
    static const vx_step_fn steps[] = {io_backend_step, vx_nic_step, vx_wire_step};
    void *const selves[] = {(void *)&machine->backend, machine->nic, machine->wire};
    assert(n < guests + 3);
    *name = n < guests ? machine->guest[n].name : names[n - guests];
    *step = n < guests ? io_guest_step : steps[n - guests];
    *self = n < guests ? (void *)&machine->guest[n] : selves[n - guests];
}

/* ---- accounts ---- */

static uint64_t latency_ns(const vx_io_machine *machine, unsigned permille)
{
    uint64_t wanted = machine->counts.latency_samples * permille / 1000, seen = 0;
    for (unsigned bin = 0; bin < VX_IO_LATENCY_BINS; bin++) {
        seen += machine->latency[bin];
        if (seen <= wanted && bin + 1 < VX_IO_LATENCY_BINS) continue;
        unsigned power = bin / LATENCY_STEPS;
        uint64_t ticks = (uint64_t)(LATENCY_STEPS + bin % LATENCY_STEPS) << power;
        return ticks * 1000 / machine->config.cpu->core.mhz;
    }
    return 0;
}

static void add_guest(vx_io_guest_counts *total, const vx_io_guest_counts *one)
{
    total->frames += one->frames;
    total->acknowledged += one->acknowledged;
    total->payload_bytes += one->payload_bytes;
    total->interrupts += one->interrupts;
    total->exits_total += one->exits_total;
    for (unsigned i = 0; i < VX_IO_EXITS; i++) total->exits[i] += one->exits[i];
    for (unsigned i = 0; i < VX_CAUSES; i++) total->ledger.ticks[i] += one->ledger.ticks[i];
}

/* What an action in progress was charged beyond the end is taken back from what it spends last: the account then closes
 * at `now` exactly. */
static void close_ledger(vx_ledger *ledger, vx_tick now)
{
    static const vx_cause order[] = {VX_CAUSE_GUEST_INSTRUCTIONS, VX_CAUSE_IO_BACKEND, VX_CAUSE_EXIT_SOFTWARE,
                                     VX_CAUSE_EXIT_HARDWARE, VX_CAUSE_INTERRUPT};
    uint64_t total = vx_ledger_total(ledger), over = total > now ? total - now : 0;
    for (unsigned i = 0; i < sizeof order / sizeof *order && over; i++) {
        uint64_t back = ledger->ticks[order[i]] < over ? ledger->ticks[order[i]] : over;
        ledger->ticks[order[i]] -= back;
        over -= back;
    }
}

const vx_io_machine_counts *vx_io_machine_end(vx_io_machine *machine, vx_tick now)
{
    vx_io_machine_counts *counts = &machine->counts;
    io_backend *backend = &machine->backend;
    const vx_nic_counts *nic = vx_nic_counted(machine->nic);
    for (unsigned g = 0; g < machine->config.guests; g++) {
        io_guest *guest = &machine->guest[g];
        if (guest->idle) io_charge(guest, VX_CAUSE_IDLE, now - guest->idle_since);
        guest->idle_since = now;
        close_ledger(&guest->counts.ledger, now);
        add_guest(&counts->total, &guest->counts);
    }
    if (backend->idle) vx_ledger_charge(&backend->ledger, VX_CAUSE_IDLE, now - backend->idle_since);
    close_ledger(&backend->ledger, now);
    counts->backend = backend->ledger;
    counts->elapsed = now;
    counts->guest_time = now * machine->config.guests;
    counts->guest_busy = vx_ledger_total(&counts->total.ledger) - counts->total.ledger.ticks[VX_CAUSE_IDLE];
    counts->backend_busy = vx_ledger_total(&counts->backend) - counts->backend.ticks[VX_CAUSE_IDLE];
    counts->lost = nic->lost;
    counts->wire_frames = nic->frames_sent;
    counts->nic_interrupts = nic->interrupts;
    counts->dma_blocked = nic->dma_blocked;
    counts->table_reads = nic->table_reads;
    counts->wire_busy = nic->wire_busy;
    counts->wire_limited = nic->wire_busy > now / 100 * 99;
    static const unsigned permille[] = {500, 900, 990, 999};
    for (unsigned i = 0; i < 4; i++) counts->latency_ns[i] = latency_ns(machine, permille[i]);
    return counts;
}

unsigned vx_io_machine_identities(const vx_io_machine *machine, vx_identity *identities, unsigned room)
{
    const vx_io_machine_counts *c = &machine->counts;
    uint64_t exits = 0, in_flight = 0;
    for (unsigned i = 0; i < VX_IO_EXITS; i++) exits += c->total.exits[i];
    for (unsigned g = 0; g < machine->config.guests; g++) in_flight += machine->guest[g].unacknowledged;
    const vx_identity all[] = {
        {"exits = sum over reasons", c->total.exits_total, exits},
        {"guests' cycles = time of their processors", vx_ledger_total(&c->total.ledger), c->guest_time},
        {"back-end's cycles = time of its processor", vx_ledger_total(&c->backend), c->elapsed},
        {"frames = acknowledged + in flight", c->total.frames, c->total.acknowledged + in_flight},
    };
    unsigned count = sizeof all / sizeof *all;
    for (unsigned i = 0; i < count && i < room; i++) identities[i] = all[i];
    return count;
}
