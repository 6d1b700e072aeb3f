/* hot_paths: small fixed workloads whose instructions `hot_paths.sh` counts under callgrind, so that a regression of a
 * hot path shows without timing anything.
 *
 * hot_paths_mark is called where the warm-up ends and where the records do; callgrind writes its count at each
 * (--dump-after). What lies between counts alone: opening a model takes another number of instructions each time, for
 * libraries choose the seeds of their hash tables at random. One line a workload goes to standard output: its name,
 * what the measured part consists of, how many of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_options.h"
#include "bench_records.h"
#include "bench_run.h"
#include "hot_decoding.h"
#include "vx_random.h"

/* Pages that are touched in order before the random loads, `stride` pages apart: 8 GiB where it is 4096. The
 * second-level TLB is small, so that few pages, soon touched, miss it. */
typedef struct hot_path {
    const char *name, *unit, *cpu, *scheme, *caches, *second_level;
    uint64_t pages, stride, loads;
    const char *figure; /* how many of the unit the part has */
} hot_path;

#define SKYLAKE "skylake"
#define SKYLAKE_L2 "cpu.tlb.l2.array.0.entries=48"
#define BARCELONA "barcelona"
#define BARCELONA_L2 "cpu.tlb.l2-data.array.0.entries=16"

static const hot_path paths[] = {
    {"hit", "reference", SKYLAKE, "ept+vpid", "fixed", SKYLAKE_L2, 16, 1, 20000, "references"},
    {"hit-caches", "reference", SKYLAKE, "ept+vpid", "all", SKYLAKE_L2, 16, 1, 5000, "references"},
    {"walk-native", "walk", SKYLAKE, "native", "fixed", SKYLAKE_L2, 512, 4096, 3000, "walks.count"},
    {"walk-nested", "walk", SKYLAKE, "ept+vpid", "fixed", SKYLAKE_L2, 512, 4096, 3000, "walks.count"},
    {"walk-nested-caches", "walk", SKYLAKE, "ept+vpid", "all", SKYLAKE_L2, 512, 4096, 2000, "walks.count"},
    {"walk-nested-entries", "walk", SKYLAKE, "ept+vpid", "walks", SKYLAKE_L2, 512, 4096, 2000, "walks.count"},
    {"walk-nested-amd", "walk", BARCELONA, "npt+vpid", "fixed", BARCELONA_L2, 512, 4096, 2000, "walks.count"},
    {"first-touch", "page", SKYLAKE, "ept+vpid", "fixed", SKYLAKE_L2, 0, 64, 500, "paging.first_touches"},
};

void hot_paths_mark(void);
__attribute__((noinline)) void hot_paths_mark(void) { __asm__ volatile("" ::: "memory"); }

/* One instruction with each load. Without pages to touch first, each load is a new page. */
static vx_status make(bench_records *all, const hot_path *path, vx_msg *msg)
{
    const uint64_t base = 1ULL << 44;
    all->header = (vx_trace_header){.tier = VX_TIER_FULL, .kind = VX_TRACE_USER, .paging = VX_PAGING_4LEVEL};
    vx_random random;
    vx_random_init(&random, 1, path->name);
    vx_status status = VX_OK;
    for (uint64_t i = 0; status == VX_OK && i < path->pages + path->loads; i++) {
        bool in_order = i < path->pages || path->pages == 0;
        uint64_t page = (in_order ? i : vx_random_below(&random, path->pages)) * path->stride;
        vx_record fetch = {.kind = VX_REC_FETCH, .addr = 0x400000, .arg = 4, .count = 1};
        uint64_t line = page / path->stride % (VX_PAGE_BYTES / 64) * 64; /* not all in one set of the data caches */
        vx_record load = {.kind = VX_REC_LOAD, .addr = base + page * VX_PAGE_BYTES + line, .size = 8, .count = 1};
        status = bench_records_put(all, &fetch, msg);
        if (status == VX_OK) status = bench_records_put(all, &load, msg);
    }
    return status;
}

typedef struct path_world {
    const hot_path *path;
    bench_records records;
} path_world;

static void begin_or_end(void *context)
{
    (void)context;
    hot_paths_mark();
}

static vx_status open_records(void *context, vx_source **source, const char *trace, vx_msg *msg)
{
    (void)trace;
    const path_world *self = context;
    return bench_records_open(source, &self->records, 2 * self->path->pages, begin_or_end, NULL, msg);
}

static vx_status simulate(path_world *world, uint64_t *count, vx_msg *msg)
{
    const hot_path *path = world->path;
    char caches[64];
    snprintf(caches, sizeof caches, "cpu.memory.caches=%s", path->caches);
    const char *sets[] = {"vm.ram_bytes=16g", "vm.fault_instructions=0", caches, path->second_level};
    vx_sim_options options = {.cpu = path->cpu,
                              .scheme = path->scheme,
                              .traces = &path->name,
                              .trace_count = 1,
                              .open_source = open_records,
                              .open_context = world,
                              .sets = sets,
                              .set_count = sizeof sets / sizeof *sets,
                              .seed = 1,
                              .warmup = path->pages};
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    status = vx_sim_run(sim, msg);
    if (status == VX_OK && !vx_sim_value(sim, path->figure, count))
        status = vx_fail(msg, VX_ERR_CHECK, "no statistic '%s'", path->figure);
    vx_sim_close(sim);
    return status;
}

static vx_status run(vx_msg *msg)
{
    vx_status status = VX_OK;
    for (size_t i = 0; status == VX_OK && i < sizeof paths / sizeof *paths; i++) {
        path_world world = {.path = &paths[i]};
        uint64_t count = 0;
        status = make(&world.records, &paths[i], msg);
        if (status == VX_OK) status = simulate(&world, &count, msg);
        if (status == VX_OK) printf("%s %s %llu\n", paths[i].name, paths[i].unit, (unsigned long long)count);
        bench_records_fini(&world.records);
    }
    uint64_t records = 0;
    if (status == VX_OK) status = hot_decoding(hot_paths_mark, &records, msg);
    if (status == VX_OK) printf("decoding record %llu\n", (unsigned long long)records);
    return status;
}

int main(int argc, char **argv)
{
    bench_options options;
    bench_options_parse(&options, argc, argv, "Fixed workloads for counting the instructions of hot paths.");
    vx_msg msg = {{0}};
    return bench_end("hot_paths", run(&msg), &msg);
}
