/* Parsing of the options that several verbs share. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "output_files.h"
#include "vx_model.h"
#include "vx_number.h"
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
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp machine_argp = {.options = machine_option_list, .parser = parse_machine};

static uint64_t number(struct argp_state *state, const char *option, const char *text, uint64_t unit)
{
    uint64_t value = 0;
    if (!vx_number_scaled(text, unit, &value))
        argp_error(state, "--%s: '%s' is no number (digits, then k, m or g)", option, text);
    return value;
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

void option_nested_pages(struct argp_state *state, const char *scheme, bool given)
{
    static const char *const without[] = {"native", "shadow-", "trap",
                                          "bt"}; /* of other names something else is wrong */
    for (unsigned i = 0; given && i < sizeof without / sizeof *without; i++)
        if (strncmp(scheme, without[i], strlen(without[i])) == 0)
            argp_error(state, "--nested-page: scheme %s has no nested tables", scheme);
}

bool option_on_off(struct argp_state *state, const char *option, const char *text)
{
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        argp_error(state, "--%s: '%s' is neither on nor off", option, text);
    return strcmp(text, "on") == 0;
}

/* Models that are given as files, and traces that are no generators. */
static unsigned files_read(const machine_options *machine, const vx_sim_options *replay, const char **read)
{
    const char *const models[] = {machine->cpu, machine->vmm, replay->vm, replay->nested};
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof models / sizeof *models; i++)
        if (models[i] && vx_model_is_path(models[i])) read[count++] = models[i];
    for (unsigned i = 0; i < replay->trace_count; i++)
        if (strncmp(replay->traces[i], "gen:", 4) != 0) read[count++] = replay->traces[i];
    return count;
}

vx_status verb_output_check(const machine_options *machine, const vx_sim_options *replay, const char *measured,
                            vx_msg *msg)
{
    enum { MODELS_MAX = 4 };
    const char *read[OPTIONS_TRACES_MAX + MODELS_MAX + 1];
    unsigned count = files_read(machine, replay, read);
    read[count++] = measured;
    const output_files files = {{machine->json, machine->csv, machine->html}, read, count};
    return output_files_check(&files, msg);
}

vx_status verb_output(const machine_options *machine, const json_t *document, vx_msg *msg)
{
    const struct {
        const char *path;
        vx_status (*write)(const json_t *document, FILE *out, vx_msg *msg);
    } reports[] = {{machine->json, vx_report_write_json},
                   {machine->csv, vx_report_write_csv},
                   {machine->html, vx_report_write_html}};
    vx_status status = VX_OK;
    bool to_stdout = false;
    for (unsigned i = 0; status == VX_OK && i < sizeof reports / sizeof *reports; i++) {
        if (!reports[i].path) continue;
        status = vx_report_save(document, reports[i].path, reports[i].write, msg);
        to_stdout |= strcmp(reports[i].path, "-") == 0;
    }
    if (status != VX_OK || to_stdout) return status;
    return vx_report_write_text(document, stdout, msg);
}
