#include "nested_world.h"

#include "test_support.h"
#include "vx_stats.h"

void nested_world_open(nested_world *nested, const nested_options *options)
{
    *nested = (nested_world){.l0 = vmm_test_config()};
    nested->l0.nested_page = options->l0_page;
    nested->l0.exits = options->kvm ? VX_EXITS_KVM : VX_EXITS_PLAIN;
    nested->l0.ept_ad = options->flags;
    const vmm_options world = {.amd = options->amd,
                               .scheme = options->amd ? VX_SCHEME_NPT : VX_SCHEME_EPT,
                               .exits = options->l1_kvm ? VX_EXITS_KVM : VX_EXITS_PLAIN,
                               .adjust = options->adjust,
                               .vpid = true,
                               .mode = VX_PAGING_NONE,
                               .nested_page = options->l1_page,
                               .linear = !options->scattered,
                               .vmcs_shadowing = true,
                               .ept_ad = options->flags,
                               .no_execute_only = !options->execute_only,
                               .l0 = &nested->l0};
    vmm_world_open(&nested->world, &world);
    vmm_boot(&nested->world, 0);
    vmm_reset_counts(&nested->world);
    nested->vm = &nested->world.vmm->vm[0];
}

void nested_world_close(nested_world *nested) { vmm_world_close(&nested->world); }

uint64_t nested_value(nested_world *nested, const char *path)
{
    vx_stats stats;
    vx_stats_init(&stats);
    vx_vmm_declare(nested->world.vmm, &stats);
    const vx_stat *stat = vx_stats_find(&stats, path);
    if (!stat) fail_msg("no figure %s", path);
    uint64_t value = stat ? *stat->of.scalar : 0;
    vx_stats_fini(&stats);
    return value;
}

uint64_t nested_kind(nested_world *nested, l0_kind kind) { return nested->world.vmm->l0.counts.by_kind[kind]; }

static vx_hpa in_l1(const nested_world *nested, uint64_t l1)
{
    return vx_gpa_map_hpa(&nested->world.layout.l1, (vx_gpa){l1});
}

uint64_t nested_read(const nested_world *nested, uint64_t l1)
{
    return vx_physmem_read64(&nested->world.memory, in_l1(nested, l1));
}

void nested_store(nested_world *nested, unsigned level, uint64_t at, uint64_t value)
{
    vx_physmem_write64(&nested->world.memory, in_l1(nested, at), value);
    nested_l1_wrote(nested->vm, level, at);
}

uint64_t nested_entry_at(const nested_world *nested, uint64_t gpa, unsigned level)
{
    uint64_t table = nested->vm->nested.pointer12 & VX_ENTRY_ADDRESS;
    for (unsigned l = 4;; l--) {
        uint64_t at = table + (gpa >> (12 + 9 * (l - 1)) & 511) * 8, entry = nested_read(nested, at);
        if (l == level) return at;
        if (!(entry & 7) || entry & VX_EPT_PS) return 0; /* NPT has PS there too */
        table = entry & VX_ENTRY_ADDRESS;
    }
}

uint64_t nested_composed_leaf(const nested_world *nested, uint64_t gpa, vx_page_size *size)
{
    vx_radix_spot spot = vx_radix_lookup(&nested->vm->nested.table02, gpa, 1);
    if (!spot.present) return 0;
    *size = (vx_page_size)nested->world.vmm->l0.entries->format->page[spot.level];
    return spot.entry;
}

void nested_touch(nested_world *nested, unsigned pages, vx_access access)
{
    for (uint64_t gpa = 8; gpa < (uint64_t)pages * VX_PAGE_BYTES; gpa += VX_PAGE_BYTES)
        assert_int_equal(vmm_reach(&nested->world, access, gpa), gpa);
}

void nested_identities_hold(const nested_world *nested)
{
    vx_identity identities[8];
    unsigned count = vx_vmm_identities(nested->world.vmm, identities, 8);
    assert_int_equal(count, 5);
    while (count--) assert_int_equal(identities[count].left, identities[count].right);
}

uint64_t nested_to_l0(nested_world *nested, const char *reason)
{
    char path[64];
    snprintf(path, sizeof path, "nested.l0_exits.by_reason.%s.count", reason);
    return nested_value(nested, path);
}

void nested_do(nested_world *nested, vx_record_kind kind, unsigned size, uint64_t addr)
{
    const uint64_t words[2] = {0, 0};
    assert_true(vmm_do(&nested->world, kind, size, addr, words, 2));
}

void nested_runs_out(nested_world *nested, bool of_l0)
{
    vx_vmm *vmm = nested->world.vmm;
    table_pages *pages = of_l0 ? &vmm->pages : &vmm->l0.l1_pages;
    pages->end = pages->next + 4 * VX_PAGE_BYTES;
    vmm_use_up_tables(&nested->world, 0, 32);
}
