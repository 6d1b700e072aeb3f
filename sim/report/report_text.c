/* The text report: a head that says what was run, the tables, and notes on how far to trust them. */
#include "report_private.h"

#include <string.h>

static void trace_line(const json_t *trace, FILE *out)
{
    char tier[REPORT_WORD], references[REPORT_NUMBER], instructions[REPORT_NUMBER];
    const char *path = json_string_value(json_object_get(trace, "path"));
    fputs("trace    ", out);
    report_put(out, path ? path : "?");
    fprintf(out, ", tier %s, %s references", report_word(trace, "tier", "?", tier),
            report_figure(json_object_get(trace, "references"), references));
    /* A generator does not know its instructions beforehand. */
    if (report_uint(trace, "instructions"))
        fprintf(out, ", %s instructions", report_figure(json_object_get(trace, "instructions"), instructions));
    fputc('\n', out);
}

static void trace_lines(const json_t *document, FILE *out)
{
    const json_t *trace = json_object_get(document, "trace");
    if (json_is_object(trace)) trace_line(trace, out);
    for (size_t i = 0; i < json_array_size(trace); i++) trace_line(json_array_get(trace, i), out);
}

static void machine_line(const json_t *run, FILE *out)
{
    char cpu[REPORT_WORD], name[REPORT_WORD], vmm[REPORT_WORD];
    fprintf(out, "machine  %s, scheme %s, hypervisor %s", report_word(run, "cpu", "?", cpu),
            report_word(run, "name", "?", name), report_word(run, "vmm", "none", vmm));
    if (report_at(run, "nested")) fprintf(out, " in a VM of %s", report_word(run, "nested.l0", "?", vmm));
    const char *class = json_string_value(json_object_get(run, "class"));
    if (class) fprintf(out, ", class %s", report_plain(class, name));
    fputc('\n', out);
}

/* "warm-up 1,000, at most 5,000 instructions": what was asked for, where anything was. */
static void window_part(const json_t *run, const char *path, const char *word, FILE *out)
{
    char number[REPORT_NUMBER];
    if (json_is_null(report_at(run, path)) || report_uint(run, path) == 0) return;
    fprintf(out, ", %s %s", word, report_grouped(report_uint(run, path), number));
}

static void counted_line(const json_t *run, FILE *out)
{
    char instructions[REPORT_NUMBER], references[REPORT_NUMBER];
    if (!json_object_get(run, "instructions")) return;
    fprintf(out, "counted  %s instructions, %s references",
            report_figure(json_object_get(run, "instructions"), instructions),
            report_figure(json_object_get(run, "references"), references));
    window_part(run, "window.skip", "after skipping", out);
    window_part(run, "window.warmup", "after a warm-up of", out);
    if (json_is_integer(report_at(run, "window.region")))
        fprintf(out, ", region %s", report_grouped(report_uint(run, "window.region"), instructions));
    fputc('\n', out);
}

static void approximation_lines(const json_t *run, FILE *out)
{
    const json_t *flags = json_object_get(run, "approximate");
    for (size_t i = 0; i < json_array_size(flags); i++) {
        const char *flag = json_string_value(json_array_get(flags, i));
        if (!flag) continue;
        fputs("approximate (", out);
        report_put(out, flag);
        fprintf(out, "): %s\n", report_approximation(flag));
    }
}

static void warning_lines(const json_t *run, FILE *out)
{
    const json_t *warnings = json_object_get(run, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *text = json_string_value(json_array_get(warnings, i));
        fputs("warning: ", out);
        report_put(out, text ? text : "?");
        fputc('\n', out);
    }
}

static void identity_lines(const json_t *run, FILE *out)
{
    const json_t *broken = json_object_get(run, "identities");
    for (size_t i = 0; i < json_array_size(broken); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(broken, i), "name"));
        fputs("BROKEN IDENTITY: ", out);
        report_put(out, name ? name : "?");
        fputc('\n', out);
    }
}

static size_t assumed_values(const json_t *run)
{
    size_t assumed = 0;
    const char *path;
    json_t *value;
    json_object_foreach(json_object_get(run, "config"), path, value) assumed +=
        json_is_true(json_object_get(value, "assumed"));
    return assumed;
}

/* Of the run that has most of them. */
static void assumed_line(const json_t *runs, FILE *out)
{
    size_t assumed = 0, values = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        if (assumed_values(run) <= assumed) continue;
        assumed = assumed_values(run);
        values = json_object_size(json_object_get(run, "config"));
    }
    if (assumed)
        fprintf(out, "%s%zu of %zu configuration values are assumed; --json or `vexit model show` lists them\n",
                json_array_size(runs) > 1 ? "up to " : "", assumed, values);
}

static bool has_notes(const json_t *run)
{
    return json_array_size(json_object_get(run, "identities")) > 0 ||
           json_array_size(json_object_get(run, "approximate")) > 0 ||
           json_array_size(json_object_get(run, "warnings")) > 0;
}

static bool same_notes(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"approximate", "warnings", "identities"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i]))) return false;
    return true;
}

/* "ept, ept+vpid:", the runs from `first` on that have its notes. */
static void note_heading(const json_t *runs, size_t first, FILE *out)
{
    const char *separator = "";
    for (size_t i = first; i < json_array_size(runs); i++) {
        char name[REPORT_WORD];
        if (!same_notes(json_array_get(runs, i), json_array_get(runs, first))) continue;
        fprintf(out, "%s%s", separator, report_word(json_array_get(runs, i), "name", "?", name));
        separator = ", ";
    }
    fputs(":\n", out);
}

/* Notes that several runs share are printed once. */
static void notes(const json_t *runs, FILE *out)
{
    fputc('\n', out);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        bool said = !has_notes(run);
        for (size_t j = 0; j < i && !said; j++) said = same_notes(run, json_array_get(runs, j));
        if (said) continue;
        if (json_array_size(runs) > 1) note_heading(runs, i, out);
        identity_lines(run, out);
        approximation_lines(run, out);
        warning_lines(run, out);
    }
    assumed_line(runs, out);
}

static void partial_line(const json_t *document, FILE *out)
{
    if (json_is_false(json_object_get(document, "complete")))
        fputs("PARTIAL  the run was interrupted; figures are of what was done until then\n", out);
}

static void walk_text(const json_t *document, const json_t *run, FILE *out)
{
    char gva[REPORT_WORD];
    fprintf(out, "walk     of guest-virtual address %s\n", report_word(run, "gva", "?", gva));
    machine_line(run, out);
    partial_line(document, out);
    report_walk(run, out);
    notes(json_object_get(document, "runs"), out);
}

static vx_status run_text(const json_t *document, const json_t *run, FILE *out, vx_msg *msg)
{
    trace_lines(document, out);
    machine_line(run, out);
    counted_line(run, out);
    partial_line(document, out);
    report_run_tables(run, out);
    vx_status status = report_measured(document, json_object_get(document, "runs"), out, msg);
    notes(json_object_get(document, "runs"), out);
    return status;
}

/* Where figures are means of seeds. */
static void seeds_line(const json_t *runs, FILE *out)
{
    char number[REPORT_NUMBER];
    uint64_t seeds = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        uint64_t own = report_uint(json_array_get(runs, i), "seeds");
        if (own > seeds) seeds = own;
    }
    if (seeds)
        fprintf(out, "seeds    %s; figures are means, +- the 95%% interval (Student's t) where seeds differ\n",
                report_grouped(seeds, number));
}

static vx_status runs_text(const json_t *document, const json_t *runs, FILE *out, vx_msg *msg)
{
    trace_lines(document, out);
    for (size_t i = 0; i < json_array_size(runs); i++) machine_line(json_array_get(runs, i), out);
    seeds_line(runs, out);
    partial_line(document, out);
    vx_status status = report_side_by_side(runs, out, msg);
    if (status != VX_OK) return status;
    report_bars(runs, out);
    status = report_measured(document, runs, out, msg);
    notes(runs, out);
    return status;
}

static vx_status compare_text(const json_t *document, FILE *out, vx_msg *msg)
{
    json_t *shown = report_by_name(json_object_get(document, "runs"));
    if (!shown) return vx_fail_nomem(msg);
    vx_status status = runs_text(document, shown, out, msg);
    json_decref(shown);
    return status;
}

vx_status vx_report_write_text(const json_t *document, FILE *out, vx_msg *msg)
{
    const json_t *runs = json_object_get(document, "runs");
    const char *verb = json_string_value(json_object_get(document, "verb"));
    vx_status status = VX_OK;
    if (json_array_size(runs) > 1)
        status = compare_text(document, out, msg);
    else if (verb && strcmp(verb, "launch") == 0)
        report_launch(document, out);
    else if (verb && strcmp(verb, "walk") == 0)
        walk_text(document, json_array_get(runs, 0), out);
    else
        status = run_text(document, json_array_get(runs, 0), out, msg);
    return status == VX_OK ? report_end(out, msg) : status;
}
