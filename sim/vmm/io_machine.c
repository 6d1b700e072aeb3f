/* The machine of guests, back-ends, card and wire (vx_io_machine.h): construction and processes. */
#include "vx_io_machine.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "io_private.h"

enum {
    TIMEOUT_US = 200000, /* RFC 6298 allows a second; Linux's least is 200 ms */
    FLUSH_UNMAPS = 250,  /* Linux's deferred mode */
    FLUSH_US = 10000
};

static const io_path *const paths[VX_IO_PATHS] = {[VX_IO_PATH_NATIVE] = &io_path_native,
                                                  [VX_IO_PATH_EMULATED] = &io_path_emulated,
                                                  [VX_IO_PATH_PARA] = &io_path_para,
                                                  [VX_IO_PATH_VMDQ] = &io_path_vmdq,
                                                  [VX_IO_PATH_PASSTHROUGH] = &io_path_passthrough,
                                                  [VX_IO_PATH_SRIOV] = &io_path_sriov};

const char *vx_io_path_name(vx_io_path path) { return paths[path]->name; }
const char *vx_io_path_doc(vx_io_path path) { return paths[path]->doc; }

const char *vx_io_exit_name(vx_io_exit exit)
{
    static const char *const names[VX_IO_EXITS] = {"EPT_MISCONFIG", "VMCALL", "EXTERNAL_INTERRUPT", "APIC_ACCESS",
                                                   "HLT"};
    assert(exit < VX_IO_EXITS);
    return names[exit];
}

/* ---- what is possible ---- */

static vx_status check_range(const char *what, uint64_t value, uint64_t least, uint64_t most, vx_msg *msg)
{
    if (value >= least && value <= most) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT, "%s: %llu, must be %llu to %llu", what, (unsigned long long)value,
                   (unsigned long long)least, (unsigned long long)most);
}

static vx_status check_workload(const vx_io_machine_config *config, vx_msg *msg)
{
    vx_status status = check_range("guests", config->guests, 1, VX_IO_GUESTS_MAX, msg);
    if (!status) status = check_range("payload of a frame, bytes", config->payload, 1, VX_IO_PAYLOAD_MAX, msg);
    if (!status) status = check_range("window, frames", config->window, 2, VX_WINDOW_MAX, msg);
    if (!status) status = check_range("connections of a guest", config->flows, 1, VX_FLOWS_MAX, msg);
    if (!status) status = check_range("request, bytes", config->request, 1, VX_MESSAGE_MAX, msg);
    if (!status) status = check_range("response, bytes", config->response, 1, VX_MESSAGE_MAX, msg);
    return status;
}

static vx_status check(const vx_io_machine_config *config, vx_msg *msg)
{
    const io_path *path = paths[config->path];
    vx_status status = check_workload(config, msg);
    if (status) return status;
    if (config->guests > 1 && !path->shared)
        return vx_fail(msg, VX_ERR_INPUT, "path %s serves one guest, not %u", path->name, config->guests);
    if (path->functions && config->nic->functions < config->guests)
        return vx_fail(msg, VX_ERR_INPUT, "path %s: %s has %u virtual functions for %u guests", path->name,
                       config->nic->name, config->nic->functions, config->guests);
    if (path->sorted && config->nic->queues < 2)
        return vx_fail(msg, VX_ERR_INPUT, "path %s: %s does not sort received frames into queues", path->name,
                       config->nic->name);
    if (config->copy_engine && !path->backend)
        return vx_fail(msg, VX_ERR_INPUT, "path %s has no back-end to use a copy engine (I/OAT)", path->name);
    if (config->policy != VX_IOMMU_OFF && config->path != VX_IO_PATH_NATIVE)
        return vx_fail(msg, VX_ERR_INPUT, "path %s: the IOMMU is the hypervisor's; a policy is of path native alone",
                       path->name);
    if (path->vtd && !config->chipset->iommu.present)
        return vx_fail(msg, VX_ERR_INPUT, "path %s needs VT-d, which the chipset %s has not", path->name,
                       config->chipset->name);
    return VX_OK;
}

/* The native system maps each buffer anew. */
static bool maps(const vx_io_machine_config *config)
{
    return config->policy == VX_IOMMU_STRICT || config->policy == VX_IOMMU_DEFERRED;
}

static uint64_t area_of(const vx_io_machine_config *config)
{
    return io_card_area(config->nic, config->payload, maps(config));
}

/* Areas are aligned to their size, so that large pages can map them. */
static uint64_t areas_at(const vx_io_machine_config *config)
{
    uint64_t area = area_of(config);
    return (IO_HOST_BASE + area - 1) & ~(area - 1);
}

uint64_t vx_io_machine_memory(const vx_io_machine_config *config)
{
    return areas_at(config) + area_of(config) * config->guests;
}

/* ---- construction ---- */

/* Until all is built nothing can be kicked; every process is kicked at tick 0. */
static void queue_kick(void *context)
{
    vx_io_machine *machine = context;
    if (machine->built) io_kick(machine, machine->config.guests + machine->backends + 2, machine->now);
}

/* The invalidation queue: a descriptor at its tick. */
static vx_tick queue_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    vx_io_machine *machine = self;
    vx_tick next = vx_iommu_queue_step(machine->iommu, now, now);
    if (next == VX_TICK_NEVER)
        for (unsigned g = 0; g < machine->config.guests; g++) io_guest_go_on(&machine->guest[g], now);
    return next;
}

/* Guests: a domain for each, with its memory in large pages where the IOMMU has them; the hypervisor maps it once.
 * Native: one domain, whose driver maps as its policy says. */
static vx_status build_vtd(vx_io_machine *machine, vx_arena *arena, vx_msg *msg)
{
    const vx_io_machine_config *config = &machine->config;
    bool guests = machine->path->vtd;
    vx_cfg_iommu hardware = config->chipset->iommu;
    hardware.ticks_per_us = config->cpu->core.mhz;
    const vx_iommu_hooks hooks = {.context = machine, .queue_kick = queue_kick};
    const vx_iommu_driver_config driver = {.policy = guests ? VX_IOMMU_STRICT : config->policy,
                                           .tables = VX_PAGE_BYTES,
                                           .table_bytes = IO_TABLE_BYTES - VX_PAGE_BYTES,
                                           .flush_unmaps = FLUSH_UNMAPS,
                                           .flush_ticks = (vx_tick)FLUSH_US * hardware.ticks_per_us,
                                           .leaf_hint = true};
    uint64_t area = area_of(config);
    vx_status status = vx_iommu_init(&machine->iommu, arena, &hardware, machine->memory, &hooks, msg);
    if (!status)
        status = vx_iommu_driver_init(&machine->iommu_driver, arena, machine->iommu, machine->memory, &driver, msg);
    for (unsigned g = 0; g < config->guests && !status && !maps(config); g++)
        status = vx_iommu_driver_map(machine->iommu_driver, (uint16_t)(IO_SOURCE_ID + g), 0,
                                     areas_at(config) + g * area, area, VX_VTD_SL_R | VX_VTD_SL_W, 0, msg);
    machine->remaps = hardware.interrupt_remapping;
    machine->posted = guests && machine->remaps && hardware.posted_interrupts && config->cpu->vmx.posted_interrupts;
    return status;
}

static void device_kick(void *context, const void *process, vx_tick at)
{
    vx_io_machine *machine = context;
    unsigned nic = machine->config.guests + machine->backends, engine = nic + 2 + (machine->iommu != NULL);
    io_kick(machine, process == machine->nic ? nic : process == machine->wire ? nic + 1 : engine, at);
}

/* A guest's own driver knows its memory from 0 on, the host's by host addresses. */
static vx_status build_nic(vx_io_machine *machine, vx_arena *arena, vx_msg *msg)
{
    const vx_io_machine_config *config = &machine->config;
    const io_path *path = machine->path;
    const vx_dev_hooks hooks = {machine, device_kick, io_interrupts_message};
    const vx_nic_config card = {.nic = config->nic,
                                .memory = machine->memory,
                                .iommu = machine->iommu,
                                .source_id = IO_SOURCE_ID,
                                .functions = path->functions,
                                .queues = config->guests,
                                .vectors = path->vtd ? config->guests : machine->backends,
                                .ticks_per_us = config->cpu->core.mhz,
                                .dma_page_ns = config->chipset->dma_page_ns};
    vx_status status = vx_nic_init(&machine->nic, arena, &card, &hooks, msg);
    if (status) return status;
    for (unsigned g = 0; g < config->guests && !status; g++) {
        uint64_t host = areas_at(config) + g * area_of(config);
        bool mapped = maps(config);
        status = io_card_init(&machine->card[g], machine->nic, machine->memory, config->nic, config->payload, g, host,
                              path->vtd || mapped ? 0 : host, mapped ? machine->iommu_driver : NULL, msg);
        vx_nic_filter(machine->nic, (uint16_t)g, g % card.vectors);
    }
    if (status) return status;
    io_interrupts_init(machine);
    const vx_wire_config wire = {.nic = machine->nic, .peers = machine->peers, .stations = config->guests};
    return vx_wire_init(&machine->wire, arena, &wire, &hooks, msg);
}

static vx_status build_engine(vx_io_machine *machine, vx_arena *arena, vx_msg *msg)
{
    const vx_copy_engine_hooks hooks = {machine, device_kick, io_backend_copied};
    const vx_io_machine_config *config = &machine->config;
    if (!config->copy_engine) return VX_OK;
    return vx_copy_engine_init(&machine->engine, arena, &config->chipset->copy_engine, config->cpu->core.mhz,
                               machine->backends, IO_RING, &hooks, msg);
}

static vx_status build_ends(vx_io_machine *machine, vx_arena *arena, vx_msg *msg)
{
    const vx_io_machine_config *config = &machine->config;
    vx_status status = VX_OK;
    for (unsigned g = 0; g < config->guests && !status; g++) {
        io_guest *guest = &machine->guest[g];
        guest->machine = machine;
        guest->index = g;
        snprintf(guest->name, sizeof guest->name, "guest%u", g);
        vx_endpoint_config end = {.workload = config->workload,
                                  .active = !config->receive,
                                  .guest = true,
                                  .station = (uint16_t)g,
                                  .flows = config->flows,
                                  .segment = config->payload,
                                  .request = config->request,
                                  .response = config->response,
                                  .window = config->window,
                                  .timeout = (vx_tick)TIMEOUT_US * config->cpu->core.mhz,
                                  .seed = config->seed};
        status = vx_endpoint_init(&guest->stack, arena, &end, msg);
        end.active = config->receive;
        end.guest = false;
        if (!status) status = vx_endpoint_init(&machine->peers[g], arena, &end, msg);
    }
    for (unsigned g = 0; g < config->guests && machine->path->ops->init; g++)
        machine->path->ops->init(&machine->guest[g]);
    for (unsigned b = 0; b < machine->backends; b++) {
        machine->backend[b].machine = machine;
        machine->backend[b].index = b;
        snprintf(machine->backend[b].name, sizeof machine->backend[b].name, "backend%u", b);
    }
    return status;
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
    made->memory = memory;
    made->path = paths[config->path];
    made->backends = 1;
    if (made->path->sorted)
        made->backends = config->nic->queues < config->guests ? config->nic->queues : config->guests;
    made->guest = vx_arena_array(arena, config->guests, sizeof *made->guest);
    made->card = vx_arena_array(arena, config->guests, sizeof *made->card);
    made->backend = vx_arena_array(arena, made->backends, sizeof *made->backend);
    if (!made->guest || !made->card || !made->backend) return vx_fail_nomem(msg);
    status = build_ends(made, arena, msg);
    if (!status && (made->path->vtd || config->policy != VX_IOMMU_OFF)) status = build_vtd(made, arena, msg);
    if (!status) status = build_nic(made, arena, msg);
    if (!status) status = build_engine(made, arena, msg);
    if (status) return status;
    made->built = true;
    *machine = made;
    return VX_OK;
}

/* ---- processes ---- */

unsigned vx_io_machine_processes(const vx_io_machine *machine)
{
    return machine->config.guests + machine->backends + 2 + (machine->iommu != NULL) + (machine->engine != NULL);
}

void vx_io_machine_process(const vx_io_machine *machine, unsigned n, const char **name, vx_step_fn *step, void **self)
{
    unsigned guests = machine->config.guests, devices = guests + machine->backends;
    assert(n < vx_io_machine_processes(machine));
    if (n < guests) {
        *name = machine->guest[n].name;
        *step = io_guest_step;
        *self = (void *)&machine->guest[n];
    } else if (n < devices) {
        *name = machine->backend[n - guests].name;
        *step = io_backend_step;
        *self = (void *)&machine->backend[n - guests];
    } else {
        static const char *const names[] = {"nic", "wire", "invalidation queue", "copy engine"};
        static const vx_step_fn steps[] = {vx_nic_step, vx_wire_step, queue_step, vx_copy_engine_step};
        void *const selves[] = {machine->nic, machine->wire, (void *)machine, machine->engine};
        unsigned device = n - devices;
        if (device == 2 && !machine->iommu) device = 3; /* the queue is left out */
        *name = names[device];
        *step = steps[device];
        *self = selves[device];
    }
}
