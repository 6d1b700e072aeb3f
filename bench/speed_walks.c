/* speed, part `walks`: missing nested walks a second, the first touches before them apart. */
#include "bench_records.h"
#include "bench_run.h"
#include "bench_time.h"
#include "speed_parts.h"
#include "vx_random.h"

/* Every page of the region once, in order, so that all first touches are past; then loads at random. One instruction
 * with each load, so that the warm-up ends where the random part begins. */
static vx_status make_walks(bench_records *all, uint64_t pages, uint64_t loads, vx_msg *msg)
{
    const uint64_t base = 1ULL << 44;
    all->header = (vx_trace_header){.tier = VX_TIER_FULL, .kind = VX_TRACE_USER, .paging = VX_PAGING_4LEVEL};
    vx_random random;
    vx_random_init(&random, 1, "walks");
    vx_status status = VX_OK;
    for (uint64_t i = 0; status == VX_OK && i < pages + loads; i++) {
        uint64_t page = i < pages ? i : vx_random_below(&random, pages);
        vx_record fetch = {.kind = VX_REC_FETCH, .addr = 0x400000, .arg = 4, .count = 1};
        vx_record load = {.kind = VX_REC_LOAD, .addr = base + page * VX_PAGE_BYTES, .size = 8, .count = 1};
        status = bench_records_put(all, &fetch, msg);
        if (status == VX_OK) status = bench_records_put(all, &load, msg);
    }
    return status;
}

typedef struct walk_world {
    bench_records records;
    size_t mark_at;
    double began, ended; /* of the loads at random */
    /* Found: */
    double touches, rate, accesses; /* million first touches and walks a second; accesses a walk */
} walk_world;

static void begin_or_end(void *context)
{
    walk_world *world = context;
    if (world->began == 0)
        world->began = bench_seconds();
    else
        world->ended = bench_seconds();
}

static vx_status open_walks(void *context, vx_source **source, const char *trace, vx_msg *msg)
{
    (void)trace;
    walk_world *world = context;
    return bench_records_open(source, &world->records, world->mark_at, begin_or_end, world, msg);
}

static vx_status time_walks(walk_world *world, const char *caches, vx_msg *msg)
{
    const char *name = "random loads";
    const char *sets[] = {"vm.ram_bytes=16g", "vm.fault_instructions=0", caches};
    vx_sim_options options = {.cpu = "skylake",
                              .scheme = "ept+vpid",
                              .traces = &name,
                              .trace_count = 1,
                              .open_source = open_walks,
                              .open_context = world,
                              .sets = sets,
                              .set_count = 3,
                              .seed = 1,
                              .warmup = world->mark_at / 2};
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    world->began = 0;
    double opened = bench_seconds();
    status = vx_sim_run(sim, msg);
    double seconds = world->ended - world->began;
    uint64_t walks = 0, reads = 0;
    if (status == VX_OK && (!vx_sim_value(sim, "walks.count", &walks) || !vx_sim_value(sim, "walks.accesses", &reads)))
        status = vx_fail(msg, VX_ERR_CHECK, "no count of walks");
    world->touches = (double)world->mark_at / 2 / (world->began - opened) / 1e6;
    world->rate = (double)walks / seconds / 1e6;
    world->accesses = walks ? (double)reads / (double)walks : 0;
    vx_sim_close(sim);
    return status;
}

static void add(speed_rows *rows, const char *name, double value, double asked)
{
    speed_rows_add(rows, &(speed_row){.name = name,
                                      .unit = "M/s",
                                      .value = value,
                                      .kind = asked > 0 ? SPEED_AT_LEAST : SPEED_NO_REACH,
                                      .asked = asked});
}

static vx_status with_caches(const speed_options *o, bool caches, speed_rows *rows, vx_msg *msg)
{
    bool quick = o->common.quick;
    uint64_t pages = quick ? 4096 : 8ULL << 30 >> VX_PAGE_SHIFT, loads = quick ? 4096 : 3000000;
    walk_world world = {.mark_at = 2 * pages};
    vx_status status = make_walks(&world.records, pages, loads, msg);
    double rates[SPEED_REPEATS_MAX], touches[SPEED_REPEATS_MAX];
    unsigned repeats = o->repeats < 3 ? o->repeats : 3; /* each needs a warm-up of its own */
    for (unsigned i = 0; status == VX_OK && i < repeats; i++) {
        status = time_walks(&world, caches ? "cpu.memory.caches=walks" : "cpu.memory.caches=fixed", msg);
        rates[i] = world.rate;
        touches[i] = world.touches;
    }
    bench_records_fini(&world.records);
    if (status != VX_OK) return status;
    speed_rows_say(rows, "\n%.2f accesses a walk, %llu pages at random, %s\n", world.accesses,
                   (unsigned long long)pages, caches ? "data caches for table entries" : "fixed latencies");
    add(rows, caches ? "missing nested walks, caches" : "missing nested walks, fixed latencies",
        bench_median(rates, repeats), caches ? 3 : 8);
    add(rows, caches ? "first touches, caches" : "first touches, fixed latencies", bench_median(touches, repeats), 0);
    return VX_OK;
}

vx_status speed_walks(const speed_options *o, speed_rows *rows, vx_msg *msg)
{
    vx_status status = with_caches(o, false, rows, msg);
    return status == VX_OK ? with_caches(o, true, rows, msg) : status;
}

vx_status speed_linear_walks(const speed_options *o, speed_rows *rows, vx_msg *msg)
{
    enum { DECADES = 3, PAGES = 65536 };
    uint64_t loads = o->common.quick ? 300 : 3000;
    double first = 0, each = 0;
    vx_status status = VX_OK;
    for (unsigned decade = 0; status == VX_OK && decade <= DECADES; decade++, loads *= 10) {
        double all[SPEED_REPEATS_MAX];
        char name[64];
        walk_world world = {.mark_at = 2 * PAGES};
        status = make_walks(&world.records, PAGES, loads, msg);
        unsigned repeats = o->common.quick ? 1 : o->repeats;
        for (unsigned i = 0; status == VX_OK && i < repeats; i++) {
            status = time_walks(&world, "cpu.memory.caches=fixed", msg);
            all[i] = 1e3 / world.rate;
        }
        bench_records_fini(&world.records);
        if (status != VX_OK) break;
        each = bench_median(all, repeats);
        if (decade == 0) first = each;
        snprintf(name, sizeof name, "%.0f thousand loads of a %d MiB region", (double)loads / 1e3,
                 PAGES / (1024 * 1024 / VX_PAGE_BYTES));
        speed_rows_add(rows, &(speed_row){.name = name, .unit = "ns a walk", .value = each});
    }
    if (status == VX_OK)
        speed_rows_add(rows, &(speed_row){.name = "cost of a walk, last decade over the first",
                                          .unit = "times",
                                          .value = each / first,
                                          .kind = SPEED_AT_MOST,
                                          .asked = 1.2});
    return status;
}
