/* Virtual TLB (Intel SDM Vol. 3C, chapter on VMM memory virtualization, "virtual TLB"; founding documents, row 5).
 *
 * The shadow starts empty and behaves as a TLB would: hidden page faults fill it entry by entry, and the guest's own
 * flushes (MOV to CR3, INVLPG, INVPCID) exit and drop entries. Guest tables stay writable; the guest's obligation to
 * flush after it changes them is what keeps the shadow right. Each vCPU of a VM has a virtual TLB of its own.
 *
 * NOT MODELLED: global pages kept over CR3 loads (the shadow is emptied whole), large shadow pages. */
#include "shadow_hardware.h"

#include "vx_radix.h"

typedef struct vtlb_state {
    vx_radix_table shadow;
    bool loaded;   /* a STATE has been seen */
    bool gigantic; /* holds pieces of guest pages of 1 GiB */
} vtlb_state;

#define UPPER (VX_PTE_P | VX_PTE_W | VX_PTE_U | VX_PTE_A)
/* In a level-2 entry of the shadow, where the processor ignores it: the table below holds pieces of a large guest page,
 * so that one INVLPG drops them all. */
#define PIECES (1ULL << 9)
enum { PIECES_LEVEL = 2 };

static uint64_t new_table(void *context, unsigned level)
{
    (void)level;
    vmm_vm *vm = context;
    return table_pages_take(&vm->vmm->pages);
}

static void free_tables(vmm_vm *vm, const vx_radix *format, unsigned level, uint64_t table)
{
    for (unsigned i = 0; level > 1 && i < 1U << format->bits[level]; i++) {
        uint64_t entry = vx_physmem_read64(vm->vmm->memory, (vx_hpa){table + 8ULL * i});
        if (entry & VX_PTE_P) free_tables(vm, format, level - 1, vx_radix_frame(format, entry, level, false));
    }
    table_pages_give(&vm->vmm->pages, table);
}

/* A PAE root's four page directories exist from the start: the processor latches their addresses. */
static void make_root(vmm_vm *vm)
{
    vtlb_state *state = vm->state;
    state->shadow.format = shadow_format(&vm->guest);
    state->shadow.root = table_pages_take(&vm->vmm->pages);
    bool enough = state->shadow.root != 0;
    for (unsigned i = 0; enough && state->shadow.format == &vx_radix_pae && i < 4; i++) {
        uint64_t directory = table_pages_take(&vm->vmm->pages);
        enough = directory != 0;
        if (enough) vx_physmem_write64(vm->vmm->memory, (vx_hpa){state->shadow.root + 8ULL * i}, directory | VX_PTE_P);
    }
    if (!enough) vm->vmm->out_of_tables = true;
}

/* The virtual TLB is flushed: an empty shadow, and nothing of the old one cached. */
static void empty(vmm_vm *vm)
{
    vtlb_state *state = vm->state;
    if (state->loaded) {
        free_tables(vm, state->shadow.format, state->shadow.format->top, state->shadow.root);
        vm->vmm->counts.shadow_drops++;
    }
    make_root(vm);
    state->gigantic = false;
    state->loaded = !vm->vmm->out_of_tables;
    if (!state->loaded) return;
    shadow_load_registers(vm, state->shadow.root);
    shadow_drop_all(vm);
}

static vx_status init(vmm_vm *vm, vx_arena *arena, vx_msg *msg)
{
    (void)arena, (void)msg;
    vtlb_state *state = vm->state;
    state->shadow.memory = vm->vmm->memory;
    return VX_OK;
}

static void load_state(vmm_vm *vm, const vx_registers *guest)
{
    (void)guest;
    empty(vm);
}

/* The leaf tables that hold pieces of the guest page at `gva`: one of 2 MiB, or two where the guest's page is 4 MiB. */
static bool drop_pieces(vmm_vm *vm, vx_gva gva)
{
    vtlb_state *state = vm->state;
    unsigned parts = guest_format(&vm->guest) == &vx_radix_2level ? 2 : 1;
    bool any = false;
    for (unsigned i = 0; i < parts; i++) {
        vx_radix_spot spot = vx_radix_lookup(&state->shadow, gva.v ^ (uint64_t)i << 21, PIECES_LEVEL);
        if (spot.level != PIECES_LEVEL || !spot.present || !(spot.entry & PIECES)) continue;
        vx_radix_write(state->shadow.format, vm->vmm->memory, (vx_hpa){spot.at}, 0);
        table_pages_give(&vm->vmm->pages, spot.entry & VX_ENTRY_ADDRESS);
        any = true;
    }
    return any;
}

static void drop_entry(vmm_vm *vm, vx_gva gva)
{
    vtlb_state *state = vm->state;
    if (state->gigantic) {
        empty(vm);
        return;
    }
    if (drop_pieces(vm, gva)) {
        shadow_drop_all(vm);
        return;
    }
    vx_radix_spot spot = vx_radix_lookup(&state->shadow, gva.v, 1);
    if (spot.level == 1 && spot.present) vx_radix_write(state->shadow.format, vm->vmm->memory, (vx_hpa){spot.at}, 0);
    shadow_drop_address(vm, gva);
}

static void mark_pieces(vmm_vm *vm, vx_gva gva, vx_page_size page)
{
    vtlb_state *state = vm->state;
    if (page == VX_PAGE_4K) return;
    if (page == VX_PAGE_1G) {
        state->gigantic = true;
        return;
    }
    vx_radix_spot spot = vx_radix_lookup(&state->shadow, gva.v, PIECES_LEVEL);
    vx_radix_write(state->shadow.format, vm->vmm->memory, (vx_hpa){spot.at}, spot.entry | PIECES);
}

static void fill(vmm_vm *vm, vx_gva gva, vx_access access, const guest_walk *walk)
{
    vtlb_state *state = vm->state;
    uint64_t page = gva.v & ~(uint64_t)(VX_PAGE_BYTES - 1);
    uint64_t frame = vx_gpa_map_hpa(vm->ram, (vx_gpa){guest_walk_gpa(walk, (vx_gva){page})}).v;
    vx_status status = vx_radix_map(&state->shadow, page, frame, VX_PAGE_4K, shadow_leaf_bits(vm, walk, access, true),
                                    UPPER, new_table, NULL, vm, NULL);
    if (status != VX_OK) {
        vm->vmm->out_of_tables = true;
        return;
    }
    mark_pieces(vm, gva, walk->page);
    vm->vmm->counts.shadow_fills++;
}

static vx_resume on_page_fault(vmm_vm *vm, const vx_exit *exit)
{
    vx_access access = shadow_fault_access(vm, exit);
    guest_walk walk;
    if (!shadow_fault_hidden(vm, exit, access, &walk)) return VX_RESUME_RETRY;
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->config->shadow_fill_ticks);
    fill(vm, exit->linear, access, &walk);
    return VX_RESUME_RETRY;
}

static bool on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                    vx_resume *resume)
{
    (void)payload;
    *resume = VX_RESUME_NEXT;
    switch (shadow_exit_kind(vm, exit, record)) {
    case SHADOW_EXIT_PAGE_FAULT:
        *resume = on_page_fault(vm, exit);
        return true;
    case SHADOW_EXIT_REGISTER:
        if (guest_registers_write(vm, record) != GUEST_CHANGE_NONE)
            empty(vm);
        else
            shadow_load_registers(vm, ((vtlb_state *)vm->state)->shadow.root);
        return true;
    case SHADOW_EXIT_INVLPG:
        drop_entry(vm, (vx_gva){record->addr});
        return true;
    case SHADOW_EXIT_INVPCID:
        empty(vm);
        return true;
    default:
        return false;
    }
}

/* No exit: the guest's CPU lacks INVPCID, or its PDPTEs are known better than memory says. */
static void on_notice(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    if (record->kind == VX_REC_PT_PAGE_NEW) return; /* like any store to a table: the guest's flush will tell */
    if (record->kind == VX_REC_PDPTE_LOAD && !guest_load_pdptes(vm, payload)) return;
    empty(vm);
}

/* A recorded guest may change its tables and flush later; in between the virtual TLB is as stale as a real one. */
static vx_status verify(vmm_vm *vm, uint64_t *leaves, vx_msg *msg)
{
    vtlb_state *state = vm->state;
    if (!state->loaded) return VX_OK;
    uint64_t *stale = vm->vmm->recorded_guests ? &vm->vmm->counts.stale_leaves : NULL;
    return shadow_verify_tree(vm, state->shadow.format, state->shadow.root, leaves, stale, msg);
}

const vmm_scheme vmm_scheme_shadow_vtlb = {.needs_vtx = true,
                                           .shadow_tables = true,
                                           .tables = VMM_TABLES_PRIVATE,
                                           .state_bytes = sizeof(vtlb_state),
                                           .init = init,
                                           .controls = shadow_controls_and_flushes,
                                           .load_state = load_state,
                                           .on_exit = on_exit,
                                           .on_notice = on_notice,
                                           .verify = verify};
