/* Two processors for the tests of the MMU, without XML: what nehalem.xml and barcelona.xml say of geometry, and round
 * figures for costs. */
#ifndef VX_TEST_CPU_H
#define VX_TEST_CPU_H

#include <stdio.h>
#include <string.h>

#include "vx_config.h"

enum { TEST_LOADS = 1U << VX_ACCESS_LOAD, TEST_STORES = 1U << VX_ACCESS_STORE, TEST_FETCHES = 1U << VX_ACCESS_FETCH };
enum { TEST_4K = 1U << VX_PAGE_4K, TEST_2M = 1U << VX_PAGE_2M, TEST_4M = 1U << VX_PAGE_4M, TEST_1G = 1U << VX_PAGE_1G };

static inline vx_cfg_tlb test_tlb(const char *name, vx_tlb_class level, unsigned accesses, unsigned hit_ticks)
{
    vx_cfg_tlb tlb = {.level = level, .accesses = (uint8_t)accesses, .hit_ticks = hit_ticks};
    snprintf(tlb.name, sizeof tlb.name, "%s", name);
    return tlb;
}

static inline void test_tlb_array(vx_cfg_tlb *tlb, uint32_t entries, uint32_t ways, unsigned pages)
{
    tlb->array[tlb->array_count++] = (vx_cfg_tlb_array){.entries = entries, .ways = ways, .pages = (uint8_t)pages};
}

static inline vx_cfg_cpu test_cpu_common(const char *name, vx_vendor vendor)
{
    vx_cfg_cpu cpu = {
        .vendor = vendor,
        .core = {.cpi_milli = 1000, .mhz = 2000, .walkers = 1, .walk_exposure_milli = 1000},
        .paging = {.physical_bits = 46,
                   .virtual_bits = 57,
                   .long_mode = true,
                   .nx = true,
                   .pge = true,
                   .pcid = true,
                   .invpcid = true,
                   .smep = true,
                   .smap = true,
                   .page_2m = true,
                   .page_1g = true,
                   .pse36 = true},
        .memory = {.memory_ticks = 200, .walk_access_ticks = 20, .walk_entry_level = 2},
    };
    snprintf(cpu.name, sizeof cpu.name, "%s", name);
    return cpu;
}

/* Intel: second level for 4K only, paging-structure caches by prefix in both dimensions. */
static inline vx_cfg_cpu test_cpu_nehalem(void)
{
    vx_cfg_cpu cpu = test_cpu_common("nehalem-like", VX_VENDOR_INTEL);
    cpu.tlb[0] = test_tlb("l1d", VX_TLB_L1D, TEST_LOADS | TEST_STORES, 0);
    test_tlb_array(&cpu.tlb[0], 64, 4, TEST_4K);
    test_tlb_array(&cpu.tlb[0], 32, 4, TEST_2M | TEST_4M);
    cpu.tlb[1] = test_tlb("l1i", VX_TLB_L1I, TEST_FETCHES, 0);
    test_tlb_array(&cpu.tlb[1], 64, 4, TEST_4K);
    test_tlb_array(&cpu.tlb[1], 7, 7, TEST_2M | TEST_4M);
    cpu.tlb[2] = test_tlb("l2", VX_TLB_L2, TEST_LOADS | TEST_STORES | TEST_FETCHES, 7);
    test_tlb_array(&cpu.tlb[2], 512, 4, TEST_4K);
    cpu.tlb_count = 3;
    cpu.psc.kind = VX_PSC_PREFIX;
    for (unsigned level = 2; level <= 5; level++) {
        cpu.psc.guest_entries[level] = cpu.psc.nested_entries[level] = level == 2 ? 32 : 4;
        cpu.psc.guest_ways[level] = cpu.psc.nested_ways[level] = 4;
    }
    cpu.psc.hit_ticks = 1;
    cpu.vmx = (vx_cfg_vmx){.vmx = true,
                           .secondary_controls = true,
                           .ept = true,
                           .ept_1g = true,
                           .ept_5level = true,
                           .ept_ad = true,
                           .ept_execute_only = true,
                           .vpid = true,
                           .invvpid = true,
                           .true_controls = true,
                           .msr_bitmaps = true,
                           .wbinvd_exiting = true,
                           .virtualize_x2apic = true};
    return cpu;
}

/* AMD: fully associative first level for all sizes, page-walk cache by physical address, nested TLB for tables. */
static inline vx_cfg_cpu test_cpu_barcelona(void)
{
    vx_cfg_cpu cpu = test_cpu_common("barcelona-like", VX_VENDOR_AMD);
    cpu.tlb[0] = test_tlb("l1d", VX_TLB_L1D, TEST_LOADS | TEST_STORES, 0);
    test_tlb_array(&cpu.tlb[0], 48, 48, TEST_4K | TEST_2M | TEST_4M | TEST_1G);
    cpu.tlb[1] = test_tlb("l1i", VX_TLB_L1I, TEST_FETCHES, 0);
    test_tlb_array(&cpu.tlb[1], 32, 32, TEST_4K);
    test_tlb_array(&cpu.tlb[1], 16, 16, TEST_2M | TEST_4M);
    cpu.tlb[2] = test_tlb("l2", VX_TLB_L2, TEST_LOADS | TEST_STORES, 3);
    test_tlb_array(&cpu.tlb[2], 512, 4, TEST_4K);
    test_tlb_array(&cpu.tlb[2], 128, 2, TEST_2M | TEST_4M);
    cpu.tlb[3] = test_tlb("l2-code", VX_TLB_L2, TEST_FETCHES, 3);
    test_tlb_array(&cpu.tlb[3], 512, 4, TEST_4K);
    cpu.tlb_count = 4;
    cpu.psc.kind = VX_PSC_PHYSICAL;
    cpu.psc.physical_entries = cpu.psc.physical_ways = 24;
    cpu.psc.physical_nested_leaf = true;
    cpu.psc.hit_ticks = 2;
    cpu.ntlb = (vx_cfg_ntlb){.entries = 16, .ways = 16, .hit_ticks = 2, .tables = true};
    cpu.svm =
        (vx_cfg_svm){.svm = true, .npt = true, .npt_1g = true, .npt_5level = true, .flush_by_asid = true, .asids = 64};
    return cpu;
}

/* Nothing remembers anything between walks: every need is an access. */
static inline vx_cfg_cpu test_cpu_without_walker_caches(vx_cfg_cpu cpu)
{
    cpu.psc.kind = VX_PSC_NONE;
    cpu.ntlb.entries = 0;
    return cpu;
}

#endif
