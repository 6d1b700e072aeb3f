/* vexit model list, check and keys: over all models of one kind or of every kind. */
#include "model_actions.h"

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
static bool kinds_of(const model_given *given, int *first, int *last)
{
    vx_model_kind kind = given->kind;
    bool one = given->has_kind;
    if (given->operand_count == 2) {
        if (!model_kind_of_word(given->operands[1], &kind)) return false;
        one = true;
    }
    *first = one ? (int)kind : 0;
    *last = one ? (int)kind : VX_MODEL_KINDS - 1;
    return given->operand_count <= 2;
}

int model_list(model_run *run)
{
    int first, last;
    if (!kinds_of(run->given, &first, &last)) return verb_usage("model", "list takes one of: cpu vmm vm chipset nic");
    listing self = {.run = run};
    if (run->document != NULL) {
        self.models = json_array();
        json_object_set_new(run->document, "models", self.models);
    }
    for (int i = first; i <= last; i++) {
        vx_msg msg;
        self.kind = (vx_model_kind)i;
        vx_status status = vx_model_list(self.kind, list_model, &self, &msg);
        if (status != VX_OK) return verb_failed("model", status, &msg);
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

static void check_one(checking *self, const model_given *given, const char *name)
{
    vx_model *model;
    vx_model_kind kind;
    vx_msg msg = {""};
    vx_status status = model_open(given, name, &model, &kind, &msg);
    if (status == VX_OK) {
        if (self->run->text != NULL) fprintf(self->run->text, "ok    %-4s %s\n", vx_model_kind_name(kind), name);
        vx_model_close(model);
    } else {
        int code = verb_failed("model", status, &msg);
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
    model_given given = {.has_kind = true, .kind = self->kind};
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
        if (status != VX_OK) return verb_failed("model", status, &msg);
    }
    return self->worst;
}

int model_check(model_run *run)
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

int model_keys(model_run *run)
{
    int first, last;
    if (!kinds_of(run->given, &first, &last)) return verb_usage("model", "keys takes one of: cpu vmm vm chipset nic");
    reference self = {.run = run};
    if (run->document != NULL) {
        self.list = json_array();
        json_object_set_new(run->document, "keys", self.list);
    }
    for (int i = first; i <= last; i++) vx_model_keys((vx_model_kind)i, tell_key, &self);
    return 0;
}
