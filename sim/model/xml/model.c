/* Opening, setting and closing a model. */
#include "model_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vx_arena.h"

/* All defaults; NULL where there is no memory. */
static vx_model *new_model(vx_model_kind kind, vx_msg *msg)
{
    assert(kind < VX_MODEL_KINDS);
    vx_model *made = calloc(1, sizeof *made);
    if (made == NULL) {
        vx_fail_nomem(msg);
        return NULL;
    }
    made->kind = kind;
    vx_arena_init(&made->arena);
    vx_keys_reset(vx_keys_root(kind), &made->config);
    if (vx_origin_begin(made, msg) == VX_OK) return made;
    vx_model_close(made);
    return NULL;
}

void vx_model_close(vx_model *model)
{
    if (model == NULL) return;
    vx_listing_fini(&model->listing);
    vx_arena_fini(&model->arena);
    free(model->origins);
    free(model);
}

/* Checks and hands over, or closes. */
static vx_status finish(vx_model *made, vx_status status, vx_model **model, vx_msg *msg)
{
    if (status == VX_OK) status = vx_model_check(made, msg);
    if (status == VX_OK) status = vx_listing_renew(made, msg);
    if (status != VX_OK) {
        vx_model_close(made);
        return status;
    }
    *model = made;
    return VX_OK;
}

static void name_the_default(vx_model *model)
{
    snprintf(model->config.guest.name, sizeof model->config.guest.name, "default");
    snprintf(model->config.guest.title, sizeof model->config.guest.title, "built-in defaults of the guest");
}

/* A model found by its name must bear it, or reports would speak of another one than the user did. */
static vx_status check_name(const vx_model *model, const char *name, const char *path, vx_msg *msg)
{
    const char *own = (const char *)&model->config + vx_keys_root(model->kind)->keys[0].offset;
    if (vx_model_is_path(name) || strcmp(own, name) == 0) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT, "%s: the model is named '%s', its file '%.80s'", path, own, name);
}

vx_status vx_model_open(vx_model **model, vx_model_kind kind, const char *name, vx_msg *msg)
{
    char path[VX_MODEL_PATH];
    vx_msg unheard;
    if (msg == NULL) msg = &unheard;
    vx_status status = VX_OK;
    bool built_in = name == NULL && kind == VX_MODEL_VM;
    if (name == NULL && !built_in)
        return vx_fail(msg, VX_ERR_INPUT, "a %s model has no default", vx_model_kind_name(kind));
    if (!built_in) status = vx_model_search(kind, name, path, msg);
    if (status != VX_OK) return status;
    vx_model *made = new_model(kind, msg);
    if (made == NULL) return VX_ERR_NOMEM;
    if (built_in) {
        name_the_default(made);
    } else {
        status = vx_xml_load_file(made, path, msg);
        if (status == VX_OK) status = check_name(made, name, path, msg);
    }
    return finish(made, status, model, msg);
}

vx_status vx_model_parse(vx_model **model, vx_model_kind kind, const char *text, size_t bytes, const char *label,
                         vx_msg *msg)
{
    vx_model *made = new_model(kind, msg);
    if (made == NULL) return VX_ERR_NOMEM;
    return finish(made, vx_xml_load_text(made, text, bytes, label, msg), model, msg);
}

const vx_cfg_cpu *vx_model_cpu(const vx_model *model)
{
    return model->kind == VX_MODEL_CPU ? &model->config.cpu : NULL;
}
const vx_cfg_vmm *vx_model_vmm(const vx_model *model)
{
    return model->kind == VX_MODEL_VMM ? &model->config.vmm : NULL;
}
const vx_cfg_guest *vx_model_guest(const vx_model *model)
{
    return model->kind == VX_MODEL_VM ? &model->config.guest : NULL;
}
const vx_cfg_chipset *vx_model_chipset(const vx_model *model)
{
    return model->kind == VX_MODEL_CHIPSET ? &model->config.chipset : NULL;
}
const vx_cfg_nic *vx_model_nic(const vx_model *model)
{
    return model->kind == VX_MODEL_NIC ? &model->config.nic : NULL;
}

/* ---- --set ---- */

bool vx_model_takes(vx_model_kind kind, const char *assignment)
{
    const char *word = vx_model_kind_name(kind);
    size_t length = strlen(word);
    return strncmp(assignment, word, length) == 0 && assignment[length] == '.';
}

static vx_status find_leaf(const vx_model *model, const char *path, vx_leaf *leaf, vx_msg *msg)
{
    char near[VX_KEY_PATH];
    if (!vx_keys_find(vx_keys_root(model->kind), &model->config, path, leaf, near))
        return vx_fail(msg, VX_ERR_INPUT, "--set %s: no such value%s%s%s", path, *near ? ", did you mean '" : "", near,
                       *near ? "'?" : "");
    if (leaf->key->need == VX_NEED_NAME) return vx_fail(msg, VX_ERR_INPUT, "--set %s: a name cannot be set", path);
    return VX_OK;
}

static vx_status set_leaf(vx_model *model, const vx_leaf *leaf, const char *text, uint16_t origin, vx_msg *msg)
{
    unsigned char *field = (unsigned char *)&model->config + leaf->offset;
    unsigned char before[sizeof(vx_model_config)];
    uint16_t origin_before = model->origin_of[leaf->offset];
    char why[VX_KEY_WHY];
    memcpy(before, field, leaf->key->size);
    if (!vx_key_parse(leaf->key, text, field, why))
        return vx_fail(msg, VX_ERR_INPUT, "--set %s: '%.80s' is not %s", leaf->path, text, why);
    model->origin_of[leaf->offset] = origin;
    vx_status status = vx_listing_renew(model, msg);
    if (status != VX_OK) {
        memcpy(field, before, leaf->key->size);
        model->origin_of[leaf->offset] = origin_before;
    }
    return status;
}

static vx_status assign(vx_model *model, const char *assignment, uint16_t origin, vx_msg *msg)
{
    char path[VX_KEY_PATH];
    const char *equals = strchr(assignment, '=');
    if (equals == NULL) return vx_fail(msg, VX_ERR_INPUT, "--set %.80s: not of the form path=value", assignment);
    int length = (int)(equals - assignment);
    if (length >= VX_KEY_PATH) return vx_fail(msg, VX_ERR_INPUT, "--set %.80s...: no such value", assignment);
    snprintf(path, sizeof path, "%.*s", length, assignment);
    if (!vx_model_takes(model->kind, assignment))
        return vx_fail(msg, VX_ERR_INPUT, "--set %s: is no value of a %s model, whose paths begin with '%s.'", path,
                       vx_model_kind_name(model->kind), vx_model_kind_name(model->kind));
    vx_leaf leaf;
    vx_status status = find_leaf(model, path, &leaf, msg);
    return status == VX_OK ? set_leaf(model, &leaf, equals + 1, origin, msg) : status;
}

vx_status vx_model_set(vx_model *model, const char *assignment, vx_msg *msg)
{
    return assign(model, assignment, VX_ORIGIN_SET, msg);
}

vx_status vx_model_imply(vx_model *model, const char *assignment, const char *option, vx_msg *msg)
{
    uint16_t origin = VX_ORIGIN_SET;
    vx_status status = vx_origin_add(model, 0, option, 0, "", false, &origin, msg);
    return status == VX_OK ? assign(model, assignment, origin, msg) : status;
}
