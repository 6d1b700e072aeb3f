/* vexit model show and diff: what a model says, and where two say otherwise. */
#include <stdlib.h>
#include <string.h>

#include "model_actions.h"

/* ---- show ---- */

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

int model_show(model_run *run)
{
    const model_given *given = run->given;
    vx_model *model;
    vx_model_kind kind;
    vx_msg msg;
    if (given->operand_count != 2) return verb_usage("model", "show takes one model");
    vx_status status = model_open(given, given->operands[1], &model, &kind, &msg);
    if (status != VX_OK) return verb_failed("model", status, &msg);
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

int model_diff(model_run *run)
{
    const model_given *given = run->given;
    vx_model *a, *b;
    vx_model_kind kind_a, kind_b;
    vx_msg msg;
    if (given->operand_count != 3) return verb_usage("model", "diff takes two models");
    vx_status status = model_open(given, given->operands[1], &a, &kind_a, &msg);
    if (status != VX_OK) return verb_failed("model", status, &msg);
    status = model_open(given, given->operands[2], &b, &kind_b, &msg);
    if (status != VX_OK) {
        vx_model_close(a);
        return verb_failed("model", status, &msg);
    }
    int code = 0;
    if (kind_a == kind_b)
        compare_models(run, a, b);
    else
        code = verb_usage("model", "diff takes two models of one kind");
    vx_model_close(a);
    vx_model_close(b);
    return code;
}
