/* One page walk shown access by access: tables are built for a single page (and its neighbour, which warms the walker's
 * caches), the MMU walks them, and an observer writes down what it reads.
 *
 * Guest-physical layout: tables in the second GiB, data in the third, each mapped by nested pages of its own size.
 * Host-physical addresses are the guest-physical ones plus 4 GiB; nested tables lie in the first GiB. */
#include "sim_private.h"
#include "vx_radix.h"
#include "vx_report.h"

#include <stdio.h>
#include <stdlib.h>

#define GUEST_TABLES (1ULL << 30)
#define GUEST_DATA (2ULL << 30)
#define HOST_OFFSET (4ULL << 30)
#define HOST_TABLES VX_PAGE_BYTES
#define HOST_BYTES (12ULL << 30)
enum { WARNINGS_MAX = 5 };

/* What one call of vx_walk_document holds. */
typedef struct walk_bench {
    const vx_walk_options *options;
    vx_model *models[VX_MODEL_KINDS];
    vx_cfg_cpu cpu;
    char scheme_name[VX_CFG_NAME]; /* without "+vpid" */
    vx_scheme scheme;
    bool vpid; /* checked, and of no effect on one walk */
    bool nested;
    uint64_t gva;
    vx_arena arena;
    vx_physmem memory;
    bool memory_made;
    vx_ledger ledger;
    vx_mmu *mmu;
    uint64_t next_guest_table, next_host_table;
    vx_radix_table guest, host;
    vx_mmu_control control;
    json_t *accesses;
    bool failed;
    unsigned made;
    const char *warnings[WARNINGS_MAX + 1];
    unsigned warning_count;
} walk_bench;

static void warn(walk_bench *w, const char *text)
{
    if (w->warning_count < WARNINGS_MAX) w->warnings[w->warning_count++] = text;
}

static vx_status take_models(walk_bench *w, vx_msg *msg)
{
    const vx_walk_options *o = w->options;
    sim_model_names names = {.cpu = o->cpu, .vmm = o->vmm, .sets = o->sets, .set_count = o->set_count};
    vx_status status = sim_models_open(w->models, &names, msg);
    if (status == VX_OK) status = sim_scheme_parse(o->scheme, w->scheme_name, &w->scheme, &w->vpid, msg);
    if (status != VX_OK) return status;
    w->cpu = *vx_model_cpu(w->models[VX_MODEL_CPU]);
    w->nested = w->scheme == VX_SCHEME_EPT || w->scheme == VX_SCHEME_NPT;
    if (!o->caches) {
        w->cpu.psc = (vx_cfg_psc){0};
        w->cpu.ntlb = (vx_cfg_ntlb){0};
    }
    return vx_vmm_check(&w->cpu, vx_model_vmm(w->models[VX_MODEL_VMM]), w->scheme, w->vpid, msg);
}

/* Sizes and levels that the CPU lacks are lent to it, and the report says so. */
static void lend_pages(walk_bench *w)
{
    const vx_walk_options *o = w->options;
    bool npt = w->scheme == VX_SCHEME_NPT;
    if (o->guest_levels >= 4 && o->guest_page == VX_PAGE_1G && !w->cpu.paging.page_1g) {
        warn(w, "the CPU model has no 1 GiB pages");
        w->cpu.paging.page_1g = true;
    }
    bool *nested_1g = npt ? &w->cpu.svm.npt_1g : &w->cpu.vmx.ept_1g;
    if (w->nested && (o->nested_page == VX_PAGE_1G || o->table_page == VX_PAGE_1G) && !*nested_1g) {
        warn(w, "the CPU model has no 1 GiB pages in nested tables");
        *nested_1g = true;
    }
}

static vx_status take_geometry(walk_bench *w, vx_msg *msg)
{
    const vx_walk_options *o = w->options;
    bool npt = w->scheme == VX_SCHEME_NPT;
    w->gva = o->gva;
    lend_pages(w);
    switch (o->guest_levels) {
    case 0:
        if (!w->nested) return vx_fail(msg, VX_ERR_INPUT, "--levels 0: without paging or nested tables nothing walks");
        w->control.paging = VX_PAGING_NONE;
        break;
    case 2:
    case 3:
        if ((o->guest_levels == 3) != npt)
            return vx_fail(msg, VX_ERR_INPUT,
                           npt ? "--levels 2: under NPT a PAE guest's PDPEs are read in the walk: 3 levels"
                               : "--levels 3: a PAE guest's PDPTEs are latched at MOV CR3: 2 levels");
        w->control.paging = VX_PAGING_PAE;
        w->guest.format = &vx_radix_pae;
        if (w->gva >> 32) warn(w, "the address was cut to 32 bits: a PAE guest has no more");
        w->gva &= 0xFFFFFFFFULL;
        break;
    case 4:
    case 5:
        w->control.paging = o->guest_levels == 4 ? VX_PAGING_4LEVEL : VX_PAGING_5LEVEL;
        w->guest.format = o->guest_levels == 4 ? &vx_radix_4level : &vx_radix_5level;
        if (o->guest_levels == 5 && w->cpu.paging.virtual_bits < 57) warn(w, "the CPU model has no 5-level paging");
        if (!vx_canonical(w->gva, o->guest_levels == 4 ? 48 : 57))
            return vx_fail(msg, VX_ERR_INPUT, "--gva 0x%llx is not canonical", (unsigned long long)w->gva);
        break;
    default:
        return vx_fail(msg, VX_ERR_INPUT, "--levels %u: a guest has 0, 2, 3, 4 or 5", o->guest_levels);
    }
    if (!w->nested) return VX_OK;
    if (o->nested_levels != 4 && o->nested_levels != 5)
        return vx_fail(msg, VX_ERR_INPUT, "--levels %ux%u: nested tables have 4 or 5", o->guest_levels,
                       o->nested_levels);
    bool four = o->nested_levels == 4;
    if (npt)
        w->host.format = four ? &vx_radix_4level : &vx_radix_5level;
    else
        w->host.format = four ? &vx_radix_ept4 : &vx_radix_ept5;
    if (!four && !(npt ? w->cpu.svm.npt_5level : w->cpu.vmx.ept_5level))
        warn(w, "the CPU model has no 5-level nested tables");
    return VX_OK;
}

static vx_hpa place_guest(void *context, uint64_t gpa)
{
    const walk_bench *w = context;
    return (vx_hpa){w->nested ? gpa + HOST_OFFSET : gpa};
}

static uint64_t guest_page(void *context, unsigned level)
{
    (void)level;
    walk_bench *w = context;
    uint64_t page = w->next_guest_table;
    w->next_guest_table += VX_PAGE_BYTES;
    return page;
}

static uint64_t host_page(void *context, unsigned level)
{
    (void)level;
    walk_bench *w = context;
    uint64_t page = w->next_host_table;
    w->next_host_table += VX_PAGE_BYTES;
    return page;
}

static vx_status map_nested(walk_bench *w, uint64_t gpa, vx_page_size size, vx_msg *msg)
{
    bool npt = w->scheme == VX_SCHEME_NPT;
    uint64_t upper = npt ? VX_PTE_P | VX_PTE_W | VX_PTE_U : VX_EPT_R | VX_EPT_W | VX_EPT_X;
    uint64_t leaf = npt ? upper : upper | (6 << 3);
    uint64_t first = gpa & ~(vx_page_bytes(size) - 1);
    return vx_radix_map(&w->host, first, first + HOST_OFFSET, size, leaf, upper, host_page, NULL, w, msg);
}

/* Guest tables for the page and its neighbour, then nested mappings for every table page and for the data. */
static vx_status build_tables(walk_bench *w, vx_msg *msg)
{
    const vx_walk_options *o = w->options;
    vx_page_size table_page = o->table_page == VX_PAGE_SIZES ? o->nested_page : o->table_page;
    uint64_t bytes = vx_page_bytes(o->guest_page);
    uint64_t page = w->gva & ~(bytes - 1);
    uint64_t data = GUEST_DATA + (bytes == 1ULL << 30 ? 0 : page & ((1ULL << 30) - 1));
    vx_status status = VX_OK;
    if (w->guest.format) {
        w->guest.root = guest_page(w, w->guest.format->top);
        uint64_t upper = w->control.paging == VX_PAGING_PAE ? VX_PTE_P | VX_PTE_W : VX_PTE_P | VX_PTE_W | VX_PTE_U;
        uint64_t leaf = VX_PTE_P | VX_PTE_W | VX_PTE_U;
        for (unsigned i = 0; status == VX_OK && i < 2; i++)
            status = vx_radix_map(&w->guest, page ^ (i * bytes), data ^ (i && bytes < 1ULL << 30 ? bytes : 0),
                                  o->guest_page, leaf, upper, guest_page, NULL, w, msg);
        w->control.root = w->guest.root;
        for (unsigned i = 0; w->control.paging == VX_PAGING_PAE && i < 4; i++)
            w->control.pdpte[i] = vx_physmem_read64(&w->memory, place_guest(w, w->guest.root + 8ULL * i));
    } else {
        data = w->gva & ((1ULL << 32) - 1);
        w->gva = data;
    }
    if (!w->nested || status != VX_OK) return status;
    w->host.root = host_page(w, w->host.format->top);
    for (uint64_t table = GUEST_TABLES; status == VX_OK && table < w->next_guest_table; table += VX_PAGE_BYTES)
        status = map_nested(w, table, table_page, msg);
    uint64_t offset = w->gva & (bytes - 1);
    for (unsigned i = 0; status == VX_OK && i < 2; i++)
        status = map_nested(w, (w->guest.format ? data + offset : data) ^ (i * vx_page_bytes(o->nested_page)),
                            o->nested_page, msg);
    w->control.nested = w->scheme == VX_SCHEME_NPT ? VX_NESTED_NPT : VX_NESTED_EPT;
    w->control.nested_root = w->host.root;
    w->control.nested_levels = (uint8_t)o->nested_levels;
    /* As scheme_ept.c sets EPTP; under NPT the walker always keeps them. */
    w->control.nested_ad =
        w->scheme == VX_SCHEME_EPT && w->cpu.vmx.ept_ad && vx_model_vmm(w->models[VX_MODEL_VMM])->ept_ad;
    return status;
}

static void observe(void *context, const vx_walk_access *access)
{
    walk_bench *w = context;
    char address[32];
    snprintf(address, sizeof address, "0x%llx", (unsigned long long)access->at.v);
    if (!access->skipped) w->made++;
    json_t *row = json_pack("{s:I, s:i, s:i, s:s, s:s, s:I, s:b}", "n", (json_int_t)w->made, "guest_level",
                            access->guest_level, "nested_level", access->nested_level, "address", address, "hit",
                            vx_walk_hit_name((vx_walk_hit)access->hit), "cycles", (json_int_t)access->ticks, "skipped",
                            access->skipped);
    if (!row || json_array_append_new(w->accesses, row) != 0) w->failed = true;
}

static vx_status walk_once(walk_bench *w, uint64_t gva, vx_msg *msg)
{
    vx_mmu_translation translation;
    vx_mmu_fault fault;
    vx_mmu_result result = vx_mmu_access(w->mmu, (vx_gva){gva}, VX_ACCESS_LOAD, &translation, &fault);
    if (result != VX_MMU_DONE)
        return vx_fail(msg, VX_ERR_INPUT, "the walk of 0x%llx ends in a fault (result %d)", (unsigned long long)gva,
                       (int)result);
    return VX_OK;
}

static vx_status do_walk(walk_bench *w, vx_msg *msg)
{
    vx_mmu_load(w->mmu, &w->control);
    vx_status status = VX_OK;
    if (w->options->caches && w->guest.format)
        status = walk_once(w, w->gva ^ vx_page_bytes(w->options->guest_page), msg);
    if (status != VX_OK) return status;
    vx_mmu_counts_reset(w->mmu);
    w->ledger = (vx_ledger){0};
    vx_mmu_observe(w->mmu, observe, w);
    status = walk_once(w, w->gva, msg);
    vx_mmu_observe(w->mmu, NULL, NULL);
    return status == VX_OK && w->failed ? vx_fail_nomem(msg) : status;
}

static json_t *report(walk_bench *w, vx_msg *msg)
{
    vx_stats stats;
    vx_stats_init(&stats);
    uint64_t total = vx_ledger_total(&w->ledger);
    vx_stats_scalar(&stats, &total, "ticks", "all cycles, each with one cause", "cycles.total");
    vx_mmu_declare(w->mmu, &stats);
    (void)vx_mmu_counts_now(w->mmu);
    vx_identity identities[SIM_IDENTITIES_MAX];
    unsigned count = vx_mmu_identities(w->mmu, identities, SIM_IDENTITIES_MAX);
    static const char *const approximate[] = {"latency", NULL};
    vx_report_run run = {.name = w->options->scheme,
                         .scheme = w->scheme_name,
                         .cpu = w->cpu.name,
                         .vmm = w->nested ? vx_model_vmm(w->models[VX_MODEL_VMM])->name : NULL,
                         .vpid = w->vpid,
                         .models = {w->models[VX_MODEL_CPU], w->nested ? w->models[VX_MODEL_VMM] : NULL},
                         .approximate = w->cpu.memory.caches == VX_CACHES_FIXED ? approximate : approximate + 1,
                         .warnings = w->warnings,
                         .stats = &stats,
                         .identities = identities,
                         .identity_count = count < SIM_IDENTITIES_MAX ? count : SIM_IDENTITIES_MAX};
    json_t *object = vx_stats_ok(&stats, msg) == VX_OK ? vx_report_run_json(&run, msg) : NULL;
    vx_stats_fini(&stats);
    if (!object) return NULL;
    char gva[32];
    snprintf(gva, sizeof gva, "0x%llx", (unsigned long long)w->gva);
    json_t *runs = json_array();
    if (json_object_set_new(object, "gva", json_string(gva)) != 0 ||
        json_object_set(object, "accesses", w->accesses) != 0 || json_array_append(runs, object) != 0) {
        json_decref(object);
        json_decref(runs);
        (void)vx_fail_nomem(msg);
        return NULL;
    }
    json_decref(object);
    return vx_report_document("walk", true, NULL, 0, runs, msg);
}

static vx_status prepare(walk_bench *w, vx_msg *msg)
{
    vx_status status = take_models(w, msg);
    if (status == VX_OK) status = take_geometry(w, msg);
    if (status == VX_OK) status = vx_physmem_init(&w->memory, HOST_BYTES, msg);
    if (status != VX_OK) return status;
    w->memory_made = true;
    w->guest.memory = w->host.memory = &w->memory;
    w->guest.place = place_guest;
    w->guest.place_context = w;
    w->next_guest_table = GUEST_TABLES;
    w->next_host_table = HOST_TABLES;
    w->accesses = json_array();
    if (!w->accesses) return vx_fail_nomem(msg);
    status = build_tables(w, msg);
    if (status == VX_OK) status = vx_mmu_init(&w->mmu, &w->arena, &w->cpu, &w->memory, &w->ledger, msg);
    return status == VX_OK ? do_walk(w, msg) : status;
}

vx_status vx_walk_document(json_t **document, const vx_walk_options *options, vx_msg *msg)
{
    walk_bench *w = calloc(1, sizeof *w);
    if (!w) return vx_fail_nomem(msg);
    w->options = options;
    vx_arena_init(&w->arena);
    vx_status status = prepare(w, msg);
    if (status == VX_OK) {
        json_t *made = report(w, msg);
        if (made)
            *document = made;
        else
            status = VX_ERR_NOMEM;
    }
    json_decref(w->accesses);
    if (w->memory_made) vx_physmem_fini(&w->memory);
    vx_arena_fini(&w->arena);
    sim_models_close(w->models);
    free(w);
    return status;
}
