/* vexit model list|show|check|diff|keys: what models there are and what they say. */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output_files.h"
#include "verbs.h"
#include "vx_model.h"

#ifndef VEXIT_VERSION
#error "the build says which version this is"
#endif

enum { EXIT_USAGE = 2, OPERANDS_MAX = 64, OPTION_EFFECTIVE = 256, OPTION_SET, OPTION_JSON };

typedef struct arguments {
    bool effective, has_kind;
    vx_model_kind kind;
    const char *json; /* NULL: none; "-": standard output, and no human text there */
    const char *sets[OPERANDS_MAX];
    unsigned set_count;
    const char *operands[OPERANDS_MAX]; /* [0] is the action */
    unsigned operand_count;
} arguments;

/* One run of the verb. The document is built beside the text where JSON is asked for; every json_* call takes NULL, so
 * that lack of memory is found once, at the end. */
typedef struct model_run {
    const arguments *given;
    FILE *text; /* NULL: JSON has standard output */
    json_t *document;
} model_run;

/* ---- command line ---- */

static bool parse_kind(const char *word, vx_model_kind *kind)
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
    arguments *given = state->input;
    switch (key) {
    case 'k':
        if (!parse_kind(argument, &given->kind))
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
        if (given->set_count == OPERANDS_MAX) argp_error(state, "more than %d --set", OPERANDS_MAX);
        given->sets[given->set_count++] = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (given->operand_count == OPERANDS_MAX) argp_error(state, "more than %d operands", OPERANDS_MAX);
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

/* ---- errors ---- */

static int complain(vx_status status, const vx_msg *msg)
{
    fprintf(stderr, "vexit model: %s\n", msg->text);
    return vx_status_exit_code(status);
}

static int usage(const char *sentence)
{
    fprintf(stderr, "vexit model: %s\n", sentence);
    return EXIT_USAGE;
}

/* ---- one model ---- */

static vx_status open_model(const arguments *given, const char *name, vx_model **model, vx_model_kind *kind,
                            vx_msg *msg)
{
    vx_status status = VX_OK;
    *kind = given->kind;
    if (!given->has_kind) status = vx_model_kind_of(kind, name, msg);
    if (status == VX_OK) status = vx_model_open(model, *kind, name, msg);
    if (status != VX_OK) return status;
    for (unsigned i = 0; i < given->set_count && status == VX_OK; i++)
        status = vx_model_set(*model, given->sets[i], msg);
    if (status == VX_OK) status = vx_model_check(*model, msg);
    if (status != VX_OK) vx_model_close(*model);
    return status;
}

static bool is_stated(const vx_model_value *value) { return strcmp(value->from, "default") != 0; }

/* A number stays one in JSON. Decimal fractions have three digits, which a double prints back exactly. */
static json_t *value_to_json(const vx_model_value *value)
{
    if (!value->numeric) return json_string(value->value);
    if (strchr(value->value, '.') != NULL) return json_real(strtod(value->value, NULL));
    unsigned long long number = strtoull(value->value, NULL, 10);
    return number <= INT64_MAX ? json_integer((json_int_t)number) : json_string(value->value);
}

static json_t *leaf_to_json(const vx_model_value *value)
{
    json_t *leaf = json_object();
    json_object_set_new(leaf, "value", value_to_json(value));
    json_object_set_new(leaf, "unit", json_string(value->unit));
    json_object_set_new(leaf, "from", json_string(value->from));
    json_object_set_new(leaf, "source", json_string(value->source));
    json_object_set_new(leaf, "assumed", json_boolean(value->assumed));
    return leaf;
}

static void print_leaf(FILE *out, const vx_model_value *value)
{
    char set[192];
    snprintf(set, sizeof set, "%s = %s%s%s", value->path, value->value, value->unit[0] ? " " : "", value->unit);
    fprintf(out, "%-52s  # %s", set, value->from);
    if (value->assumed) fputs(", assumed", out);
    if (value->source[0] != '\0') fprintf(out, "; %s", value->source);
    fputc('\n', out);
}

typedef struct show {
    const model_run *run;
    json_t *config;
} show;

static bool show_leaf(void *context, const vx_model_value *value)
{
    const show *self = context;
    if (!self->run->given->effective && !is_stated(value)) return true;
    if (self->run->text != NULL) print_leaf(self->run->text, value);
    if (self->config != NULL) json_object_set_new(self->config, value->path, leaf_to_json(value));
    return true;
}

static int do_show(model_run *run)
{
    const arguments *given = run->given;
    vx_model *model;
    vx_model_kind kind;
    vx_msg msg;
    if (given->operand_count != 2) return usage("show takes one model");
    vx_status status = open_model(given, given->operands[1], &model, &kind, &msg);
    if (status != VX_OK) return complain(status, &msg);
    show self = {.run = run};
    if (run->document != NULL) {
        self.config = json_object();
        json_object_set_new(run->document, "kind", json_string(vx_model_kind_name(kind)));
        json_object_set_new(run->document, "model", json_string(given->operands[1]));
        json_object_set_new(run->document, "config", self.config);
    }
    vx_model_each(model, show_leaf, &self);
    vx_model_close(model);
    return 0;
}

/* ---- list ---- */

typedef struct listing {
    model_run *run;
    vx_model_kind kind;
    json_t *models;
} listing;

static bool list_model(void *context, const char *name, const char *title)
{
    listing *self = context;
    const char *kind = vx_model_kind_name(self->kind);
    if (self->run->text != NULL) fprintf(self->run->text, "%-4s %-16s %s\n", kind, name, title);
    if (self->models != NULL)
        json_array_append_new(self->models, json_pack("{s:s,s:s,s:s}", "kind", kind, "name", name, "title", title));
    return true;
}

/* Sets the first and last kind that an action with an optional KIND goes over; false where the word is no kind. */
static bool kinds_of(const arguments *given, int *first, int *last)
{
    vx_model_kind kind = given->kind;
    bool one = given->has_kind;
    if (given->operand_count == 2) {
        if (!parse_kind(given->operands[1], &kind)) return false;
        one = true;
    }
    *first = one ? (int)kind : 0;
    *last = one ? (int)kind : VX_MODEL_KINDS - 1;
    return given->operand_count <= 2;
}

static int do_list(model_run *run)
{
    int first, last;
    if (!kinds_of(run->given, &first, &last)) return usage("list takes one of: cpu vmm vm chipset nic");
    listing self = {.run = run};
    if (run->document != NULL) {
        self.models = json_array();
        json_object_set_new(run->document, "models", self.models);
    }
    for (int i = first; i <= last; i++) {
        vx_msg msg;
        self.kind = (vx_model_kind)i;
        vx_status status = vx_model_list(self.kind, list_model, &self, &msg);
        if (status != VX_OK) return complain(status, &msg);
    }
    return 0;
}

/* ---- check ---- */

typedef struct checking {
    model_run *run;
    json_t *checked;
    vx_model_kind kind; /* while all of a kind are checked */
    int worst;          /* exit code */
} checking;

static void check_one(checking *self, const arguments *given, const char *name)
{
    vx_model *model;
    vx_model_kind kind;
    vx_msg msg = {""};
    vx_status status = open_model(given, name, &model, &kind, &msg);
    if (status == VX_OK) {
        if (self->run->text != NULL) fprintf(self->run->text, "ok    %-4s %s\n", vx_model_kind_name(kind), name);
        vx_model_close(model);
    } else {
        int code = complain(status, &msg);
        if (code > self->worst) self->worst = code;
    }
    if (self->checked != NULL)
        json_array_append_new(self->checked,
                              json_pack("{s:s,s:b,s:s}", "model", name, "ok", status == VX_OK, "message", msg.text));
}

static bool check_listed(void *context, const char *name, const char *title)
{
    checking *self = context;
    (void)title;
    arguments given = {.has_kind = true, .kind = self->kind};
    check_one(self, &given, name);
    return true;
}

static int check_all(checking *self)
{
    for (int i = 0; i < VX_MODEL_KINDS; i++) {
        vx_msg msg;
        self->kind = (vx_model_kind)i;
        if (self->run->given->has_kind && self->run->given->kind != self->kind) continue;
        vx_status status = vx_model_list(self->kind, check_listed, self, &msg);
        if (status != VX_OK) return complain(status, &msg);
    }
    return self->worst;
}

static int do_check(model_run *run)
{
    checking self = {.run = run};
    if (run->document != NULL) {
        self.checked = json_array();
        json_object_set_new(run->document, "checked", self.checked);
    }
    if (run->given->operand_count == 1) return check_all(&self);
    for (unsigned i = 1; i < run->given->operand_count; i++) check_one(&self, run->given, run->given->operands[i]);
    return self.worst;
}

/* ---- diff ---- */

/* Looks a path up in the other model; leaves are few, so the search may be slow. */
typedef struct lookup {
    const char *path;
    const char *value; /* NULL: the model has no such leaf */
} lookup;

static bool find_path(void *context, const vx_model_value *value)
{
    lookup *self = context;
    if (strcmp(self->path, value->path) != 0) return true;
    self->value = value->value;
    return false;
}

typedef struct difference {
    model_run *run;
    json_t *list;
    const vx_model *other;
    bool only_missing; /* second pass: leaves of the second model that the first lacks */
} difference;

static void tell_difference(difference *self, const char *path, const char *a, const char *b)
{
    if (self->run->text != NULL) fprintf(self->run->text, "%-44s %-16s %s\n", path, a ? a : "-", b ? b : "-");
    if (self->list != NULL)
        json_array_append_new(self->list, json_pack("{s:s,s:s?,s:s?}", "path", path, "a", a, "b", b));
}

static bool compare_leaf(void *context, const vx_model_value *value)
{
    difference *self = context;
    lookup there = {.path = value->path};
    vx_model_each(self->other, find_path, &there);
    if (self->only_missing) {
        if (there.value == NULL) tell_difference(self, value->path, NULL, value->value);
    } else if (there.value == NULL || strcmp(there.value, value->value) != 0) {
        tell_difference(self, value->path, value->value, there.value);
    }
    return true;
}

static void compare_models(model_run *run, const vx_model *a, const vx_model *b)
{
    difference self = {.run = run, .other = b};
    if (run->document != NULL) {
        self.list = json_array();
        json_object_set_new(run->document, "differences", self.list);
    }
    vx_model_each(a, compare_leaf, &self);
    self.other = a;
    self.only_missing = true;
    vx_model_each(b, compare_leaf, &self);
}

static int do_diff(model_run *run)
{
    const arguments *given = run->given;
    vx_model *a, *b;
    vx_model_kind kind_a, kind_b;
    vx_msg msg;
    if (given->operand_count != 3) return usage("diff takes two models");
    vx_status status = open_model(given, given->operands[1], &a, &kind_a, &msg);
    if (status != VX_OK) return complain(status, &msg);
    status = open_model(given, given->operands[2], &b, &kind_b, &msg);
    if (status != VX_OK) {
        vx_model_close(a);
        return complain(status, &msg);
    }
    int code = 0;
    if (kind_a == kind_b)
        compare_models(run, a, b);
    else
        code = usage("diff takes two models of one kind");
    vx_model_close(a);
    vx_model_close(b);
    return code;
}

/* ---- keys ---- */

typedef struct reference {
    model_run *run;
    json_t *list;
} reference;

static bool tell_key(void *context, const vx_model_key *key)
{
    const reference *self = context;
    if (self->run->text != NULL)
        fprintf(self->run->text, "%s\n    %s\n    %s; %s%s%s\n", key->path, key->doc, key->expects,
                key->initial[0] ? "default " : "no default", key->initial,
                key->needs_source ? "; source or assumed" : "");
    if (self->list != NULL)
        json_array_append_new(self->list,
                              json_pack("{s:s,s:s,s:s,s:s,s:b}", "path", key->path, "doc", key->doc, "expects",
                                        key->expects, "default", key->initial, "needs_source", (int)key->needs_source));
    return true;
}

static int do_keys(model_run *run)
{
    int first, last;
    if (!kinds_of(run->given, &first, &last)) return usage("keys takes one of: cpu vmm vm chipset nic");
    reference self = {.run = run};
    if (run->document != NULL) {
        self.list = json_array();
        json_object_set_new(run->document, "keys", self.list);
    }
    for (int i = first; i <= last; i++) vx_model_keys((vx_model_kind)i, tell_key, &self);
    return 0;
}

/* ---- the verb ---- */

static const struct action {
    const char *name;
    int (*perform)(model_run *run);
    bool set, effective; /* the options that it heeds, beside those that all do */
} actions[] = {{"list", do_list, false, false},
               {"show", do_show, true, true},
               {"check", do_check, true, false},
               {"diff", do_diff, true, false},
               {"keys", do_keys, false, false}};

enum { ACTIONS = sizeof actions / sizeof *actions };

static const struct action *find_action(const char *name)
{
    const char *names[ACTIONS];
    for (size_t i = 0; i < ACTIONS; i++) {
        if (strcmp(actions[i].name, name) == 0) return &actions[i];
        names[i] = actions[i].name;
    }
    const char *near = vx_did_you_mean(name, names, ACTIONS);
    fprintf(stderr, "vexit model: no action '%s'%s%s%s\n", name, near ? ", did you mean '" : "", near ? near : "",
            near ? "'?" : ": list, show, check, diff or keys");
    return NULL;
}

/* An option that the action would not heed is an error. */
static bool heeds(const struct action *action, const arguments *given)
{
    const char *extra = NULL;
    if (given->set_count && !action->set) extra = "set";
    if (given->effective && !action->effective) extra = "effective";
    if (extra) fprintf(stderr, "vexit model: %s takes no --%s\n", action->name, extra);
    return !extra;
}

static vx_status check_output(const arguments *given, vx_msg *msg)
{
    const char *read[OPERANDS_MAX];
    for (unsigned i = 0; i < given->operand_count; i++)
        read[i] = vx_model_is_path(given->operands[i]) ? given->operands[i] : NULL;
    const output_files files = {{given->json}, read, given->operand_count};
    return output_files_check(&files, msg);
}

static json_t *new_document(void)
{
    return json_pack("{s:s,s:s,s:b,s:{s:s}}", "schema", "vexit/1", "verb", "model", "complete", 1, "tool", "version",
                     VEXIT_VERSION);
}

int vx_verb_model(int argc, char **argv)
{
    arguments given = {0};
    argp_err_exit_status = EXIT_USAGE;
    char name[] = "vexit model";
    argv[0] = name;
    if (argp_parse(&argument_parser, argc, argv, 0, NULL, &given) != 0) return EXIT_USAGE;
    const struct action *action = find_action(given.operands[0]);
    if (action == NULL || !heeds(action, &given)) return EXIT_USAGE;
    vx_msg msg;
    vx_status can_write = check_output(&given, &msg);
    if (can_write != VX_OK) return complain(can_write, &msg);
    bool only_json = given.json != NULL && strcmp(given.json, "-") == 0;
    model_run run = {.given = &given, .text = only_json ? NULL : stdout};
    if (given.json != NULL) {
        run.document = new_document();
        if (run.document == NULL) return complain(VX_ERR_NOMEM, &(vx_msg){"out of memory"});
    }
    int code = action->perform(&run);
    if (run.document == NULL) return code;
    if (code != 0 && action->perform != do_check) { /* nothing to tell but the message on standard error */
        json_decref(run.document);
        return code;
    }
    vx_status status = output_json(run.document, given.json, &msg);
    json_decref(run.document);
    return status == VX_OK ? code : complain(status, &msg);
}
