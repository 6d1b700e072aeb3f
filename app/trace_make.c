/* vexit trace cut, gen, import and pack: everything that writes a trace. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "trace_actions.h"

enum { NAMES_MAX = 32, WHAT_MAX = 2048, PACK_LEVEL = 19, SHOW_EVERY_MS = 200, PACK_FILTER_SETS = 16 };

/* ---- progress, shown on a terminal only, and where a signal stops the work ---- */

typedef struct progress {
    const volatile sig_atomic_t *stop;
    bool terminal, any;
    struct timespec start, last;
} progress;

static int64_t milliseconds(const struct timespec *from, const struct timespec *to)
{
    return (to->tv_sec - from->tv_sec) * 1000 + (to->tv_nsec - from->tv_nsec) / 1000000;
}

static bool show_progress(void *context, const vx_trace_totals *written)
{
    progress *self = context;
    struct timespec now;
    if (*self->stop) return false;
    if (!self->terminal) return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (milliseconds(&self->last, &now) < SHOW_EVERY_MS) return true;
    self->last = now;
    self->any = true;
    uint64_t references = written->fetches + written->loads + written->stores;
    double seconds = (double)milliseconds(&self->start, &now) / 1000;
    fprintf(stderr, "\r%" PRIu64 " instructions, %.1f million references/s   ", written->instructions,
            seconds > 0 ? (double)references / seconds / 1e6 : 0.0);
    return true;
}

static vx_trace_write_options writing(const trace_given *given, progress *shown)
{
    vx_trace_write_options options = {
        .zstd_level = given->level, .tier = given->tier, .filter_sets = given->filter_sets};
    if (given->tier == VX_TIER_FILTERED && !given->filter_sets) options.filter_sets = PACK_FILTER_SETS;
    clock_gettime(CLOCK_MONOTONIC, &shown->start);
    shown->last = shown->start;
    shown->stop = interrupt_watch();
    shown->terminal = isatty(STDERR_FILENO);
    options.progress = show_progress;
    options.progress_context = shown;
    return options;
}

/* Says what is in the new file. */
static vx_status tell_written(const trace_given *given, const progress *shown, vx_status status, vx_msg *msg)
{
    vx_trace_info info;
    if (shown->any) fputs("\r\033[K", stderr);
    if (status) return status;
    status = vx_trace_info_read(given->output, NULL, &info, msg);
    if (status) return status;
    if (given->text)
        fprintf(given->text, "%s: %" PRIu64 " references, %" PRIu64 " bytes\n", given->output, info.header.references,
                info.file_bytes);
    return VX_OK;
}

static vx_status copy_source(const trace_given *given, vx_source *source, vx_msg *msg)
{
    progress shown = {0};
    vx_trace_write_options options = writing(given, &shown);
    vx_status status = vx_trace_copy(source, given->output, given->skip, given->max, &options, NULL, msg);
    vx_source_close(source);
    return tell_written(given, &shown, status, msg);
}

static vx_status repack(const trace_given *given, int level, uint64_t skip, uint64_t max, vx_msg *msg)
{
    progress shown = {0};
    vx_trace_options reading = {.whole_chunks = given->whole_chunks};
    vx_trace_write_options options = writing(given, &shown);
    if (!options.zstd_level) options.zstd_level = level;
    vx_status status = vx_trace_repack(given->operands[0], &reading, given->output, skip, max, &options, msg);
    return tell_written(given, &shown, status, msg);
}

/* ---- actions ---- */

vx_status vx_trace_action_cut(trace_given *given, vx_msg *msg)
{
    return repack(given, 0, given->skip, given->max, msg);
}

vx_status vx_trace_action_pack(trace_given *given, vx_msg *msg) { return repack(given, PACK_LEVEL, 0, 0, msg); }

vx_status vx_trace_action_gen(trace_given *given, vx_msg *msg)
{
    char what[WHAT_MAX];
    const char *name = given->operands[0], *colon = strchr(name, ':');
    vx_source *source;
    int length = snprintf(what, sizeof what, "gen:%s%s%s", name,
                          !given->arguments[0] ? ""
                          : colon              ? ","
                                               : ":",
                          given->arguments);
    if (length < 0 || (size_t)length >= sizeof what) return vx_fail(msg, VX_ERR_INPUT, "arguments too long");
    vx_status status = vx_source_open(&source, what, NULL, given->seed, msg);
    return status ? status : copy_source(given, source, msg);
}

static vx_status unknown_importer(const char *name, vx_msg *msg)
{
    const char *names[NAMES_MAX];
    char list[256] = "";
    size_t count = 0, used = 0;
    for (const vx_importer *importer = vx_importers; importer->name && count < NAMES_MAX; importer++) {
        names[count++] = importer->name;
        int length = snprintf(list + used, sizeof list - used, " %s", importer->name);
        if (length > 0 && (size_t)length < sizeof list - used) used += (size_t)length;
    }
    if (!name) return vx_fail(msg, VX_ERR_INPUT, "import needs --from, one of:%s", list);
    const char *near = vx_did_you_mean(name, names, count);
    if (near) return vx_fail(msg, VX_ERR_INPUT, "no importer \"%s\"; did you mean \"%s\"?", name, near);
    return vx_fail(msg, VX_ERR_INPUT, "no importer \"%s\"; there are:%s", name, list);
}

vx_status vx_trace_action_import(trace_given *given, vx_msg *msg)
{
    const vx_importer *importer = vx_importers;
    while (importer->name && (!given->from || strcmp(importer->name, given->from) != 0)) importer++;
    if (!importer->name) return unknown_importer(given->from, msg);
    vx_source *source;
    vx_status status = importer->open(&source, given->operands[0], msg);
    return status ? status : copy_source(given, source, msg);
}
