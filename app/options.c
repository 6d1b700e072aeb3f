/* Parsing of the options that several verbs share. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vx_report.h"

static const struct argp_option machine_option_list[] = {
    {"cpu", KEY_CPU, "MODEL", 0, "CPU model: a name (vexit model list) or a file", 1},
    {"vmm", KEY_VMM, "MODEL", 0, "hypervisor model (default: textbook)", 1},
    {"guest-page", KEY_GUEST_PAGE, "4k|2m|1g", 0, "page size of the guest's mappings", 1},
    {"nested-page", KEY_NESTED_PAGE, "4k|2m|1g", 0, "largest page of the second translation", 1},
    {"set", KEY_SET, "PATH=VALUE", 0, "set one value of a model (vexit model show lists the paths)", 1},
    {"json", KEY_JSON, "FILE", 0, "write the report as JSON; - is standard output, without the text", 2},
    {"csv", KEY_CSV, "FILE", 0, "write the report as CSV; - is standard output, without the text", 2},
    {0}};

void option_add_set(struct argp_state *state, machine_options *machine, const char *assignment)
{
    if (machine->set_count == OPTIONS_SETS_MAX) argp_error(state, "more than %d --set", OPTIONS_SETS_MAX);
    machine->sets[machine->set_count++] = assignment;
}

/* An option that is a --set in other words. */
static void add_text(struct argp_state *state, machine_options *machine, const char *path, const char *value)
{
    if (machine->texts == sizeof machine->text / sizeof *machine->text) argp_error(state, "too many options");
    char *text = machine->text[machine->texts++];
    snprintf(text, sizeof machine->text[0], "%s=%s", path, value);
    option_add_set(state, machine, text);
}

static error_t parse_machine(int key, char *arg, struct argp_state *state)
{
    machine_options *machine = state->input;
    switch (key) {
    case KEY_CPU:
        machine->cpu = arg;
        return 0;
    case KEY_VMM:
        machine->vmm = arg;
        return 0;
    case KEY_GUEST_PAGE:
        machine->guest_page = option_page(state, "guest-page", arg);
        add_text(state, machine, "vm.page", arg);
        return 0;
    case KEY_NESTED_PAGE:
        machine->nested_page = option_page(state, "nested-page", arg);
        add_text(state, machine, "vmm.nested_page", arg);
        return 0;
    case KEY_SET:
        option_add_set(state, machine, arg);
        return 0;
    case KEY_JSON:
        machine->json = arg;
        return 0;
    case KEY_CSV:
        machine->csv = arg;
        return 0;
    case ARGP_KEY_END:
        if (machine->json && machine->csv && strcmp(machine->json, "-") == 0 && strcmp(machine->csv, "-") == 0)
            argp_error(state, "--json and --csv: only one of them can be standard output");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp machine_argp = {.options = machine_option_list, .parser = parse_machine};

static uint64_t number(struct argp_state *state, const char *option, const char *text, uint64_t unit)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    uint64_t factor = 1;
    if (*end == 'k') factor = unit;
    if (*end == 'm') factor = unit * unit;
    if (*end == 'g') factor = unit * unit * unit;
    if (factor != 1) end++;
    bool digits = text[0] >= '0' && text[0] <= '9'; /* strtoull takes blanks and signs before them */
    if (!digits || *end || errno || value > UINT64_MAX / factor)
        argp_error(state, "--%s: '%s' is no number (digits, then k, m or g)", option, text);
    return value * factor;
}

uint64_t option_count(struct argp_state *state, const char *option, const char *text)
{
    return number(state, option, text, 1000);
}

uint64_t option_bytes(struct argp_state *state, const char *option, const char *text)
{
    return number(state, option, text, 1024);
}

vx_page_size option_page(struct argp_state *state, const char *option, const char *text)
{
    vx_page_size size = VX_PAGE_4K;
    if (!vx_page_size_parse(text, &size) || size == VX_PAGE_4M)
        argp_error(state, "--%s: '%s' is no page size (4k, 2m or 1g)", option, text);
    return size;
}

bool option_on_off(struct argp_state *state, const char *option, const char *text)
{
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        argp_error(state, "--%s: '%s' is neither on nor off", option, text);
    return strcmp(text, "on") == 0;
}

int verb_failed(const char *verb, vx_status status, const vx_msg *msg)
{
    fprintf(stderr, "vexit %s: %s\n", verb, msg->text);
    return vx_status_exit_code(status);
}

/* The report comes into the file's folder by way of a temporary file: what must be writable is the folder. */
static vx_status check_folder(const char *path, vx_msg *msg)
{
    if (!path || strcmp(path, "-") == 0) return VX_OK;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder) return vx_fail_nomem(msg);
    vx_status status = VX_OK;
    if (access(folder, W_OK) != 0) status = vx_fail(msg, VX_ERR_IO, "cannot create %s: %s", path, strerror(errno));
    free(folder);
    return status;
}

/* A report renamed over its own trace would be the end of the trace. */
static vx_status spare_traces(const char *path, const vx_sim_options *replay, vx_msg *msg)
{
    struct stat report, trace;
    if (!path || stat(path, &report) != 0) return VX_OK;
    for (unsigned i = 0; i < replay->trace_count; i++)
        if (stat(replay->traces[i], &trace) == 0 && trace.st_dev == report.st_dev && trace.st_ino == report.st_ino)
            return vx_fail(msg, VX_ERR_INPUT, "%s: the report would replace the trace", path);
    return VX_OK;
}

vx_status verb_output_check(const machine_options *machine, const vx_sim_options *replay, vx_msg *msg)
{
    const char *const paths[] = {machine->json, machine->csv};
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i < 2; i++) {
        status = check_folder(paths[i], msg);
        if (status == VX_OK) status = spare_traces(paths[i], replay, msg);
    }
    return status;
}

vx_status verb_output(const machine_options *machine, const json_t *document, vx_msg *msg)
{
    vx_status status = VX_OK;
    bool to_stdout = false;
    if (machine->json) {
        status = vx_report_save(document, machine->json, vx_report_write_json, msg);
        to_stdout |= strcmp(machine->json, "-") == 0;
    }
    if (status == VX_OK && machine->csv) {
        status = vx_report_save(document, machine->csv, vx_report_write_csv, msg);
        to_stdout |= strcmp(machine->csv, "-") == 0;
    }
    if (status != VX_OK || to_stdout) return status;
    return vx_report_write_text(document, stdout, msg);
}
