/* What L2 is walked through, EPT02 or NPT02, against the obvious composition: a walk of L1's table and then of L0's for
 * every address that L2 touches. Both tables are random: pages of every size at random frames, random rights, absent
 * and malformed entries; L1 changes its table between L2's touches, with a flush where something present has changed.
 * VX_SEED repeats a failure. */
#include "nested_world.h"
#include "test_support.h"
#include "vx_random.h"

#include <string.h>

enum { ROUNDS = 30, EDITS = 12, TOUCHES = 40, TRIES = 8, WINDOWS = 4, WINDOW_PAGES = 64 };
#define RIGHTS 7ULL
#define WRITE_BACK (6ULL << 3)
#define BEYOND (1ULL << 51) /* no processor of these tests has an address bit there */

typedef struct random_l1 {
    nested_world nested;
    vx_random random;
    uint64_t window[WINDOWS]; /* where L2 touches: first addresses, far enough apart to need tables of every level */
    bool amd, execute_only, revoked;
    unsigned done, reflected, misconfigured, splits;
} random_l1;

static uint64_t below(random_l1 *l1, uint64_t end) { return vx_random_below(&l1->random, end); }

/* An address in one of the windows; some of them beside it, in the same large pages. */
static uint64_t some_gpa(random_l1 *l1)
{
    uint64_t page = below(l1, 8) ? below(l1, WINDOW_PAGES) : below(l1, 1024);
    return l1->window[below(l1, WINDOWS)] + page * VX_PAGE_BYTES;
}

/* Rights are EPT's, R 1, W 2, X 4; this is how an entry spells them. */
static uint64_t spelt(const random_l1 *l1, uint64_t rights)
{
    if (!l1->amd) return rights;
    return VX_PTE_P | VX_PTE_U | (rights & 2 ? VX_PTE_W : 0) | (rights & 4 ? 0 : VX_PTE_NX);
}

static uint64_t rights_of(const random_l1 *l1, uint64_t entry)
{
    if (!l1->amd) return entry & RIGHTS;
    if ((entry & (VX_PTE_P | VX_PTE_U)) != (VX_PTE_P | VX_PTE_U)) return 0;
    return 1 | (entry & VX_PTE_W) | (entry & VX_PTE_NX ? 0 : 4);
}

static bool is_present(const random_l1 *l1, uint64_t entry) { return (entry & (l1->amd ? VX_PTE_P : RIGHTS)) != 0; }

static uint64_t some_rights(random_l1 *l1)
{
    static const uint64_t valid[] = {7, 7, 7, 1, 3, 5, 4};
    return valid[below(l1, l1->execute_only ? 7 : 6)];
}

/* ---- the random tables ---- */

/* Of EPT: writable, not readable; memory type 2. Of NPT: an address that is reserved; not for users. */
static uint64_t bad_leaf(random_l1 *l1, unsigned which)
{
    if (l1->amd) return which ? spelt(l1, some_rights(l1)) | BEYOND : (spelt(l1, some_rights(l1)) & ~VX_PTE_U);
    return which ? VX_EPT_W | WRITE_BACK : some_rights(l1) | 2 << 3;
}

/* A leaf of L1's table to anywhere behind L1's tables; now and then absent or malformed. */
static uint64_t some_leaf(random_l1 *l1, unsigned level)
{
    const uint64_t tables_end = 1ULL << 30;
    uint64_t bytes = 1ULL << (12 + 9 * (level - 1)), rest = l1->nested.world.layout.l1.bytes - tables_end;
    uint64_t frame = tables_end + below(l1, rest / bytes) * bytes;
    uint64_t large = level > 1 ? VX_EPT_PS : 0;
    unsigned which = (unsigned)below(l1, 12);
    if (which == 0) return 0;
    if (which < 3) return frame | bad_leaf(l1, which & 1) | (l1->amd || which == 2 ? large : 0);
    return frame | spelt(l1, some_rights(l1)) | (l1->amd ? 0 : WRITE_BACK) | large;
}

static void store(random_l1 *l1, unsigned level, uint64_t at, uint64_t value)
{
    uint64_t before = nested_read(&l1->nested, at);
    if (is_present(l1, before) && before != value) l1->revoked = true;
    nested_store(&l1->nested, level, at, value);
}

/* Stores a random leaf at a random level, over whatever stood there. */
static void edit(random_l1 *l1)
{
    unsigned target = 1 + (unsigned)below(l1, 8) / 5 + (unsigned)below(l1, 16) / 15;
    uint64_t gpa = some_gpa(l1), table = l1->nested.vm->nested.pointer12 & VX_ENTRY_ADDRESS;
    for (unsigned level = 4;; level--) {
        uint64_t at = table + (gpa >> (12 + 9 * (level - 1)) & 511) * 8, entry = nested_read(&l1->nested, at);
        if (level == target) {
            store(l1, level, at, some_leaf(l1, level));
            return;
        }
        bool usable = (rights_of(l1, entry) & 1) && !(entry & VX_EPT_PS) && !(entry & BEYOND) && below(l1, 64);
        if (!usable) {
            uint64_t page = table_pages_take(&l1->nested.world.vmm->l0.l1_pages);
            assert_true(page != 0);
            nested_l1_touch(l1->nested.vm, page, VX_PAGE_BYTES);
            entry = page | spelt(l1, below(l1, 6) ? RIGHTS : some_rights(l1) | VX_EPT_R);
            store(l1, level, at, entry);
        }
        table = entry & VX_ENTRY_ADDRESS;
    }
}

static uint64_t new_table(void *context, unsigned level)
{
    (void)level;
    return table_pages_take(context);
}

/* EPT01 as if L1 had touched its memory here and there, and L0 had taken rights away for reasons of its own. */
static void fill_ept01(random_l1 *l1, vx_page_size largest)
{
    static const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G};
    vx_vmm *vmm = l1->nested.world.vmm;
    for (unsigned i = 0; i < 500; i++) {
        vx_page_size size = sizes[below(l1, 40) == 0 ? 2 : below(l1, 3) == 0];
        if (size > largest) continue;
        uint64_t bytes = vx_page_bytes(size), address = below(l1, vmm->layout->l1.bytes / bytes) * bytes;
        uint64_t frame = vx_gpa_map_placed(&vmm->layout->l1, (vx_gpa){address});
        (void)vx_radix_map(&vmm->l0.table01, address, frame, size,
                           spelt(l1, some_rights(l1)) | (l1->amd ? 0 : WRITE_BACK), spelt(l1, RIGHTS), new_table, NULL,
                           &vmm->pages, NULL); /* where something is in the way, that stays */
    }
}

/* ---- the obvious composition ---- */

typedef struct truth {
    bool mapped, misconfigured, absent;
    uint64_t rights12, l1, rights01, hpa;
    uint64_t bytes12, bytes01;
    bool accessed, dirty;
} truth;

static bool bad_entry(const random_l1 *l1, uint64_t entry, unsigned level)
{
    bool leaf = level == 1 || (entry & VX_EPT_PS);
    if (l1->amd) return (entry & BEYOND) || (level == 4 && leaf);
    if (!(entry & VX_EPT_R) && ((entry & VX_EPT_W) || !l1->execute_only)) return true;
    return leaf && (entry >> 3 & 7) == 2;
}

/* Walks a table of four levels. False: an entry is absent or bad. */
static bool walk(const random_l1 *l1, uint64_t table, const vx_gpa_map *map, uint64_t address, truth *t,
                 uint64_t *rights, uint64_t *to, uint64_t *bytes)
{
    uint64_t accessed = l1->amd ? VX_PTE_A : VX_EPT_A, dirty = l1->amd ? VX_PTE_D : VX_EPT_D;
    *rights = RIGHTS;
    t->accessed = true;
    for (unsigned level = 4;; level--) {
        uint64_t at = table + (address >> (12 + 9 * (level - 1)) & 511) * 8;
        uint64_t host = map ? vx_gpa_map_hpa(map, (vx_gpa){at}).v : at;
        uint64_t entry = vx_physmem_read64(&l1->nested.world.memory, (vx_hpa){host});
        t->absent = !is_present(l1, entry);
        if (t->absent) {
            *rights = 0;
            return false;
        }
        t->misconfigured = bad_entry(l1, entry, level);
        if (t->misconfigured) return false;
        *rights &= rights_of(l1, entry);
        t->accessed &= (entry & accessed) != 0;
        t->dirty = (entry & dirty) != 0;
        if (level == 1 || (entry & VX_EPT_PS)) {
            *bytes = 1ULL << (12 + 9 * (level - 1));
            *to = (entry & VX_ENTRY_ADDRESS & ~(*bytes - 1)) | (address & (*bytes - 1));
            return true;
        }
        table = entry & VX_ENTRY_ADDRESS;
    }
}

static truth compose(const random_l1 *l1, uint64_t gpa)
{
    const vx_vmm *vmm = l1->nested.world.vmm;
    truth t = {0}, unused = {0};
    uint64_t root = l1->nested.vm->nested.pointer12 & VX_ENTRY_ADDRESS;
    t.mapped = walk(l1, root, &vmm->layout->l1, gpa, &t, &t.rights12, &t.l1, &t.bytes12);
    if (t.mapped && !walk(l1, vmm->l0.table01.root, NULL, t.l1, &unused, &t.rights01, &t.hpa, &t.bytes01))
        t.rights01 = 0;
    return t;
}

/* ---- L2 ---- */

static void has_composed(random_l1 *l1, uint64_t gpa, uint64_t use, uint64_t hpa, bool just_filled)
{
    truth t = compose(l1, gpa);
    vx_page_size size = VX_PAGE_4K;
    uint64_t leaf = nested_composed_leaf(&l1->nested, gpa, &size);
    bool flags = l1->amd || (l1->nested.vm->nested.pointer12 >> 6 & 1);
    uint64_t allowed = rights_of(l1, leaf);
    assert_true(t.mapped && !(use & ~t.rights12));
    assert_int_equal(hpa, t.hpa);
    assert_true(leaf != 0 && !(allowed & ~(t.rights12 & t.rights01)) && !(use & ~allowed));
    uint64_t least = t.bytes12 < t.bytes01 ? t.bytes12 : t.bytes01;
    assert_true(vx_page_bytes(size) <= least);
    if (flags) assert_true(t.accessed && (!(use & VX_EPT_W) || t.dirty));
    if (flags && !t.dirty) assert_false(allowed & VX_EPT_W);
    if (!just_filled) return;
    uint64_t rights = t.rights12 & t.rights01 & ~(flags && !t.dirty ? VX_EPT_W : 0);
    assert_int_equal(allowed, rights);
    assert_int_equal(vx_page_bytes(size), least);
    l1->splits += t.bytes12 > least;
}

static void is_violation_of_l1(const truth *t, uint64_t use, const vx_exit *seen)
{
    assert_int_equal(seen->reason, t->misconfigured ? VX_EXIT_EPT_MISCONFIG : VX_EXIT_EPT_VIOLATION);
    if (!t->misconfigured) assert_int_equal(seen->qualification, use | t->rights12 << 3);
}

/* An error code: P 0, W 1, U 2, RSVD 3, I 4; bit 32: not a table of the guest's. */
static void is_npf_of_l1(const truth *t, uint64_t use, const vx_exit *seen)
{
    uint64_t access = use == 2 ? 1 << 1 : use == 4 ? 1 << 4 : 0;
    uint64_t found = t->misconfigured ? 1 << 3 | 1 : !t->absent;
    assert_int_equal(seen->reason, 0x400);
    assert_int_equal(seen->qualification, 1ULL << 32 | 1 << 2 | access | found);
}

static void is_l1s(random_l1 *l1, uint64_t gpa, uint64_t use, const vx_exit *seen)
{
    truth t = compose(l1, gpa);
    assert_false(t.mapped && !(use & ~t.rights12));
    l1->amd ? is_npf_of_l1(&t, use, seen) : is_violation_of_l1(&t, use, seen);
    l1->misconfigured += t.misconfigured;
    l1->reflected++;
}

static void touch(random_l1 *l1)
{
    static const vx_access accesses[] = {VX_ACCESS_LOAD, VX_ACCESS_STORE, VX_ACCESS_FETCH};
    unsigned which = (unsigned)below(l1, 3);
    uint64_t gpa = some_gpa(l1) + below(l1, VX_PAGE_BYTES), use = 1ULL << which;
    bool filled = false;
    for (unsigned tries = 0; tries < TRIES; tries++) {
        vx_hpa hpa;
        vx_mmu_fault fault;
        vx_mmu_result result = vx_mmu_access_gpa(l1->nested.world.mmu, (vx_gpa){gpa}, accesses[which], &hpa, &fault);
        if (result == VX_MMU_DONE) {
            has_composed(l1, gpa, use, hpa.v, filled);
            l1->done++;
            return;
        }
        assert_int_equal(result, VX_MMU_NESTED_FAULT); /* L0 makes no misconfigured entry */
        vx_exit seen, exit = {.qualification = fault.qualification, .physical = {gpa}};
        exit.reason = nested_l0_violation(l1->nested.world.vmm);
        if (!nested_l0_takes(l1->nested.vm, &exit, NULL, NULL, &seen)) {
            is_l1s(l1, gpa, use, &seen);
            return;
        }
        filled = true;
    }
    fail_msg("0x%llx is never mapped", (unsigned long long)gpa);
}

/* INVEPT. AMD: the next VMRUN, after an exit of L2's; an L0 that does not protect must be asked. */
static void flush(random_l1 *l1)
{
    if (l1->amd && nested_l0_protects(l1->nested.world.vmm))
        vx_vcpu_exit(l1->nested.world.vcpu, &(vx_exit){.reason = 0x60});
    else
        nested_l0_flush(l1->nested.vm);
}

/* What a vendor's worlds have met between them; any one may lack some. */
typedef struct met {
    unsigned malformed, splits;
} met;

static void live(const nested_options *options, uint64_t seed, met *all)
{
    random_l1 l1 = {.amd = options->amd, .execute_only = options->execute_only};
    nested_world_open(&l1.nested, options);
    vx_random_init(&l1.random, seed, "nested tables");
    const uint64_t bases[WINDOWS] = {0, 3 * (1ULL << 21), 5 * (1ULL << 30), 7 * (1ULL << 39)};
    memcpy(l1.window, bases, sizeof bases);
    if (l1.nested.world.cpu.paging.physical_bits < 42) l1.window[3] = 9 * (1ULL << 30);
    fill_ept01(&l1, options->l0_page);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < EDITS; i++) edit(&l1);
        if (l1.revoked || below(&l1, 8) == 0) flush(&l1);
        l1.revoked = false;
        for (unsigned i = 0; i < TOUCHES; i++) touch(&l1);
        uint64_t leaves = 0;
        if (nested_verify(l1.nested.vm, &leaves, &l1.nested.world.msg) != VX_OK)
            fail_msg("%s", l1.nested.world.msg.text);
    }
    assert_int_equal(vx_vmm_status(l1.nested.world.vmm, &l1.nested.world.msg), VX_OK);
    print_message("done %u, L1's %u (%u misconfigured), pieces of larger pages %u\n", l1.done, l1.reflected,
                  l1.misconfigured, l1.splits);
    assert_true(l1.done > 50 && l1.reflected > 50);
    all->malformed += l1.misconfigured;
    all->splits += l1.splits;
    nested_world_close(&l1.nested);
}

static void the_composition_is_what_l2_walks(void **state)
{
    (void)state;
    const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G};
    uint64_t seed = vx_test_seed();
    met vendors[2] = {{0}};
    for (unsigned which = 0; which < 36; which++) {
        const nested_options options = {.l1_page = VX_PAGE_4K,
                                        .l0_page = sizes[which % 3],
                                        .kvm = which & 4,
                                        .flags = which & 8,
                                        .execute_only = which < 24 && (which & 16),
                                        .amd = which >= 24};
        print_message("%s01 up to %s%s%s%s: ", options.amd ? "NPT" : "EPT", vx_page_size_name(options.l0_page),
                      options.kvm ? ", kvm" : "", options.flags && !options.amd ? ", A and D" : "",
                      options.execute_only ? ", execute-only" : "");
        live(&options, seed + which, &vendors[options.amd]);
    }
    for (unsigned i = 0; i < 2; i++) assert_true(vendors[i].malformed > 100 && vendors[i].splits > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_composition_is_what_l2_walks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
