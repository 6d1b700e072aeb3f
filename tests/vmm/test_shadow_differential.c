/* The same guest under every scheme: after each reference the guest-physical address reached, or the page fault that
 * the guest sees, is the same as on bare metal; and shadows agree with the guest's tables composed with placement at
 * any time. The guest behaves at random but flushes as the manual asks (SDM Vol. 3A, 4.10.4). */
#include "test_support.h"
#include "vmm_world.h"
#include "vx_random.h"

enum { PROCESSES = 3, SLOTS = 12, STEPS = 1500, FRAMES = 24 };

/* What the guest remembers of itself. Nothing here depends on the scheme. */
typedef struct guest {
    vmm_world *world;
    vx_random random;
    uint64_t root[PROCESSES];
    unsigned current;
    uint64_t frame[FRAMES];
    uint64_t large;
    uint64_t slot[SLOTS]; /* addresses */
    uint64_t cr0, cr4;
    bool shared; /* some leaf table is reached by several ways: a change of a leaf concerns them all */
} guest;

static uint64_t below(guest *g, uint64_t bound) { return vx_random_below(&g->random, bound); }

static void open_guest(guest *g, vmm_world *world, uint64_t seed)
{
    *g = (guest){.world = world};
    vx_random_init(&g->random, seed, "guest");
    for (unsigned i = 0; i < PROCESSES; i++) g->root[i] = vmm_root(world);
    for (unsigned i = 0; i < FRAMES; i++) g->frame[i] = vmm_page(world);
    g->large = vmm_large_page(world, VX_PAGE_4M);
    /* Neighbours in one table, in the next table, under another top entry. */
    for (unsigned i = 0; i < SLOTS; i++)
        g->slot[i] = vmm_address(world, i % 3 == 2 ? 1 : 0, (uint64_t)(i / 3) * 0x1000 + (i % 3 == 1 ? 0x400000 : 0));
    vmm_boot(world, g->root[0]);
    g->cr0 = vx_vcpu_guest_view(world->vcpu)->cr0;
    g->cr4 = vx_vcpu_guest_view(world->vcpu)->cr4;
}

static uint64_t any_address(guest *g)
{
    return g->slot[below(g, SLOTS)] + (below(g, 4) ? below(g, 0x1000) : below(g, 0x400000) & ~7ULL);
}

static uint64_t any_rights(guest *g)
{
    uint64_t rights = below(g, 4) ? VMM_USER_PAGE : VX_PTE_P;
    if (below(g, 4) == 0) rights ^= VX_PTE_W;
    if (below(g, 6) == 0) rights ^= VX_PTE_U;
    if (below(g, 6) == 0 && g->world->format->entry_bytes == 8) rights |= VX_PTE_NX;
    return rights;
}

static void reload_cr3(guest *g, unsigned process)
{
    g->current = process;
    vmm_cr_write(g->world, 3, g->root[process]);
}

/* What the manual asks for after an entry that was present has changed. */
static void flush(guest *g, unsigned process, uint64_t gva, bool leaf)
{
    if (g->shared || (process == g->current && !leaf))
        reload_cr3(g, g->current);
    else if (process == g->current)
        vmm_invlpg(g->world, gva);
}

/* One store, or two halves as PAE guests on 32-bit processors store: the half with P is the last one when an entry is
 * made, the first when it goes. */
static void store(guest *g, uint64_t gva, uint64_t at, uint64_t value)
{
    if (g->world->format != &vx_radix_pae || below(g, 3)) {
        vmm_pt_store(g->world, gva, at, value);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        unsigned high = (value & VX_PTE_P) ? !i : i;
        vmm_pt_store_half(g->world, gva == VX_GVA_UNKNOWN ? gva : gva + 4 * high, at + 4 * high,
                          (uint32_t)(value >> 32 * high));
    }
}

/* Stores an entry somewhere in a process's tables. */
static void store_entry(guest *g, unsigned process, uint64_t gva, unsigned level, uint64_t at, uint64_t value)
{
    uint64_t before = vmm_read(g->world, at);
    store(g, VX_GVA_UNKNOWN, at, value);
    if (before & VX_PTE_P) flush(g, process, gva, vx_radix_is_leaf(g->world->format, level, before));
}

static void map_small(guest *g)
{
    unsigned process = (unsigned)below(g, PROCESSES);
    uint64_t gva = g->slot[below(g, SLOTS)], frame = g->frame[below(g, FRAMES)], rights = any_rights(g);
    uint64_t above = vmm_entry_at(g->world, g->root[process], gva, 2);
    if (above && vx_radix_is_leaf(g->world->format, 2, vmm_read(g->world, above)) &&
        (vmm_read(g->world, above) & VX_PTE_P))
        store_entry(g, process, gva, 2, above, 0);
    uint64_t at = vmm_entry_at(g->world, g->root[process], gva, 1);
    bool present = at && (vmm_read(g->world, at) & VX_PTE_P);
    vmm_map(g->world, g->root[process], gva, frame, VX_PAGE_4K, rights);
    if (present) flush(g, process, gva, true);
}

static void map_large(guest *g)
{
    vx_page_size size = g->world->format == &vx_radix_2level ? VX_PAGE_4M : VX_PAGE_2M;
    unsigned process = (unsigned)below(g, PROCESSES);
    uint64_t gva = g->slot[below(g, SLOTS)] & ~(vx_page_bytes(size) - 1);
    uint64_t at = vmm_entry_at(g->world, g->root[process], gva, 2);
    uint64_t leaf = g->large | any_rights(g) | VX_PTE_PS;
    if (at)
        store_entry(g, process, gva, 2, at, leaf);
    else
        vmm_map(g->world, g->root[process], gva, g->large, size, any_rights(g));
}

static void change_leaf(guest *g)
{
    unsigned process = (unsigned)below(g, PROCESSES);
    uint64_t gva = g->slot[below(g, SLOTS)];
    unsigned level = below(g, 4) ? 1 : 2;
    uint64_t at = vmm_entry_at(g->world, g->root[process], gva, level);
    if (!at) return;
    uint64_t entry = vmm_read(g->world, at);
    static const uint64_t bits[] = {VX_PTE_W, VX_PTE_U, VX_PTE_A, VX_PTE_D, VX_PTE_P, 1ULL << 51, VX_PTE_NX};
    unsigned kinds = g->world->format->entry_bytes == 8 ? 7 : 5;
    uint64_t bit = bits[below(g, kinds)];
    bool leaf = vx_radix_is_leaf(g->world->format, level, entry);
    if (!leaf && (bit == VX_PTE_P || bit == 1ULL << 51)) return; /* keeps the table that hangs on it */
    entry ^= bit;
    store_entry(g, process, gva, level, at, entry);
}

/* A leaf table is taken away, and its page becomes one elsewhere, with an entry from the start. */
static void recycle_table(guest *g)
{
    unsigned from = (unsigned)below(g, PROCESSES), to = (unsigned)below(g, PROCESSES);
    uint64_t gva = g->slot[below(g, SLOTS)], other = g->slot[below(g, SLOTS)];
    uint64_t at = vmm_entry_at(g->world, g->root[from], gva, 2);
    uint64_t target = vmm_entry_at(g->world, g->root[to], other, 2);
    uint64_t frame = g->frame[below(g, FRAMES)];
    if (!at || !target || at == target) return;
    uint64_t entry = vmm_read(g->world, at);
    if (!(entry & VX_PTE_P) || vx_radix_is_leaf(g->world->format, 2, entry)) return;
    uint64_t table = vx_radix_frame(g->world->format, entry, 2, false);
    for (unsigned p = 0; p < PROCESSES; p++) /* shared tables stay */
        for (unsigned s = 0; s < SLOTS; s++) {
            uint64_t a = vmm_entry_at(g->world, g->root[p], g->slot[s], 2);
            if (a && a != at && (vmm_read(g->world, a) & VX_PTE_P) &&
                vx_radix_frame(g->world->format, vmm_read(g->world, a), 2, false) == table)
                return;
        }
    vmm_pt_store(g->world, VX_GVA_UNKNOWN, at, 0);
    reload_cr3(g, g->current);
    assert_true(vmm_do(g->world, VX_REC_PT_PAGE_GONE, 0, table, NULL, 0));
    uint64_t payload[2] = {vx_radix_index(g->world->format, 1, other), frame | VMM_USER_PAGE};
    assert_true(vmm_do(g->world, VX_REC_PT_PAGE_NEW, 1, table, payload, 2));
    vmm_pt_store(g->world, VX_GVA_UNKNOWN, target, table | VMM_USER_PAGE);
    reload_cr3(g, g->current);
}

/* Two processes, or two places with other rights, share a leaf table. */
static void share_table(guest *g)
{
    unsigned from = (unsigned)below(g, PROCESSES), to = (unsigned)below(g, PROCESSES);
    uint64_t gva = g->slot[below(g, SLOTS)], other = g->slot[below(g, SLOTS)];
    uint64_t rights = any_rights(g);
    uint64_t at = vmm_entry_at(g->world, g->root[from], gva, 2);
    uint64_t target = vmm_entry_at(g->world, g->root[to], other, 2);
    if (!at || !target) return;
    uint64_t entry = vmm_read(g->world, at);
    if (!(entry & VX_PTE_P) || vx_radix_is_leaf(g->world->format, 2, entry)) return;
    g->shared = true;
    vmm_pt_store(g->world, VX_GVA_UNKNOWN, target, vx_radix_frame(g->world->format, entry, 2, false) | rights);
    reload_cr3(g, g->current);
}

/* The guest maps one of its leaf tables, and stores to it through that mapping. */
static void store_through_window(guest *g)
{
    uint64_t gva = g->slot[below(g, SLOTS)], window = vmm_address(g->world, 0, 0x800000);
    uint64_t value = g->frame[below(g, FRAMES)] | any_rights(g);
    bool plain = below(g, 4) == 0;
    uint64_t at = vmm_entry_at(g->world, g->root[g->current], gva, 1);
    if (!at) return;
    bool present = (vmm_read(g->world, at) & VX_PTE_P) != 0;
    uint64_t leaf = vmm_entry_at(g->world, g->root[g->current], window, 1);
    bool mapped = leaf && (vmm_read(g->world, leaf) & VX_PTE_P);
    vmm_cpl(g->world, 0);
    bool same = mapped && (vmm_read(g->world, leaf) & 0xFFFFF001ULL) == ((at & ~0xFFFULL) | VX_PTE_P);
    if (!same) vmm_map(g->world, g->root[g->current], window, at & ~0xFFFULL, VX_PAGE_4K, VX_PTE_P | VX_PTE_W);
    if (mapped && !same) flush(g, g->current, window, true);
    if (plain) {
        (void)vmm_touch(g->world, VX_ACCESS_STORE, window);
        return;
    }
    store(g, window | (at & 0xFFF), at, value);
    if (present) flush(g, g->current, gva, true);
}

static void change_mode(guest *g)
{
    vx_paging_mode mode = g->world->options.mode;
    switch (below(g, 4)) {
    case 0:
        vmm_cr_write(g->world, 0, g->cr0 ^= VX_CR0_WP);
        break;
    case 1:
        vmm_cr_write(g->world, 4, g->cr4 ^= VX_CR4_SMEP);
        break;
    case 2: /* global flush */
        vmm_cr_write(g->world, 4, g->cr4 ^= VX_CR4_PGE);
        break;
    default:
        if (mode != VX_PAGING_32BIT && mode != VX_PAGING_PAE) break;
        vmm_cr_write(g->world, 0, g->cr0 & ~VX_CR0_PG);
        uint64_t physical = g->frame[below(g, FRAMES)] + below(g, 0x1000);
        assert_int_equal(vmm_touch(g->world, VX_ACCESS_STORE, physical).gpa, physical);
        vmm_verify(g->world);
        vmm_cr_write(g->world, 0, g->cr0);
    }
}

static void act(guest *g)
{
    switch (below(g, 32)) {
    case 0:
    case 1:
    case 2:
    case 3:
        map_small(g);
        break;
    case 4:
        map_large(g);
        break;
    case 5:
    case 6:
    case 7:
        change_leaf(g);
        break;
    case 8:
        reload_cr3(g, (unsigned)below(g, PROCESSES));
        break;
    case 9:
        vmm_cpl(g->world, below(g, 2) ? 3 : 0);
        break;
    case 10:
        if (below(g, 4) == 0) change_mode(g);
        break;
    case 11:
        share_table(g);
        break;
    case 12:
        recycle_table(g);
        break;
    case 13:
        store_through_window(g);
        break;
    default:
        break;
    }
}

static void live(const vmm_options *options, uint64_t seed, vmm_outcome *seen)
{
    vmm_world world;
    vmm_world_open(&world, options);
    guest g;
    open_guest(&g, &world, seed);
    unsigned faults = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        act(&g);
        vx_access access = (vx_access)below(&g, VX_ACCESSES);
        uint64_t address = any_address(&g);
        seen[i] = vmm_touch(&world, access, address);
        faults += seen[i].faulted;
        if (below(&g, 16) == 0) vmm_verify(&world);
    }
    vmm_verify(&world);
    assert_true(faults > STEPS / 20 && faults < STEPS - STEPS / 20);
    vmm_world_close(&world);
}

static void same_as_native(vx_paging_mode mode, uint64_t seed)
{
    static const vmm_options schemes[] = {
        {.scheme = VX_SCHEME_SHADOW_WP},
        {.scheme = VX_SCHEME_SHADOW_WP, .vpid = true},
        {.scheme = VX_SCHEME_SHADOW_VTLB},
        {.scheme = VX_SCHEME_SHADOW_VTLB, .vpid = true},
        {.scheme = VX_SCHEME_SHADOW_KVM},
        {.scheme = VX_SCHEME_SHADOW_KVM, .vpid = true},
        {.scheme = VX_SCHEME_SHADOW_KVM, .amd = true, .vpid = true},
        {.scheme = VX_SCHEME_SHADOW_XEN_V2},
        {.scheme = VX_SCHEME_SHADOW_XEN_V2, .vpid = true},
        {.scheme = VX_SCHEME_SHADOW_XEN_V2, .amd = true, .vpid = true},
        {.scheme = VX_SCHEME_SHADOW_XEN_V3},
        {.scheme = VX_SCHEME_SHADOW_XEN_V3, .vpid = true},
        {.scheme = VX_SCHEME_SHADOW_XEN_V3, .amd = true, .vpid = true},
        {.scheme = VX_SCHEME_EPT},
        {.scheme = VX_SCHEME_EPT, .vpid = true, .nested_page = VX_PAGE_2M},
        {.scheme = VX_SCHEME_SHADOW_WP, .amd = true},
        {.scheme = VX_SCHEME_SHADOW_WP, .amd = true, .vpid = true},
        {.scheme = VX_SCHEME_SHADOW_VTLB, .amd = true, .vpid = true},
        {.scheme = VX_SCHEME_NPT, .amd = true},
        {.scheme = VX_SCHEME_NPT, .amd = true, .vpid = true, .nested_page = VX_PAGE_2M},
        {.scheme = VX_SCHEME_NATIVE, .amd = true},
        {.scheme = VX_SCHEME_TRAP},
        {.scheme = VX_SCHEME_BT},
        {.scheme = VX_SCHEME_TRAP, .amd = true},
    };
    static vmm_outcome native[STEPS], seen[STEPS];
    live(&(vmm_options){.mode = mode}, seed, native);
    for (unsigned s = 0; s < sizeof schemes / sizeof *schemes; s++) {
        vmm_options options = schemes[s];
        options.mode = mode;
        live(&options, seed, seen);
        for (unsigned i = 0; i < STEPS; i++) {
            const vmm_outcome *a = &native[i], *b = &seen[i];
            if (a->faulted == b->faulted && a->gpa == b->gpa && a->fault.v == b->fault.v &&
                a->error_code == b->error_code)
                continue;
            fail_msg("%s%s%s, mode %d, step %u, seed %llu: native %s %#llx code %#x, here %s %#llx code %#x",
                     vx_scheme_name(options.scheme), options.vpid ? "+vpid" : "", options.amd ? " on AMD" : "", mode, i,
                     (unsigned long long)seed, a->faulted ? "faults at" : "reaches",
                     (unsigned long long)(a->faulted ? a->fault.v : a->gpa), a->error_code,
                     b->faulted ? "faults at" : "reaches", (unsigned long long)(b->faulted ? b->fault.v : b->gpa),
                     b->error_code);
        }
    }
}

static void guests_of(vx_paging_mode mode)
{
    uint64_t seed = vx_test_seed();
    for (unsigned i = 0; i < 6; i++) same_as_native(mode, seed + i);
}

static void guests_with_32_bit_paging(void **state)
{
    (void)state;
    guests_of(VX_PAGING_32BIT);
}

static void guests_with_pae_paging(void **state)
{
    (void)state;
    guests_of(VX_PAGING_PAE);
}

static void guests_with_4_levels(void **state)
{
    (void)state;
    guests_of(VX_PAGING_4LEVEL);
}

static void guests_with_5_levels(void **state)
{
    (void)state;
    guests_of(VX_PAGING_5LEVEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_with_32_bit_paging),
        cmocka_unit_test(guests_with_pae_paging),
        cmocka_unit_test(guests_with_4_levels),
        cmocka_unit_test(guests_with_5_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
