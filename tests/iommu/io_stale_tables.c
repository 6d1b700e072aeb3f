#include "io_stale_tables.h"

enum { PAGES = 4 /* 4K pages of a slot that edits and requests touch */ };

uint64_t stale_address(unsigned slot) { return (uint64_t)(slot % 8) << 21 | (uint64_t)(slot / 8) << 30; }

/* ---- tables ---- */

void stale_tables_second(stale_tables *tables, io_world *world, unsigned levels)
{
    *tables = (stale_tables){.format = vx_vtd_second_level(levels),
                             .root = io_world_page(world),
                             .frames = STALE_FRAMES,
                             .upper = VX_VTD_SL_R | VX_VTD_SL_W,
                             .rights = {VX_VTD_SL_R, VX_VTD_SL_W, VX_VTD_SL_R | VX_VTD_SL_W}};
    for (unsigned s = 0; s < STALE_SLOTS; s++)
        io_world_map(world, levels, tables->root, stale_address(s), (uint64_t)STALE_FRAME << 21, VX_PAGE_4K,
                     tables->upper);
}

void stale_tables_first(stale_tables *tables, io_world *world)
{
    const uint64_t all = VX_PTE_P | VX_PTE_W | VX_PTE_U;
    *tables = (stale_tables){.format = &vx_radix_4level,
                             .root = io_world_page(world),
                             .frames = STALE_FRAMES,
                             .upper = all,
                             .rights = {VX_PTE_P, VX_PTE_P | VX_PTE_U, all}};
    for (unsigned s = 0; s < STALE_SLOTS; s++)
        io_world_map_first(world, tables->root, 0, stale_address(s), (uint64_t)STALE_FRAME << 21, VX_PAGE_4K, all);
}

static uint64_t entry_at(const stale_tables *tables, const io_world *world, unsigned slot, unsigned level)
{
    uint64_t table = tables->root;
    for (unsigned now = tables->format->top;; now--) {
        uint64_t at = table + (uint64_t)vx_radix_index(tables->format, now, stale_address(slot)) * 8;
        if (now == level) return at;
        table = io_world_get(world, at) & VX_ENTRY_ADDRESS;
    }
}

/* ---- edits ---- */

static uint64_t leaf(const stale_tables *tables, vx_random *dice, uint64_t frame)
{
    return frame | tables->rights[vx_random_below(dice, 3)];
}

/* Eight slots at once: a 1G page, another one, or the tables that it covered. */
static void edit_giant(stale_tables *tables, io_world *world, vx_random *dice, unsigned giant)
{
    uint64_t at = entry_at(tables, world, giant * 8, 3);
    bool uncover = tables->covered[giant] && vx_random_below(dice, 2);
    if (!tables->covered[giant]) tables->covered[giant] = io_world_get(world, at);
    io_world_put(world, at, uncover ? tables->covered[giant] : leaf(tables, dice, 0) | VX_PTE_PS);
    if (uncover) tables->covered[giant] = 0;
    for (unsigned s = giant * 8; s < giant * 8 + 8; s++) tables->outstanding[s] = true;
}

static void edit_slot(stale_tables *tables, io_world *world, vx_random *dice, unsigned s)
{
    uint64_t upper = entry_at(tables, world, s, 2);
    uint64_t frame = (STALE_FRAME + vx_random_below(dice, tables->frames)) << 21;
    if (vx_random_below(dice, 8) == 0 || tables->large[s]) {
        bool small = vx_random_below(dice, 4) == 0;
        io_world_put(world, upper,
                     small ? io_world_page(world) | tables->upper : leaf(tables, dice, frame) | VX_PTE_PS);
        tables->large[s] = !small;
    } else {
        uint64_t at = entry_at(tables, world, s, 1) + vx_random_below(dice, PAGES) * 8;
        bool clear = vx_random_below(dice, 3) == 0;
        io_world_put(world, at, clear ? 0 : leaf(tables, dice, frame + (vx_random_below(dice, 512) << 12)));
    }
    tables->outstanding[s] = true;
}

void stale_tables_edit(stale_tables *tables, io_world *world, vx_random *dice)
{
    unsigned s = (unsigned)vx_random_below(dice, STALE_SLOTS);
    if (tables->covered[s / 8] || vx_random_below(dice, 64) == 0)
        edit_giant(tables, world, dice, s / 8);
    else
        edit_slot(tables, world, dice, s);
}

void stale_tables_settle(stale_tables *tables, unsigned first, unsigned slots)
{
    for (unsigned s = first; s < first + slots; s++) tables->outstanding[s] = false;
}

/* ---- the oracle ---- */

void stale_oracle_open(stale_oracle *oracle, io_world *world, const vx_cfg_iommu *config)
{
    vx_cfg_iommu bare = *config;
    bare.iotlb.entries = bare.context.entries = bare.pasid.entries = bare.interrupts.entries = 0;
    for (unsigned level = 0; level < 6; level++) bare.paging[level].entries = 0;
    vx_msg msg = {""};
    *oracle = (stale_oracle){0};
    vx_arena_init(&oracle->arena);
    assert_int_equal(vx_iommu_init(&oracle->iommu, &oracle->arena, &bare, &world->memory, NULL, &msg), VX_OK);
    vx_iommu_write(oracle->iommu, VX_VTD_RTADDR, 8, world->root | (world->scalable ? 1U << VX_VTD_TTM_SHIFT : 0));
    vx_iommu_write(oracle->iommu, VX_VTD_GCMD, 4, VX_VTD_SRTP);
    vx_iommu_write(oracle->iommu, VX_VTD_GCMD, 4, VX_VTD_TE);
}

void stale_oracle_compare(stale_oracle *oracle, io_world *world, const vx_dma_request *request, bool may_differ)
{
    vx_dma_translation is, should;
    vx_dma_outcome outcome = vx_iommu_translate(world->iommu, request, &is);
    vx_dma_outcome expected = vx_iommu_translate(oracle->iommu, request, &should);
    bool same = outcome == expected;
    if (outcome == VX_DMA_DONE)
        same &= is.hpa.v == should.hpa.v;
    else
        same &= oracle->any_reason || is.fault == should.fault;
    if (may_differ) {
        oracle->stale += !same;
        return;
    }
    oracle->agreed++;
    oracle->hits += is.hit;
    if (!same)
        fail_msg("source %x, PASID %x, %llx: outcome %d at %llx, fault %02Xh; should be %d, %llx, %02Xh",
                 request->source_id, request->pasid, (unsigned long long)request->address.v, outcome,
                 (unsigned long long)is.hpa.v, is.fault, expected, (unsigned long long)should.hpa.v, should.fault);
}

static void clear_records(vx_iommu *iommu)
{
    for (uint32_t i = 0; i < 8; i++) vx_iommu_write(iommu, VX_VTD_FRCD + i * 16 + 12, 4, 1U << 31);
    vx_iommu_write(iommu, VX_VTD_FSTS, 4, VX_VTD_FSTS_PFO);
}

void stale_oracle_clear(stale_oracle *oracle, io_world *world)
{
    clear_records(world->iommu);
    clear_records(oracle->iommu);
}

void stale_oracle_close(stale_oracle *oracle, uint64_t least_stale, uint64_t least_hits)
{
    print_message("%llu agreed, %llu of them hits; %llu old answers before their invalidation\n",
                  (unsigned long long)oracle->agreed, (unsigned long long)oracle->hits,
                  (unsigned long long)oracle->stale);
    assert_true(oracle->stale > least_stale);
    assert_true(oracle->hits > least_hits);
    vx_arena_fini(&oracle->arena);
}
