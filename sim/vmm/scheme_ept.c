/* Nested paging: the hypervisor fills the second table at the first touch of each guest frame, and stays out of the
 * way afterwards. EPT (SDM Vol. 3C 28.2) and NPT (AMD APM Vol. 2, 15.25) differ in entry bits and in what exits.
 *
 * Page-size policy: the largest page up to the model's `nested_page` that lies wholly inside the guest's RAM.
 *
 * Of a hypervisor that runs in a VM itself the table is EPT12 or NPT12: bytes in that VM's memory, at addresses of that
 * VM, which no processor walks (nested_table02.c). */
#include "nested_l0.h"

typedef struct nested_state {
    vx_radix_table table;
    uint64_t hand; /* guest-physical: where the host's memory management looks for its next page */
} nested_state;

enum { EPT_WRITE_BACK = 6 << 3 }; /* memory type of a leaf, SDM 28.2.6.2 */
#define EPT_ALL (VX_EPT_R | VX_EPT_W | VX_EPT_X)
#define NPT_ALL (VX_PTE_P | VX_PTE_W | VX_PTE_U) /* nested walks are user accesses, APM 15.25.5 */

static bool is_npt(const vmm_vm *vm) { return vm->vmm->cpu->vendor == VX_VENDOR_AMD; }

static vx_hpa in_l1(void *context, uint64_t address) { return vx_gpa_map_hpa(context, (vx_gpa){address}); }

/* The pages that this hypervisor makes its tables of. */
static table_pages *pool(vx_vmm *vmm) { return vmm->l0.config ? &vmm->l0.l1_pages : &vmm->pages; }

static vx_status init(vmm_vm *vm, vx_arena *arena, vx_msg *msg)
{
    (void)arena;
    nested_state *state = vm->state;
    uint64_t root = table_pages_take(pool(vm->vmm));
    if (!root) return vx_fail_nomem(msg);
    state->table = (vx_radix_table){
        .format = is_npt(vm) ? &vx_radix_4level : &vx_radix_ept4, .root = root, .memory = vm->vmm->memory};
    if (!vm->vmm->l0.config) return VX_OK;
    state->table.place = in_l1;
    state->table.place_context = (void *)&vm->vmm->layout->l1;
    return nested_table02_init(vm, root, msg);
}

static void controls(vmm_vm *vm)
{
    const nested_state *state = vm->state;
    if (is_npt(vm)) {
        vm->vmcb.nested_paging = true;
        vm->vmcb.nested_cr3 = state->table.root;
        vm->vmcb.nested_levels = 4;
        if (vm->vmm->l0.config) (void)nested_table02_enter(vm, state->table.root); /* VMCB02 has the other root */
        return;
    }
    vm->vmcs.cpu2 |= VX_CPU2_EPT;
    const vx_cfg_vmm *l0 = vm->vmm->l0.config;
    /* EPT pointer, SDM Table 24-8: write-back, walk length 4, A and D flags. */
    vm->vmcs.eptp = state->table.root | 6U | (3U << 3);
    if (vm->vmm->config->ept_ad && vm->vmm->cpu->vmx.ept_ad && (!l0 || l0->ept_ad)) vm->vmcs.eptp |= 1U << 6;
    if (l0) vm->vmcs.eptp = nested_table02_enter(vm, vm->vmcs.eptp);
}

static void load_state(vmm_vm *vm, const vx_registers *guest) { vx_vcpu_set_registers(vm->vcpu, guest); }

vx_page_size nested_page_of(const vx_cfg_cpu *cpu, const vx_cfg_vmm *config, uint64_t ram_bytes, uint64_t gpa)
{
    static const vx_page_size sizes[] = {VX_PAGE_1G, VX_PAGE_2M};
    bool has_1g = cpu->vendor == VX_VENDOR_AMD ? cpu->svm.npt_1g : cpu->vmx.ept_1g;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i] > config->nested_page || (sizes[i] == VX_PAGE_1G && !has_1g)) continue;
        uint64_t first = gpa & ~(vx_page_bytes(sizes[i]) - 1);
        if (first + vx_page_bytes(sizes[i]) <= ram_bytes) return sizes[i];
    }
    return VX_PAGE_4K;
}

static uint64_t new_table(void *context, unsigned level)
{
    (void)level;
    vmm_vm *vm = context;
    uint64_t page = table_pages_take(pool(vm->vmm));
    if (page && vm->vmm->l0.config) nested_l1_touch(vm, page, VX_PAGE_BYTES); /* clears it */
    return page;
}

static void wrote(void *context, unsigned level, uint64_t at, uint64_t value)
{
    (void)value;
    vmm_vm *vm = context;
    if (vm->vmm->l0.config) nested_l1_wrote(vm, level, at);
}

/* KVM of Linux 6.1 sets A and D in what it makes writable (make_spte), so that L0 needs not do so in NPT12. NOT
 * MODELLED: the same where a processor walks the table, and in EPT12. */
static uint64_t preset_flags(const vmm_vm *vm)
{
    return vm->vmm->l0.config && vm->vmm->config->exits == VX_EXITS_KVM ? VX_PTE_A | VX_PTE_D : 0;
}

/* False: no page left for a table. A nested hypervisor clears what it gives to its guest, which takes L0 to map it. */
static bool map(vmm_vm *vm, uint64_t first, vx_page_size size)
{
    nested_state *state = vm->state;
    uint64_t frame = vx_gpa_map_placed(vm->ram, (vx_gpa){first});
    uint64_t leaf = is_npt(vm) ? NPT_ALL | preset_flags(vm) : (EPT_ALL | EPT_WRITE_BACK);
    uint64_t upper = is_npt(vm) ? NPT_ALL | (preset_flags(vm) & VX_PTE_A) : EPT_ALL;
    if (vm->vmm->l0.config && first < vm->ram->bytes) nested_l1_touch(vm, frame, vx_page_bytes(size));
    vx_status status = vx_radix_map(&state->table, first, frame, size, leaf, upper, new_table, wrote, vm, NULL);
    vm->vmm->out_of_tables |= status != VX_OK;
    return status == VX_OK;
}

/* The neighbours of a touched 4 KiB page in its aligned window: those inside RAM that are not mapped yet. */
static void prefetch(vmm_vm *vm, uint64_t touched)
{
    nested_state *state = vm->state;
    uint64_t bytes = (uint64_t)vm->vmm->config->nested_prefetch << VX_PAGE_SHIFT;
    uint64_t first = touched & ~(bytes - 1);
    for (uint64_t page = first; page < first + bytes && page < vm->ram->bytes; page += VX_PAGE_BYTES)
        if (!vx_radix_lookup(&state->table, page, 1).present && !map(vm, page, VX_PAGE_4K)) return;
}

static void fill(vmm_vm *vm, vx_gpa gpa)
{
    if (gpa.v >> vm->vmm->cpu->paging.physical_bits) {
        vm->vmm->bad_gpa = gpa.v;
        return;
    }
    vx_page_size size = nested_page_of(vm->vmm->cpu, vm->vmm->config, vm->ram->bytes, gpa.v);
    uint64_t first = gpa.v & ~(vx_page_bytes(size) - 1);
    if (!map(vm, first, size)) return;
    vm->vmm->counts.first_touches++;
    if (size == VX_PAGE_4K && vm->vmm->config->nested_prefetch > 1) prefetch(vm, first);
}

static bool on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                    vx_resume *resume)
{
    (void)record, (void)payload;
    if (exit->reason != (is_npt(vm) ? 0x400U : (uint32_t)VX_EXIT_EPT_VIOLATION)) return false;
    fill(vm, exit->physical);
    *resume = VX_RESUME_RETRY;
    return true;
}

/* Writable but not readable: misconfigured (SDM Vol. 3C 28.2.3.1), and present to software. NPT has no such entries. */
static void mark_device(vmm_vm *vm, vx_gpa gpa)
{
    nested_state *state = vm->state;
    uint64_t page = gpa.v & ~(uint64_t)(VX_PAGE_BYTES - 1);
    if (is_npt(vm) || page < vm->ram->bytes || gpa.v >> vm->vmm->cpu->paging.physical_bits) return;
    uint64_t frame = vx_gpa_map_placed(vm->ram, (vx_gpa){page});
    vx_status status =
        vx_radix_map(&state->table, page, frame, VX_PAGE_4K, VX_EPT_W | VX_EPT_X, EPT_ALL, new_table, wrote, vm, NULL);
    vm->vmm->out_of_tables |= status != VX_OK;
}

typedef struct leaf_check {
    const vmm_vm *vm;
    uint64_t leaves;
} leaf_check;

/* The first leaf of a table, whose first address is `prefix`, that maps something at or behind `from`. */
static bool next_leaf(const vmm_vm *vm, unsigned level, uint64_t table, uint64_t prefix, uint64_t from,
                      vx_radix_spot *spot, uint64_t *gpa)
{
    const nested_state *state = vm->state;
    const vx_radix *format = state->table.format;
    for (unsigned i = 0; i < 512; i++) {
        uint64_t first = prefix | (uint64_t)i << format->shift[level], bytes = 1ULL << format->shift[level];
        uint64_t at = table + 8ULL * i, entry = vx_physmem_read64(vm->vmm->memory, (vx_hpa){at});
        if (first >= vm->ram->bytes) return false; /* devices are beyond */
        if (!(entry & format->present) || first + bytes <= from) continue;
        bool leaf = vx_radix_is_leaf(format, level, entry);
        if (leaf && first < from) continue;
        if (leaf) {
            *spot = (vx_radix_spot){.level = (uint8_t)level, .at = at, .entry = entry, .present = true};
            *gpa = first;
            return true;
        }
        if (next_leaf(vm, level - 1, vx_radix_frame(format, entry, level, false), first, from, spot, gpa)) return true;
    }
    return false;
}

/* The hand goes round, as a clock's. NOT MODELLED: sparing what was accessed since. */
static bool reclaim(vmm_vm *vm)
{
    nested_state *state = vm->state;
    const vx_radix *format = state->table.format;
    vx_radix_spot spot;
    uint64_t gpa;
    if (!next_leaf(vm, format->top, state->table.root, 0, state->hand, &spot, &gpa) &&
        !next_leaf(vm, format->top, state->table.root, 0, 0, &spot, &gpa))
        return false;
    vx_radix_write(format, vm->vmm->memory, (vx_hpa){spot.at}, 0);
    state->hand = gpa + (1ULL << format->shift[spot.level]);
    return true;
}

/* Every leaf maps its frame where the placement says. */
static vx_status check_leaf(void *context, uint64_t gpa, const vx_radix_spot *spot, vx_msg *msg)
{
    leaf_check *check = context;
    const nested_state *state = check->vm->state;
    uint64_t frame = vx_radix_frame(state->table.format, spot->entry, spot->level, true);
    uint64_t expected = vx_gpa_map_placed(check->vm->ram, (vx_gpa){gpa});
    check->leaves++;
    if (frame == expected) return VX_OK;
    return vx_fail(msg, VX_ERR_CHECK, "nested leaf of gpa 0x%llx maps 0x%llx, placement says 0x%llx",
                   (unsigned long long)gpa, (unsigned long long)frame, (unsigned long long)expected);
}

static vx_status verify(vmm_vm *vm, uint64_t *leaves, vx_msg *msg)
{
    const nested_state *state = vm->state;
    leaf_check check = {.vm = vm};
    vx_status status = table_leaves(&state->table, check_leaf, &check, msg);
    *leaves += check.leaves;
    if (status == VX_OK && vm->vmm->l0.config) status = nested_verify(vm, leaves, msg);
    return status;
}

#define NESTED_OPERATIONS                                                                                              \
    .state_bytes = sizeof(nested_state), .init = init, .controls = controls, .load_state = load_state,                 \
    .on_exit = on_exit, .mark_device = mark_device, .reclaim = reclaim, .verify = verify, .tables = VMM_TABLES_SHARED

const vmm_scheme vmm_scheme_ept = {.needs_ept = true, .needs_vtx = true, NESTED_OPERATIONS};
const vmm_scheme vmm_scheme_npt = {.needs_npt = true, .needs_vtx = true, NESTED_OPERATIONS};
