/* speed: how fast simulations run, in million references a second of processor time, beside a bare loop of the same
 * TLBs over the same records in the same process; and how many fully missing two-dimensional walks a second.
 *
 * Each figure is the median of repeated runs. From a file, decoding is included; first touches are too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_options.h"
#include "bench_records.h"
#include "bench_run.h"
#include "bench_time.h"
#include "vx_chart.h"
#include "vx_random.h"

enum { REPEATS_MAX = 101 };

typedef struct speed_options {
    bench_options common;
    const char *trace; /* NULL: the shipped compiler's */
    unsigned repeats;
    const char *only; /* one part; NULL: all */
} speed_options;

static const char *const schemes[] = {"native", "ept", "ept+vpid", "shadow-wp", "shadow-vtlb"};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

/* ---- one timed thing ---- */

typedef struct speed_job speed_job;
struct speed_job {
    const char *path;
    const bench_records *memory;
    const char *scheme;
    bool from_memory;
    vx_status (*run)(const speed_job *job, double *seconds, vx_msg *msg);
};

static vx_status open_memory(void *context, vx_source **source, const char *trace, vx_msg *msg)
{
    (void)trace;
    return bench_records_open(source, context, SIZE_MAX, NULL, NULL, msg);
}

static vx_status simulate(const speed_job *job, double *seconds, vx_msg *msg)
{
    vx_sim_options options = {
        .cpu = "skylake", .scheme = job->scheme, .traces = &job->path, .trace_count = 1, .seed = 1};
    if (job->from_memory) options.open_source = open_memory;
    if (job->from_memory) options.open_context = (void *)job->memory;
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
    double all[REPEATS_MAX];
    for (unsigned i = 0; i < repeats; i++) {
        vx_status status = job->run(job, &all[i], msg);
        if (status != VX_OK) return status;
    }
    *seconds = bench_median(all, repeats);
    return VX_OK;
}

/* ---- references a second ---- */

static vx_status row(const speed_job *job, const char *name, unsigned repeats, double *bare, FILE *csv, vx_msg *msg)
{
    double seconds;
    vx_status status = median_of(job, repeats, &seconds, msg);
    if (status != VX_OK) return status;
    double rate = (double)job->memory->references / seconds / 1e6;
    if (*bare == 0) *bare = rate;
    printf("%-34s %10.1f %12.3f\n", name, rate, rate / *bare);
    if (csv) fprintf(csv, "%s,%.6g,%.6g\n", name, rate, rate / *bare);
    return VX_OK;
}

static vx_status references(const speed_options *o, const char *path, FILE *csv, vx_msg *msg)
{
    bench_records memory = {0};
    vx_status status = bench_records_read(&memory, path, msg);
    if (status != VX_OK) return status;
    printf("%llu references in %zu records, skylake, fixed latencies; medians of %u runs, processor time\n\n",
           (unsigned long long)memory.references, memory.count, o->repeats);
    printf("%-34s %10s %12s\n", "", "Mref/s", "of the loop");
    double bare = 0;
    speed_job job = {.path = path, .memory = &memory, .run = bare_loop};
    status = row(&job, "bare loop of the TLBs, from memory", o->repeats, &bare, csv, msg);
    job.run = decode;
    if (status == VX_OK) status = row(&job, "decoding alone", o->repeats, &bare, csv, msg);
    job.run = simulate;
    for (unsigned i = 0; status == VX_OK && i < 2 * SCHEMES; i++) {
        char name[64];
        job.from_memory = i >= SCHEMES;
        job.scheme = schemes[i % SCHEMES];
        snprintf(name, sizeof name, "%s, from %s", job.scheme, job.from_memory ? "memory" : "file");
        status = row(&job, name, o->repeats, &bare, csv, msg);
    }
    printf("\n");
    bench_records_fini(&memory);
    return status;
}

/* ---- walks a second ---- */

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
    double began;
} walk_world;

static void begin(void *context) { ((walk_world *)context)->began = bench_seconds(); }

static vx_status open_walks(void *context, vx_source **source, const char *trace, vx_msg *msg)
{
    (void)trace;
    walk_world *world = context;
    return bench_records_open(source, &world->records, world->mark_at, begin, world, msg);
}

static vx_status time_walks(walk_world *world, const char *caches, double *rate, double *accesses, vx_msg *msg)
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
    status = vx_sim_run(sim, msg);
    double seconds = bench_seconds() - world->began;
    uint64_t walks = 0, reads = 0;
    if (status == VX_OK && (!vx_sim_value(sim, "walks.count", &walks) || !vx_sim_value(sim, "walks.accesses", &reads)))
        status = vx_fail(msg, VX_ERR_CHECK, "no count of walks");
    *rate = (double)walks / seconds / 1e6;
    *accesses = walks ? (double)reads / (double)walks : 0;
    vx_sim_close(sim);
    return status;
}

static vx_status walks(const speed_options *o, const char *caches, FILE *csv, vx_msg *msg)
{
    bool quick = o->common.quick;
    uint64_t gib = quick ? 0 : 8, pages = quick ? 4096 : gib << 30 >> VX_PAGE_SHIFT, loads = quick ? 4096 : 3000000;
    walk_world world = {.mark_at = 2 * pages};
    vx_status status = make_walks(&world.records, pages, loads, msg);
    double rates[REPEATS_MAX], accesses = 0;
    unsigned repeats = o->repeats < 3 ? o->repeats : 3; /* each needs a warm-up of its own */
    for (unsigned i = 0; status == VX_OK && i < repeats; i++)
        status = time_walks(&world, caches, &rates[i], &accesses, msg);
    bench_records_fini(&world.records);
    if (status != VX_OK) return status;
    double rate = bench_median(rates, repeats);
    printf("%-34s %10.2f million walks/s, %.2f accesses each (%llu pages at random, %s)\n", "missing nested walks",
           rate, accesses, (unsigned long long)pages, caches);
    if (csv) fprintf(csv, "missing nested walks %s,%.6g,\n", caches, rate);
    return VX_OK;
}

/* ---- memory ---- */

/* In a process of its own, so that the decoded records of this one do not count. */
static vx_status memory(const char *path, FILE *csv, vx_msg *msg)
{
    for (unsigned i = 0; i < SCHEMES; i++) {
        int ends[2];
        double peak = 0;
        fflush(NULL);
        if (pipe(ends) != 0) return vx_fail(msg, VX_ERR_IO, "no pipe");
        pid_t child = fork();
        if (child < 0) return vx_fail(msg, VX_ERR_IO, "cannot fork");
        if (child == 0) {
            speed_job job = {.path = path, .scheme = schemes[i]};
            double seconds;
            vx_status status = simulate(&job, &seconds, msg);
            peak = bench_peak_mib();
            _exit(status == VX_OK && write(ends[1], &peak, sizeof peak) == sizeof peak ? 0 : 1);
        }
        close(ends[1]);
        bool read_all = read(ends[0], &peak, sizeof peak) == sizeof peak;
        close(ends[0]);
        int result;
        if (waitpid(child, &result, 0) != child || result != 0 || !read_all)
            return vx_fail(msg, VX_ERR_CHECK, "the run of %s that measures memory failed", schemes[i]);
        printf("%-34s %10.1f MiB resident at most, from file\n%s", schemes[i], peak, i + 1 == SCHEMES ? "\n" : "");
        if (csv) fprintf(csv, "peak MiB %s,%.6g,\n", schemes[i], peak);
    }
    return VX_OK;
}

/* ---- the program ---- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
    speed_options *o = state->input;
    char *end;
    unsigned long repeats;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'f':
        o->trace = arg;
        return 0;
    case 'o':
        if (strcmp(arg, "memory") != 0 && strcmp(arg, "references") != 0 && strcmp(arg, "walks") != 0)
            argp_error(state, "--only %s: must be memory, references or walks", arg);
        o->only = arg;
        return 0;
    case 'r':
        repeats = strtoul(arg, &end, 10);
        if (end == arg || *end || repeats < 1 || repeats > REPEATS_MAX)
            argp_error(state, "--repeat %s: must be 1 to %d", arg, REPEATS_MAX);
        o->repeats = (unsigned)repeats;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool wanted(const speed_options *o, const char *part) { return !o->only || strcmp(o->only, part) == 0; }

static vx_status run(const speed_options *o, vx_msg *msg)
{
    char path[512];
    snprintf(path, sizeof path, "%s/compiler.vxt", o->common.traces);
    const char *trace = o->trace ? o->trace : path;
    FILE *csv;
    vx_status status = vx_csv_open(&csv, o->common.csv, msg);
    if (status != VX_OK) return status;
    if (csv) fprintf(csv, "what,rate,of the bare loop\n");
    if (wanted(o, "memory")) status = memory(trace, csv, msg); /* first, while this process is small */
    if (status == VX_OK && wanted(o, "references")) status = references(o, trace, csv, msg);
    if (status == VX_OK && wanted(o, "walks")) status = walks(o, "cpu.memory.caches=fixed", csv, msg);
    if (status == VX_OK && wanted(o, "walks")) status = walks(o, "cpu.memory.caches=walks", csv, msg);
    return vx_csv_close(csv, o->common.csv, status, msg);
}

int main(int argc, char **argv)
{
    static const struct argp_option option_list[] = {
        {"trace", 'f', "FILE", 0, "the user-level .vxt trace to run; default: the shipped compiler's", 0},
        {"only", 'o', "PART", 0, "memory, references or walks; default: all", 0},
        {"repeat", 'r', "N", 0, "runs of which the median is taken; default 5", 0},
        {0}};
    static const struct argp_child children[] = {{&bench_options_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {.options = option_list,
                                     .parser = parse,
                                     .children = children,
                                     .doc = "References and walks a second, beside a bare loop over the same records."};
    speed_options o = {.repeats = 5};
    bench_options_default(&o.common);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    vx_msg msg = {{0}};
    return bench_end("speed", run(&o, &msg), &msg);
}
