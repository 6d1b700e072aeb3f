/* vexit svm caps|fields|check: what an AMD processor's SVM has, how a VMCB is laid out, and whether VMRUN would enter
 * one. */
#include <argp.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "output_files.h"
#include "verbs.h"
#include "vx_model.h"
#include "vx_number.h"
#include "vx_svm.h"
#include "vx_text_file.h"

enum { CHECKS_MAX = 64, OPERANDS_MAX = 3, KEY_HOST_CR0 = KEY_TICK + 1 };

typedef struct arguments {
    const char *cpu, *json;
    const char *sets[OPTIONS_SETS_MAX];
    unsigned set_count;
    uint64_t host_cr0;
    bool host_cr0_given;
    const char *operands[OPERANDS_MAX]; /* [0] is the action */
    unsigned operand_count;
} arguments;

/* One run of the verb. */
typedef struct svm_run {
    const arguments *given;
    const vx_cfg_cpu *cpu;
    FILE *text;       /* NULL: JSON has standard output */
    json_t *document; /* NULL: no JSON is asked for; json_* calls take it */
} svm_run;

static const struct argp_option option_list[] = {
    {"cpu", KEY_CPU, "MODEL", 0, "processor model, or file", 0},
    {"set", KEY_SET, "PATH=VALUE", 0, "set a value of the model first", 0},
    {"host-cr0", KEY_HOST_CR0, "VALUE", 0, "check: the host's CR0 at VMRUN (default: 0x80000033)", 0},
    {"json", KEY_JSON, "FILE", 0, "write JSON; - for standard output, then no text there", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case KEY_CPU:
        given->cpu = arg;
        return 0;
    case KEY_SET:
        if (given->set_count == OPTIONS_SETS_MAX) argp_error(state, "more than %d --set", OPTIONS_SETS_MAX);
        given->sets[given->set_count++] = arg;
        return 0;
    case KEY_JSON:
        given->json = arg;
        return 0;
    case KEY_HOST_CR0:
        given->host_cr0_given = true;
        if (!vx_number_whole(arg, &given->host_cr0)) argp_error(state, "--host-cr0: '%s' is no number", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (given->operand_count == OPERANDS_MAX) argp_error(state, "unexpected argument '%s'", arg);
        given->operands[given->operand_count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (given->operand_count == 0) argp_error(state, "no action: caps, fields or check");
        if (!given->cpu) argp_error(state, "no CPU given: --cpu MODEL (vexit list cpus)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp svm_argp = {
    .options = option_list,
    .parser = parse,
    .args_doc = "caps\nfields\ncheck FILE",
    .doc = "Shows what an AMD processor's SVM has, its VMCB's fields, or checks a VMCB as VMRUN does.\v"
           "FILE is the 4096 bytes of a VMCB, or JSON: an object with fields by name (vexit svm fields), numbers or "
           "strings such as \"0x1d01\"; what it leaves out is 0. Exit code 1: VMRUN would fail."};

/* ---- caps ---- */

static vx_status caps(svm_run *run, vx_msg *msg)
{
    (void)msg;
    const vx_cfg_svm *svm = &run->cpu->svm;
    const vx_svm_cpuid leaf = vx_svm_cpuid_of(svm);
    json_t *list = json_object();
    if (run->text) {
        fprintf(run->text, "CPUID 8000000Ah of %s\n\n", run->cpu->name);
        fprintf(run->text, "EAX  %08x  SVM revision %u\n", leaf.eax, leaf.eax);
        fprintf(run->text, "EBX  %08x  %u ASIDs, 0 is the host's\n", leaf.ebx, leaf.ebx);
        fprintf(run->text, "EDX  %08x\n", leaf.edx);
    }
    for (unsigned i = 0; i < vx_svm_feature_count(); i++) {
        const vx_svm_feature *feature = vx_svm_feature_at(i);
        bool has = vx_svm_has(svm, feature);
        if (run->text)
            fprintf(run->text, "  %2u  %-3s  %-18s  %s\n", feature->bit, has ? "yes" : "no", feature->name,
                    feature->doc);
        json_object_set_new(list, feature->name, json_boolean(has));
    }
    json_object_set_new(run->document, "eax", json_integer(leaf.eax));
    json_object_set_new(run->document, "ebx", json_integer(leaf.ebx));
    json_object_set_new(run->document, "edx", json_integer(leaf.edx));
    json_object_set_new(run->document, "features", list);
    return VX_OK;
}

/* ---- fields ---- */

static vx_status list_fields(svm_run *run, vx_msg *msg)
{
    (void)msg;
    json_t *list = json_array();
    if (run->text) fprintf(run->text, "offset  bytes  clean  %-24s  APM Vol. 2\n", "field");
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++) {
        const vx_vmcb_info *info = vx_vmcb_describe((vx_vmcb_field)i);
        bool has = vx_vmcb_has(&run->cpu->svm, (vx_vmcb_field)i);
        char clean[8] = "-";
        if (info->clean != VX_CLEAN_NEVER) snprintf(clean, sizeof clean, "%u", info->clean);
        if (run->text)
            fprintf(run->text, "  %03Xh  %5u  %5s  %-24s  %s%s\n", info->offset, info->bytes, clean, info->name,
                    info->section, has ? "" : "; not on this processor");
        json_array_append_new(list, json_pack("{s:s,s:i,s:i,s:o,s:s,s:b}", "name", info->name, "offset", info->offset,
                                              "bytes", info->bytes, "clean",
                                              info->clean == VX_CLEAN_NEVER ? json_null() : json_integer(info->clean),
                                              "section", info->section, "present", has));
    }
    json_object_set_new(run->document, "fields", list);
    return VX_OK;
}

/* ---- check ---- */

static vx_status unknown_field(const char *path, const char *name, vx_msg *msg)
{
    const char *names[VX_VMCB_FIELDS];
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++) names[i] = vx_vmcb_describe((vx_vmcb_field)i)->name;
    const char *near = vx_did_you_mean(name, names, VX_VMCB_FIELDS);
    return vx_fail(msg, VX_ERR_INPUT, "%s: no VMCB field '%s'%s%s%s", path, name, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

/* A number, or a string with one. False: neither. */
static bool number_of(const json_t *value, uint64_t *number)
{
    if (json_is_integer(value)) {
        *number = (uint64_t)json_integer_value(value);
        return json_integer_value(value) >= 0;
    }
    const char *text = json_string_value(value);
    return text && vx_number_whole(text, number);
}

static vx_status set_field(const char *path, const char *name, const json_t *value, vx_vmcb_image *image, vx_msg *msg)
{
    vx_vmcb_field field = vx_vmcb_find(name);
    if (field == VX_VMCB_FIELDS) return unknown_field(path, name, msg);
    uint64_t number;
    if (!number_of(value, &number)) return vx_fail(msg, VX_ERR_INPUT, "%s: %s is not a number", path, name);
    vx_vmcb_set(image, field, number);
    if (vx_vmcb_get(image, field) != number)
        return vx_fail(msg, VX_ERR_INPUT, "%s: %s has %u bytes, 0x%" PRIx64 " needs more", path, name,
                       vx_vmcb_describe(field)->bytes, number);
    return VX_OK;
}

static vx_status parse_image(const char *path, const char *text, size_t size, vx_vmcb_image *image, vx_msg *msg)
{
    json_error_t error;
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error), *value;
    if (!object) return vx_fail(msg, VX_ERR_INPUT, "%s:%d: %s", path, error.line, error.text);
    vx_status status = VX_OK;
    if (!json_is_object(object)) status = vx_fail(msg, VX_ERR_INPUT, "%s: not a JSON object of VMCB fields", path);
    const char *name;
    json_object_foreach(object, name, value)
    {
        status = set_field(path, name, value, image, msg);
        if (status != VX_OK) break;
    }
    json_decref(object);
    return status;
}

/* 4096 bytes are a VMCB; anything else is JSON. */
static vx_status read_image(const char *path, vx_vmcb_image *image, vx_msg *msg)
{
    enum { TEXT_MAX = 1 << 16 };
    const char *why;
    FILE *file = vx_text_file_open(path, &why);
    if (!file) return vx_fail(msg, VX_ERR_IO, "%s: %s", path, why);
    char *text = malloc(TEXT_MAX);
    size_t size = text ? fread(text, 1, TEXT_MAX, file) : 0;
    bool failed = ferror(file) != 0;
    fclose(file);
    vx_status status;
    if (!text)
        status = vx_fail_nomem(msg);
    else if (failed)
        status = vx_fail(msg, VX_ERR_IO, "%s: cannot be read", path);
    else if (size == TEXT_MAX)
        status = vx_fail(msg, VX_ERR_INPUT, "%s: neither a VMCB nor its description: 64 KiB or more", path);
    else if (size == VX_VMCB_BYTES && text[0] != '{')
        status = VX_OK, memcpy(image->bytes, text, VX_VMCB_BYTES);
    else
        status = parse_image(path, text, size, image, msg);
    free(text);
    return status;
}

static void tell_failure(const svm_run *run, const vx_vmcb_image *image, unsigned index, json_t *list)
{
    const vx_svm_check *check = vx_svm_check_at(index);
    const vx_vmcb_info *field = vx_vmcb_describe(check->field);
    uint64_t value = vx_vmcb_get(image, check->field);
    if (run->text)
        fprintf(run->text, "%s\n  VMCB %03Xh %s = 0x%" PRIx64 "; %s\n", check->name, field->offset, field->name, value,
                check->source);
    char text[24];
    snprintf(text, sizeof text, "0x%" PRIx64, value);
    json_array_append_new(list, json_pack("{s:s,s:s,s:i,s:s,s:s}", "check", check->name, "field", field->name, "offset",
                                          field->offset, "value", text, "source", check->source));
}

static vx_status check(svm_run *run, vx_msg *msg)
{
    vx_vmcb_image image = {{0}};
    vx_status status = read_image(run->given->operands[1], &image, msg);
    if (status != VX_OK) return status;
    const vx_svm_entry entry = {.cpu = run->cpu, .vmcb = &image, .host_cr0 = run->given->host_cr0};
    unsigned failed[CHECKS_MAX], count = vx_svm_checks(&entry, failed, CHECKS_MAX);
    json_t *list = json_array();
    for (unsigned i = 0; i < count && i < CHECKS_MAX; i++) tell_failure(run, &image, failed[i], list);
    if (run->text && count)
        fprintf(run->text, "%u of %u checks fail: VMRUN on %s ends in VMEXIT_INVALID (-1)\n", count,
                vx_svm_check_count(), run->cpu->name);
    else if (run->text)
        fprintf(run->text, "all %u checks pass: VMRUN on %s enters\n", vx_svm_check_count(), run->cpu->name);
    json_object_set_new(run->document, "checks", json_integer(vx_svm_check_count()));
    json_object_set_new(run->document, "enters", json_boolean(count == 0));
    json_object_set_new(run->document, "failed", list);
    return count ? VX_ERR_CHECK : VX_OK;
}

/* ---- the verb ---- */

static const struct action {
    const char *name;
    unsigned operands;
    vx_status (*perform)(svm_run *run, vx_msg *msg);
} actions[] = {{"caps", 1, caps}, {"fields", 1, list_fields}, {"check", 2, check}};
enum { ACTIONS = sizeof actions / sizeof *actions };

static const struct action *find_action(const arguments *given)
{
    const char *names[ACTIONS];
    for (unsigned i = 0; i < ACTIONS; i++) names[i] = actions[i].name;
    int found = verb_action("svm", given->operands[0], names, ACTIONS, "caps, fields or check");
    if (found < 0) return NULL;
    const struct action *action = &actions[found];
    if (action->operands == given->operand_count) return action;
    fprintf(stderr, "vexit svm: %s takes %s\n", action->name, action->operands == 2 ? "one file" : "no operand");
    return NULL;
}

static vx_status perform(const arguments *given, const struct action *action, vx_model *model, vx_msg *msg)
{
    svm_run run = {.given = given, .cpu = vx_model_cpu(model), .text = stdout};
    if (!run.cpu->svm.svm) return vx_fail(msg, VX_ERR_INPUT, "%s has no SVM", run.cpu->name);
    if (given->json) {
        if (strcmp(given->json, "-") == 0) run.text = NULL;
        run.document = verb_document("svm");
        if (!run.document) return vx_fail_nomem(msg);
        json_object_set_new(run.document, "action", json_string(action->name));
        json_object_set_new(run.document, "cpu", json_string(run.cpu->name));
    }
    vx_status status = action->perform(&run, msg);
    if (!run.document) return status;
    if (status != VX_OK && status != VX_ERR_CHECK) {
        json_decref(run.document);
        return status;
    }
    vx_status written = output_json(run.document, given->json, msg);
    json_decref(run.document);
    return written != VX_OK ? written : status;
}

int vx_verb_svm(int argc, char **argv)
{
    arguments given = {.host_cr0 = 0x80000033};
    char name[] = "vexit svm";
    argv[0] = name;
    if (argp_parse(&svm_argp, argc, argv, 0, NULL, &given) != 0) return 2;
    const struct action *action = find_action(&given);
    if (!action) return 2;
    if (given.host_cr0_given && action->perform != check) {
        fprintf(stderr, "vexit svm: %s takes no --host-cr0\n", action->name);
        return 2;
    }
    vx_model *model;
    vx_msg msg = {""};
    const char *const read[] = {vx_model_is_path(given.cpu) ? given.cpu : NULL,
                                given.operand_count == 2 ? given.operands[1] : NULL};
    const output_files files = {{given.json}, read, sizeof read / sizeof *read};
    vx_status status = output_files_check(&files, &msg);
    if (status == VX_OK) status = verb_model_open(&model, VX_MODEL_CPU, given.cpu, given.sets, given.set_count, &msg);
    if (status == VX_OK) {
        status = perform(&given, action, model, &msg);
        vx_model_close(model);
    }
    if (status == VX_ERR_CHECK) return vx_status_exit_code(status); /* the text has said it */
    return status == VX_OK ? 0 : verb_failed("svm", status, &msg);
}
