/* Who may do what: page faults of the first dimension over every combination of rights and modes, reserved bits, EPT
 * rights, misconfigurations and qualifications, NPT's EXITINFO1. */
#include "mmu_world.h"
#include "rights.h"
#include "test_cpu.h"

#define GVA 0x40403000ULL
#define DATA 0x403000ULL

static mmu_world world;

static int open_world(vx_paging_mode paging, vx_nested_kind nested)
{
    vx_cfg_cpu cpu = nested == VX_NESTED_NPT ? test_cpu_barcelona() : test_cpu_nehalem();
    world_open(&world, &cpu, paging, nested, 4);
    return 0;
}

/* ---- first dimension ---- */

typedef struct mode {
    bool user, wp, smep, smap, ac, nxe;
} mode;

typedef struct page_rights {
    bool w, u, nx;
} page_rights;

/* SDM Vol. 3A, 4.6.1, rule by rule; -1: allowed, else the error code of 4.7. */
static int expected(const mode *m, const page_rights *page, vx_access access)
{
    bool denied;
    if (access == VX_ACCESS_FETCH) {
        denied = m->nxe && page->nx;
        denied |= m->user ? !page->u : m->smep && page->u;
    } else {
        bool write = access == VX_ACCESS_STORE;
        if (m->user)
            denied = !page->u || (write && !page->w);
        else
            denied = (page->u && m->smap && !m->ac) || (write && m->wp && !page->w);
    }
    if (!denied) return -1;
    int code = 1;
    if (access == VX_ACCESS_STORE) code |= 2;
    if (m->user) code |= 4;
    if (access == VX_ACCESS_FETCH && (m->nxe || m->smep)) code |= 16;
    return code;
}

static int observed(vx_access access)
{
    vx_mmu_fault fault = {0};
    vx_mmu_result result = world_access(&world, GVA, access, &fault);
    if (result == VX_MMU_DONE) return -1;
    assert_int_equal(result, VX_MMU_PAGE_FAULT);
    assert_int_equal(fault.gva.v, GVA);
    return (int)fault.error_code;
}

static void set_mode(const mode *m)
{
    world.control.cpl = m->user ? 3 : 0;
    world.control.wp = m->wp;
    world.control.smep = m->smep;
    world.control.smap = m->smap;
    world.control.ac = m->ac;
    world.control.nxe = m->nxe;
    world_load(&world);
}

static mode mode_of(unsigned bits)
{
    return (mode){(bits & 1) != 0, (bits & 2) != 0,  (bits & 4) != 0,
                  (bits & 8) != 0, (bits & 16) != 0, (bits & 32) != 0};
}

/* One right of the page comes from the leaf or from an upper entry: `lower` says which. */
static void page_with(const page_rights *page, bool lower)
{
    uint64_t bits = (page->w ? VX_PTE_W : 0) | (page->u ? VX_PTE_U : 0) | (page->nx ? VX_PTE_NX : 0);
    uint64_t all = VX_PTE_W | VX_PTE_U;
    uint64_t leaf_at = world_guest_entry(&world, GVA, 1), upper_at = world_guest_entry(&world, GVA, 2);
    uint64_t keep = VX_ENTRY_ADDRESS | VX_PTE_P;
    uint64_t leaf = vx_physmem_read64(&world.memory, (vx_hpa){leaf_at}) & keep;
    uint64_t upper = vx_physmem_read64(&world.memory, (vx_hpa){upper_at}) & keep;
    vx_physmem_write64(&world.memory, (vx_hpa){leaf_at}, leaf | (lower ? bits : all));
    vx_physmem_write64(&world.memory, (vx_hpa){upper_at}, upper | (lower ? all : bits));
    vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_CR4_FLUSH});
}

static void all_modes_over_all_pages(void **state)
{
    (void)state;
    open_world(VX_PAGING_4LEVEL, VX_NESTED_NONE);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    for (unsigned p = 0; p < 16; p++) {
        page_rights page = {(p & 1) != 0, (p & 2) != 0, (p & 4) != 0};
        for (unsigned m = 0; m < 64; m++) {
            mode now = mode_of(m);
            if (page.nx && !now.nxe) continue; /* NX is reserved then: below */
            page_with(&page, p & 8);
            set_mode(&now);
            for (unsigned access = 0; access < VX_ACCESSES; access++) {
                int want = expected(&now, &page, (vx_access)access);
                if (observed((vx_access)access) != want)
                    fail_msg("page %u, mode %u, access %u: not %d", p, m, access, want);
            }
        }
    }
    world_check_identities(&world);
    world_close(&world);
}

/* A held translation is judged anew by every mode: a filled TLB gives the answers that an empty one gives. */
static void held_pages_are_judged_by_the_new_mode(void **state)
{
    (void)state;
    open_world(VX_PAGING_4LEVEL, VX_NESTED_NONE);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    for (unsigned p = 0; p < 8; p++) {
        page_rights page = {(p & 1) != 0, (p & 2) != 0, (p & 4) != 0};
        page_with(&page, true);
        for (unsigned before = 32; before < 64; before++)
            for (unsigned after = 32; after < 64; after++)
                for (unsigned access = 0; access < VX_ACCESSES; access++) {
                    mode first = mode_of(before), then = mode_of(after);
                    set_mode(&first);
                    observed((vx_access)access);
                    set_mode(&then);
                    vx_hpa hpa;
                    int want = expected(&then, &page, (vx_access)access);
                    bool hit = vx_mmu_hit(world.mmu, GVA, (vx_access)access, &hpa);
                    if (hit) assert_int_equal(want, -1);
                    assert_int_equal(observed((vx_access)access), want);
                }
    }
    world_check_identities(&world);
    world_close(&world);
}

static void not_present_at_each_level(void **state)
{
    (void)state;
    open_world(VX_PAGING_5LEVEL, VX_NESTED_NONE);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    for (unsigned level = 1; level <= 5; level++) {
        vx_hpa at = {world_guest_entry(&world, GVA, level)};
        uint64_t entry = vx_physmem_read64(&world.memory, at);
        vx_physmem_write64(&world.memory, at, entry & ~VX_PTE_P);
        vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_CR4_FLUSH});
        uint64_t accesses = vx_mmu_counts_now(world.mmu)->walk_accesses;
        assert_int_equal(observed(VX_ACCESS_LOAD), 0);
        assert_int_equal(vx_mmu_counts_now(world.mmu)->walk_accesses - accesses, 6 - level);
        vx_physmem_write64(&world.memory, at, entry);
        assert_int_equal(observed(VX_ACCESS_LOAD), -1);
    }
    assert_int_equal(vx_mmu_counts_now(world.mmu)->walks_aborted, 5);
    world_check_identities(&world);
    world_close(&world);
}

/* ---- reserved bits ---- */

static bool reserved_faults(vx_hpa at, uint64_t bits, bool wide)
{
    uint64_t entry = wide ? vx_physmem_read64(&world.memory, at) : vx_physmem_read32(&world.memory, at);
    if (wide)
        vx_physmem_write64(&world.memory, at, entry | bits);
    else
        vx_physmem_write32(&world.memory, at, (uint32_t)(entry | bits));
    vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_CR4_FLUSH});
    int code = observed(VX_ACCESS_LOAD);
    if (wide)
        vx_physmem_write64(&world.memory, at, entry);
    else
        vx_physmem_write32(&world.memory, at, (uint32_t)entry);
    vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_CR4_FLUSH});
    if (code >= 0) assert_int_equal(code, VX_PF_P | VX_PF_RSVD);
    return code >= 0;
}

/* Which single bits fault at a level: SDM Vol. 3A, tables 4-14 to 4-20, with 46 physical bits. */
static void check_reserved(unsigned level, uint64_t want, uint64_t untested, bool wide)
{
    vx_hpa at = {world_guest_entry(&world, GVA, level)};
    for (unsigned bit = 0; bit < (wide ? 64U : 32U); bit++) {
        if (untested >> bit & 1) continue;
        bool reserved = want >> bit & 1;
        if (reserved_faults(at, 1ULL << bit, wide) != reserved)
            fail_msg("level %u: bit %u is %sreserved", level, bit, reserved ? "" : "not ");
    }
}

#define BEYOND_46 (0x3FULL << 46)
/* Set bits that change the address, or the kind of entry, but are not reserved. */
#define MOVES (0x3FFFFFFFFFULL << 12 & ~BEYOND_46 & ((1ULL << 46) - 1))

static void reserved_bits_of_4_levels(void **state)
{
    (void)state;
    open_world(VX_PAGING_4LEVEL, VX_NESTED_NONE);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    check_reserved(4, BEYOND_46 | VX_PTE_PS, MOVES, true);
    check_reserved(3, BEYOND_46, MOVES | VX_PTE_PS, true);
    check_reserved(2, BEYOND_46, MOVES | VX_PTE_PS, true);
    check_reserved(1, BEYOND_46, MOVES, true);
    world.control.nxe = false;
    world_load(&world);
    for (unsigned level = 1; level <= 4; level++)
        assert_true(reserved_faults((vx_hpa){world_guest_entry(&world, GVA, level)}, VX_PTE_NX, true));
    world_close(&world);

    open_world(VX_PAGING_4LEVEL, VX_NESTED_NONE);
    world_map_both(&world, GVA & ~0x1FFFFFULL, DATA & ~0x1FFFFFULL, VX_PAGE_2M, VX_PAGE_4K);
    world_load(&world);
    check_reserved(2, BEYOND_46 | 0xFFULL << 13, MOVES & ~(0xFFULL << 13), true);
    world_close(&world);

    open_world(VX_PAGING_4LEVEL, VX_NESTED_NONE);
    world_map_both(&world, GVA & ~0x3FFFFFFFULL, 0, VX_PAGE_1G, VX_PAGE_4K);
    world_load(&world);
    check_reserved(3, BEYOND_46 | 0x1FFFFULL << 13, MOVES & ~(0x1FFFFULL << 13), true);
    world_close(&world);
}

static void no_1g_pages_makes_their_bit_reserved(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.paging.page_1g = false;
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map_both(&world, GVA & ~0x3FFFFFFFULL, 0, VX_PAGE_1G, VX_PAGE_4K);
    world_load(&world);
    assert_int_equal(observed(VX_ACCESS_LOAD), VX_PF_P | VX_PF_RSVD);
    world_close(&world);
}

static void reserved_bits_of_short_modes(void **state)
{
    (void)state;
    open_world(VX_PAGING_PAE, VX_NESTED_NONE);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    uint64_t high = 0x7FFULL << 52;
    check_reserved(2, BEYOND_46 | high, MOVES | VX_PTE_PS, true);
    check_reserved(1, BEYOND_46 | high, MOVES, true);
    world_close(&world);

    open_world(VX_PAGING_32BIT, VX_NESTED_NONE);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    check_reserved(2, 0, 0xFFFFF000 | VX_PTE_PS, false);
    check_reserved(1, 0, 0xFFFFF000, false);
    world_close(&world);

    open_world(VX_PAGING_32BIT, VX_NESTED_NONE);
    world_map_both(&world, GVA & ~0x3FFFFFULL, DATA & ~0x3FFFFFULL, VX_PAGE_4M, VX_PAGE_4K);
    world_load(&world);
    check_reserved(2, 1ULL << 21, 0xFFFFF000 & ~(1U << 21), false);
    world.control.pse = false; /* then the entry names a table, which is empty */
    world_load(&world);
    vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_CR4_FLUSH});
    assert_int_equal(observed(VX_ACCESS_LOAD), 0);
    world_close(&world);
}

/* ---- second dimension ---- */

static vx_mmu_result nested_fault(uint64_t gva, vx_access access, vx_mmu_fault *fault)
{
    vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_INVEPT_ALL});
    return world_access(&world, gva, access, fault);
}

static void set_nested(uint64_t gpa, unsigned level, uint64_t clear, uint64_t set)
{
    vx_hpa at = {world_nested_entry(&world, gpa, level)};
    vx_physmem_write64(&world.memory, at, (vx_physmem_read64(&world.memory, at) & ~clear) | set);
}

/* Qualification bits 2:0, 5:3, 7 and 8 for every right of a leaf or an upper entry and every access (SDM Vol. 3C, table
 * 27-7), and misconfigured combinations. */
static void ept_rights_and_qualification(void **state)
{
    (void)state;
    open_world(VX_PAGING_4LEVEL, VX_NESTED_EPT);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    for (unsigned level = 1; level <= 4; level++)
        for (unsigned rights = 0; rights < 8; rights++)
            for (unsigned access = 0; access < VX_ACCESSES; access++) {
                /* Tables share the upper entries with the data: only the leaf may forbid reading. */
                if (level > 1 && (rights & 1) == 0) continue;
                vx_mmu_fault fault = {0};
                set_nested(DATA, level, 7, rights);
                vx_mmu_result result = nested_fault(GVA, (vx_access)access, &fault);
                bool misconfigured = (rights & 3) == 2;
                unsigned use = 1U << access;
                if (misconfigured) {
                    assert_int_equal(result, VX_MMU_EPT_MISCONFIG);
                    assert_int_equal(fault.gpa.v, DATA);
                } else if (rights & use) {
                    assert_int_equal(result, VX_MMU_DONE);
                } else {
                    assert_int_equal(result, VX_MMU_NESTED_FAULT);
                    assert_int_equal(fault.qualification, use | rights << 3 | 1U << 7 | 1U << 8);
                    assert_int_equal(fault.gpa.v, DATA);
                    assert_int_equal(fault.gva.v, GVA);
                    assert_false(fault.table);
                }
                set_nested(DATA, level, 7, 7);
            }
    world_check_identities(&world);
    world_close(&world);
}

static void execute_only_without_the_feature(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.vmx.ept_execute_only = false;
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    set_nested(DATA, 1, 7, VX_EPT_X);
    vx_mmu_fault fault;
    assert_int_equal(nested_fault(GVA, VX_ACCESS_FETCH, &fault), VX_MMU_EPT_MISCONFIG);
    world_close(&world);
}

/* SDM Vol. 3C, 28.2.3.1 and the formats of 28.2.2: every single bit of every kind of entry. */
static void check_misconfigured(unsigned level, uint64_t want, uint64_t untested)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        if (untested >> bit & 1) continue;
        vx_hpa at = {world_nested_entry(&world, DATA, level)};
        uint64_t entry = vx_physmem_read64(&world.memory, at);
        vx_physmem_write64(&world.memory, at, entry | 1ULL << bit);
        vx_mmu_fault fault;
        bool misconfigured = nested_fault(GVA, VX_ACCESS_LOAD, &fault) == VX_MMU_EPT_MISCONFIG;
        vx_physmem_write64(&world.memory, at, entry);
        if (misconfigured != (want >> bit & 1)) fail_msg("level %u: bit %u", level, bit);
    }
}

static void ept_misconfigurations(void **state)
{
    (void)state;
    uint64_t types = 7ULL << 3;
    open_world(VX_PAGING_4LEVEL, VX_NESTED_EPT);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    check_misconfigured(4, BEYOND_46 | 0xFULL << 3 | VX_EPT_PS, MOVES);
    check_misconfigured(3, BEYOND_46 | 0xFULL << 3, MOVES | VX_EPT_PS);
    check_misconfigured(2, BEYOND_46 | 0xFULL << 3, MOVES | VX_EPT_PS);
    check_misconfigured(1, BEYOND_46, MOVES | types);
    for (unsigned type = 0; type < 8; type++) {
        set_nested(DATA, 1, types, (uint64_t)type << 3);
        vx_mmu_fault fault;
        bool bad = type == 2 || type == 3 || type == 7;
        assert_int_equal(nested_fault(GVA, VX_ACCESS_LOAD, &fault), bad ? VX_MMU_EPT_MISCONFIG : VX_MMU_DONE);
    }
    world_close(&world);

    static const struct {
        vx_page_size page;
        unsigned level;
        uint64_t low;
    } large[] = {{VX_PAGE_2M, 2, 0x1FFULL << 12}, {VX_PAGE_1G, 3, 0x3FFFFULL << 12}}; /* bit 12 is reserved too */
    for (unsigned i = 0; i < 2; i++) {
        open_world(VX_PAGING_4LEVEL, VX_NESTED_EPT);
        world.table_page = large[i].page; /* one nested page holds tables and data */
        world_map_both(&world, GVA, DATA, VX_PAGE_4K, large[i].page);
        world_load(&world);
        check_misconfigured(large[i].level, BEYOND_46 | large[i].low, (MOVES & ~large[i].low) | types);
        world_close(&world);
    }
}

static void reading_a_table_that_ept_forbids(void **state)
{
    (void)state;
    for (unsigned ad = 0; ad <= 1; ad++)
        for (unsigned level = 1; level <= 4; level++) {
            open_world(VX_PAGING_4LEVEL, VX_NESTED_EPT);
            world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
            world.control.nested_ad = ad;
            world_load(&world);
            uint64_t table = vx_radix_lookup(&world.guest, GVA, level).at;
            vx_mmu_fault fault = {0};
            unsigned use = ad ? 3 : 1; /* with EPT A/D a read of a table entry is a write as well: bits 0 and 1 */
            set_nested(table, 1, 7, 0);
            assert_int_equal(nested_fault(GVA, VX_ACCESS_FETCH, &fault), VX_MMU_NESTED_FAULT);
            assert_int_equal(fault.qualification, use | 1U << 7);
            assert_int_equal(fault.gpa.v, table);
            assert_true(fault.table);
            set_nested(table, 1, 7, VX_EPT_R | VX_EPT_X);
            vx_mmu_result result = nested_fault(GVA, VX_ACCESS_FETCH, &fault);
            if (ad) {
                assert_int_equal(result, VX_MMU_NESTED_FAULT);
                assert_int_equal(fault.qualification, 3U | 5U << 3 | 1U << 7);
            } else {
                assert_int_equal(result, VX_MMU_DONE); /* A is set already: nothing to write */
            }
            world_close(&world);
        }
}

/* A guest's A or D update into a page that EPT write-protects is a violation, EPT's own A/D flags off. */
static void flag_update_into_a_protected_table(void **state)
{
    (void)state;
    for (unsigned level = 1; level <= 4; level++) {
        open_world(VX_PAGING_4LEVEL, VX_NESTED_EPT);
        world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
        world_load(&world);
        uint64_t gpa = vx_radix_lookup(&world.guest, GVA, level).at;
        vx_hpa at = {world_guest_entry(&world, GVA, level)};
        assert_int_equal(world_access(&world, GVA, VX_ACCESS_LOAD, NULL), VX_MMU_DONE); /* warm walker caches */
        vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_CR4_FLUSH});
        vx_physmem_write64(&world.memory, at, vx_physmem_read64(&world.memory, at) & ~VX_PTE_A);
        set_nested(gpa, 1, VX_EPT_W, 0);
        vx_mmu_fault fault = {0};
        assert_int_equal(nested_fault(GVA, VX_ACCESS_LOAD, &fault), VX_MMU_NESTED_FAULT);
        assert_int_equal(fault.qualification, 3U | 5U << 3 | 1U << 7);
        assert_int_equal(fault.gpa.v, gpa);
        assert_true(fault.table);
        assert_int_equal(vx_physmem_read64(&world.memory, at) & VX_PTE_A, 0);
        set_nested(gpa, 1, 0, VX_EPT_W); /* 0 to 1 needs no INVEPT */
        assert_int_equal(world_access(&world, GVA, VX_ACCESS_LOAD, NULL), VX_MMU_DONE);
        assert_true(vx_physmem_read64(&world.memory, at) & VX_PTE_A);
        world_close(&world);
    }
}

static void beyond_48_bits(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.paging.physical_bits = 52;
    world_open(&world, &cpu, VX_PAGING_NONE, VX_NESTED_EPT, 4);
    world_load(&world);
    vx_mmu_fault fault;
    assert_int_equal(world_access(&world, 1ULL << 48, VX_ACCESS_LOAD, &fault), VX_MMU_NESTED_FAULT);
    assert_int_equal(fault.qualification, 1U | 1U << 7 | 1U << 8);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->walk_accesses, 0);
    world_close(&world);
}

/* A guest entry, or CR3 (level 5), that names such an address: found before any nested entry is read for it, by the
 * straight walk (a processor whose caches cost nothing) as by the others. */
static void entries_beyond_48_bits(void **state)
{
    (void)state;
    for (unsigned level = 1; level <= 5; level++) {
        uint64_t accesses[2];
        for (unsigned ticks = 0; ticks < 2; ticks++) {
            vx_cfg_cpu cpu = test_cpu_nehalem();
            cpu.paging.physical_bits = 52;
            cpu.psc.hit_ticks = ticks;
            world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4);
            world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
            if (level == 5) {
                world.control.root |= 1ULL << 48;
            } else {
                vx_hpa at = {world_guest_entry(&world, GVA, level)};
                vx_physmem_write64(&world.memory, at, vx_physmem_read64(&world.memory, at) | 1ULL << 48);
            }
            world_load(&world);
            vx_mmu_fault fault;
            assert_int_equal(world_access(&world, GVA, VX_ACCESS_LOAD, &fault), VX_MMU_NESTED_FAULT);
            assert_int_equal(fault.gpa.v >> 48, 1);
            assert_int_equal(fault.table, level != 1);
            accesses[ticks] = vx_mmu_counts_now(world.mmu)->walk_accesses;
            world_check_identities(&world);
            world_close(&world);
        }
        assert_int_equal(accesses[0], accesses[1]);
    }
}

static void guest_physical_alone(void **state)
{
    (void)state;
    open_world(VX_PAGING_4LEVEL, VX_NESTED_EPT);
    world_map_nested(&world, DATA, VX_PAGE_4K, VX_EPT_R);
    world_load(&world);
    vx_hpa hpa = {7};
    vx_mmu_fault fault;
    assert_int_equal(vx_mmu_access_gpa(world.mmu, (vx_gpa){DATA + 8}, VX_ACCESS_LOAD, &hpa, &fault), VX_MMU_DONE);
    assert_int_equal(hpa.v, WORLD_GUEST_BASE + DATA + 8);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->walk_accesses, 4);
    hpa.v = 7;
    assert_int_equal(vx_mmu_access_gpa(world.mmu, (vx_gpa){DATA}, VX_ACCESS_STORE, &hpa, &fault), VX_MMU_NESTED_FAULT);
    assert_int_equal(fault.qualification, 2U | 1U << 3); /* no linear address: bits 7 and 8 clear */
    assert_int_equal(hpa.v, 7);
    world_check_identities(&world);
    world_close(&world);
}

/* APM Vol. 2, 15.25.6. */
static void npt_information(void **state)
{
    (void)state;
    open_world(VX_PAGING_4LEVEL, VX_NESTED_NPT);
    world_map_both(&world, GVA, DATA, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    static const struct {
        uint64_t clear, set;
        vx_access access;
        uint64_t information; /* 0: allowed */
    } rows[] = {
        {VX_PTE_P, 0, VX_ACCESS_LOAD, 4 | 1ULL << 32},
        {VX_PTE_P, 0, VX_ACCESS_STORE, 6 | 1ULL << 32},
        {VX_PTE_P, 0, VX_ACCESS_FETCH, 20 | 1ULL << 32},
        {VX_PTE_W, 0, VX_ACCESS_LOAD, 0},
        {VX_PTE_W, 0, VX_ACCESS_STORE, 7 | 1ULL << 32},
        {VX_PTE_U, 0, VX_ACCESS_LOAD, 5 | 1ULL << 32}, /* every access is a user's */
        {0, VX_PTE_NX, VX_ACCESS_LOAD, 0},
        {0, VX_PTE_NX, VX_ACCESS_FETCH, 21 | 1ULL << 32},
        {0, 1ULL << 50, VX_ACCESS_LOAD, 13 | 1ULL << 32},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_hpa at = {world_nested_entry(&world, DATA, 1)};
        uint64_t entry = vx_physmem_read64(&world.memory, at);
        vx_physmem_write64(&world.memory, at, (entry & ~rows[i].clear) | rows[i].set);
        vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_FLUSH_ALL_ASIDS});
        vx_mmu_fault fault = {0};
        vx_mmu_result result = world_access(&world, GVA, rows[i].access, &fault);
        assert_int_equal(result, rows[i].information ? VX_MMU_NESTED_FAULT : VX_MMU_DONE);
        assert_int_equal(fault.qualification, rows[i].information);
        vx_physmem_write64(&world.memory, at, entry);
    }
    /* A guest table's page that is not writable: its walk counts as a write. */
    uint64_t table = vx_radix_lookup(&world.guest, GVA, 2).at;
    set_nested(table, 1, VX_PTE_W, 0);
    vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_FLUSH_ALL_ASIDS});
    vx_mmu_fault fault = {0};
    assert_int_equal(world_access(&world, GVA, VX_ACCESS_LOAD, &fault), VX_MMU_NESTED_FAULT);
    assert_int_equal(fault.qualification, 7 | 1ULL << 33);
    assert_int_equal(fault.gpa.v, table);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_modes_over_all_pages),
        cmocka_unit_test(held_pages_are_judged_by_the_new_mode),
        cmocka_unit_test(not_present_at_each_level),
        cmocka_unit_test(reserved_bits_of_4_levels),
        cmocka_unit_test(no_1g_pages_makes_their_bit_reserved),
        cmocka_unit_test(reserved_bits_of_short_modes),
        cmocka_unit_test(ept_rights_and_qualification),
        cmocka_unit_test(execute_only_without_the_feature),
        cmocka_unit_test(ept_misconfigurations),
        cmocka_unit_test(reading_a_table_that_ept_forbids),
        cmocka_unit_test(flag_update_into_a_protected_table),
        cmocka_unit_test(beyond_48_bits),
        cmocka_unit_test(entries_beyond_48_bits),
        cmocka_unit_test(guest_physical_alone),
        cmocka_unit_test(npt_information),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
