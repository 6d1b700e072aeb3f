/* EPT's rules one by one: misconfigurations bit by bit (SDM Vol. 3C tables 28-1 to 28-7, 28.2.3.1), violations and
 * their qualification (28.2.3.2, Table 27-7). Tables are written by hand. */
#include "ept_world.h"

enum { GUEST = 0x30000 };

/* ---- misconfigurations ---- */

/* Tables 28-1 to 28-7: the reserved bits of an entry, for MAXPHYADDR 40. */
static bool is_reserved(unsigned level, bool leaf, unsigned bit)
{
    if (bit >= 40 && bit < 52) return true;
    if (!leaf) return bit >= 3 && bit <= (level >= 4 ? 7 : 6);
    if (level == 2) return bit >= 12 && bit <= 20;
    return level == 3 && bit >= 12 && bit <= 29;
}

static unsigned reserved_bits_of(unsigned level, bool leaf, unsigned levels)
{
    unsigned found = 0;
    for (unsigned bit = 3; bit < 64; bit++) {
        if (bit == 7 && level > 1 && level < 4) continue; /* says what the entry is */
        if (leaf && bit <= 5) continue;                   /* the memory type */
        if (!leaf && bit >= 12 && bit < 40) continue;     /* another table */
        open_ept(levels);
        uint64_t good = leaf ? (level == 1 ? 0x7000ULL : 0x80ULL) | ALL | WB : TABLE(level - 1) | ALL;
        write_at(level == 5 ? TABLE(5) : entry_at(level), good ^ BIT(bit));
        vx_hpa hpa;
        vx_mmu_fault fault = {0};
        vx_mmu_result result = vx_mmu_access_gpa(w.mmu, (vx_gpa){GPA}, VX_ACCESS_LOAD, &hpa, &fault);
        if ((result == VX_MMU_EPT_MISCONFIG) != is_reserved(level, leaf, bit))
            fail_msg("level %u %s, bit %u: %d", level, leaf ? "page" : "table", bit, result);
        if (result == VX_MMU_EPT_MISCONFIG) {
            assert_int_equal(fault.gpa.v, GPA);
            assert_int_equal(fault.qualification, 0);
            assert_false(fault.convertible);
            found++;
        }
        close_ept();
    }
    return found;
}

static void every_reserved_bit_of_every_entry(void **state)
{
    (void)state;
    unsigned found = 0;
    for (unsigned level = 2; level <= 5; level++) found += reserved_bits_of(level, false, 5);
    for (unsigned level = 1; level <= 3; level++) found += reserved_bits_of(level, true, 4);
    /* 12 beyond the physical address in each of 7; 4, 4, 5, 5 below; 9 and 18 below large pages. */
    assert_int_equal(found, 12 * 7 + 4 + 4 + 5 + 5 + 9 + 18);
}

static void every_memory_type(void **state)
{
    (void)state;
    for (unsigned level = 1; level <= 3; level++)
        for (unsigned type = 0; type < 8; type++) {
            open_ept(4);
            write_at(entry_at(level), (level == 1 ? 0x7000ULL : 0x80ULL) | ALL | type << 3);
            vx_hpa hpa;
            vx_mmu_fault fault;
            vx_mmu_result result = vx_mmu_access_gpa(w.mmu, (vx_gpa){GPA}, VX_ACCESS_LOAD, &hpa, &fault);
            assert_int_equal(result, type == 2 || type == 3 || type == 7 ? VX_MMU_EPT_MISCONFIG : VX_MMU_DONE);
            close_ept();
        }
}

/* Bits 2:0, 10 and 58 in every combination, under the controls and capabilities that they depend on, in a leaf and in
 * an entry above it. */
static void every_combination_of_rights(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 32; bits++)
        for (unsigned how = 0; how < 16; how++) {
            bool mbec = how & 1, paging_write = how & 2, execute_only = how & 4, leaf = how & 8;
            open_ept(4);
            w.cpu.vmx.ept_execute_only = execute_only;
            w.control.mode_based_execute = mbec;
            w.control.paging_write = paging_write;
            load();
            uint64_t rights = (bits & 7) | (bits & 8 ? BIT(10) : 0) | (bits & 16 ? BIT(58) : 0);
            write_at(entry_at(leaf ? 1 : 2), rights | (leaf ? 0x7000ULL | WB : TABLE(1)));
            bool present = (bits & 7) || (mbec && (bits & 8));
            bool unreadable = (bits & 2) || (!execute_only && ((bits & 4) || (mbec && (bits & 8)))) ||
                              (paging_write && leaf && (bits & 16));
            vx_hpa hpa;
            vx_mmu_fault fault = {0};
            vx_mmu_result result = vx_mmu_access_gpa(w.mmu, (vx_gpa){GPA}, VX_ACCESS_LOAD, &hpa, &fault);
            vx_mmu_result expected = VX_MMU_NESTED_FAULT;
            if (present && (bits & 1)) expected = VX_MMU_DONE;
            if (present && !(bits & 1) && unreadable) expected = VX_MMU_EPT_MISCONFIG;
            if (result != expected) fail_msg("rights %#x, setting %u: %d", bits, how, result);
            close_ept();
        }
}

static void one_gigabyte_pages_where_there_are_none(void **state)
{
    (void)state;
    open_ept(4);
    w.cpu.vmx.ept_1g = false;
    load();
    write_at(entry_at(3), 0x80 | ALL | WB);
    vx_hpa hpa;
    vx_mmu_fault fault;
    assert_int_equal(vx_mmu_access_gpa(w.mmu, (vx_gpa){GPA}, VX_ACCESS_LOAD, &hpa, &fault), VX_MMU_EPT_MISCONFIG);
    close_ept();
}

/* ---- violations ---- */

/* Four levels translate 48 bits: a violation of no entry, so never convertible. */
static void addresses_beyond_four_levels(void **state)
{
    (void)state;
    for (unsigned levels = 4; levels <= 5; levels++)
        for (unsigned bit = 48; bit < 52; bit++) {
            open_ept(levels);
            vx_hpa hpa;
            vx_mmu_fault fault = {0};
            assert_int_equal(vx_mmu_access_gpa(w.mmu, (vx_gpa){GPA | BIT(bit)}, VX_ACCESS_STORE, &hpa, &fault),
                             VX_MMU_NESTED_FAULT);
            assert_int_equal(fault.qualification, 2);
            assert_int_equal(fault.convertible, levels == 5); /* five: an absent entry with bit 63 clear */
            close_ept();
        }
}

/* Bit 63 of the entry that is absent, or of the one that maps the page; of no other. */
static void suppress_ve(void **state)
{
    (void)state;
    for (unsigned level = 1; level <= 4; level++)
        for (unsigned bits = 0; bits < 4; bits++) {
            bool there = bits & 1, suppressed = bits & 2;
            open_ept(4);
            uint64_t entry = there ? read_at(entry_at(level)) : 0;
            write_at(entry_at(level), entry | (suppressed ? BIT(63) : 0));
            if (there) write_at(entry_at(1), read_at(entry_at(1)) & ~BIT(1));
            vx_hpa hpa;
            vx_mmu_fault fault;
            assert_int_equal(vx_mmu_access_gpa(w.mmu, (vx_gpa){GPA}, VX_ACCESS_STORE, &hpa, &fault),
                             VX_MMU_NESTED_FAULT);
            bool decides = !there || level == 1;
            assert_int_equal(fault.convertible, !(decides && suppressed));
            close_ept();
        }
}

/* Guest paging for linear addresses: one 2 MiB page at linear 0, whose top tables lie in guest-physical pages that EPT
 * maps with 2 MiB pages of their own. */
static void open_linear(uint64_t guest_rights, uint64_t data_rights)
{
    open_ept(4);
    /* gpa 0 to 2 MiB: identity, for the guest's tables. gpa 2 to 4 MiB: the data. */
    write_at(TABLE(4), TABLE(3) | ALL | BIT(10));
    write_at(TABLE(3), TABLE(2) | ALL | BIT(10));
    write_at(TABLE(2), 0x80 | WB | ALL);
    write_at(TABLE(2) + 8, TABLE(1) | ALL | BIT(10));
    for (unsigned i = 0; i < 512; i++) write_at(TABLE(1) + 8ULL * i, 0x7000 | WB | data_rights);
    write_at(GUEST, (GUEST + 0x1000) | guest_rights | 0x20);
    write_at(GUEST + 0x1000, (GUEST + 0x2000) | guest_rights | 0x20);
    write_at(GUEST + 0x2000, 0x200000ULL | 0x80 | 0x60 | guest_rights);
    w.control.paging = VX_PAGING_4LEVEL;
    w.control.root = GUEST;
    load();
}

/* Bits 0 to 8 of every access under every combination of rights, and the advanced bits 9 to 11. */
static void qualification_of_data_accesses(void **state)
{
    (void)state;
    for (unsigned rights = 0; rights < 8; rights++)
        for (unsigned access = 0; access < VX_ACCESSES; access++)
            for (unsigned guest = 0; guest < 8; guest++)
                for (unsigned advanced = 0; advanced < 2; advanced++) {
                    if (!(rights & 1) && rights) continue; /* misconfigured here */
                    bool user = guest & 1, writable = guest & 2, no_execute = guest & 4;
                    open_linear(1 | (user ? 4 : 0) | (writable ? 2 : 0) | (no_execute ? BIT(63) : 0), rights);
                    w.control.cpl = user ? 3 : 0;
                    w.control.advanced_information = advanced;
                    load();
                    vx_mmu_translation translation;
                    vx_mmu_fault fault = {0};
                    vx_mmu_result result =
                        vx_mmu_access(w.mmu, (vx_gva){0x1234}, (vx_access)access, &translation, &fault);
                    bool guest_denies =
                        (access == VX_ACCESS_STORE && !writable) || (access == VX_ACCESS_FETCH && no_execute);
                    if (guest_denies) {
                        assert_int_equal(result, VX_MMU_PAGE_FAULT);
                    } else if (rights >> access & 1) {
                        assert_int_equal(result, VX_MMU_DONE);
                    } else {
                        uint64_t q = BIT(access) | (uint64_t)rights << 3 | BIT(7) | BIT(8);
                        if (advanced) q |= (user ? BIT(9) : 0) | (writable ? BIT(10) : 0) | (no_execute ? BIT(11) : 0);
                        assert_int_equal(result, VX_MMU_NESTED_FAULT);
                        assert_int_equal(fault.qualification, q);
                        assert_int_equal(fault.gpa.v, 0x201234);
                        assert_int_equal(fault.gva.v, 0x1234);
                        assert_false(fault.table);
                    }
                    close_ept();
                }
}

/* With A and D flags the walk's accesses are writes, and both bit 0 and bit 1 are set; an update of a guest's A flag is
 * one without them too. */
static void guest_tables_without_write_access(void **state)
{
    (void)state;
    for (unsigned ad = 0; ad < 2; ad++)
        for (unsigned accessed = 0; accessed < 2; accessed++)
            for (unsigned paging_write = 0; paging_write < 3; paging_write++) {
                open_linear(7, ALL);
                w.control.nested_ad = ad;
                w.control.paging_write = paging_write > 0;
                write_at(TABLE(2), 0x80 | WB | 5 | (paging_write == 2 ? BIT(58) : 0));
                if (!accessed) write_at(GUEST, (GUEST + 0x1000) | 7);
                load();
                vx_mmu_translation translation;
                vx_mmu_fault fault = {0};
                vx_mmu_result result = vx_mmu_access(w.mmu, (vx_gva){0x1234}, VX_ACCESS_LOAD, &translation, &fault);
                bool fine = paging_write == 2 || (!ad && accessed);
                assert_int_equal(result, fine ? VX_MMU_DONE : VX_MMU_NESTED_FAULT);
                if (!fine) {
                    assert_int_equal(fault.qualification, 3 | 5 << 3 | BIT(7));
                    assert_int_equal(fault.gpa.v, GUEST);
                    assert_true(fault.table);
                }
                if (paging_write == 2 && !accessed) assert_true(read_at(GUEST) & 0x20);
                close_ept();
            }
}

/* Mode-based execute control: bits 2 and 10 for the two modes of linear addresses; bits 5 and 6 report them. */
static void fetches_by_mode(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 32; bits++) {
        bool mbec = bits & 1, supervisor = bits & 2, user_bit = bits & 4, user = bits & 8, paging = bits & 16;
        open_linear(user ? 7 : 3, 1 | (supervisor ? 4 : 0) | (user_bit ? BIT(10) : 0));
        w.control.cpl = user ? 3 : 0;
        w.control.mode_based_execute = mbec;
        if (!paging) w.control.paging = VX_PAGING_NONE; /* then every address is a user-mode one */
        load();
        vx_mmu_translation translation;
        vx_mmu_fault fault = {0};
        uint64_t address = paging ? 0x1234 : 0x201234;
        vx_mmu_result result = vx_mmu_access(w.mmu, (vx_gva){address}, VX_ACCESS_FETCH, &translation, &fault);
        bool user_address = user || !paging;
        bool allowed = mbec && user_address ? user_bit : supervisor;
        assert_int_equal(result, allowed ? VX_MMU_DONE : VX_MMU_NESTED_FAULT);
        if (!allowed) {
            uint64_t q = 4 | BIT(3) | (supervisor ? BIT(5) : 0) | (mbec && user_bit ? BIT(6) : 0) | BIT(7) | BIT(8);
            assert_int_equal(fault.qualification, q);
        } else { /* again, out of the TLB */
            assert_int_equal(vx_mmu_access(w.mmu, (vx_gva){address}, VX_ACCESS_FETCH, &translation, &fault),
                             VX_MMU_DONE);
        }
        close_ept();
    }
}

/* Bit 60 of the leaf, bits 13 and 14 of the qualification. */
static void supervisor_shadow_stacks(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 32; bits++) {
        bool control = bits & 1, stack_page = bits & 2, store = bits & 4, user = bits & 8, writable = bits & 16;
        open_linear(user ? 7 : 3, 1 | (writable ? 2 : 0) | (stack_page ? BIT(60) : 0));
        write_at(GUEST + 0x2000, 0x200000ULL | 0x80 | 0x60 | (user ? 5 : 1)); /* read-only and dirty */
        w.control.cpl = user ? 3 : 0;
        w.control.supervisor_shadow_stack = control;
        load();
        vx_mmu_translation translation;
        vx_mmu_fault fault = {0};
        vx_access access = store ? VX_ACCESS_STORE : VX_ACCESS_LOAD;
        vx_mmu_result result = vx_mmu_access_shadow_stack(w.mmu, (vx_gva){0x1234}, access, &translation, &fault);
        bool allowed = control && !user ? stack_page : !store || writable;
        assert_int_equal(result, allowed ? VX_MMU_DONE : VX_MMU_NESTED_FAULT);
        if (!allowed) {
            uint64_t q = (store ? 2U : 1U) | BIT(3) | (writable ? BIT(4) : 0) | BIT(7) | BIT(8) | BIT(13);
            assert_int_equal(fault.qualification, q | (control && stack_page ? BIT(14) : 0));
        }
        /* An ordinary page is none: #PF with SS. */
        write_at(GUEST + 0x2000, 0x200000ULL | 0x80 | 0x60 | (user ? 7 : 3));
        load();
        assert_int_equal(vx_mmu_access_shadow_stack(w.mmu, (vx_gva){0x1234}, access, &translation, &fault),
                         VX_MMU_PAGE_FAULT);
        assert_int_equal(fault.error_code, 0x41 | (store ? 2 : 0) | (user ? 4 : 0));
        close_ept();
    }
}

/* Bit 57 of the page that holds the last guest entry asks for bit 58 on the pages of all of them. */
static void guest_paging_verification(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 8; bits++) {
        bool control = bits & 1, verify = bits & 2, paging_write = bits & 4;
        open_linear(7, ALL);
        write_at(TABLE(2), 0x80 | WB | ALL | (verify ? BIT(57) : 0) | (paging_write ? BIT(58) : 0));
        w.control.paging_write = true;
        w.control.guest_paging_verification = control;
        load();
        vx_mmu_translation translation;
        vx_mmu_fault fault = {0};
        for (unsigned again = 0; again < 2; again++) {
            vx_mmu_result result = vx_mmu_access(w.mmu, (vx_gva){0x1234}, VX_ACCESS_LOAD, &translation, &fault);
            bool fine = !control || !verify || paging_write;
            assert_int_equal(result, fine ? VX_MMU_DONE : VX_MMU_NESTED_FAULT);
            if (!fine) assert_int_equal(fault.qualification, 1 | ALL << 3 | BIT(7) | BIT(8) | BIT(15));
        }
        close_ept();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reserved_bit_of_every_entry),
        cmocka_unit_test(every_memory_type),
        cmocka_unit_test(every_combination_of_rights),
        cmocka_unit_test(one_gigabyte_pages_where_there_are_none),
        cmocka_unit_test(addresses_beyond_four_levels),
        cmocka_unit_test(suppress_ve),
        cmocka_unit_test(qualification_of_data_accesses),
        cmocka_unit_test(guest_tables_without_write_access),
        cmocka_unit_test(fetches_by_mode),
        cmocka_unit_test(supervisor_shadow_stacks),
        cmocka_unit_test(guest_paging_verification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
