/* speed, part `references`: the bare loop, decoding, each scheme from file and from memory, data caches. */
#include <string.h>

#include "bench_records.h"
#include "bench_run.h"
#include "bench_time.h"
#include "speed_parts.h"

static const char *const schemes[] = {"native", "ept", "ept+vpid", "shadow-wp", "shadow-vtlb"};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

/* One timed thing. */
typedef struct speed_job speed_job;
struct speed_job {
    const char *path;
    const bench_records *memory;
    const char *scheme, *caches;
    bool from_memory;
    unsigned passes; /* over the records in memory */
    vx_status (*run)(const speed_job *job, double *seconds, vx_msg *msg);
};

static vx_status open_memory(void *context, vx_source **source, const char *trace, vx_msg *msg)
{
    (void)trace;
    const speed_job *self = context;
    return bench_records_open_passes(source, self->memory, self->passes, msg);
}

static vx_status simulate(const speed_job *job, double *seconds, vx_msg *msg)
{
    vx_sim_options options = {
        .cpu = "skylake", .scheme = job->scheme, .traces = &job->path, .trace_count = 1, .seed = 1};
    if (job->from_memory) options.open_source = open_memory;
    if (job->from_memory) options.open_context = (void *)job;
    if (job->caches) options.sets = &job->caches;
    if (job->caches) options.set_count = 1;
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    double before = bench_seconds();
    status = vx_sim_run(sim, msg);
    *seconds = bench_seconds() - before;
    vx_sim_close(sim);
    return status;
}

static vx_status decode(const speed_job *job, double *seconds, vx_msg *msg)
{
    vx_source *source;
    vx_status status = vx_trace_open(&source, job->path, NULL, msg);
    if (status != VX_OK) return status;
    double before = bench_seconds();
    vx_batch batch = {.count = 1};
    while (status == VX_OK && batch.count) status = vx_source_next(source, &batch, msg);
    *seconds = bench_seconds() - before;
    vx_source_close(source);
    return status;
}

static vx_status bare_loop(const speed_job *job, double *seconds, vx_msg *msg)
{
    double before = bench_seconds();
    uint64_t misses = bench_reference_loop(job->memory);
    *seconds = bench_seconds() - before;
    return misses ? VX_OK : vx_fail(msg, VX_ERR_CHECK, "the bare loop missed nothing");
}

static vx_status median_of(const speed_job *job, unsigned repeats, double *seconds, vx_msg *msg)
{
    double all[SPEED_REPEATS_MAX];
    for (unsigned i = 0; i < repeats; i++) {
        vx_status status = job->run(job, &all[i], msg);
        if (status != VX_OK) return status;
    }
    *seconds = bench_median(all, repeats);
    return VX_OK;
}

/* `asked` 0: nothing. */
static vx_status row(const speed_job *job, const char *name, double asked, unsigned repeats, speed_rows *rows,
                     vx_msg *msg)
{
    double seconds = 0;
    vx_status status = median_of(job, repeats, &seconds, msg);
    if (status != VX_OK) return status;
    double rate = (double)job->memory->references / seconds / 1e6;
    if (job->run == bare_loop) rows->loop = rate;
    speed_rows_add(rows, &(speed_row){.name = name,
                                      .unit = "Mref/s",
                                      .value = rate,
                                      .kind = asked > 0 ? SPEED_AT_LEAST : SPEED_NO_REACH,
                                      .asked = asked});
    return VX_OK;
}

/* Half of the bare loop from file, ten times the peer from memory; shadows 80 % of it. */
static double asked_of(const char *scheme, bool from_memory)
{
    double whole = from_memory ? 430 : 250;
    return strncmp(scheme, "shadow", 6) == 0 ? 0.8 * whole : whole;
}

static vx_status simulations(speed_job job, unsigned repeats, speed_rows *rows, vx_msg *msg)
{
    vx_status status = VX_OK;
    job.run = simulate;
    for (unsigned i = 0; status == VX_OK && i < 2 * SCHEMES; i++) {
        char name[64];
        job.from_memory = i >= SCHEMES;
        job.scheme = schemes[i % SCHEMES];
        snprintf(name, sizeof name, "%s, from %s", job.scheme, job.from_memory ? "memory" : "file");
        status = row(&job, name, asked_of(job.scheme, job.from_memory), repeats, rows, msg);
    }
    job.caches = "cpu.memory.caches=all";
    job.scheme = "ept+vpid";
    for (unsigned i = 0; status == VX_OK && i < 2; i++) {
        job.from_memory = i == 1;
        status = row(&job, i ? "ept+vpid with data caches, from memory" : "ept+vpid with data caches, from file", 60,
                     repeats, rows, msg);
    }
    return status;
}

vx_status speed_references(const speed_options *o, speed_rows *rows, vx_msg *msg)
{
    char room[512];
    bench_records memory = {0};
    speed_job job = {.path = speed_trace(o, room, sizeof room), .memory = &memory, .passes = 1, .run = bare_loop};
    vx_status status = bench_records_read(&memory, job.path, msg);
    if (status != VX_OK) return status;
    speed_rows_say(rows, "%llu references in %zu records, skylake; medians of %u runs, processor time\n\n",
                   (unsigned long long)memory.references, memory.count, o->repeats);
    status = row(&job, "bare loop of the TLBs, from memory", 0, o->repeats, rows, msg);
    job.run = decode;
    if (status == VX_OK) status = row(&job, "decoding alone", 600, o->repeats, rows, msg);
    if (status == VX_OK) status = simulations(job, o->repeats, rows, msg);
    bench_records_fini(&memory);
    return status;
}

/* ---- linearity ---- */

static vx_status linear_point(const speed_job *job, unsigned repeats, double *each, vx_msg *msg)
{
    double seconds = 0;
    vx_status status = median_of(job, repeats, &seconds, msg);
    *each = seconds * 1e9 / ((double)job->memory->references * job->passes);
    return status;
}

vx_status speed_linear(const speed_options *o, speed_rows *rows, vx_msg *msg)
{
    enum { DECADES = 3, FIRST = 30000 };
    char room[512], name[64];
    bench_records all = {0};
    speed_job job = {.path = speed_trace(o, room, sizeof room),
                     .scheme = "ept+vpid",
                     .from_memory = true,
                     .run = simulate,
                     .memory = &all,
                     .passes = 1};
    vx_status status = bench_records_read(&all, job.path, msg);
    /* The same stretch over and over: its first touches are a part of the first decade alone. */
    bench_records stretch = all;
    if (stretch.count > FIRST) stretch.count = FIRST;
    stretch.references = 0;
    for (size_t i = 0; i < stretch.count; i++) stretch.references += all.records[i].count;
    job.memory = &stretch;
    double first = 0, each = 0;
    for (unsigned decade = 0; status == VX_OK && decade <= DECADES; decade++, job.passes *= 10) {
        status = linear_point(&job, o->common.quick ? 1 : o->repeats, &each, msg);
        if (decade == 1) first = each;
        snprintf(name, sizeof name, "%.0f thousand references", (double)stretch.references * job.passes / 1e3);
        if (status == VX_OK) speed_rows_add(rows, &(speed_row){.name = name, .unit = "ns each", .value = each});
    }
    if (status == VX_OK)
        speed_rows_add(rows, &(speed_row){.name = "cost of a reference, last decade over the second",
                                          .unit = "times",
                                          .value = each / first,
                                          .kind = SPEED_AT_MOST,
                                          .asked = 1.2});
    bench_records_fini(&all);
    return status;
}
