#include "mmu_world.h"

static const vx_radix *const guest_formats[VX_PAGING_MODES] = {NULL, &vx_radix_2level, &vx_radix_pae, &vx_radix_4level,
                                                               &vx_radix_5level};

static uint64_t host_page(mmu_world *world)
{
    uint64_t page = world->next_host_page;
    world->next_host_page += VX_PAGE_BYTES;
    return page;
}

static uint64_t new_nested_page(void *context, unsigned level)
{
    (void)level;
    return host_page(context);
}

static uint64_t new_guest_page(void *context, unsigned level)
{
    (void)level;
    mmu_world *world = context;
    if (world->control.nested == VX_NESTED_NONE) return host_page(world);
    uint64_t page = world->next_guest_page;
    world->next_guest_page += VX_PAGE_BYTES;
    world_map_nested(world, page, world->table_page, WORLD_NESTED_ALL);
    return page;
}

static vx_hpa place_guest(void *context, uint64_t address)
{
    const mmu_world *world = context;
    return (vx_hpa){world->control.nested == VX_NESTED_NONE ? address : WORLD_GUEST_BASE + address};
}

void world_open(mmu_world *world, const vx_cfg_cpu *cpu, vx_paging_mode paging, vx_nested_kind nested,
                unsigned nested_levels)
{
    vx_msg msg;
    *world = (mmu_world){.cpu = *cpu, .next_host_page = 0x1000, .next_guest_page = 0x1000};
    vx_arena_init(&world->arena);
    assert_int_equal(vx_physmem_init(&world->memory, WORLD_BYTES, &msg), VX_OK);
    assert_int_equal(vx_mmu_init(&world->mmu, &world->arena, &world->cpu, &world->memory, &world->ledger, &msg), VX_OK);
    world->control = (vx_mmu_control){.paging = paging,
                                      .wp = true,
                                      .pse = true,
                                      .nxe = true,
                                      .nested = nested,
                                      .nested_levels = (uint8_t)nested_levels};
    bool five = nested_levels == 5, npt = nested == VX_NESTED_NPT;
    world->nested = (vx_radix_table){.format = npt ? (five ? &vx_radix_5level : &vx_radix_4level)
                                                   : (five ? &vx_radix_ept5 : &vx_radix_ept4),
                                     .root = host_page(world),
                                     .memory = &world->memory};
    world->control.nested_root = world->nested.root;
    world->guest = (vx_radix_table){
        .format = guest_formats[paging], .memory = &world->memory, .place = place_guest, .place_context = world};
}

void world_close(mmu_world *world)
{
    vx_arena_fini(&world->arena);
    vx_physmem_fini(&world->memory);
}

void world_load(mmu_world *world)
{
    if (world->control.paging == VX_PAGING_PAE)
        for (unsigned i = 0; i < 4; i++)
            world->control.pdpte[i] =
                vx_physmem_read64(&world->memory, place_guest(world, world->control.root + i * 8));
    vx_mmu_load(world->mmu, &world->control);
}

void world_map(mmu_world *world, uint64_t gva, uint64_t gpa, vx_page_size size, uint64_t leaf, uint64_t upper)
{
    vx_msg msg;
    if (world->guest.root == 0) world->guest.root = world->control.root = new_guest_page(world, 0);
    assert_int_equal(vx_radix_map(&world->guest, gva, gpa, size, leaf, upper, new_guest_page, NULL, world, &msg),
                     VX_OK);
}

void world_map_nested(mmu_world *world, uint64_t gpa, vx_page_size size, uint64_t rights)
{
    vx_msg msg;
    uint64_t first = gpa & ~(vx_page_bytes(size) - 1);
    if (vx_radix_lookup(&world->nested, gpa, 1).present) return;
    bool npt = world->control.nested == VX_NESTED_NPT;
    uint64_t upper = npt ? VX_PTE_P | VX_PTE_W | VX_PTE_U : VX_EPT_R | VX_EPT_W | VX_EPT_X;
    uint64_t leaf = rights | 6ULL << 3; /* write-back */
    if (npt) leaf = VX_PTE_P | VX_PTE_U | (rights & VX_EPT_W ? VX_PTE_W : 0) | (rights & VX_EPT_X ? 0 : VX_PTE_NX);
    assert_int_equal(vx_radix_map(&world->nested, first, WORLD_GUEST_BASE + first, size, leaf, upper, new_nested_page,
                                  NULL, world, &msg),
                     VX_OK);
}

void world_map_both(mmu_world *world, uint64_t gva, uint64_t gpa, vx_page_size size, vx_page_size nested_size)
{
    world_map(world, gva, gpa, size, WORLD_FREE, WORLD_FREE);
    if (world->control.nested != VX_NESTED_NONE) world_map_nested(world, gpa, nested_size, WORLD_NESTED_ALL);
}

uint64_t world_guest_entry(const mmu_world *world, uint64_t gva, unsigned lowest)
{
    return place_guest((void *)world, vx_radix_lookup(&world->guest, gva, lowest).at).v;
}

uint64_t world_nested_entry(const mmu_world *world, uint64_t gpa, unsigned lowest)
{
    return vx_radix_lookup(&world->nested, gpa, lowest).at;
}

vx_mmu_result world_access(mmu_world *world, uint64_t gva, vx_access access, vx_mmu_fault *fault)
{
    vx_mmu_translation translation;
    vx_mmu_fault unused;
    return vx_mmu_access(world->mmu, (vx_gva){gva}, access, &translation, fault ? fault : &unused);
}

void world_check_identities(mmu_world *world)
{
    vx_identity identities[16];
    unsigned count = vx_mmu_identities(world->mmu, identities, 16);
    for (unsigned i = 0; i < count; i++)
        if (identities[i].left != identities[i].right)
            fail_msg("%s: %llu against %llu", identities[i].name, (unsigned long long)identities[i].left,
                     (unsigned long long)identities[i].right);
    const vx_mmu_counts *counts = vx_mmu_counts_now(world->mmu);
    uint64_t grid = 0;
    for (unsigned row = 0; row < VX_GRID; row++)
        for (unsigned column = 0; column < VX_GRID; column++) grid += counts->ticks[row][column];
    assert_int_equal(grid, world->ledger.ticks[VX_CAUSE_WALK_GUEST] + world->ledger.ticks[VX_CAUSE_WALK_NESTED] +
                               world->ledger.ticks[VX_CAUSE_WALK_SHADOW]);
}
