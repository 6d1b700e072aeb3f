/* Tables and contexts of the invalidation tests' small world. */
#include "matrix_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

const uint16_t matrix_vpid[MATRIX_VPIDS] = {0, 1, 0xFFFF};
const uint16_t matrix_pcid[MATRIX_PCIDS] = {0, 0xFFF};
/* NEAR and GLOBAL under root entry 2, FAR under root entry 255. */
const uint64_t matrix_gva[MATRIX_PAGES] = {0x0000010040201000, 0x0000010040202000, 0x00007FC040201000};
/* Root entries 1 and 2 of the nested table: nothing else of the guest lies there. */
const uint64_t matrix_gpa[2] = {0x0000008000403000, 0x0000010000403000};

const matrix_variant matrix_variants[MATRIX_VARIANTS] = {
    {"tlbs alone", VX_PSC_NONE, false, false, false},
    {"prefix", VX_PSC_PREFIX, false, false, true},
    {"prefix and nested tlb", VX_PSC_PREFIX, false, true, false},
    {"physical with nested leaves", VX_PSC_PHYSICAL, true, false, false},
    {"physical and nested tlb", VX_PSC_PHYSICAL, false, true, true},
};

enum { GUEST_BYTES = 16 << 20 };

static const uint64_t user_page = VX_PTE_P | VX_PTE_W | VX_PTE_U;
static const uint64_t nested_ept = VX_EPT_R | VX_EPT_W | VX_EPT_X;

/* ---- pages ---- */

static uint64_t host_page(void *context, unsigned level)
{
    (void)level;
    matrix_world *world = context;
    uint64_t page = world->next_hpa;
    world->next_hpa += VX_PAGE_BYTES;
    return page;
}

typedef struct guest_pages {
    matrix_world *world;
    unsigned ept;
} guest_pages;

static uint64_t nested_bits(const vx_radix_table *table)
{
    return table->format == &vx_radix_ept4 ? nested_ept : user_page;
}

static void map(const vx_radix_table *table, uint64_t address, uint64_t frame, uint64_t leaf, uint64_t upper,
                vx_radix_page_fn new_page, void *context)
{
    vx_msg msg;
    vx_status status = vx_radix_map(table, address, frame, VX_PAGE_4K, leaf, upper, new_page, NULL, context, &msg);
    if (status != VX_OK) fail_msg("cannot map %#llx: %s", (unsigned long long)address, msg.text);
}

static void nested_map(matrix_world *world, const vx_radix_table *table, uint64_t gpa, uint64_t hpa)
{
    uint64_t bits = nested_bits(table);
    map(table, gpa, hpa, bits, bits, host_page, world);
}

/* A page of the guest's memory, mapped by its EPT. */
static uint64_t guest_page(void *context, unsigned level)
{
    (void)level;
    const guest_pages *pages = context;
    matrix_world *world = pages->world;
    uint64_t gpa = world->next_gpa[pages->ept];
    assert_true(gpa < GUEST_BYTES);
    world->next_gpa[pages->ept] += VX_PAGE_BYTES;
    nested_map(world, &world->ept[pages->ept], gpa, world->guest_base[pages->ept] + gpa);
    return gpa;
}

static vx_hpa guest_place(void *context, uint64_t gpa)
{
    const guest_pages *pages = context;
    return (vx_hpa){pages->world->guest_base[pages->ept] + gpa};
}

static vx_hpa placed(const vx_radix_table *table, uint64_t address)
{
    return table->place ? table->place(table->place_context, address) : (vx_hpa){address};
}

/* ---- changes behind the MMU's back ---- */

static void patch(matrix_world *world, vx_hpa at, uint64_t after)
{
    assert_true(world->patches < MATRIX_PATCHES_MAX);
    uint64_t before = vx_physmem_read64(&world->memory, at);
    world->patch[world->patches++] = (matrix_patch){at, before, after};
}

/* The leaf of `address` in `table` becomes what it is in `changed`. */
static void patch_leaf(matrix_world *world, const vx_radix_table *table, const vx_radix_table *changed,
                       uint64_t address)
{
    vx_radix_spot now = vx_radix_lookup(table, address, 1), then = vx_radix_lookup(changed, address, 1);
    assert_true(now.present && then.present);
    patch(world, placed(table, now.at), then.entry);
}

/* The root entry above `address` likewise: with it all tables below are the changed ones. */
static void patch_root(matrix_world *world, const vx_radix_table *table, const vx_radix_table *changed,
                       uint64_t address)
{
    uint64_t offset = 8ULL * vx_radix_index(table->format, table->format->top, address);
    uint64_t then = vx_physmem_read64(&world->memory, placed(changed, changed->root + offset));
    patch(world, placed(table, table->root + offset), then);
}

static void apply(matrix_world *world, bool changed)
{
    for (unsigned i = 0; i < world->patches; i++) {
        const matrix_patch *p = &world->patch[i];
        vx_physmem_write64(&world->memory, p->at, changed ? p->after : p->before);
    }
}

void matrix_world_restore(matrix_world *world) { apply(world, false); }
void matrix_world_change(matrix_world *world) { apply(world, true); }

/* ---- building ---- */

/* Maps NEAR, FAR, their siblings and GLOBAL in one table; returns where each leads. */
typedef struct frames {
    vx_hpa page[MATRIX_PAGES], sibling[MATRIX_PAGES];
} frames;

static frames build_pages(const vx_radix_table *table, uint64_t global_frame, vx_radix_page_fn new_page, void *context)
{
    frames made = {0};
    for (unsigned page = 0; page < MATRIX_PAGES; page++) {
        uint64_t frame = page == MATRIX_GLOBAL ? global_frame : new_page(context, 0);
        uint64_t leaf = page == MATRIX_GLOBAL ? user_page | VX_PTE_G : user_page;
        map(table, matrix_gva[page], frame, leaf, user_page, new_page, context);
        made.page[page] = placed(table, frame);
        if (page == MATRIX_GLOBAL) continue;
        frame = new_page(context, 0);
        map(table, matrix_gva[page] + MATRIX_SIBLING, frame, user_page, user_page, new_page, context);
        made.sibling[page] = placed(table, frame);
    }
    return made;
}

static void build_context(matrix_world *world, matrix_context *context, vx_nested_kind nested)
{
    guest_pages guest = {world, context->ept};
    bool two = context->ept != MATRIX_ONE_DIMENSION;
    vx_radix_page_fn new_page = two ? guest_page : host_page;
    void *pages = two ? (void *)&guest : (void *)world;
    uint64_t *global_before = &world->global_before[context->vpid][context->ept];
    uint64_t *global_after = &world->global_after[context->vpid][context->ept];
    if (*global_before == 0) { /* global pages are the same in every process: software's duty (3A 4.10.2.4) */
        *global_before = new_page(pages, 0);
        *global_after = new_page(pages, 0);
    }
    vx_radix_table now = {&vx_radix_4level, new_page(pages, 4), &world->memory, two ? guest_place : NULL, pages};
    vx_radix_table then = now;
    then.root = new_page(pages, 4);
    frames before = build_pages(&now, *global_before, new_page, pages);
    frames after = build_pages(&then, *global_after, new_page, pages);
    for (unsigned page = 0; page < MATRIX_PAGES; page++) {
        context->page[page] = (matrix_target){before.page[page], after.page[page]};
        context->sibling[page] = (matrix_target){before.sibling[page], after.sibling[page]};
        patch_leaf(world, &now, &then, matrix_gva[page]);
    }
    patch_root(world, &now, &then, matrix_gva[MATRIX_NEAR]);
    patch_root(world, &now, &then, matrix_gva[MATRIX_FAR]);
    context->control = (vx_mmu_control){
        .paging = VX_PAGING_4LEVEL,
        .root = now.root,
        .wp = true,
        .pge = true,
        .nxe = true,
        .cpl = 3,
        .pcid = matrix_pcid[context->pcid],
        .vpid = matrix_vpid[context->vpid],
        .nested = two ? nested : VX_NESTED_NONE,
        .nested_root = two ? world->ept[context->ept].root : 0,
        .nested_levels = 4,
    };
}

static void build_ept(matrix_world *world, unsigned ept, const vx_radix *format)
{
    world->guest_base[ept] = (ept + 1ULL) << 28;
    world->next_gpa[ept] = VX_PAGE_BYTES;
    vx_radix_table *now = &world->ept[ept], *then = &world->ept_after[ept];
    *now = (vx_radix_table){format, host_page(world, 4), &world->memory, NULL, NULL};
    *then = (vx_radix_table){format, host_page(world, 4), &world->memory, NULL, NULL};
    for (unsigned i = 0; i < 2; i++) {
        matrix_target *page = &world->gpa[ept][i], *sibling = &world->gpa_sibling[ept][i];
        *page = (matrix_target){{host_page(world, 0)}, {host_page(world, 0)}};
        *sibling = (matrix_target){{host_page(world, 0)}, {host_page(world, 0)}};
        nested_map(world, now, matrix_gpa[i], page->before.v);
        nested_map(world, then, matrix_gpa[i], page->after.v);
        nested_map(world, now, matrix_gpa[i] + MATRIX_SIBLING, sibling->before.v);
        nested_map(world, then, matrix_gpa[i] + MATRIX_SIBLING, sibling->after.v);
        patch_leaf(world, now, then, matrix_gpa[i]);
        patch_root(world, now, then, matrix_gpa[i]);
    }
}

void matrix_world_open(matrix_world *world, vx_vendor vendor)
{
    *world = (matrix_world){.next_hpa = 1 << 20};
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&world->memory, 1ULL << 30, &msg), VX_OK);
    bool amd = vendor == VX_VENDOR_AMD;
    for (unsigned ept = 0; ept < MATRIX_EPTS; ept++) build_ept(world, ept, amd ? &vx_radix_4level : &vx_radix_ept4);
    for (unsigned vpid = 0; vpid < MATRIX_VPIDS; vpid++)
        for (unsigned pcid = 0; pcid < MATRIX_PCIDS; pcid++)
            for (unsigned ept = 0; ept <= MATRIX_EPTS; ept++) {
                if (amd && vpid == 0 && ept != MATRIX_ONE_DIMENSION) continue;
                matrix_context *context = &world->context[world->contexts++];
                *context = (matrix_context){.vpid = vpid, .pcid = pcid, .ept = ept};
                build_context(world, context, amd ? VX_NESTED_NPT : VX_NESTED_EPT);
            }
}

void matrix_world_close(matrix_world *world) { vx_physmem_fini(&world->memory); }

/* ---- the processor ---- */

static void tlb(vx_cfg_cpu *cpu, const char *name, vx_tlb_class level, uint8_t accesses, bool split)
{
    vx_cfg_tlb *unit = &cpu->tlb[cpu->tlb_count++];
    *unit = (vx_cfg_tlb){.level = level, .accesses = accesses, .hit_ticks = level == VX_TLB_L2 ? 7 : 0};
    for (unsigned i = 0; name[i] != 0; i++) unit->name[i] = name[i];
    if (!split) {
        unit->array_count = 1;
        unit->array[0] = (vx_cfg_tlb_array){128, 128, (1U << VX_PAGE_SIZES) - 1U, VX_REPLACE_LRU};
        return;
    }
    unit->array_count = VX_PAGE_SIZES;
    for (unsigned size = 0; size < VX_PAGE_SIZES; size++)
        unit->array[size] = (vx_cfg_tlb_array){128, 128, (uint8_t)(1U << size), VX_REPLACE_LRU};
}

static void walker_caches(vx_cfg_cpu *cpu, const matrix_variant *variant)
{
    cpu->psc.kind = variant->psc;
    cpu->psc.hit_ticks = 1;
    if (variant->psc == VX_PSC_PREFIX)
        for (unsigned level = 2; level <= 5; level++) {
            cpu->psc.guest_entries[level] = cpu->psc.guest_ways[level] = 64;
            cpu->psc.nested_entries[level] = cpu->psc.nested_ways[level] = 64;
        }
    if (variant->psc == VX_PSC_PHYSICAL) {
        cpu->psc.physical_entries = cpu->psc.physical_ways = 512;
        cpu->psc.physical_nested_leaf = variant->physical_nested_leaf;
    }
    if (variant->ntlb)
        cpu->ntlb = (vx_cfg_ntlb){.entries = 512, .ways = 512, .hit_ticks = 1, .tables = true, .data = true};
}

void matrix_cpu(vx_cfg_cpu *cpu, vx_vendor vendor, const matrix_variant *variant)
{
    *cpu = (vx_cfg_cpu){.name = "matrix", .vendor = vendor};
    cpu->core = (vx_cfg_core){.cpi_milli = 1000, .mhz = 1000, .walkers = 1, .walk_exposure_milli = 1000};
    cpu->paging = (vx_cfg_paging){.physical_bits = 46,
                                  .virtual_bits = 48,
                                  .long_mode = true,
                                  .nx = true,
                                  .pge = true,
                                  .pcid = true,
                                  .invpcid = true,
                                  .smep = true,
                                  .smap = true,
                                  .page_2m = true,
                                  .page_1g = true,
                                  .pse36 = true};
    tlb(cpu, "l1d", VX_TLB_L1D, 1U << VX_ACCESS_LOAD | 1U << VX_ACCESS_STORE, variant->split_tlbs);
    tlb(cpu, "l1i", VX_TLB_L1I, 1U << VX_ACCESS_FETCH, variant->split_tlbs);
    tlb(cpu, "l2", VX_TLB_L2, (1U << VX_ACCESSES) - 1U, variant->split_tlbs);
    walker_caches(cpu, variant);
    cpu->memory = (vx_cfg_memory){.caches = VX_CACHES_FIXED, .walk_access_ticks = 10, .walk_entry_level = 2};
    if (vendor == VX_VENDOR_INTEL)
        cpu->vmx = (vx_cfg_vmx){.vmx = true,
                                .secondary_controls = true,
                                .ept = true,
                                .ept_1g = true,
                                .ept_5level = true,
                                .ept_ad = true,
                                .ept_execute_only = true,
                                .vpid = true,
                                .invvpid = true};
    else
        cpu->svm = (vx_cfg_svm){
            .svm = true, .npt = true, .npt_1g = true, .npt_5level = true, .flush_by_asid = true, .asids = 65536};
}

void matrix_mmu_open(matrix_mmu *unit, const vx_cfg_cpu *cpu, vx_physmem *memory)
{
    *unit = (matrix_mmu){.mmu = NULL};
    vx_arena_init(&unit->arena);
    vx_msg msg = {{0}};
    vx_status status = vx_mmu_init(&unit->mmu, &unit->arena, cpu, memory, &unit->ledger, &msg);
    if (status != VX_OK) fail_msg("vx_mmu_init: %s", msg.text);
}

void matrix_mmu_close(matrix_mmu *unit) { vx_arena_fini(&unit->arena); }
