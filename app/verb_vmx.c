/* vexit vmx check|caps: would VMLAUNCH succeed with this VMCS; what do a processor's capability MSRs say. */
#include <argp.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "output_files.h"
#include "verb_common.h"
#include "verbs.h"
#include "vmx_caps_text.h"
#include "vmx_check_file.h"

enum { SETS_MAX = 64, OPTION_CPU = 256, OPTION_SET, OPTION_JSON };

typedef struct arguments {
    const char *action, *file, *cpu;
    const char *json; /* NULL: none; "-": standard output, and no human text there */
    const char *sets[SETS_MAX];
    unsigned set_count;
} arguments;

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case OPTION_CPU:
        given->cpu = argument;
        return 0;
    case OPTION_JSON:
        given->json = argument;
        return 0;
    case OPTION_SET:
        if (given->set_count == SETS_MAX) argp_error(state, "more than %d --set", SETS_MAX);
        given->sets[given->set_count++] = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            given->action = argument;
        else if (state->arg_num == 1)
            given->file = argument;
        else
            argp_error(state, "more than one file");
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no action: check or caps");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"cpu", OPTION_CPU, "MODEL", 0, "the processor; check: instead of the one that the file names", 0},
    {"set", OPTION_SET, "PATH=VALUE", 0, "change a value of the processor model", 0},
    {"json", OPTION_JSON, "FILE", 0, "write JSON; - for standard output, then no text there", 0},
    {0},
};

static const struct argp argument_parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "check FILE\ncaps",
    .doc =
        "check: reads a VMCS (XML or JSON, fields by the manual's names) and says whether VMLAUNCH would succeed, or "
        "every VM-entry check that fails, with its section of Intel's manual. caps: a processor's VMX capability "
        "MSRs, bit by bit.\v"
        "Exit status of check: 0 VMLAUNCH would succeed, 1 it would fail, 2 the file is not such a description.",
};

static vx_status open_cpu(const arguments *given, const char *name, vx_model **model, vx_msg *msg)
{
    vx_status status = verb_model_open(model, VX_MODEL_CPU, name, given->sets, given->set_count, msg);
    if (status != VX_OK || vx_model_cpu(*model)->vmx.vmx) return status;
    status = vx_fail(msg, VX_ERR_INPUT, "%s has no VMX", vx_model_cpu(*model)->name);
    vx_model_close(*model);
    *model = NULL;
    return status;
}

static json_t *new_document(const char *action, const char *cpu)
{
    json_t *document = verb_document("vmx");
    json_object_set_new(document, "action", json_string(action));
    json_object_set_new(document, "cpu", json_string(cpu));
    return document;
}

/* Text where it is wanted, the document where that is. Every json_* call takes NULL: lack of memory shows here. */
static int finish(const arguments *given, json_t *document, int code)
{
    if (!given->json) return code;
    if (!document) return verb_failed("vmx", VX_ERR_NOMEM, &(vx_msg){"out of memory"});
    vx_msg msg;
    vx_status status = output_json(document, given->json, &msg);
    json_decref(document);
    return status == VX_OK ? code : verb_failed("vmx", status, &msg);
}

static FILE *text_output(const arguments *given)
{
    return given->json && strcmp(given->json, "-") == 0 ? NULL : stdout;
}

static int do_caps(const arguments *given)
{
    vx_model *model;
    vx_msg msg;
    if (given->file) return verb_usage("vmx", "caps takes no file");
    if (!given->cpu) return verb_usage("vmx", "caps needs --cpu");
    vx_status status = open_cpu(given, given->cpu, &model, &msg);
    if (status != VX_OK) return verb_failed("vmx", status, &msg);
    const vx_cfg_cpu *cpu = vx_model_cpu(model);
    vx_vmx_caps caps;
    vx_vmx_caps_init(&caps, cpu);
    FILE *out = text_output(given);
    if (out) fprintf(out, "%s: %s\n", cpu->name, cpu->title);
    if (out) vmx_caps_print(&caps, out);
    json_t *document = given->json ? new_document("caps", cpu->name) : NULL;
    if (document) json_object_set_new(document, "msrs", vmx_caps_json(&caps));
    vx_model_close(model);
    return finish(given, document, 0);
}

static int do_check(const arguments *given)
{
    vmcs_file file;
    vx_msg msg;
    vx_model *model = NULL;
    if (!given->file) return verb_usage("vmx", "check needs a file");
    vx_status status = vmcs_file_open(&file, given->file, &msg);
    if (status != VX_OK) return verb_failed("vmx", status, &msg);
    const char *name = given->cpu ? given->cpu : file.cpu;
    if (name[0] == '\0')
        status = vx_fail(&msg, VX_ERR_INPUT, "%s:1: the file names no cpu; --cpu does", given->file);
    else
        status = open_cpu(given, name, &model, &msg);
    vmx_verdict *verdict = NULL;
    if (status == VX_OK) status = vmx_check_file(&verdict, &file, given->file, vx_model_cpu(model), &msg);
    vmcs_file_close(&file);
    if (status != VX_OK) {
        if (model) vx_model_close(model);
        return verb_failed("vmx", status, &msg);
    }
    FILE *out = text_output(given);
    if (out) vmx_verdict_print(verdict, given->file, out);
    json_t *document = given->json ? new_document("check", vx_model_cpu(model)->name) : NULL;
    if (document) json_object_set_new(document, "file", json_string(given->file));
    if (document) json_object_update_new(document, vmx_verdict_json(verdict));
    int code = vmx_verdict_enters(verdict) ? 0 : 1;
    vmx_verdict_free(verdict);
    vx_model_close(model);
    return finish(given, document, code);
}

int vx_verb_vmx(int argc, char **argv)
{
    arguments given = {0};
    argp_err_exit_status = EXIT_USAGE;
    char name[] = "vexit vmx";
    argv[0] = name;
    if (argp_parse(&argument_parser, argc, argv, 0, NULL, &given) != 0) return EXIT_USAGE;
    const char *const read[] = {given.file, given.cpu && vx_model_is_path(given.cpu) ? given.cpu : NULL};
    const output_files files = {{given.json}, read, sizeof read / sizeof *read};
    vx_msg msg;
    vx_status status = output_files_check(&files, &msg);
    if (status != VX_OK) return verb_failed("vmx", status, &msg);
    static const char *const actions[] = {"check", "caps"};
    switch (verb_action("vmx", given.action, actions, 2, "check or caps")) {
    case 0:
        return do_check(&given);
    case 1:
        return do_caps(&given);
    default:
        return EXIT_USAGE;
    }
}
