/* Large pages that the TLB holds in pieces: because the nested table maps the guest's page with smaller ones, or
 * because no array of the TLB takes the size. "There is no way for software to be aware": one operation on any address
 * of the page drops "all TLB entries corresponding to the translation specified by the paging structures" (SDM Vol.
 * 3A, 4.10.4.1), whatever the structures say by then. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "matrix_world.h"

enum { PIECES = 6, VPID = 5, PCID = 9 };

typedef struct large_page {
    const char *name;
    vx_paging_mode paging;
    vx_page_size guest;
    vx_nested_kind nested;
    vx_page_size nested_page;
    uint8_t tlb_pages; /* sizes that the TLB takes */
} large_page;

enum { ALL_SIZES = (1 << VX_PAGE_SIZES) - 1, ONLY_4K = 1 << VX_PAGE_4K, UP_TO_2M = ONLY_4K | 1 << VX_PAGE_2M };

static const large_page shapes[] = {
    {"2m over ept 4k", VX_PAGING_4LEVEL, VX_PAGE_2M, VX_NESTED_EPT, VX_PAGE_4K, ALL_SIZES},
    {"1g over ept 4k", VX_PAGING_4LEVEL, VX_PAGE_1G, VX_NESTED_EPT, VX_PAGE_4K, ALL_SIZES},
    {"1g over ept 2m", VX_PAGING_4LEVEL, VX_PAGE_1G, VX_NESTED_EPT, VX_PAGE_2M, ALL_SIZES},
    {"4m over ept 2m", VX_PAGING_32BIT, VX_PAGE_4M, VX_NESTED_EPT, VX_PAGE_2M, ALL_SIZES},
    {"4m over ept 4k", VX_PAGING_32BIT, VX_PAGE_4M, VX_NESTED_EPT, VX_PAGE_4K, ALL_SIZES},
    {"2m over npt 4k", VX_PAGING_4LEVEL, VX_PAGE_2M, VX_NESTED_NPT, VX_PAGE_4K, ALL_SIZES},
    {"2m in a tlb of 4k", VX_PAGING_4LEVEL, VX_PAGE_2M, VX_NESTED_NONE, VX_PAGE_4K, ONLY_4K},
    {"4m in a tlb of 4k", VX_PAGING_32BIT, VX_PAGE_4M, VX_NESTED_NONE, VX_PAGE_4K, ONLY_4K},
    {"1g in a tlb up to 2m", VX_PAGING_4LEVEL, VX_PAGE_1G, VX_NESTED_NONE, VX_PAGE_4K, UP_TO_2M},
    {"1g over ept 1g in a tlb of 4k", VX_PAGING_4LEVEL, VX_PAGE_1G, VX_NESTED_EPT, VX_PAGE_1G, ONLY_4K},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Two large pages, TARGET and NEIGHBOUR, and for TARGET two frames. */
#define TARGET_GVA (1ULL << 30)
#define NEIGHBOUR_GVA (2ULL << 30)
#define FRAME_BEFORE (4ULL << 30)
#define FRAME_AFTER (5ULL << 30)
#define FRAME_NEIGHBOUR (6ULL << 30)
#define NESTED_OFFSET (8ULL << 30) /* host-physical minus guest-physical address of the guest's data */

typedef struct scene {
    const large_page *shape;
    vx_physmem memory;
    uint64_t next;
    vx_radix_table guest, nested;
    vx_mmu_control control;
    vx_cfg_cpu cpu;
    matrix_mmu unit;
    bool second_level;      /* holds the pieces too: a model's second level may take no splinters */
    uint64_t piece[PIECES]; /* offsets in the large page */
} scene;

static uint64_t new_page(void *context, unsigned level)
{
    (void)level;
    scene *s = context;
    uint64_t page = s->next;
    s->next += VX_PAGE_BYTES;
    return page;
}

static void map(scene *s, const vx_radix_table *table, uint64_t address, uint64_t frame, vx_page_size size,
                uint64_t bits)
{
    vx_msg msg = {{0}};
    vx_status status = vx_radix_map(table, address, frame, size, bits, bits, new_page, NULL, s, &msg);
    if (status != VX_OK) fail_msg("%s: %s", s->shape->name, msg.text);
}

/* Frames above 4 GiB are beyond a 4M entry's 32 bits but for PSE-36, which is what this exercises as well. */
static void map_guest(scene *s, uint64_t gva, uint64_t frame)
{
    uint64_t bits = VX_PTE_P | VX_PTE_W | VX_PTE_U;
    if (s->shape->guest != VX_PAGE_4M) {
        map(s, &s->guest, gva, frame, s->shape->guest, bits);
        return;
    }
    uint32_t entry = (uint32_t)(bits | VX_PTE_PS | (frame & 0xFFC00000U) | (frame >> 32) << 13);
    vx_physmem_write32(&s->memory, (vx_hpa){s->guest.root + 4 * (gva >> 22)}, entry);
}

static void map_nested_piece(scene *s, uint64_t gpa)
{
    uint64_t bits = s->shape->nested == VX_NESTED_EPT ? VX_EPT_R | VX_EPT_W | VX_EPT_X : VX_PTE_P | VX_PTE_W | VX_PTE_U;
    uint64_t base = gpa & ~(vx_page_bytes(s->shape->nested_page) - 1);
    map(s, &s->nested, base, base + NESTED_OFFSET, s->shape->nested_page, bits);
}

static void build_nested(scene *s)
{
    bool ept = s->shape->nested == VX_NESTED_EPT;
    s->nested = (vx_radix_table){ept ? &vx_radix_ept4 : &vx_radix_4level, new_page(s, 4), &s->memory, NULL, NULL};
    uint64_t bits = ept ? VX_EPT_R | VX_EPT_W | VX_EPT_X : VX_PTE_P | VX_PTE_W | VX_PTE_U;
    for (uint64_t table = 0; table < 8ULL << 21; table += 1ULL << 21) /* the guest's tables: identity */
        map(s, &s->nested, table, table, VX_PAGE_2M, bits);
    static const uint64_t frames[] = {FRAME_BEFORE, FRAME_AFTER, FRAME_NEIGHBOUR};
    for (unsigned f = 0; f < 3; f++)
        for (unsigned p = 0; p < PIECES; p++) map_nested_piece(s, frames[f] + s->piece[p]);
    s->control.nested = s->shape->nested;
    s->control.nested_root = s->nested.root;
    s->control.nested_levels = 4;
}

static void choose_pieces(scene *s)
{
    uint64_t bytes = vx_page_bytes(s->shape->guest);
    /* First, last, and odd ones between, on both sides of the middle (a 4M page is two of 2M). */
    const uint64_t offsets[PIECES] = {0, bytes - 4096, bytes / 2 - 4096, bytes / 2, bytes / 4 + 4096, bytes / 8 * 5};
    for (unsigned p = 0; p < PIECES; p++) s->piece[p] = offsets[p];
}

/* Takes page sizes away from a TLB; an array that is left without any is taken away whole. */
static void limit_sizes(vx_cfg_tlb *tlb, uint8_t pages)
{
    uint8_t kept = 0;
    for (unsigned a = 0; a < tlb->array_count; a++) {
        tlb->array[a].pages &= pages;
        if (tlb->array[a].pages != 0) tlb->array[kept++] = tlb->array[a];
    }
    tlb->array_count = kept;
}

static void scene_open(scene *s, const large_page *shape, const matrix_variant *variant, bool fracturing)
{
    *s = (scene){.shape = shape, .next = 1 << 20};
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&s->memory, 64 << 20, &msg), VX_OK);
    const vx_radix *format = shape->paging == VX_PAGING_32BIT ? &vx_radix_2level : &vx_radix_4level;
    s->guest = (vx_radix_table){format, new_page(s, format->top), &s->memory, NULL, NULL};
    s->control = (vx_mmu_control){.paging = shape->paging,
                                  .root = s->guest.root,
                                  .wp = true,
                                  .pse = true,
                                  .pge = true,
                                  .cpl = 3,
                                  .pcid = shape->paging == VX_PAGING_4LEVEL ? PCID : 0,
                                  .vpid = VPID};
    choose_pieces(s);
    map_guest(s, TARGET_GVA, FRAME_BEFORE);
    map_guest(s, NEIGHBOUR_GVA, FRAME_NEIGHBOUR);
    if (shape->nested != VX_NESTED_NONE) build_nested(s);
    matrix_cpu(&s->cpu, shape->nested == VX_NESTED_NPT ? VX_VENDOR_AMD : VX_VENDOR_INTEL, variant);
    s->cpu.vmx.page_fracturing = fracturing;
    for (unsigned t = 0; t < s->cpu.tlb_count; t++) limit_sizes(&s->cpu.tlb[t], shape->tlb_pages);
    matrix_mmu_open(&s->unit, &s->cpu, &s->memory);
    vx_mmu_load(s->unit.mmu, &s->control);
}

static void scene_close(scene *s)
{
    matrix_mmu_close(&s->unit);
    vx_physmem_fini(&s->memory);
}

static vx_mmu_translation translate(scene *s, uint64_t gva, vx_access access)
{
    vx_mmu_translation translation = {0};
    vx_mmu_fault fault = {0};
    vx_mmu_result result = vx_mmu_access(s->unit.mmu, (vx_gva){gva}, access, &translation, &fault);
    if (result != VX_MMU_DONE) fail_msg("%s: %#" PRIx64 " gives %d", s->shape->name, gva, (int)result);
    return translation;
}

static vx_page_size piece_size(const large_page *shape)
{
    vx_page_size size = shape->guest;
    if (shape->nested != VX_NESTED_NONE && shape->nested_page < size) size = shape->nested_page;
    while (!(shape->tlb_pages & 1U << size)) size--;
    return size;
}

static vx_mmu_presence probe(scene *s, uint64_t gva) { return vx_mmu_probe(s->unit.mmu, (vx_gva){gva}, (vx_gpa){0}); }

static void touch(scene *s)
{
    uint64_t shift = s->shape->nested != VX_NESTED_NONE ? NESTED_OFFSET : 0;
    for (unsigned p = 0; p < PIECES; p++) {
        vx_mmu_translation t = translate(s, TARGET_GVA + s->piece[p], VX_ACCESS_LOAD);
        assert_int_equal(t.hpa.v, FRAME_BEFORE + s->piece[p] + shift);
        assert_int_equal(t.page, piece_size(s->shape));
        translate(s, TARGET_GVA + s->piece[p], VX_ACCESS_FETCH);
        t = translate(s, NEIGHBOUR_GVA + s->piece[p], VX_ACCESS_LOAD);
        assert_int_equal(t.hpa.v, FRAME_NEIGHBOUR + s->piece[p] + shift);
    }
    s->second_level = probe(s, NEIGHBOUR_GVA).l2;
    assert_true(s->second_level || !(s->shape->tlb_pages & 1U << s->shape->guest));
    for (unsigned p = 0; p < PIECES; p++) {
        assert_true(probe(s, TARGET_GVA + s->piece[p]).l1d && probe(s, TARGET_GVA + s->piece[p]).l1i);
        assert_int_equal(probe(s, TARGET_GVA + s->piece[p]).l2, s->second_level);
    }
}

static void check_gone(scene *s, vx_mmu_op op, uint64_t by)
{
    uint64_t shift = s->shape->nested != VX_NESTED_NONE ? NESTED_OFFSET : 0;
    for (unsigned p = 0; p < PIECES; p++) {
        vx_mmu_presence held = probe(s, TARGET_GVA + s->piece[p]);
        if (held.l1d || held.l1i || held.l2)
            fail_msg("%s: %s at %#" PRIx64 " left the piece at %#" PRIx64, s->shape->name, vx_mmu_op_name(op), by,
                     s->piece[p]);
    }
    for (unsigned p = 0; p < PIECES; p++)
        for (unsigned access = 0; access < VX_ACCESSES; access++)
            assert_int_equal(translate(s, TARGET_GVA + s->piece[p], (vx_access)access).hpa.v,
                             FRAME_AFTER + s->piece[p] + shift);
}

static void check_neighbours(scene *s, vx_mmu_op op, bool kept)
{
    for (unsigned p = 0; p < PIECES; p++) {
        vx_mmu_presence held = probe(s, NEIGHBOUR_GVA + s->piece[p]);
        if (held.l1d != kept || held.l2 != (kept && s->second_level))
            fail_msg("%s: %s: the neighbour's piece at %#" PRIx64 " was %s", s->shape->name, vx_mmu_op_name(op),
                     s->piece[p], kept ? "dropped" : "kept");
    }
}

static void drop(scene *s, vx_mmu_op op, uint64_t gva)
{
    const vx_mmu_invalidation operand = {
        .op = op, .gva = {gva}, .gpa = {FRAME_BEFORE}, .pcid = s->control.pcid, .vpid = s->control.vpid};
    vx_mmu_invalidate(s->unit.mmu, &operand);
}

static void try_shape(const large_page *shape, const matrix_variant *variant, vx_mmu_op op, uint64_t offset)
{
    scene s;
    scene_open(&s, shape, variant, false);
    touch(&s);
    map_guest(&s, TARGET_GVA, FRAME_AFTER);
    drop(&s, op, TARGET_GVA + offset);
    check_neighbours(&s, op, true);
    check_gone(&s, op, TARGET_GVA + offset);
    scene_close(&s);
}

static void test_every_piece_goes(void **state)
{
    (void)state;
    static const vx_mmu_op intel[] = {VX_OP_INVLPG, VX_OP_INVPCID_ADDRESS, VX_OP_PAGE_FAULT, VX_OP_INVVPID_ADDRESS};
    static const vx_mmu_op amd[] = {VX_OP_INVLPG, VX_OP_INVPCID_ADDRESS, VX_OP_PAGE_FAULT, VX_OP_INVLPGA};
    for (unsigned i = 0; i < SHAPES; i++)
        for (unsigned o = 0; o < 4; o++) {
            vx_mmu_op op = shapes[i].nested == VX_NESTED_NPT ? amd[o] : intel[o];
            uint64_t bytes = vx_page_bytes(shapes[i].guest);
            const uint64_t offsets[] = {0, bytes - 1, bytes / 2 + 123, bytes / 4, bytes / 16 * 3 + 0x7000};
            for (unsigned k = 0; k < 5; k++)
                for (unsigned v = 0; v < MATRIX_VARIANTS; v++)
                    try_shape(&shapes[i], &matrix_variants[v], op, offsets[k]);
        }
}

/* "Page fracturing": where the guest's large pages are splintered, a single-page flush in the guest drops everything.
 * Known of Intel's parts, not in the manual; a switch of the model. */
static void test_page_fracturing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHAPES; i++) {
        const large_page *shape = &shapes[i];
        if (shape->nested != VX_NESTED_EPT || shape->guest != VX_PAGE_2M) continue;
        scene s;
        scene_open(&s, shape, &matrix_variants[1], true);
        touch(&s);
        drop(&s, VX_OP_INVLPG, TARGET_GVA);
        check_neighbours(&s, VX_OP_INVLPG, false);
        scene_close(&s);
    }
}

/* An EPT violation drops "any combined mappings for that linear address": the piece that holds it. */
static void test_violation_drops_its_piece(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHAPES; i++) {
        if (shapes[i].nested == VX_NESTED_NONE) continue;
        for (unsigned p = 0; p < PIECES; p++) {
            scene s;
            scene_open(&s, &shapes[i], &matrix_variants[2], false);
            touch(&s);
            const vx_mmu_invalidation operand = {
                .op = VX_OP_EPT_VIOLATION, .gva = {TARGET_GVA + s.piece[p]}, .gpa = {FRAME_BEFORE + s.piece[p]}};
            vx_mmu_invalidate(s.unit.mmu, &operand);
            vx_mmu_presence held = vx_mmu_probe(s.unit.mmu, operand.gva, operand.gpa);
            assert_false(held.l1d || held.l1i || held.l2);
            assert_false(held.psc_guest || held.psc_nested || held.ntlb);
            check_neighbours(&s, VX_OP_EPT_VIOLATION, true);
            scene_close(&s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_piece_goes),
        cmocka_unit_test(test_page_fracturing),
        cmocka_unit_test(test_violation_drops_its_piece),
    };
    return cmocka_run_group_tests_name("splintered pages", tests, NULL, NULL);
}
