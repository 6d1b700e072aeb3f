/* The I/O machine's accounts: what its parts have counted, closed at the end. */
#include "io_private.h"

static void add_latency(uint64_t sum[VX_LATENCY_BINS], const vx_endpoint_counts *counts)
{
    for (unsigned bin = 0; bin < VX_LATENCY_BINS; bin++) sum[bin] += counts->latency[bin];
}

static void take_percentiles(vx_io_machine *machine, const uint64_t sum[VX_LATENCY_BINS])
{
    static const unsigned permille[] = {500, 900, 990, 999};
    vx_io_machine_counts *counts = &machine->counts;
    for (unsigned bin = 0; bin < VX_LATENCY_BINS; bin++) counts->latency_samples += sum[bin];
    if (counts->latency_samples == 0) return;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t wanted = (counts->latency_samples * permille[i] + 999) / 1000, seen = 0;
        unsigned bin = 0;
        while ((seen += sum[bin]) < wanted) bin++;
        counts->latency_ns[i] = vx_latency_of_bin(bin) * 1000 / machine->config.cpu->core.mhz;
    }
}

static void add_endpoint(vx_io_machine_counts *counts, const vx_endpoint *endpoint)
{
    const vx_endpoint_counts *one = vx_endpoint_counted(endpoint);
    counts->frames += one->sent;
    counts->resent += one->resent;
    counts->acks += one->acks;
    counts->acknowledged += one->acknowledged;
    counts->payload_bytes += one->payload;
    counts->messages += one->messages;
    counts->timeouts += one->timeouts;
}

static void add_guest(vx_io_guest_counts *total, const vx_io_guest_counts *one)
{
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

static void close_processors(vx_io_machine *machine, vx_tick now)
{
    vx_io_machine_counts *counts = &machine->counts;
    for (unsigned g = 0; g < machine->config.guests; g++) {
        io_guest *guest = &machine->guest[g];
        io_guest_go_on(guest, now);
        if (guest->idle) io_charge(guest, VX_CAUSE_IDLE, now - guest->idle_since);
        guest->idle_since = now;
        close_ledger(&guest->counts.ledger, now);
        add_guest(&counts->total, &guest->counts);
    }
    for (unsigned b = 0; b < machine->backends; b++) {
        io_backend *backend = &machine->backend[b];
        if (backend->idle) vx_ledger_charge(&backend->ledger, VX_CAUSE_IDLE, now - backend->idle_since);
        close_ledger(&backend->ledger, now);
        for (unsigned i = 0; i < VX_CAUSES; i++) counts->backend.ticks[i] += backend->ledger.ticks[i];
    }
    counts->elapsed = now;
    counts->guest_time = now * machine->config.guests;
    counts->backend_time = now * machine->backends;
    counts->guest_busy = vx_ledger_total(&counts->total.ledger) - counts->total.ledger.ticks[VX_CAUSE_IDLE];
    counts->backend_busy = vx_ledger_total(&counts->backend) - counts->backend.ticks[VX_CAUSE_IDLE];
}

static void take_devices(vx_io_machine *machine, vx_tick now)
{
    vx_io_machine_counts *counts = &machine->counts;
    const vx_nic_counts *nic = vx_nic_counted(machine->nic);
    counts->lost_fifo = nic->lost_fifo;
    counts->lost_ring = nic->lost_ring;
    counts->lost_front = machine->lost_front;
    counts->lost = nic->lost_fifo + nic->lost_ring + machine->lost_front;
    counts->wire_frames = nic->frames_sent;
    counts->memory_frames = nic->frames_received;
    counts->nic_interrupts = nic->interrupts;
    counts->dma_blocked = nic->dma_blocked;
    counts->table_reads = nic->table_reads;
    counts->wire_out_busy = nic->wire_busy;
    counts->wire_in_busy = vx_wire_busy(machine->wire);
    counts->wire_busy = counts->wire_out_busy > counts->wire_in_busy ? counts->wire_out_busy : counts->wire_in_busy;
    counts->wire_limited = counts->wire_busy > now / 100 * 99;
    if (machine->engine) {
        const vx_copy_engine_counts *engine = vx_copy_engine_counted(machine->engine);
        counts->copies = engine->copies;
        counts->copied_bytes = engine->bytes;
        counts->copy_interrupts = engine->interrupts;
        counts->copy_busy = engine->busy;
    }
    if (!machine->iommu) return;
    const vx_iommu_driver_counts *driver = vx_iommu_driver_counted(machine->iommu_driver);
    counts->maps = driver->maps;
    counts->unmaps = driver->unmaps;
    counts->invalidations = driver->invalidations;
    const vx_iommu_counts *iommu = vx_iommu_counted(machine->iommu);
    counts->remapped = machine->remaps ? iommu->interrupts_delivered : 0;
    counts->notified = iommu->interrupts_notified;
    counts->posted = iommu->interrupts_posted;
    counts->interrupts_blocked = iommu->interrupts_blocked;
}

const vx_io_machine_counts *vx_io_machine_end(vx_io_machine *machine, vx_tick now)
{
    uint64_t latency[VX_LATENCY_BINS] = {0};
    close_processors(machine, now);
    take_devices(machine, now);
    for (unsigned g = 0; g < machine->config.guests; g++) {
        const vx_endpoint *ends[] = {machine->guest[g].stack, machine->peers[g]};
        for (unsigned i = 0; i < 2; i++) {
            add_endpoint(&machine->counts, ends[i]);
            add_latency(latency, vx_endpoint_counted(ends[i]));
        }
    }
    take_percentiles(machine, latency);
    return &machine->counts;
}

unsigned vx_io_machine_identities(const vx_io_machine *machine, vx_identity *identities, unsigned room)
{
    const vx_io_machine_counts *c = &machine->counts;
    uint64_t exits = 0, in_flight = 0;
    for (unsigned i = 0; i < VX_IO_EXITS; i++) exits += c->total.exits[i];
    for (unsigned g = 0; g < machine->config.guests; g++)
        in_flight += vx_endpoint_in_flight(machine->guest[g].stack) + vx_endpoint_in_flight(machine->peers[g]);
    const vx_identity all[] = {
        {"exits = sum over reasons", c->total.exits_total, exits},
        {"guests' cycles = time of their processors", vx_ledger_total(&c->total.ledger), c->guest_time},
        {"back-ends' cycles = time of their processors", vx_ledger_total(&c->backend), c->backend_time},
        {"frames - sent again = acknowledged + in flight", c->frames - c->resent, c->acknowledged + in_flight},
    };
    unsigned count = sizeof all / sizeof *all;
    for (unsigned i = 0; i < count && i < room; i++) identities[i] = all[i];
    return count;
}
