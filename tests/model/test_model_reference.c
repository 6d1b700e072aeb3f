/* The models against the published tables they were made from, typed in again here. */
#include "test_support.h"

#include <string.h>

#include "vx_model.h"

static vx_model *open_cpu(const char *name)
{
    vx_model *model = NULL;
    vx_msg msg;
    if (vx_model_open(&model, VX_MODEL_CPU, name, &msg) != VX_OK) fail_msg("%s", msg.text);
    return model;
}

/* ---- geometry, as CPUID tells it ---- */

typedef struct array_row {
    const char *cpu, *tlb;
    unsigned array, entries, ways;
    unsigned pages; /* bit n: vx_page_size n */
} array_row;

enum { P4K = 1 << VX_PAGE_4K, P2M = 1 << VX_PAGE_2M, P4M = 1 << VX_PAGE_4M, P1G = 1 << VX_PAGE_1G };
enum { LARGE = P2M | P4M, ALL = P4K | P2M | P4M | P1G };

static const array_row arrays[] = {
    {"penryn", "dtlb0", 0, 16, 4, P4K},         {"penryn", "dtlb0", 1, 16, 4, LARGE},
    {"penryn", "dtlb1", 0, 256, 4, P4K},        {"penryn", "dtlb1", 1, 32, 4, LARGE},
    {"penryn", "itlb", 0, 128, 4, P4K},         {"penryn", "itlb", 1, 8, 4, LARGE},
    {"nehalem", "l1d", 0, 64, 4, P4K},          {"nehalem", "l1d", 1, 32, 4, LARGE},
    {"nehalem", "l1i", 0, 64, 4, P4K},          {"nehalem", "l1i", 1, 7, 7, LARGE},
    {"nehalem", "l2", 0, 512, 4, P4K},          {"westmere", "l2", 0, 512, 4, P4K},
    {"sandy-bridge", "l1d", 2, 4, 4, P1G},      {"sandy-bridge", "l1i", 1, 8, 8, LARGE},
    {"haswell", "l1i", 0, 64, 8, P4K},          {"haswell", "l2", 0, 1024, 8, P4K | P2M},
    {"skylake", "l1i", 0, 128, 8, P4K},         {"skylake", "l2", 0, 1536, 12, P4K | P2M},
    {"skylake", "l2", 1, 16, 4, P1G},           {"ice-lake", "l1d-load", 2, 8, 8, P1G},
    {"ice-lake", "l1d-store", 0, 16, 16, ALL},  {"ice-lake", "l2", 0, 1024, 8, P4K | P2M},
    {"ice-lake", "l2", 1, 1024, 8, P4K | P1G},  {"sapphire-rapids", "l1d-load", 0, 96, 6, P4K},
    {"sapphire-rapids", "l1i", 0, 256, 8, P4K}, {"sapphire-rapids", "l1i", 1, 32, 8, LARGE},
    {"arrow-lake", "l1d-load", 0, 128, 8, P4K}, {"barcelona", "l1d", 0, 48, 48, ALL},
    {"barcelona", "l1i", 1, 16, 16, LARGE},     {"barcelona", "l2-data", 0, 512, 4, P4K},
    {"barcelona", "l2-data", 1, 128, 2, LARGE}, {"barcelona", "l2-code", 0, 512, 4, P4K},
    {"zen", "l2-data", 0, 1536, 12, P4K | P2M}, {"zen2", "l1d", 0, 64, 64, ALL},
    {"zen3", "l2-data", 1, 64, 64, P1G},        {"zen3", "l2-code", 0, 512, 4, P4K | P2M},
};

static const vx_cfg_tlb *unit_of(const vx_cfg_cpu *cpu, const char *name)
{
    for (unsigned i = 0; i < cpu->tlb_count; i++)
        if (strcmp(cpu->tlb[i].name, name) == 0) return &cpu->tlb[i];
    fail_msg("%s has no %s", cpu->name, name);
    return NULL;
}

static void geometry_is_that_of_the_dumps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        const array_row *row = &arrays[i];
        vx_model *model = open_cpu(row->cpu);
        const vx_cfg_tlb *unit = unit_of(vx_model_cpu(model), row->tlb);
        assert_true(row->array < unit->array_count);
        assert_int_equal(unit->array[row->array].entries, row->entries);
        assert_int_equal(unit->array[row->array].ways, row->ways);
        assert_int_equal(unit->array[row->array].pages, row->pages);
        vx_model_close(model);
    }
}

/* ---- reach and penalties, as a pointer chase measures them ---- */

typedef struct chase_row {
    const char *cpu;
    unsigned knee1, hit_least, hit_most, knee2;
    unsigned walk_least, walk_most; /* 0, 0: not measured */
} chase_row;

static const chase_row chases[] = {
    {"penryn", 16, 2, 2, 256, 7, 8},       {"nehalem", 64, 7, 7, 512, 9, 9},
    {"sandy-bridge", 64, 7, 7, 512, 9, 9}, {"ivy-bridge", 64, 7, 7, 512, 10, 10},
    {"haswell", 64, 7, 9, 1024, 13, 13},   {"skylake", 64, 9, 9, 1536, 10, 10},
    {"ice-lake", 64, 7, 7, 2048, 4, 4},    {"sapphire-rapids", 96, 7, 7, 2048, 3, 15},
    {"arrow-lake", 128, 7, 7, 2048, 0, 0}, {"barcelona", 48, 3, 4, 512, 19, 25},
    {"zen", 64, 8, 8, 1536, 0, 0},
};

/* 4 KiB entries that loads can reach at a level. */
static unsigned reach(const vx_cfg_cpu *cpu, bool second, unsigned *hit_ticks)
{
    unsigned entries = 0;
    for (unsigned i = 0; i < cpu->tlb_count; i++) {
        const vx_cfg_tlb *unit = &cpu->tlb[i];
        if ((unit->accesses >> VX_ACCESS_LOAD & 1) == 0 || (unit->level == VX_TLB_L2) != second) continue;
        *hit_ticks = unit->hit_ticks;
        for (unsigned j = 0; j < unit->array_count; j++)
            if ((unit->array[j].pages & P4K) != 0) entries += unit->array[j].entries;
    }
    return entries;
}

/* A native 4-level walk whose PDE is cached: the leaf's access, and the hits on the way down to it. A cache by prefix
 * jumps to the PDE, one by address is asked at each level. */
static unsigned cached_walk(const vx_cfg_cpu *cpu)
{
    unsigned hits = cpu->psc.kind == VX_PSC_PHYSICAL ? 3 : cpu->psc.kind == VX_PSC_PREFIX ? 1 : 0;
    return cpu->memory.walk_access_ticks + hits * cpu->psc.hit_ticks;
}

static void reach_and_penalties_are_the_measured_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chases / sizeof *chases; i++) {
        const chase_row *row = &chases[i];
        vx_model *model = open_cpu(row->cpu);
        const vx_cfg_cpu *cpu = vx_model_cpu(model);
        unsigned hit = 0, unused = 0;
        assert_int_equal(reach(cpu, false, &unused), row->knee1);
        assert_int_equal(reach(cpu, true, &hit), row->knee2);
        assert_in_range(hit, row->hit_least, row->hit_most);
        if (row->walk_most != 0) assert_in_range(cached_walk(cpu), row->walk_least, row->walk_most);
        assert_int_equal(cpu->memory.caches, VX_CACHES_FIXED);
        vx_model_close(model);
    }
}

/* ---- exits ---- */

static void round_trips_are_those_of_the_paper(void **state)
{
    static const struct {
        const char *cpu;
        unsigned ticks;
    } rows[] = {{"prescott", 3963}, {"merom", 1579},   {"penryn", 1266},
                {"nehalem", 1009},  {"westmere", 761}, {"sandy-bridge", 784}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_model *model = open_cpu(rows[i].cpu);
        const vx_cfg_cost *cost = &vx_model_cpu(model)->cost;
        assert_int_equal(cost->vmexit_ticks + cost->vmentry_ticks, rows[i].ticks);
        vx_model_close(model);
    }
}

/* ---- who had what ---- */

static void generations_of_virtualization(void **state)
{
    static const struct {
        const char *cpu;
        bool vmx, secondary, flexpriority, ept, vpid, unrestricted, ept_ad, svm, npt;
    } rows[] = {
        {.cpu = "prescott", .vmx = true},
        {.cpu = "merom", .vmx = true},
        {.cpu = "penryn", .vmx = true, .secondary = true, .flexpriority = true},
        {.cpu = "nehalem", .vmx = true, .secondary = true, .flexpriority = true, .ept = true, .vpid = true},
        {"westmere", true, true, true, true, true, true, false, false, false},
        {"sandy-bridge", true, true, true, true, true, true, false, false, false},
        {"haswell", true, true, true, true, true, true, true, false, false},
        {"skylake", true, true, true, true, true, true, true, false, false},
        {.cpu = "barcelona", .svm = true, .npt = true},
        {.cpu = "zen3", .svm = true, .npt = true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_model *model = open_cpu(rows[i].cpu);
        const vx_cfg_cpu *cpu = vx_model_cpu(model);
        assert_int_equal(cpu->vmx.vmx, rows[i].vmx);
        assert_int_equal(cpu->vmx.secondary_controls, rows[i].secondary);
        assert_int_equal(cpu->vmx.virtualize_apic_accesses, rows[i].flexpriority);
        assert_int_equal(cpu->vmx.ept, rows[i].ept);
        assert_int_equal(cpu->vmx.vpid, rows[i].vpid);
        assert_int_equal(cpu->vmx.unrestricted_guest, rows[i].unrestricted);
        assert_int_equal(cpu->vmx.ept_ad, rows[i].ept_ad);
        assert_int_equal(cpu->svm.svm, rows[i].svm);
        assert_int_equal(cpu->svm.npt, rows[i].npt);
        vx_model_close(model);
    }
}

static void hypervisors_of_the_day(void **state)
{
    static const struct {
        const char *vmm;
        bool ept, npt, vpid, apicv;
    } rows[] = {{"textbook", true, true, true, false},
                {"xen-3.3", true, true, false, false},
                {"kvm-6.1", true, true, true, true},
                {"esx-3.5", false, false, false, false},
                {"hyperv-1.0", false, false, false, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_model *model;
        vx_msg msg;
        assert_int_equal(vx_model_open(&model, VX_MODEL_VMM, rows[i].vmm, &msg), VX_OK);
        const vx_cfg_vmm *vmm = vx_model_vmm(model);
        assert_int_equal(vmm->schemes >> VX_SCHEME_EPT & 1, rows[i].ept);
        assert_int_equal(vmm->schemes >> VX_SCHEME_NPT & 1, rows[i].npt);
        assert_int_equal(vmm->vpid, rows[i].vpid);
        assert_int_equal(vmm->apicv, rows[i].apicv);
        assert_string_equal(vmm->handler[0].reason, "default");
        vx_model_close(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(geometry_is_that_of_the_dumps),
        cmocka_unit_test(reach_and_penalties_are_the_measured_ones),
        cmocka_unit_test(round_trips_are_those_of_the_paper),
        cmocka_unit_test(generations_of_virtualization),
        cmocka_unit_test(hypervisors_of_the_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
