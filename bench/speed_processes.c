/* What is measured of a whole process: vexit itself is run, with its output thrown away. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_records.h"
#include "bench_time.h"
#include "speed_parts.h"

typedef struct usage {
    double processor_seconds, wall_seconds, peak_mib;
} usage;

static double wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double seconds_of(struct timeval time) { return (double)time.tv_sec + 1e-6 * (double)time.tv_usec; }

/* arguments[0] is the program; NULL ends them. */
static vx_status run(const char *const *arguments, usage *used, vx_msg *msg)
{
    double before = wall();
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) return vx_fail(msg, VX_ERR_IO, "cannot fork");
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        if (nowhere >= 0) (void)dup2(nowhere, STDOUT_FILENO);
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    int result;
    struct rusage taken;
    if (wait4(child, &result, 0, &taken) != child || result != 0)
        return vx_fail(msg, VX_ERR_CHECK, "%s %s: failed", arguments[0], arguments[1]);
    used->wall_seconds = wall() - before;
    used->processor_seconds = seconds_of(taken.ru_utime) + seconds_of(taken.ru_stime);
    used->peak_mib = (double)taken.ru_maxrss / 1024;
    return VX_OK;
}

static double processor(const usage *used) { return used->processor_seconds; }
static double wall_of(const usage *used) { return used->wall_seconds; }
static double peak(const usage *used) { return used->peak_mib; }

static vx_status median_of(const char *const *arguments, double (*figure)(const usage *), unsigned repeats,
                           double *value, vx_msg *msg)
{
    double all[SPEED_REPEATS_MAX];
    for (unsigned i = 0; i < repeats; i++) {
        usage used = {0};
        vx_status status = run(arguments, &used, msg);
        if (status != VX_OK) return status;
        all[i] = figure(&used);
    }
    *value = bench_median(all, repeats);
    return VX_OK;
}

static void add(speed_rows *rows, const char *name, const char *unit, double value, speed_reach kind, double asked)
{
    speed_rows_add(rows, &(speed_row){name, unit, value, kind, asked});
}

static vx_status start_up(const speed_options *o, const char *trace, speed_rows *rows, vx_msg *msg)
{
    const char *const arguments[] = {o->vexit,   "run", "--trace", trace, "--cpu", "skylake",
                                     "--scheme", "ept", "--max",   "1",   NULL};
    double seconds;
    vx_status status = median_of(arguments, processor, o->repeats, &seconds, msg);
    if (status == VX_OK)
        add(rows, "start-up and end, a run of one instruction", "ms", 1e3 * seconds, SPEED_AT_MOST, 50);
    return status;
}

/* The decoded chunk is what a run holds of its trace: ten times the instructions of that cost nothing more. */
static vx_status memory(const speed_options *o, const char *trace, speed_rows *rows, vx_msg *msg)
{
    const char *tenth[] = {o->vexit,   "run", "--trace", trace,    "--cpu", "skylake",
                           "--scheme", "ept", "--max",   "300000", NULL};
    const char *const all[] = {o->vexit, "run", "--trace", trace, "--cpu", "skylake", "--scheme", "ept", NULL};
    double small, large;
    vx_status status = median_of(tenth, peak, 1, &small, msg);
    if (status == VX_OK) status = median_of(all, peak, 1, &large, msg);
    if (status != VX_OK) return status;
    add(rows, "resident at most, the first 300,000 instructions", "MiB", small, SPEED_NO_REACH, 0);
    add(rows, "resident at most, the whole trace", "MiB", large, SPEED_NO_REACH, 0);
    add(rows, "memory of the whole trace over that of its start", "times", large / small, SPEED_AT_MOST, 1.25);
    return VX_OK;
}

static const char *const compared[] = {"native", "shadow-wp", "shadow-vtlb", "ept", "ept+vpid"};

/* By the clock on the wall: the runs share the machine's processors. */
static vx_status comparison(const speed_options *o, const char *trace, speed_rows *rows, vx_msg *msg)
{
    const char *const five[] = {o->vexit, "compare", "--trace", trace, "--cpu", "skylake", NULL};
    double slowest = 0, together, one;
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i < sizeof compared / sizeof *compared; i++) {
        bool tagged = strcmp(compared[i], "ept+vpid") == 0;
        const char *const single[] = {o->vexit,   "run",
                                      "--trace",  trace,
                                      "--cpu",    "skylake",
                                      "--scheme", tagged ? "ept" : compared[i],
                                      "--vpid",   tagged ? "on" : "off",
                                      NULL};
        status = median_of(single, wall_of, o->repeats, &one, msg);
        if (one > slowest) slowest = one;
    }
    if (status == VX_OK) status = median_of(five, wall_of, o->repeats, &together, msg);
    if (status != VX_OK) return status;
    add(rows, "the slowest single run, whole process", "s", slowest, SPEED_NO_REACH, 0);
    add(rows, "compare with five schemes over it", "times", together / slowest, SPEED_AT_MOST, 2.6);
    return VX_OK;
}

/* Lackey's text of the trace's first records. */
static vx_status write_text(const char *trace, uint64_t most, const char *path, uint64_t *references, vx_msg *msg)
{
    FILE *out = fopen(path, "w");
    if (!out) return vx_fail(msg, VX_ERR_IO, "%s: cannot write", path);
    *references = 0;
    vx_source *source;
    vx_status status = vx_trace_open(&source, trace, NULL, msg);
    if (status != VX_OK) {
        fclose(out);
        return status;
    }
    vx_batch batch = {.count = 1};
    while (status == VX_OK && batch.count && *references < most) {
        status = vx_source_next(source, &batch, msg);
        for (size_t i = 0; status == VX_OK && i < batch.count; i++) {
            const vx_record *record = &batch.records[i];
            bool fetch = record->kind == VX_REC_FETCH;
            unsigned bytes = fetch ? record->arg / record->count : record->size;
            for (unsigned n = 0; n < record->count; n++)
                fprintf(out,
                        fetch                         ? "I  %08llx,%u\n"
                        : record->kind == VX_REC_LOAD ? " L %08llx,%u\n"
                                                      : " S %08llx,%u\n",
                        (unsigned long long)record->addr + (uint64_t)n * bytes, bytes ? bytes : 1);
            *references += record->count;
        }
    }
    vx_source_close(source);
    return fclose(out) == 0 ? status : vx_fail(msg, VX_ERR_IO, "%s: cannot write", path);
}

static vx_status import(const speed_options *o, const char *trace, speed_rows *rows, vx_msg *msg)
{
    char folder[] = "/tmp/vexit-speed-XXXXXX", text[64], made[64];
    if (!mkdtemp(folder)) return vx_fail(msg, VX_ERR_IO, "%s: cannot make", folder);
    snprintf(text, sizeof text, "%s/lackey", folder);
    snprintf(made, sizeof made, "%s/made.vxt", folder);
    uint64_t references = 0;
    double seconds = 0;
    vx_status status = write_text(trace, o->common.quick ? 20000 : 2000000, text, &references, msg);
    const char *const arguments[] = {o->vexit, "trace", "import", "--from", "lackey", text, "-o", made, NULL};
    if (status == VX_OK) status = median_of(arguments, processor, o->repeats < 3 ? o->repeats : 3, &seconds, msg);
    if (status == VX_OK)
        add(rows, "import of lackey text", "Mref/s", (double)references / seconds / 1e6, SPEED_AT_LEAST, 15);
    unlink(text);
    unlink(made);
    rmdir(folder);
    return status;
}

static vx_status size_of(const char *trace, speed_rows *rows, vx_msg *msg)
{
    bench_records all = {0};
    vx_status status = bench_records_read(&all, trace, msg);
    FILE *file = status == VX_OK ? fopen(trace, "r") : NULL;
    if (file && fseek(file, 0, SEEK_END) == 0)
        add(rows, "size of the trace", "bytes a ref", (double)ftell(file) / (double)all.references, SPEED_AT_MOST, 0.6);
    if (file) fclose(file);
    bench_records_fini(&all);
    return status;
}

/* Seconds for 10^9 references at the speed of a recorded system's. */
static vx_status system_trace(const speed_options *o, speed_rows *rows, vx_msg *msg)
{
    char trace[512];
    snprintf(trace, sizeof trace, "%s/linux-touch.vxt", o->common.traces);
    vx_source *source;
    vx_status status = vx_trace_open(&source, trace, NULL, msg);
    if (status != VX_OK) return status;
    double references = (double)source->header.references;
    vx_source_close(source);
    const char *const arguments[] = {o->vexit,   "run", "--trace", trace, "--cpu", "skylake",
                                     "--scheme", "ept", "--vpid",  "on",  NULL};
    double seconds;
    status = median_of(arguments, processor, o->repeats < 3 ? o->repeats : 3, &seconds, msg);
    if (status == VX_OK)
        add(rows, "a system trace, for 10^9 references", "s", seconds * 1e9 / references, SPEED_AT_MOST, 60);
    return status;
}

vx_status speed_processes(const speed_options *o, speed_rows *rows, vx_msg *msg)
{
    char room[512];
    const char *trace = speed_trace(o, room, sizeof room);
    speed_rows_say(rows, "\nWhole processes of %s\n", o->vexit);
    vx_status status = start_up(o, trace, rows, msg);
    if (status == VX_OK) status = memory(o, trace, rows, msg);
    if (status == VX_OK) status = comparison(o, trace, rows, msg);
    if (status == VX_OK) status = import(o, trace, rows, msg);
    if (status == VX_OK) status = size_of(trace, rows, msg);
    if (status == VX_OK && !o->common.quick) status = system_trace(o, rows, msg);
    return status;
}
