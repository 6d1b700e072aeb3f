/* --check's comparison of one translation with the guest's tables: right ones pass, wrong ones are named, stale ones of
 * a recorded guest are counted. */
#include "sim_private.h"
#include "test_support.h"
#include "vmm_world.h"

enum { GVA = 0x400000 };

bool sim_is_system_trace(const sim_vcpu *v) { return v->feed[0].info.header.kind == VX_TRACE_SYSTEM; }

static bool shot_down; /* of several CPUs: this one has yet to answer */
bool vx_guest_may_be_stale(const vx_guest *guest, vx_gva gva) { return guest && gva.v == GVA && shot_down; }

typedef struct check_world {
    vmm_world world;
    vx_sim sim;
    sim_feed feed;
    sim_vcpu v;
} check_world;

static void open_check(check_world *c, vx_paging_mode mode, bool recorded)
{
    vmm_world_open(&c->world, &(vmm_options){.scheme = VX_SCHEME_EPT, .mode = mode});
    c->sim = (vx_sim){.memory = c->world.memory, .run_name = "ept"};
    c->feed = (sim_feed){.info.header.kind = recorded ? VX_TRACE_SYSTEM : VX_TRACE_USER};
    c->v = (sim_vcpu){.sim = &c->sim, .feed = &c->feed, .feeds = 1};
    vmm_boot(&c->world, vmm_root(&c->world));
}

static vx_status check(check_world *c, uint64_t gva, vx_access access, uint64_t gpa)
{
    vx_hpa hpa = vx_gpa_map_hpa(&c->world.layout.ram[0], (vx_gpa){gpa});
    return sim_check_translation(&c->v, c->world.vcpu, (vx_gva){gva}, access, hpa, &c->world.msg);
}

static void every_paging_mode(void **state)
{
    (void)state;
    for (unsigned mode = VX_PAGING_32BIT; mode <= VX_PAGING_5LEVEL; mode++) {
        check_world c;
        open_check(&c, (vx_paging_mode)mode, false);
        vx_page_size large = mode == VX_PAGING_32BIT ? VX_PAGE_4M : VX_PAGE_2M;
        uint64_t small = vmm_page(&c.world), big = vmm_large_page(&c.world, large);
        vmm_map(&c.world, c.world.root, GVA, small, VX_PAGE_4K, VX_PTE_P);
        vmm_map(&c.world, c.world.root, 2 * GVA, big, large, VMM_USER_PAGE);
        assert_int_equal(check(&c, GVA + 5, VX_ACCESS_LOAD, small + 5), VX_OK);
        assert_int_equal(check(&c, 2 * GVA + 0x12345, VX_ACCESS_STORE, big + 0x12345), VX_OK);
        assert_int_equal(check(&c, GVA, VX_ACCESS_LOAD, small + 0x1000), VX_ERR_CHECK);
        assert_non_null(strstr(c.world.msg.text, "gva 0x400000 "));
        assert_int_equal(check(&c, GVA, VX_ACCESS_STORE, small), VX_ERR_CHECK); /* read-only */
        assert_int_equal(check(&c, GVA + 0x1000, VX_ACCESS_LOAD, small), VX_ERR_CHECK);
        vmm_cpl(&c.world, 3);
        assert_int_equal(check(&c, GVA, VX_ACCESS_LOAD, small), VX_ERR_CHECK); /* the supervisor's */
        assert_int_equal(check(&c, 2 * GVA, VX_ACCESS_FETCH, big), VX_OK);
        assert_int_equal(c.sim.stale_uses, 0);
        vmm_world_close(&c.world);
    }
}

static void a_recorded_guest_may_be_stale(void **state)
{
    (void)state;
    check_world c;
    open_check(&c, VX_PAGING_4LEVEL, true);
    assert_int_equal(check(&c, GVA, VX_ACCESS_LOAD, 0x1000), VX_OK);
    assert_int_equal(check(&c, GVA, VX_ACCESS_LOAD, 0x2000), VX_OK);
    assert_int_equal(c.sim.stale_uses, 2);
    assert_int_equal(c.sim.checked_translations, 2);
    vmm_world_close(&c.world);
}

static void until_a_shootdown_is_answered(void **state)
{
    (void)state;
    check_world c;
    open_check(&c, VX_PAGING_4LEVEL, false);
    c.v.guest = (vx_guest *)(void *)&c; /* the stand-in above asks only whether there is one */
    shot_down = true;
    assert_int_equal(check(&c, GVA, VX_ACCESS_LOAD, 0x1000), VX_OK);
    assert_int_equal(check(&c, 2 * GVA, VX_ACCESS_LOAD, 0x1000), VX_ERR_CHECK);
    shot_down = false;
    assert_int_equal(check(&c, GVA, VX_ACCESS_LOAD, 0x1000), VX_ERR_CHECK);
    assert_int_equal(c.sim.stale_uses, 1);
    vmm_world_close(&c.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_paging_mode),
        cmocka_unit_test(a_recorded_guest_may_be_stale),
        cmocka_unit_test(until_a_shootdown_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
