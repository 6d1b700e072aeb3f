/* Building the machine: host memory, CPUs, hypervisor, vCPUs, guest OSes, in the order of the layers. */
#include "sim_private.h"

/* Where the OS has to wait for other CPUs, or may have answered them, the run ends for sim_smp.c to see about it. */
static vx_status guest_page_fault(void *vcpu, vx_gva gva, uint32_t error_code, vx_queue *queue, vx_msg *msg)
{
    const sim_vcpu *v = vcpu;
    vx_status status = vx_guest_page_fault(v->guest, gva, error_code, queue, msg);
    if (vx_guest_waits(v->guest)) vx_vcpu_yield(v->vcpu);
    return status;
}

static vx_status guest_interrupt(void *vcpu, uint8_t vector, vx_queue *queue, vx_msg *msg)
{
    (void)msg;
    const sim_vcpu *v = vcpu;
    vx_guest_interrupt(v->guest, vector, queue);
    if (v->sim->smp) vx_vcpu_yield(v->vcpu);
    return VX_OK;
}

static vx_tick vcpu_time(const void *vcpu) { return vx_vcpu_now(vcpu); }

static void send_interrupt(void *bus, const vx_interrupt_message *message) { (void)vx_apic_bus_deliver(bus, message); }

/* The local APIC of a modelled OS that uses one. A count of its timer is one tick. */
static vx_status make_apic(vx_sim *sim, sim_vcpu *v, vx_vcpu_setup *setup, vx_msg *msg)
{
    if (!v->guest || sim->guest_config.priority.apic == VX_APIC_ACCESS_NONE) return VX_OK;
    vx_apic_setup apic = {.page = vx_arena_alloc(&sim->arena, VX_APIC_PAGE_BYTES),
                          .id = sim->smp ? v->index : 0,
                          .bootstrap = !sim->smp || v->index == 0,
                          .x2apic = true,
                          .physical_bits = sim->cpu.paging.physical_bits,
                          .tsc_deadline = true,
                          .timer_ticks = 1,
                          .send = sim->smp ? sim_smp_send : send_interrupt,
                          .bus = sim->smp ? (void *)v : (void *)&v->bus};
    if (!apic.page) return vx_fail_nomem(msg);
    vx_apic_init(&v->apic, &apic);
    v->bus.apic[v->bus.count++] = &v->apic;
    setup->apic = &v->apic;
    setup->hooks.on_interrupt = guest_interrupt;
    return VX_OK;
}

/* The OS's own bound on what it queues at once; a system trace queues nothing, and one record is enough. */
static vx_status make_queue(sim_vcpu *v, vx_arena *arena, vx_msg *msg)
{
    size_t records = 1, words = 1;
    if (v->guest) vx_guest_queue_bound(v->feeds, v->sim->smp ? v->sim->vcpus : 1, &records, &words);
    return vx_queue_init(&v->queue, arena, records, words, msg);
}

/* Whether a further vCPU's traces are threads of the first's processes. */
static bool are_threads(const vx_sim *sim)
{
    vx_smp_traces are = sim->guest_config.vcpus;
    return are == VX_SMP_AUTO ? sim->trace_groups == 1 : are == VX_SMP_THREADS;
}

/* The vCPUs of one VM are CPUs of one OS. */
static vx_status make_guest(vx_sim *sim, sim_vcpu *v, vx_msg *msg)
{
    if (sim_is_system_trace(v)) return VX_OK;
    if (sim->smp && v->index > 0)
        return vx_guest_add_cpu(&v->guest, &sim->arena, sim->vcpu[0].guest, v->feeds, are_threads(sim), msg);
    return vx_guest_init(&v->guest, &sim->arena, &sim->guest_config, v->feeds, sim->options.seed + v->index, msg);
}

static vx_status build_vcpu(vx_sim *sim, sim_vcpu *v, vx_msg *msg)
{
    v->processor = &sim->processor[sim->smp ? v->index : 0];
    vx_status status = make_guest(sim, v, msg);
    if (status == VX_OK) status = make_queue(v, &sim->arena, msg);
    if (status != VX_OK) return status;
    vx_vcpu_setup setup = {.cpu = &sim->cpu,
                           .mmu = v->processor->mmu,
                           .memory = &sim->memory,
                           .ram = &sim->layout.ram[sim->smp ? 0 : v->index],
                           .ledger = &v->processor->ledger,
                           .queue = &v->queue};
    if (v->guest) {
        setup.hooks.guest = v;
        setup.hooks.on_page_fault = guest_page_fault;
    }
    if (sim->options.check) {
        setup.hooks.checker = v;
        setup.hooks.on_translation = sim_check_translation;
    }
    status = make_apic(sim, v, &setup, msg);
    if (status != VX_OK) return status;
    if (sim->vmm) vx_vmm_hooks(sim->vmm, v->index, &setup.hooks);
    status = vx_vcpu_init(&v->vcpu, &sim->arena, &setup, msg);
    if (status == VX_OK && v->guest) vx_guest_clock(v->guest, vcpu_time, v->vcpu);
    if (status == VX_OK && sim->vmm) vx_vmm_attach(sim->vmm, v->index, v->vcpu);
    return status;
}

/* A modelled guest uses only what the CPU has: `vexit walk` alone goes beyond it. */
static vx_status check_guest(const vx_sim *sim, vx_msg *msg)
{
    const vx_cfg_guest *guest = &sim->guest_config;
    const vx_cfg_paging *has = &sim->cpu.paging;
    if (guest->levels == 5 && has->virtual_bits < 57)
        return vx_fail(msg, VX_ERR_INPUT, "vm.levels=5: %s has no 5-level paging", sim->cpu.name);
    if (guest->levels >= 4 && !has->long_mode)
        return vx_fail(msg, VX_ERR_INPUT, "vm.levels=4: %s has no 64-bit mode", sim->cpu.name);
    if (guest->page == VX_PAGE_1G && !has->page_1g)
        return vx_fail(msg, VX_ERR_INPUT, "vm.page=1g: %s has no 1 GiB pages", sim->cpu.name);
    if (guest->pcid && !has->pcid)
        return vx_fail(msg, VX_ERR_INPUT, "vm.pcid=yes: %s has no process-context identifiers", sim->cpu.name);
    return VX_OK;
}

/* Host memory must have addresses: tables would hold what the walker takes for reserved bits. */
static vx_status bound_host(vx_sim *sim, vx_msg *msg)
{
    unsigned bits = sim->cpu.paging.physical_bits;
    if (sim->layout.bytes > 1ULL << bits)
        return vx_fail(msg, VX_ERR_INPUT, "the machine needs %llu MiB of memory: %s has physical addresses of %u bits",
                       (unsigned long long)(sim->layout.bytes >> 20), sim->cpu.name, bits);
    for (unsigned i = 0; i < sim->vms; i++) sim->layout.ram[i].host_end = 1ULL << bits;
    sim->layout.l1.host_end = 1ULL << bits;
    return VX_OK;
}

static vx_status build_processors(vx_sim *sim, vx_msg *msg)
{
    sim->processors = sim->smp ? sim->vcpus : 1;
    sim->processor = vx_arena_array(&sim->arena, sim->processors, sizeof *sim->processor);
    sim->identities =
        vx_arena_array(&sim->arena, (size_t)sim->processors * SIM_IDENTITIES_MAX, sizeof *sim->identities);
    if (!sim->processor || !sim->identities) return vx_fail_nomem(msg);
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i < sim->processors; i++) {
        sim_processor *p = &sim->processor[i];
        status = vx_mmu_init(&p->mmu, &sim->arena, &sim->cpu, &sim->memory, &p->ledger, msg);
    }
    return status;
}

static vx_status build_vmm(vx_sim *sim, vx_msg *msg)
{
    if (sim->scheme == VX_SCHEME_NATIVE) return VX_OK;
    vx_vmm_setup setup = {.cpu = &sim->cpu,
                          .vmm = &sim->vmm_config,
                          .l0 = sim->l0_model ? vx_model_vmm(sim->l0_model) : NULL,
                          .scheme = sim->scheme,
                          .vpid = sim->vpid,
                          .memory = &sim->memory,
                          .layout = &sim->layout,
                          .vms = sim->vms,
                          .vcpus = sim->smp ? sim->vcpus : 1,
                          .kick = {sim_smp_kick, sim},
                          .tpr_instructions = sim->guest_config.priority.tpr_instructions,
                          .recorded_guests = sim->smp || sim_is_system_trace(&sim->vcpu[0])};
    return vx_vmm_init(&sim->vmm, &sim->arena, &setup, msg);
}

vx_status sim_machine_build(vx_sim *sim, vx_msg *msg)
{
    vx_status status = check_guest(sim, msg);
    if (status == VX_OK)
        status = vx_host_layout_make(&sim->layout, sim->scheme, &sim->vmm_config, sim_ram_bytes(sim), sim->vms,
                                     sim->options.seed, msg);
    if (status == VX_OK && sim->l0_model)
        status = vx_host_layout_nest(&sim->layout, vx_model_vmm(sim->l0_model), sim->vms, sim->options.seed, msg);
    if (status == VX_OK) status = bound_host(sim, msg);
    if (status == VX_OK) status = vx_physmem_init(&sim->memory, sim->layout.bytes, msg);
    if (status != VX_OK) return status;
    sim->memory_made = true;
    if (sim->layout.table_bytes) vx_physmem_dense(&sim->memory, sim->layout.table_bytes);
    status = build_processors(sim, msg);
    if (status == VX_OK) status = build_vmm(sim, msg);
    if (status == VX_OK && sim->smp) status = sim_smp_room(sim, msg);
    /* A guest asks CPUID what it is offered. */
    if (!sim->vmm || !sim->vmm_config.pv_eoi) sim->guest_config.priority.pv_eoi = false;
    for (unsigned i = 0; status == VX_OK && i < sim->vcpus; i++) status = build_vcpu(sim, &sim->vcpu[i], msg);
    return status;
}
