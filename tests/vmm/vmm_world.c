#include "vmm_world.h"

#include "test_cpu.h"
#include "test_support.h"

enum { RAM_BYTES = 64 << 20, FIRST_PAGE = 1 << 16 };

vx_cfg_vmm vmm_test_config(void)
{
    return (vx_cfg_vmm){
        .name = "plain",
        .schemes = (1U << VX_SCHEMES) - 1U,
        .nested_page = VX_PAGE_4K,
        .placement = VX_PLACE_SCATTERED,
        .vpid = true,
        .slice_ticks = 1000000,
        .shadow_fill_ticks = 100,
        .emulate_store_ticks = 300,
        .trap_emulate_ticks = 2000,
        .bt_syscall_ticks = 2308,
        .bt_page_fault_ticks = 3927,
        .bt_port_in_ticks = 216,
        .bt_privileged_ticks = 35,
        .bt_store_ticks = 2121,
        .xen = {.prefetch = 32, .oos_pages = 3, .oos_fixups = 2, .early_unshadow = VX_UNSHADOW_ALL, .emulate_ahead = 4},
        .shadow = {.prefetch = 8, .flood_writes = 3, .previous_roots = 3, .invlpg_maps = true},
        .handler_count = 1,
        .handler = {{.reason = "default", .ticks = 1000, .vmreads = 10}},
    };
}

static vx_status page_fault(void *guest, vx_gva gva, uint32_t error_code, vx_queue *queue, vx_msg *msg)
{
    (void)queue;
    vmm_world *world = guest;
    world->outcome = (vmm_outcome){.faulted = true, .fault = gva, .error_code = error_code};
    return vx_fail(msg, VX_ERR_INTERRUPTED, "the guest sees a page fault");
}

static vx_status translation(void *checker, const vx_vcpu *vcpu, vx_gva gva, vx_access access, vx_hpa hpa, vx_msg *msg)
{
    (void)vcpu, (void)gva, (void)access, (void)msg;
    vmm_world *world = checker;
    world->reached = hpa;
    return VX_OK;
}

static void make_cpu(vmm_world *world)
{
    world->cpu = world->options.amd ? test_cpu_barcelona() : test_cpu_nehalem();
    world->cpu.cost = (vx_cfg_cost){.vmexit_ticks = 500,
                                    .vmentry_ticks = 200,
                                    .vmread_ticks = 7,
                                    .vmwrite_ticks = 5,
                                    .interrupt_ticks = 40,
                                    .syscall_ticks = 242,
                                    .page_fault_ticks = 1093,
                                    .privileged_trap_ticks = 1100};
    world->cpu.vmx.tpr_shadow = world->options.tpr_shadow;
    world->cpu.vmx.pause_loop_exiting = world->options.pause_loops;
    world->cpu.vmx.vmcs_shadowing = world->options.vmcs_shadowing;
    if (world->options.no_execute_only) world->cpu.vmx.ept_execute_only = false;
    world->cpu.svm.pause_filter = world->cpu.svm.pause_threshold = world->options.pause_loops;
    if (world->options.no_secondary) world->cpu.vmx = (vx_cfg_vmx){.vmx = true, .msr_bitmaps = true};
}

static void invert_placement(vmm_world *world)
{
    const vx_gpa_map *map = &world->layout.ram[0];
    world->frame_of_host = calloc(world->layout.bytes >> VX_PAGE_SHIFT, sizeof *world->frame_of_host);
    assert_non_null(world->frame_of_host);
    for (uint64_t gpa = 0; gpa < map->bytes; gpa += VX_PAGE_BYTES)
        world->frame_of_host[vx_gpa_map_hpa(map, (vx_gpa){gpa}).v >> VX_PAGE_SHIFT] =
            (uint32_t)(gpa >> VX_PAGE_SHIFT) + 1;
}

static void make_vmm(vmm_world *world)
{
    if (world->options.scheme == VX_SCHEME_NATIVE) return;
    vx_vmm_setup setup = {.cpu = &world->cpu,
                          .vmm = &world->config,
                          .l0 = world->options.l0,
                          .scheme = world->options.scheme,
                          .vpid = world->options.vpid,
                          .memory = &world->memory,
                          .layout = &world->layout,
                          .vms = 1,
                          .tpr_instructions = world->options.tpr_instructions,
                          .recorded_guests = world->options.recorded};
    vx_status status = vx_vmm_init(&world->vmm, &world->arena, &setup, &world->msg);
    if (status != VX_OK) fail_msg("vx_vmm_init: %s", world->msg.text);
}

static vx_status interrupt(void *guest, uint8_t vector, vx_queue *queue, vx_msg *msg)
{
    (void)queue, (void)msg;
    vmm_world *world = guest;
    if (world->vector_count < sizeof world->vectors) world->vectors[world->vector_count] = vector;
    world->vector_count++;
    return VX_OK;
}

static void send(void *bus, const vx_interrupt_message *message)
{
    vmm_world *world = bus;
    if (vx_apic_matches(&world->apic, message)) (void)vx_apic_accept(&world->apic, message);
}

static void make_apic(vmm_world *world, vx_vcpu_setup *setup)
{
    if (!world->options.apic) return;
    const vx_apic_setup apic = {
        .page = world->apic_page, .x2apic = true, .physical_bits = 36, .timer_ticks = 1, .send = send, .bus = world};
    vx_apic_init(&world->apic, &apic);
    (void)vx_apic_write(&world->apic, VX_APIC_SVR, 0x1FF, 0);
    setup->apic = &world->apic;
    setup->hooks.on_interrupt = interrupt;
}

static void make_vcpu(vmm_world *world)
{
    vx_vcpu_setup setup = {
        .cpu = &world->cpu,
        .mmu = world->mmu,
        .memory = &world->memory,
        .ram = &world->layout.ram[0],
        .ledger = &world->ledger,
        .queue = &world->queue,
        .hooks = {.guest = world, .on_page_fault = page_fault, .checker = world, .on_translation = translation}};
    make_apic(world, &setup);
    if (world->vmm) vx_vmm_hooks(world->vmm, 0, &setup.hooks);
    assert_int_equal(vx_vcpu_init(&world->vcpu, &world->arena, &setup, &world->msg), VX_OK);
    if (world->vmm) vx_vmm_attach(world->vmm, 0, world->vcpu);
}

void vmm_world_open(vmm_world *world, const vmm_options *options)
{
    static const vx_radix *const formats[VX_PAGING_MODES] = {&vx_radix_4level, &vx_radix_2level, &vx_radix_pae,
                                                             &vx_radix_4level, &vx_radix_5level};
    *world = (vmm_world){.options = *options, .format = formats[options->mode], .next_page = FIRST_PAGE};
    make_cpu(world);
    world->config = vmm_test_config();
    world->config.nested_page = options->nested_page;
    world->config.handler[0].lines = options->lines;
    world->config.handler[0].pages = options->pages;
    world->config.exits = options->exits;
    world->config.ept_ad = options->ept_ad;
    world->config.nested_prefetch = options->nested_prefetch;
    world->config.shadow.quota_ratio = options->quota_ratio;
    world->config.shadow.quota_least = options->quota_least;
    if (options->xen) world->config.xen = *options->xen;
    if (options->linear) world->config.placement = VX_PLACE_LINEAR;
    if (options->adjust) options->adjust(&world->cpu, &world->config);
    vx_arena_init(&world->arena);
    uint64_t ram = options->ram_bytes ? options->ram_bytes : RAM_BYTES;
    assert_int_equal(vx_host_layout_make(&world->layout, options->scheme, &world->config, ram, 1, 7, &world->msg),
                     VX_OK);
    if (options->l0) assert_int_equal(vx_host_layout_nest(&world->layout, options->l0, 1, 7, &world->msg), VX_OK);
    if (options->table_bytes) world->layout.table_bytes = options->table_bytes;
    invert_placement(world);
    assert_int_equal(vx_physmem_init(&world->memory, world->layout.bytes, &world->msg), VX_OK);
    assert_int_equal(vx_queue_init(&world->queue, &world->arena, 4, 16, &world->msg), VX_OK);
    assert_int_equal(vx_mmu_init(&world->mmu, &world->arena, &world->cpu, &world->memory, &world->ledger, &world->msg),
                     VX_OK);
    make_vmm(world);
    make_vcpu(world);
}

void vmm_world_close(vmm_world *world)
{
    free(world->frame_of_host);
    vx_physmem_fini(&world->memory);
    vx_arena_fini(&world->arena);
}

void vmm_world_open_pages(vmm_world *world, const vmm_options *options, uint64_t gva, unsigned pages, uint64_t leaf)
{
    vmm_world_open(world, options);
    uint64_t root = vmm_root(world);
    for (unsigned i = 0; i < pages; i++)
        vmm_map(world, root, gva + i * VX_PAGE_BYTES, vmm_page(world), VX_PAGE_4K, leaf);
    vmm_boot(world, root);
    vmm_reset_counts(world);
}

/* ---- records ---- */

static bool execute(vmm_world *world, const vx_record *record, const uint64_t *payload, unsigned words)
{
    vx_batch batch = {.records = record, .count = 1, .payload = payload, .words = words};
    vx_run run = {.instruction_limit = UINT64_MAX, .tick_limit = VX_TICK_NEVER};
    vx_stop stop = vx_vcpu_run(world->vcpu, &batch, &run, &world->msg);
    world->status = stop == VX_STOP_ERROR ? run.status : VX_OK;
    return world->status == VX_OK || world->status == VX_ERR_INTERRUPTED;
}

bool vmm_do(vmm_world *world, vx_record_kind kind, unsigned size, uint64_t addr, const uint64_t *payload,
            unsigned words)
{
    vx_record record = {.kind = (uint8_t)kind, .size = (uint8_t)size, .addr = addr, .count = (uint16_t)words};
    return execute(world, &record, payload, words);
}

void vmm_boundary(vmm_world *world) { assert_int_equal(vx_vcpu_drain(world->vcpu, &world->msg), VX_OK); }

static void must(vmm_world *world, bool fine)
{
    if (!fine) fail_msg("%s", world->msg.text);
}

vmm_outcome vmm_touch(vmm_world *world, vx_access access, uint64_t gva)
{
    static const vx_record_kind kinds[VX_ACCESSES] = {VX_REC_LOAD, VX_REC_STORE, VX_REC_FETCH};
    vx_record record = {.kind = (uint8_t)kinds[access], .addr = gva, .count = 1};
    if (access == VX_ACCESS_FETCH)
        record.arg = 1;
    else
        record.size = 1;
    world->outcome = (vmm_outcome){.gpa = gva}; /* untranslated: nobody tells */
    world->reached = (vx_hpa){UINT64_MAX};
    must(world, execute(world, &record, NULL, 0));
    if (world->outcome.faulted || world->reached.v == UINT64_MAX) return world->outcome;
    uint64_t host = world->reached.v >> VX_PAGE_SHIFT;
    uint32_t frame = host < world->layout.bytes >> VX_PAGE_SHIFT ? world->frame_of_host[host] : 0;
    world->outcome.gpa =
        frame ? (uint64_t)(frame - 1) << VX_PAGE_SHIFT | (world->reached.v & (VX_PAGE_BYTES - 1)) : UINT64_MAX;
    return world->outcome;
}

uint64_t vmm_reach(vmm_world *world, vx_access access, uint64_t gva)
{
    vmm_outcome outcome = vmm_touch(world, access, gva);
    if (outcome.faulted) fail_msg("%#llx faults with error code %#x", (unsigned long long)gva, outcome.error_code);
    return outcome.gpa;
}

void vmm_use_up_tables(vmm_world *world, uint64_t gva, unsigned most)
{
    vx_record load = {.kind = VX_REC_LOAD, .size = 1, .count = 1, .addr = gva};
    for (unsigned i = 0; i < most && execute(world, &load, NULL, 0); i++) load.addr += 2 << 20;
    assert_int_equal(world->status, VX_ERR_CHECK); /* a reference that never succeeds: the hypervisor says why */
    assert_int_equal(vx_vmm_status(world->vmm, &world->msg), VX_ERR_INPUT);
    assert_non_null(strstr(world->msg.text, "tables are used up"));
}

void vmm_cr_write(vmm_world *world, unsigned number, uint64_t value)
{
    must(world, vmm_do(world, VX_REC_CR_WRITE, number, value, NULL, 0));
    if (number == 3) world->root = value;
}

void vmm_invlpg(vmm_world *world, uint64_t gva) { must(world, vmm_do(world, VX_REC_INVLPG, 0, gva, NULL, 0)); }
void vmm_cpl(vmm_world *world, unsigned cpl) { must(world, vmm_do(world, VX_REC_CPL, cpl, 0, NULL, 0)); }

/* ---- tables ---- */

uint64_t vmm_large_page(vmm_world *world, vx_page_size size)
{
    uint64_t bytes = vx_page_bytes(size);
    uint64_t page = (world->next_page + bytes - 1) & ~(bytes - 1);
    world->next_page = page + bytes;
    assert_true(world->next_page <= world->layout.ram[0].bytes);
    return page;
}

uint64_t vmm_page(vmm_world *world) { return vmm_large_page(world, VX_PAGE_4K); }

static uint64_t new_table(vmm_world *world, unsigned level)
{
    uint64_t page = vmm_page(world);
    must(world, vmm_do(world, VX_REC_PT_PAGE_NEW, level, page, NULL, 0));
    return page;
}

static vx_hpa place(const vmm_world *world, uint64_t gpa)
{
    return vx_gpa_map_hpa(&world->layout.ram[0], (vx_gpa){gpa});
}

uint64_t vmm_read(const vmm_world *world, uint64_t gpa)
{
    return vx_radix_read(world->format, &world->memory, place(world, gpa));
}

void vmm_pt_store(vmm_world *world, uint64_t gva, uint64_t gpa, uint64_t value)
{
    uint64_t payload[2] = {gpa, value};
    must(world, vmm_do(world, VX_REC_PT_STORE, world->format->entry_bytes, gva, payload, 2));
}

void vmm_pt_store_half(vmm_world *world, uint64_t gva, uint64_t gpa, uint32_t value)
{
    uint64_t payload[2] = {gpa, value};
    must(world, vmm_do(world, VX_REC_PT_STORE, 4, gva, payload, 2));
}

uint64_t vmm_root(vmm_world *world)
{
    uint64_t root = new_table(world, world->format->top);
    for (unsigned i = 0; world->format == &vx_radix_pae && i < 4; i++)
        vmm_pt_store(world, VX_GVA_UNKNOWN, root + 8 * i, new_table(world, 2) | VX_PTE_P);
    return root;
}

void vmm_boot(vmm_world *world, uint64_t root)
{
    static const uint64_t cr4[VX_PAGING_MODES] = {0, VX_CR4_PSE, VX_CR4_PAE, VX_CR4_PAE, VX_CR4_PAE | VX_CR4_LA57};
    uint64_t paging = world->options.mode == VX_PAGING_NONE ? 0 : VX_CR0_PG | VX_CR0_WP;
    uint64_t state[13] = {VX_CR0_PE | VX_CR0_NE | paging, 0, root, cr4[world->options.mode], VX_EFER_NXE};
    if (world->options.mode >= VX_PAGING_4LEVEL) state[4] |= VX_EFER_LME | VX_EFER_LMA;
    for (unsigned i = 0; world->options.mode == VX_PAGING_PAE && i < 4; i++)
        state[5 + i] = vmm_read(world, root + 8 * i);
    must(world, vmm_do(world, VX_REC_STATE, 0, 0, state, 13));
    world->root = root;
}

uint64_t vmm_entry_at(const vmm_world *world, uint64_t root, uint64_t gva, unsigned level)
{
    const vx_radix *format = world->format;
    uint64_t table = root;
    for (unsigned l = format->top;; l--) {
        uint64_t at = table + (uint64_t)vx_radix_index(format, l, gva) * format->entry_bytes;
        if (l == level) return at;
        uint64_t entry = vmm_read(world, at);
        if (!(entry & VX_PTE_P) || vx_radix_is_leaf(format, l, entry)) return 0;
        table = vx_radix_frame(format, entry, l, false);
        if (table >= world->layout.ram[0].bytes) return 0; /* a reserved bit */
    }
}

static unsigned level_of(const vx_radix *format, vx_page_size size)
{
    for (unsigned level = 1; level <= format->top; level++)
        if (format->page[level] == (int8_t)size) return level;
    fail_msg("%s paging has no such page", format->name);
    return 0;
}

void vmm_map(vmm_world *world, uint64_t root, uint64_t gva, uint64_t frame, vx_page_size size, uint64_t leaf)
{
    const vx_radix *format = world->format;
    unsigned target = level_of(format, size);
    for (unsigned level = format->top; level > target; level--) {
        uint64_t at = vmm_entry_at(world, root, gva, level);
        assert_true(at != 0);
        if (vmm_read(world, at) & VX_PTE_P) continue;
        bool pdpte = format == &vx_radix_pae && level == 3;
        vmm_pt_store(world, VX_GVA_UNKNOWN, at, new_table(world, level - 1) | (pdpte ? VX_PTE_P : VMM_USER_PAGE));
    }
    uint64_t at = vmm_entry_at(world, root, gva, target);
    assert_true(at != 0);
    vmm_pt_store(world, VX_GVA_UNKNOWN, at, frame | leaf | VX_PTE_P | (target > 1 ? VX_PTE_PS : 0));
}

uint64_t vmm_address(const vmm_world *world, unsigned index, uint64_t offset)
{
    const vx_radix *format = world->format;
    unsigned bits = format->shift[format->top] + format->bits[format->top];
    uint64_t address = (uint64_t)index << format->shift[format->top] | offset;
    if (format->top >= 4 && address >> (bits - 1) & 1) address |= ~0ULL << bits;
    return address;
}

/* ---- counts ---- */

const vx_vmm_counts *vmm_counts(const vmm_world *world) { return vx_vmm_counts_now(world->vmm); }

uint64_t vmm_exits(const vmm_world *world) { return vx_vcpu_counts_now(world->vcpu)->exits; }

uint64_t vmm_exits_for(const vmm_world *world, const char *reason)
{
    int index = vx_exit_reason_find(world->cpu.vendor, reason);
    assert_true(index >= 0);
    return vx_vcpu_counts_now(world->vcpu)->by_reason[index].count;
}

uint64_t vmm_flushes(vmm_world *world, vx_mmu_op op) { return vx_mmu_counts_now(world->mmu)->flushes[op]; }

void vmm_reset_counts(vmm_world *world)
{
    vx_vcpu_counts_reset(world->vcpu);
    vx_mmu_counts_reset(world->mmu);
    if (world->vmm) vx_vmm_counts_reset(world->vmm);
    vx_vcpu_time_goes_on(world->vcpu, vx_ledger_total(&world->ledger));
    world->ledger = (vx_ledger){0};
}

uint64_t vmm_verify(vmm_world *world)
{
    uint64_t leaves = 0;
    if (world->vmm && vx_vmm_verify(world->vmm, &leaves, &world->msg) != VX_OK) fail_msg("%s", world->msg.text);
    return leaves;
}
