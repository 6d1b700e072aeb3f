/* Translations: every table format and page size, closed forms of the accesses, rights, A and D, pass-through. */
#include <string.h>

#include "iommu_world.h"

#define SID 0x0310
#define IOVA 0x40000000ULL
#define HPA 0x80000000ULL
#define RW (VX_VTD_SL_R | VX_VTD_SL_W)

static io_world world;

static uint64_t reads(vx_io_read what) { return vx_iommu_counted(world.iommu)->reads[what]; }

/* Levels x page sizes: a cold walk reads root, context and one entry a level down to the leaf; then the IOTLB hits. */
static void second_level_formats(void **state)
{
    (void)state;
    static const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G};
    vx_cfg_iommu config = io_world_config();
    for (unsigned levels = 3; levels <= 5; levels++)
        for (unsigned s = 0; s < 3; s++) {
            io_world_open(&world, &config, false);
            uint64_t root = io_world_page(&world);
            uint64_t far = levels == 3 ? IOVA : 1ULL << (levels == 4 ? 47 : 56);
            io_world_context(&world, SID, 7, VX_VTD_TYPE_UNTRANSLATED, levels, root);
            io_world_map(&world, levels, root, far, HPA, sizes[s], RW);
            assert_int_equal(io_world_dma(&world, SID, far + 0xABC, true), VX_DMA_DONE);
            assert_int_equal(world.out.hpa.v, HPA + 0xABC);
            assert_int_equal(world.out.page, sizes[s]);
            assert_int_equal(world.out.accesses, 2 + levels - s);
            assert_int_equal(world.out.ticks, 1 + 100 * (2 + levels - s));
            uint64_t last = vx_page_bytes(sizes[s]) - 1;
            assert_int_equal(io_world_dma(&world, SID, far + last, false), VX_DMA_DONE);
            assert_true(world.out.hit);
            assert_int_equal(world.out.accesses, 0);
            assert_int_equal(world.out.hpa.v, HPA + last);
            io_world_close(&world);
        }
}

/* A second page of the same table reads its leaf entry alone; each upper level that a cache holds is saved. */
static void paging_structure_caches(void **state)
{
    (void)state;
    static const uint64_t at[] = {0x1000, 0x200000, 1ULL << 30, 1ULL << 39}; /* first difference: level 1, 2, 3, 4 */
    vx_cfg_iommu config = io_world_config();
    for (unsigned i = 0; i < 4; i++) {
        io_world_open(&world, &config, false);
        uint64_t root = io_world_page(&world);
        io_world_context(&world, SID, 7, VX_VTD_TYPE_UNTRANSLATED, 4, root);
        io_world_map(&world, 4, root, 0, HPA, VX_PAGE_4K, RW);
        io_world_map(&world, 4, root, at[i], HPA + 0x1000, VX_PAGE_4K, RW);
        io_world_dma(&world, SID, 0, false);
        assert_int_equal(io_world_dma(&world, SID, at[i], false), VX_DMA_DONE);
        assert_int_equal(world.out.accesses, i + 1);
        io_world_close(&world);
    }
    for (unsigned level = 2; level <= 5; level++) config.paging[level].entries = 0;
    io_world_open(&world, &config, false);
    uint64_t root = io_world_page(&world);
    io_world_context(&world, SID, 7, VX_VTD_TYPE_UNTRANSLATED, 4, root);
    io_world_map(&world, 4, root, 0, HPA, VX_PAGE_4K, RW);
    io_world_map(&world, 4, root, 0x1000, HPA, VX_PAGE_4K, RW);
    io_world_dma(&world, SID, 0, false);
    io_world_dma(&world, SID, 0x1000, false);
    assert_int_equal(world.out.accesses, 4);
    assert_int_equal(reads(VX_IO_READ_SECOND_1), 2);
    assert_int_equal(reads(VX_IO_READ_SECOND_4), 2);
    io_world_close(&world);
}

/* The specification tags by domain-id: a device of the same domain uses what another's walk has brought. */
static void devices_of_a_domain_share(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, false);
    uint64_t root = io_world_page(&world), other = io_world_page(&world);
    io_world_context(&world, SID, 7, VX_VTD_TYPE_UNTRANSLATED, 4, root);
    io_world_context(&world, SID + 1, 7, VX_VTD_TYPE_UNTRANSLATED, 4, root);
    io_world_context(&world, SID + 2, 8, VX_VTD_TYPE_UNTRANSLATED, 4, other);
    io_world_map(&world, 4, root, IOVA, HPA, VX_PAGE_4K, RW);
    io_world_map(&world, 4, other, IOVA, HPA + 0x5000, VX_PAGE_4K, RW);
    io_world_dma(&world, SID, IOVA, true);
    assert_int_equal(io_world_dma(&world, SID + 1, IOVA, true), VX_DMA_DONE);
    assert_true(world.out.hit);
    assert_int_equal(io_world_dma(&world, SID + 2, IOVA, true), VX_DMA_DONE);
    assert_false(world.out.hit);
    assert_int_equal(world.out.hpa.v, HPA + 0x5000);
    io_world_close(&world);
}

static void rights(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, false);
    uint64_t root = io_world_page(&world);
    io_world_context(&world, SID, 7, VX_VTD_TYPE_UNTRANSLATED, 4, root);
    io_world_map(&world, 4, root, IOVA, HPA, VX_PAGE_4K, VX_VTD_SL_R);
    assert_int_equal(io_world_dma(&world, SID, IOVA, false), VX_DMA_DONE);
    assert_int_equal(io_world_dma(&world, SID, IOVA, true), VX_DMA_BLOCKED);
    assert_int_equal(world.out.fault, VX_VTD_FAULT_WRITE);
    /* Rights that were raised need no invalidation: the entry without them is a miss. */
    io_world_map(&world, 4, root, IOVA, HPA, VX_PAGE_4K, RW);
    assert_int_equal(io_world_dma(&world, SID, IOVA, true), VX_DMA_DONE);
    /* Rights are the AND over the levels. */
    uint64_t upper = io_world_entry_at(&world, 4, root, IOVA, 3);
    io_world_put(&world, upper, io_world_get(&world, upper) & ~VX_VTD_SL_R);
    io_world_flush(&world);
    assert_int_equal(io_world_dma(&world, SID, IOVA, false), VX_DMA_BLOCKED);
    assert_int_equal(world.out.fault, VX_VTD_FAULT_READ);
    assert_int_equal(io_world_dma(&world, SID, IOVA, true), VX_DMA_DONE);
    io_world_close(&world);
}

static void pass_through_and_off(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, false);
    io_world_context(&world, SID, 7, VX_VTD_TYPE_PASS_THROUGH, 5, 0);
    assert_int_equal(io_world_dma(&world, SID, 0x123456789ULL, true), VX_DMA_DONE);
    assert_int_equal(world.out.hpa.v, 0x123456789ULL);
    assert_int_equal(world.out.accesses, 2); /* root and context; no page table */
    assert_int_equal(io_world_dma(&world, SID, 0x5000, true), VX_DMA_DONE);
    assert_int_equal(world.out.accesses, 0);
    vx_iommu_write(world.iommu, VX_VTD_GCMD, 4, VX_VTD_QIE); /* TE off */
    assert_int_equal(io_world_dma(&world, 0x0999, 0x5000, true), VX_DMA_DONE);
    assert_int_equal(vx_iommu_counted(world.iommu)->untouched, 1);
    assert_int_equal(io_world_dma(&world, SID, 0xFEE00000, true), VX_DMA_INTERRUPT);
    assert_int_equal(io_world_dma(&world, SID, 0xFEEFFFFC, false), VX_DMA_UNSUPPORTED);
    io_world_close(&world);
}

/* ---- scalable mode ---- */

enum { NEST_OFFSET = 0x4000000, PASID = 0x123 }; /* guest-physical addresses of tables are so much higher */

/* First level alone: root, context, directory, PASID entry, then 4 levels. Under nesting each of 4 tables and the data
 * takes a second-level walk: 4 x (4 + 1) + 4 = 24, as in the processor. */
static void first_level_and_nested(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    for (unsigned level = 2; level <= 5; level++) config.paging[level].entries = 0;
    for (int nested = 0; nested < 2; nested++) {
        io_world_open(&world, &config, true);
        uint64_t directory = io_world_scalable_context(&world, SID), second = io_world_page(&world);
        uint64_t offset = nested ? 0 - (uint64_t)NEST_OFFSET : 0, first = io_world_page(&world) - offset;
        io_world_pasid(&world, directory, PASID, nested ? VX_VTD_PGTT_NESTED : VX_VTD_PGTT_FIRST, 9, 4, second, first);
        io_world_map_first(&world, first, offset, IOVA, HPA, VX_PAGE_4K, VX_PTE_P | VX_PTE_W | VX_PTE_U);
        if (nested) {
            uint64_t from = (first & ~0xFFFFULL), end = world.next_page - offset; /* the tables */
            for (uint64_t gpa = from; gpa <= end; gpa += VX_PAGE_BYTES)
                io_world_map(&world, 4, second, gpa, gpa + offset, VX_PAGE_4K, RW);
            io_world_map(&world, 4, second, HPA, HPA + 0x7000, VX_PAGE_4K, RW);
        }
        assert_int_equal(io_world_dma_pasid(&world, SID, PASID, IOVA + 8, true), VX_DMA_DONE);
        assert_int_equal(world.out.hpa.v, HPA + 8 + (nested ? 0x7000 : 0));
        io_world_flush(&world); /* A and D are set now: the second walk is the closed form */
        assert_int_equal(io_world_dma_pasid(&world, SID, PASID, IOVA + 8, true), VX_DMA_DONE);
        assert_int_equal(world.out.accesses, 4 + (nested ? 24 : 4));
        assert_int_equal(io_world_dma_pasid(&world, SID, PASID, IOVA, true), VX_DMA_DONE);
        assert_true(world.out.hit);
        io_world_close(&world);
    }
}

/* A read sets A, a write D too; an entry that is clean is walked again for a write. */
static void accessed_and_dirty(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, true);
    uint64_t directory = io_world_scalable_context(&world, SID), second = io_world_page(&world);
    io_world_pasid(&world, directory, 0, VX_VTD_PGTT_SECOND, 9, 4, second | VX_VTD_PASID_SLADE, 0);
    io_world_map(&world, 4, second, IOVA, HPA, VX_PAGE_4K, RW);
    uint64_t leaf = io_world_entry_at(&world, 4, second, IOVA, 1);
    io_world_dma(&world, SID, IOVA, false);
    assert_int_equal(io_world_get(&world, leaf) & (VX_VTD_SL_A | VX_VTD_SL_D), VX_VTD_SL_A);
    io_world_dma(&world, SID, IOVA, true);
    assert_false(world.out.hit);
    assert_int_equal(io_world_get(&world, leaf) & (VX_VTD_SL_A | VX_VTD_SL_D), VX_VTD_SL_A | VX_VTD_SL_D);
    io_world_dma(&world, SID, IOVA, true);
    assert_true(world.out.hit);
    assert_int_equal(vx_iommu_counted(world.iommu)->ad_writes, 5); /* A in four entries, then D */
    io_world_close(&world);
}

/* Processes of one device do not share; without PASID the context entry's RID_PASID is used. */
static void pasids_are_apart(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, true);
    uint64_t directory = io_world_scalable_context(&world, SID);
    io_world_put(&world, io_world_context_at(&world, SID) + 8, 2); /* RID_PASID */
    for (uint32_t pasid = 1; pasid <= 2; pasid++) {
        uint64_t first = io_world_page(&world);
        io_world_pasid(&world, directory, pasid, VX_VTD_PGTT_FIRST, 9, 0, 0, first);
        io_world_map_first(&world, first, 0, IOVA, HPA + pasid * 0x1000, VX_PAGE_4K, VX_PTE_P | VX_PTE_W | VX_PTE_U);
    }
    for (unsigned turn = 0; turn < 2; turn++)
        for (uint32_t pasid = 1; pasid <= 2; pasid++) {
            assert_int_equal(io_world_dma_pasid(&world, SID, pasid, IOVA, true), VX_DMA_DONE);
            assert_int_equal(world.out.hpa.v, HPA + pasid * 0x1000);
            assert_int_equal(world.out.hit, turn);
        }
    assert_int_equal(io_world_dma(&world, SID, IOVA, true), VX_DMA_DONE);
    assert_int_equal(world.out.hpa.v, HPA + 0x2000);
    assert_true(world.out.hit);
    io_world_close(&world);
}

/* ---- configuration ---- */

static void contradictions_are_refused(void **state)
{
    (void)state;
    const vx_cfg_iommu good = io_world_config();
    vx_cfg_iommu bad[10];
    for (unsigned i = 0; i < 10; i++) bad[i] = good;
    bad[0].host_bits = 53;
    bad[1].guest_bits = 58;
    bad[2].levels = 0;
    bad[3].levels = 0x3C;
    bad[4].fault_records = 0;
    bad[5].fault_records = 9;
    bad[6].first_level = false; /* nested */
    bad[7].scalable = false;
    bad[8].queued = false;
    bad[9].iotlb.ways = 63;
    for (unsigned i = 0; i < 10; i++) {
        vx_arena arena;
        vx_physmem memory = {0};
        vx_msg msg = {""};
        vx_iommu *iommu = NULL;
        vx_arena_init(&arena);
        assert_int_equal(vx_iommu_init(&iommu, &arena, &bad[i], &memory, NULL, &msg), VX_ERR_INPUT);
        assert_non_null(strstr(msg.text, "IOMMU"));
        assert_null(iommu);
        vx_arena_fini(&arena);
    }
}

static void capabilities_tell(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, false);
    uint64_t cap = vx_iommu_read(world.iommu, VX_VTD_CAP, 8), ecap = vx_iommu_read(world.iommu, VX_VTD_ECAP, 8);
    assert_int_equal(cap >> 8 & 0x1F, 0xE);                  /* SAGAW: 3, 4 and 5 levels */
    assert_int_equal(cap >> 16 & 0x3F, 56);                  /* MGAW */
    assert_int_equal((cap >> 24 & 0x3FF) * 16, VX_VTD_FRCD); /* FRO */
    assert_int_equal(cap >> 40 & 0xFF, 7);                   /* NFR */
    assert_int_equal(cap >> 48 & 0x3F, 18);                  /* MAMV */
    assert_int_equal((ecap >> 8 & 0x3FF) * 16, VX_VTD_IVA);  /* IRO */
    assert_int_equal(ecap >> 43 & 1, 1);                     /* SMTS */
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_CAP + 4, 4), cap >> 32);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_CAP + 2, 4), 0); /* not aligned */
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_BYTES, 8), 0);
    io_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_level_formats),       cmocka_unit_test(paging_structure_caches),
        cmocka_unit_test(devices_of_a_domain_share),  cmocka_unit_test(rights),
        cmocka_unit_test(pass_through_and_off),       cmocka_unit_test(first_level_and_nested),
        cmocka_unit_test(accessed_and_dirty),         cmocka_unit_test(pasids_are_apart),
        cmocka_unit_test(contradictions_are_refused), cmocka_unit_test(capabilities_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
