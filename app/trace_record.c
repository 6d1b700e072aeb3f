/* vexit trace record: runs a guest in QEMU under the recorder and writes what comes down its pipe. */
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "record_qemu.h"
#include "trace_actions.h"

#ifndef VEXIT_VERSION
#error "the build says which version this is"
#endif

/* Recording is to be quick; `vexit trace pack` does the rest. Chunks end where they are full: long ones learn the
 * guest's code less often. */
enum { DEFAULT_FILTER_SETS = 16, SHOW_EVERY_MS = 200, RECORD_LEVEL = 1, RECORD_CHUNK = 1 << 24 };

/* ---- progress ---- */

typedef struct meter {
    bool any;
    struct timespec start, last;
} meter;

static int64_t milliseconds(const struct timespec *from, const struct timespec *to)
{
    return (to->tv_sec - from->tv_sec) * 1000 + (to->tv_nsec - from->tv_nsec) / 1000000;
}

static bool show(void *context, const vx_trace_totals *written)
{
    meter *self = context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (milliseconds(&self->last, &now) < SHOW_EVERY_MS) return true;
    self->last = now;
    self->any = true;
    double seconds = (double)milliseconds(&self->start, &now) / 1000;
    fprintf(stderr, "\r\033[Krecorded %.1f M instructions, %.1f M records, %.1f M instructions/s",
            1e-6 * (double)written->instructions, 1e-6 * (double)written->records,
            1e-6 * (double)written->instructions / seconds);
    return true;
}

/* ---- the header ---- */

static void append(char *text, size_t size, const char *word)
{
    size_t used = strlen(text);
    bool quote = word[strcspn(word, " \t\"'$;&|()")] != '\0' || !*word;
    snprintf(text + used, size - used, quote ? " '%s'" : " %s", word);
}

/* How the recording was made; what is longer than the header's room is cut. */
static void write_recipe(vx_trace_header *header, const trace_given *given, const record_qemu *qemu)
{
    char *text = header->recipe;
    size_t size = sizeof header->recipe;
    snprintf(text, size, "vexit %s trace record --tier %c", VEXIT_VERSION, given->tier);
    if (given->tier == VX_TIER_FILTERED)
        snprintf(text + strlen(text), size - strlen(text), " --filter-sets %" PRIu32, given->filter_sets);
    if (given->with_gpa) append(text, size, "--with-gpa");
    if (given->has_region) snprintf(text + strlen(text), size - strlen(text), " --region %" PRIu64, given->region);
    if (given->until) snprintf(text + strlen(text), size - strlen(text), "-%" PRIu64, given->until);
    if (given->max) snprintf(text + strlen(text), size - strlen(text), " --max %" PRIu64, given->max);
    append(text, size, "--");
    for (unsigned i = 0; i < given->operand_count; i++) append(text, size, given->operands[i]);
    snprintf(text + strlen(text), size - strlen(text), "; %s", qemu->version);
}

static void write_header(vx_trace_header *header, const trace_given *given, const record_qemu *qemu)
{
    *header = (vx_trace_header){.tier = given->tier == VX_TIER_EVENTS ? VX_TIER_EVENTS : VX_TIER_FULL,
                                .kind = VX_TRACE_SYSTEM,
                                .ram_ranges = qemu->ram_high ? 2 : 1,
                                .ram = {{0, qemu->ram_low}, {1ULL << 32, qemu->ram_high}}};
    write_recipe(header, given, qemu);
}

/* ---- the action ---- */

static vx_status copy(const trace_given *given, vx_source *source, vx_msg *msg)
{
    meter shown = {0};
    vx_trace_write_options options = {.zstd_level = given->level ? given->level : RECORD_LEVEL,
                                      .chunk_records = RECORD_CHUNK,
                                      .keep_whole_chunks = true};
    if (given->tier == VX_TIER_FILTERED) {
        options.tier = VX_TIER_FILTERED;
        options.filter_sets = given->filter_sets;
    }
    clock_gettime(CLOCK_MONOTONIC, &shown.start);
    shown.last = shown.start;
    if (isatty(STDERR_FILENO)) {
        options.progress = show;
        options.progress_context = &shown;
    }
    vx_status status = vx_trace_copy(source, given->output, 0, 0, &options, NULL, msg);
    if (shown.any) fputs("\r\033[K", stderr);
    return status;
}

static vx_status tell(const trace_given *given, vx_msg *msg)
{
    vx_trace_info info;
    vx_status status = vx_trace_info_read(given->output, NULL, &info, msg);
    if (status || !given->text) return status;
    fprintf(given->text,
            "%s: %" PRIu64 " instructions, %" PRIu64 " references, %" PRIu64 " records, %" PRIu64 " bytes\n",
            given->output, info.totals.instructions, info.header.references, info.totals.records, info.file_bytes);
    return VX_OK;
}

/* What QEMU's end says about a recording that broke off. */
static vx_status broken_off(const trace_given *given, int status, vx_msg *msg)
{
    if (WIFSIGNALED(status))
        return vx_fail(msg, VX_ERR_IO, "QEMU was ended by signal %d (%s); %s holds what came before", WTERMSIG(status),
                       strsignal(WTERMSIG(status)), given->output);
    return vx_fail(msg, VX_ERR_IO, "the recording broke off (QEMU's exit code %d); %s holds what came before",
                   WEXITSTATUS(status), given->output);
}

static void apply_defaults(trace_given *given)
{
    if (!given->tier) given->tier = VX_TIER_FULL;
    if (given->tier == VX_TIER_FILTERED && !given->filter_sets) given->filter_sets = DEFAULT_FILTER_SETS;
}

static vx_status check_options(const trace_given *given, vx_msg *msg)
{
    if (given->with_gpa && given->tier == VX_TIER_EVENTS)
        return vx_fail(msg, VX_ERR_INPUT, "--with-gpa: tier E has no references");
    return VX_OK;
}

vx_status vx_trace_action_record(trace_given *given, vx_msg *msg)
{
    apply_defaults(given);
    vx_status status = check_options(given, msg);
    if (status) return status;
    const record_plan plan = {given->operands,   given->operand_count, given->tier,  given->with_gpa,
                              given->has_region, given->region,        given->until, given->max};
    record_qemu qemu;
    vx_trace_header header;
    vx_source *source;
    status = record_qemu_start(&qemu, &plan, msg);
    if (status) return status;
    write_header(&header, given, &qemu);
    status = vx_trace_pipe_open(&source, &qemu.pipe, &header, msg);
    bool began = !status, whole = false;
    if (began) {
        status = copy(given, source, msg);
        whole = vx_trace_pipe_complete(source);
        vx_source_close(source);
    }
    int ended = record_qemu_end(&qemu);
    if (status && began) return status;
    if (status) {
        char why[sizeof msg->text];
        snprintf(why, sizeof why, "%s", msg->text);
        const char *unmarked = given->has_region ? ": the guest never set the mark of --region" : "";
        return vx_fail(msg, status, "%s%s (QEMU's exit code %d)", why, unmarked,
                       WIFEXITED(ended) ? WEXITSTATUS(ended) : -1);
    }
    status = tell(given, msg);
    return status || whole ? status : broken_off(given, ended, msg);
}
