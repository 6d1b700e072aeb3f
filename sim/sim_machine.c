/* Building the machine: host memory, MMU, hypervisor, vCPU, guest OS, in the order of the layers. */
#include "sim_private.h"

/* A fault handler of the modelled OS queues a bounded number of records; a system trace queues none. */
enum { QUEUE_RECORDS = 8192, QUEUE_WORDS = 65536 };

static vx_status guest_page_fault(void *guest, vx_gva gva, uint32_t error_code, vx_queue *queue, vx_msg *msg)
{
    return vx_guest_page_fault(guest, gva, error_code, queue, msg);
}

static vx_status build_vm(vx_sim *sim, vx_msg *msg)
{
    sim_vm *vm = &sim->vm;
    vx_status status = vx_queue_init(&vm->queue, &sim->arena, QUEUE_RECORDS, QUEUE_WORDS, msg);
    if (status != VX_OK) return status;
    vx_vcpu_setup setup = {.cpu = &sim->cpu,
                           .mmu = sim->mmu,
                           .memory = &sim->memory,
                           .ram = &sim->layout.ram[0],
                           .ledger = &sim->ledger,
                           .queue = &vm->queue};
    if (!sim_is_system_trace(sim)) {
        status = vx_guest_init(&vm->guest, &sim->arena, &sim->guest_config, vm->feeds, sim->options.seed, msg);
        if (status != VX_OK) return status;
        setup.hooks.guest = vm->guest;
        setup.hooks.on_page_fault = guest_page_fault;
    }
    if (sim->vmm) vx_vmm_hooks(sim->vmm, 0, &setup.hooks);
    status = vx_vcpu_init(&vm->vcpu, &sim->arena, &setup, msg);
    if (status != VX_OK) return status;
    if (sim->vmm) vx_vmm_attach(sim->vmm, 0, vm->vcpu);
    return VX_OK;
}

vx_status sim_machine_build(vx_sim *sim, vx_msg *msg)
{
    uint64_t ram = sim_ram_bytes(sim);
    vx_status status = vx_host_layout_make(&sim->layout, sim->scheme, &sim->vmm_config, ram, 1, sim->options.seed, msg);
    if (status != VX_OK) return status;
    status = vx_physmem_init(&sim->memory, sim->layout.bytes, msg);
    if (status != VX_OK) return status;
    sim->memory_made = true;
    status = vx_mmu_init(&sim->mmu, &sim->arena, &sim->cpu, &sim->memory, &sim->ledger, msg);
    if (status != VX_OK) return status;
    if (sim->scheme != VX_SCHEME_NATIVE) {
        vx_vmm_setup setup = {.cpu = &sim->cpu,
                              .vmm = &sim->vmm_config,
                              .scheme = sim->scheme,
                              .vpid = sim->vpid,
                              .memory = &sim->memory,
                              .layout = &sim->layout,
                              .vms = 1};
        status = vx_vmm_init(&sim->vmm, &sim->arena, &setup, msg);
        if (status != VX_OK) return status;
    }
    return build_vm(sim, msg);
}
