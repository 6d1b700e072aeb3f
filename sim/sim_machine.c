/* Building the machine: host memory, MMU, hypervisor, vCPU, guest OS, in the order of the layers. */
#include "sim_private.h"

static vx_status guest_page_fault(void *guest, vx_gva gva, uint32_t error_code, vx_queue *queue, vx_msg *msg)
{
    return vx_guest_page_fault(guest, gva, error_code, queue, msg);
}

static vx_status guest_interrupt(void *guest, uint8_t vector, vx_queue *queue, vx_msg *msg)
{
    (void)msg;
    vx_guest_interrupt(guest, vector, queue);
    return VX_OK;
}

static void send_interrupt(void *bus, const vx_interrupt_message *message) { (void)vx_apic_bus_deliver(bus, message); }

/* The local APIC of a modelled OS that uses one. A count of its timer is one tick. */
static vx_status make_apic(vx_sim *sim, sim_vm *vm, vx_vcpu_setup *setup, vx_msg *msg)
{
    if (!vm->guest || sim->guest_config.priority.apic == VX_APIC_ACCESS_NONE) return VX_OK;
    vx_apic_setup apic = {.page = vx_arena_alloc(&sim->arena, VX_APIC_PAGE_BYTES),
                          .bootstrap = true,
                          .x2apic = true,
                          .physical_bits = sim->cpu.paging.physical_bits,
                          .timer_ticks = 1,
                          .send = send_interrupt,
                          .bus = &vm->bus};
    if (!apic.page) return vx_fail_nomem(msg);
    vx_apic_init(&vm->apic, &apic);
    vm->bus.apic[vm->bus.count++] = &vm->apic;
    setup->apic = &vm->apic;
    setup->hooks.on_interrupt = guest_interrupt;
    return VX_OK;
}

/* The OS's own bound on what it queues at once; a system trace queues nothing, and one record is enough. */
static vx_status make_queue(sim_vm *vm, vx_arena *arena, vx_msg *msg)
{
    size_t records = 1, words = 1;
    if (vm->guest) vx_guest_queue_bound(vm->feeds, &records, &words);
    return vx_queue_init(&vm->queue, arena, records, words, msg);
}

static vx_status build_vm(vx_sim *sim, sim_vm *vm, vx_msg *msg)
{
    vx_status status = VX_OK;
    if (!sim_is_system_trace(vm))
        status =
            vx_guest_init(&vm->guest, &sim->arena, &sim->guest_config, vm->feeds, sim->options.seed + vm->index, msg);
    if (status == VX_OK) status = make_queue(vm, &sim->arena, msg);
    if (status != VX_OK) return status;
    vx_vcpu_setup setup = {.cpu = &sim->cpu,
                           .mmu = sim->mmu,
                           .memory = &sim->memory,
                           .ram = &sim->layout.ram[vm->index],
                           .ledger = &sim->ledger,
                           .queue = &vm->queue};
    if (vm->guest) {
        setup.hooks.guest = vm->guest;
        setup.hooks.on_page_fault = guest_page_fault;
    }
    if (sim->options.check) {
        setup.hooks.checker = vm;
        setup.hooks.on_translation = sim_check_translation;
    }
    status = make_apic(sim, vm, &setup, msg);
    if (status != VX_OK) return status;
    if (sim->vmm) vx_vmm_hooks(sim->vmm, vm->index, &setup.hooks);
    status = vx_vcpu_init(&vm->vcpu, &sim->arena, &setup, msg);
    if (status == VX_OK && sim->vmm) vx_vmm_attach(sim->vmm, vm->index, vm->vcpu);
    return status;
}

/* A modelled guest uses only what the CPU has: `vexit walk` alone goes beyond it (design, section 10). */
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
    return VX_OK;
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
                          .recorded_guests = sim_is_system_trace(&sim->vm[0])};
    return vx_vmm_init(&sim->vmm, &sim->arena, &setup, msg);
}

vx_status sim_machine_build(vx_sim *sim, vx_msg *msg)
{
    vx_status status = check_guest(sim, msg);
    if (status == VX_OK)
        status = vx_host_layout_make(&sim->layout, sim->scheme, &sim->vmm_config, sim_ram_bytes(sim), sim->vms,
                                     sim->options.seed, msg);
    if (status == VX_OK) status = bound_host(sim, msg);
    if (status == VX_OK) status = vx_physmem_init(&sim->memory, sim->layout.bytes, msg);
    if (status != VX_OK) return status;
    sim->memory_made = true;
    if (sim->layout.table_bytes) vx_physmem_dense(&sim->memory, sim->layout.table_bytes);
    status = vx_mmu_init(&sim->mmu, &sim->arena, &sim->cpu, &sim->memory, &sim->ledger, msg);
    if (status == VX_OK) status = build_vmm(sim, msg);
    for (unsigned i = 0; status == VX_OK && i < sim->vms; i++) status = build_vm(sim, &sim->vm[i], msg);
    return status;
}
