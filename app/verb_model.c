/* vexit model list|show|check|diff|keys: its command line. */
#include <argp.h>
#include <string.h>

#include "model_actions.h"
#include "output_files.h"
#include "verbs.h"

enum { OPTION_EFFECTIVE = 256, OPTION_SET, OPTION_JSON };

/* ---- command line ---- */

bool model_kind_of_word(const char *word, vx_model_kind *kind)
{
    for (int i = 0; i < VX_MODEL_KINDS; i++) {
        if (strcmp(word, vx_model_kind_name((vx_model_kind)i)) != 0) continue;
        *kind = (vx_model_kind)i;
        return true;
    }
    return false;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    model_given *given = state->input;
    switch (key) {
    case 'k':
        if (!model_kind_of_word(argument, &given->kind))
            argp_error(state, "--kind %s: not cpu, vmm, vm, chipset or nic", argument);
        given->has_kind = true;
        return 0;
    case OPTION_EFFECTIVE:
        given->effective = true;
        return 0;
    case OPTION_JSON:
        given->json = argument;
        return 0;
    case OPTION_SET:
        if (given->set_count == MODEL_OPERANDS_MAX) argp_error(state, "more than %d --set", MODEL_OPERANDS_MAX);
        given->sets[given->set_count++] = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (given->operand_count == MODEL_OPERANDS_MAX) argp_error(state, "more than %d operands", MODEL_OPERANDS_MAX);
        given->operands[given->operand_count++] = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no action: list, show, check, diff or keys");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"kind", 'k', "KIND", 0, "cpu, vmm, vm, chipset or nic; without it the first kind that has the name", 0},
    {"effective", OPTION_EFFECTIVE, NULL, 0, "show: defaults too, not only what the files state", 0},
    {"set", OPTION_SET, "PATH=VALUE", 0, "show, check: set a value first", 0},
    {"json", OPTION_JSON, "FILE", 0, "write JSON; - for standard output, then no text there", 0},
    {0},
};

static const struct argp argument_parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "list [KIND]\nshow NAME|FILE\ncheck [NAME|FILE...]\ndiff NAME|FILE NAME|FILE\nkeys [KIND]",
    .doc =
        "Lists, shows, checks and compares models.\v"
        "A name stands for <folder>/<kind>/<name>.xml in the folders of $VEXIT_MODELS, or else in the installed ones; "
        "what holds a '/' or ends in .xml is a file.",
};

/* ---- one model ---- */

vx_status model_open(const model_given *given, const char *name, vx_model **model, vx_model_kind *kind, vx_msg *msg)
{
    vx_status status = VX_OK;
    *kind = given->kind;
    if (!given->has_kind) status = vx_model_kind_of(kind, name, msg);
    if (status != VX_OK) return status;
    return verb_model_open(model, *kind, name, given->sets, given->set_count, msg);
}

/* ---- the verb ---- */

static const struct action {
    const char *name;
    int (*perform)(model_run *run);
    bool set, effective; /* the options that it heeds, beside those that all do */
} actions[] = {{"list", model_list, false, false},
               {"show", model_show, true, true},
               {"check", model_check, true, false},
               {"diff", model_diff, true, false},
               {"keys", model_keys, false, false}};

enum { ACTIONS = sizeof actions / sizeof *actions };

static const struct action *find_action(const char *word)
{
    const char *names[ACTIONS];
    for (size_t i = 0; i < ACTIONS; i++) names[i] = actions[i].name;
    int found = verb_action("model", word, names, ACTIONS, "list, show, check, diff or keys");
    return found < 0 ? NULL : &actions[found];
}

/* An option that the action would not heed is an error. */
static bool heeds(const struct action *action, const model_given *given)
{
    const char *extra = NULL;
    if (given->set_count && !action->set) extra = "set";
    if (given->effective && !action->effective) extra = "effective";
    if (extra) fprintf(stderr, "vexit model: %s takes no --%s\n", action->name, extra);
    return !extra;
}

static vx_status check_output(const model_given *given, vx_msg *msg)
{
    const char *read[MODEL_OPERANDS_MAX];
    for (unsigned i = 0; i < given->operand_count; i++)
        read[i] = vx_model_is_path(given->operands[i]) ? given->operands[i] : NULL;
    const output_files files = {{given->json}, read, given->operand_count};
    return output_files_check(&files, msg);
}

int vx_verb_model(int argc, char **argv)
{
    model_given given = {0};
    argp_err_exit_status = EXIT_USAGE;
    char name[] = "vexit model";
    argv[0] = name;
    if (argp_parse(&argument_parser, argc, argv, 0, NULL, &given) != 0) return EXIT_USAGE;
    const struct action *action = find_action(given.operands[0]);
    if (action == NULL || !heeds(action, &given)) return EXIT_USAGE;
    vx_msg msg;
    vx_status can_write = check_output(&given, &msg);
    if (can_write != VX_OK) return verb_failed("model", can_write, &msg);
    bool only_json = given.json != NULL && strcmp(given.json, "-") == 0;
    model_run run = {.given = &given, .text = only_json ? NULL : stdout};
    if (given.json != NULL) {
        run.document = verb_document("model");
        if (run.document == NULL) return verb_failed("model", VX_ERR_NOMEM, &(vx_msg){"out of memory"});
    }
    int code = action->perform(&run);
    if (run.document == NULL) return code;
    if (code != 0 && action->perform != model_check) { /* nothing to tell but the message on standard error */
        json_decref(run.document);
        return code;
    }
    vx_status status = output_json(run.document, given.json, &msg);
    json_decref(run.document);
    return status == VX_OK ? code : verb_failed("model", status, &msg);
}
