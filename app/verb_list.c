/* vexit list: the names that options take, straight from the tables that decide them. */
#include <stdio.h>
#include <string.h>

#include "list_statistics.h"
#include "options.h"
#include "verbs.h"
#include "vx_exit.h"
#include "vx_io_machine.h"
#include "vx_model.h"
#include "vx_trace.h"
#include "vx_vmm.h"

static vx_status list_schemes(vx_msg *msg)
{
    (void)msg;
    for (unsigned i = 0; i < VX_SCHEMES; i++)
        if (vx_scheme_name((vx_scheme)i))
            printf("%-14s %s\n", vx_scheme_name((vx_scheme)i), vx_scheme_doc((vx_scheme)i));
    return VX_OK;
}

static bool print_model(void *context, const char *name, const char *title)
{
    (void)context;
    printf("%-18s %s\n", name, title);
    return true;
}

static vx_status list_cpus(vx_msg *msg) { return vx_model_list(VX_MODEL_CPU, print_model, NULL, msg); }
static vx_status list_vmms(vx_msg *msg) { return vx_model_list(VX_MODEL_VMM, print_model, NULL, msg); }

static vx_status list_causes(vx_msg *msg)
{
    (void)msg;
    for (unsigned i = 0; i < VX_CAUSES; i++)
        printf("%-18s %s\n", vx_cause_name((vx_cause)i), vx_cause_doc((vx_cause)i));
    return VX_OK;
}

static vx_status list_reasons(vx_msg *msg)
{
    (void)msg;
    static const struct {
        vx_vendor vendor;
        const char *title;
    } tables[] = {{VX_VENDOR_INTEL, "Intel VMX: basic exit reason"}, {VX_VENDOR_AMD, "AMD SVM: EXITCODE"}};
    for (unsigned t = 0; t < 2; t++) {
        printf("%s%s\n", t ? "\n" : "", tables[t].title);
        for (unsigned i = 0; i < vx_exit_reason_count(tables[t].vendor); i++) {
            const vx_exit_reason *reason = vx_exit_reason_at(tables[t].vendor, i);
            printf("%5u  %-28s %s\n", reason->number, reason->name, reason->doc);
        }
    }
    return VX_OK;
}

static vx_status list_importers(vx_msg *msg)
{
    (void)msg;
    for (const vx_importer *i = vx_importers; i->name; i++) printf("%-12s %s\n", i->name, i->doc);
    return VX_OK;
}

static vx_status list_generators(vx_msg *msg)
{
    (void)msg;
    for (const vx_generator *g = vx_generators; g->name; g++)
        printf("%-12s %s\n%-12s %s\n", g->name, g->doc, "", g->parameters);
    return VX_OK;
}

static vx_status list_paths(vx_msg *msg)
{
    (void)msg;
    for (unsigned i = 0; i < VX_IO_PATHS; i++)
        printf("%-12s %s\n", vx_io_path_name((vx_io_path)i), vx_io_path_doc((vx_io_path)i));
    return VX_OK;
}

static const struct {
    const char *name;
    const char *doc;
    vx_status (*print)(vx_msg *msg);
} lists[] = {
    {"schemes", "ways to virtualize memory", list_schemes},
    {"cpus", "CPU models", list_cpus},
    {"vmms", "hypervisor models", list_vmms},
    {"causes", "what cycles are charged to", list_causes},
    {"reasons", "exit reasons of both vendors", list_reasons},
    {"importers", "trace formats that 'trace import' reads", list_importers},
    {"paths", "ways to virtualize a network card", list_paths},
    {"statistics", "figures of a report by path, with unit and meaning", list_statistics},
    {"generators", "traces made on the fly: --trace gen:NAME:arguments", list_generators},
};
enum { LISTS = sizeof lists / sizeof *lists };

/* "schemes cpus ...", for errors. */
static const char *all_names(void)
{
    static char all[256];
    size_t used = 0;
    for (unsigned i = 0; i < LISTS; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? " " : "", lists[i].name);
    return all;
}

static char *describe(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC) return (char *)text;
    static char all[1024];
    size_t used = 0;
    for (unsigned i = 0; i < LISTS; i++)
        used +=
            (size_t)snprintf(all + used, sizeof all - used, "%s%-12s %s", i ? "\n" : "", lists[i].name, lists[i].doc);
    return strdup(all);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const char **what = state->input;
    if (key == ARGP_KEY_ARG && !*what) {
        *what = arg;
        return 0;
    }
    if (key == ARGP_KEY_ARG) argp_error(state, "one list at a time");
    if (key == ARGP_KEY_NO_ARGS) argp_error(state, "say what to list: %s", all_names());
    return ARGP_ERR_UNKNOWN;
}

static const struct argp list_argp = {
    .parser = parse, .args_doc = "WHAT", .doc = "Print the names that options take.\v ", .help_filter = describe};

int vx_verb_list(int argc, char **argv)
{
    const char *what = NULL;
    char name[] = "vexit list";
    argv[0] = name;
    argp_parse(&list_argp, argc, argv, 0, NULL, &what);
    vx_msg msg = {{0}};
    const char *names[LISTS];
    for (unsigned i = 0; i < LISTS; i++) {
        names[i] = lists[i].name;
        if (strcmp(what, lists[i].name) != 0) continue;
        vx_status status = lists[i].print(&msg);
        return status == VX_OK ? 0 : verb_failed("list", status, &msg);
    }
    const char *near = vx_did_you_mean(what, names, LISTS);
    (void)vx_fail(&msg, VX_ERR_INPUT, "unknown list '%s'; %s%s%s", what,
                  near ? "did you mean '" : "there are: ", near ? near : all_names(), near ? "'?" : "");
    return verb_failed("list", VX_ERR_INPUT, &msg);
}
