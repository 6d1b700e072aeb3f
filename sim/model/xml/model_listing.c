/* The effective configuration as text: every leaf with its value and where it came from. */
#include "model_state.h"

#include <stdlib.h>
#include <string.h>

/* Two passes over the leaves, one to measure and one to write, so that one block holds all texts. */
typedef struct listing_pass {
    const vx_model *model;
    vx_model_value *values; /* NULL: measure */
    char *text;
    size_t count, bytes;
} listing_pass;

static void describe(const listing_pass *pass, const vx_leaf *leaf, vx_model_value *value)
{
    uint16_t index = pass->model->origin_of[leaf->offset];
    const vx_origin *origin = &pass->model->origins[index];
    vx_key_type type = leaf->key->type;
    value->unit = leaf->key->unit;
    value->from = origin->from;
    value->source = origin->source;
    value->assumed = origin->assumed || (index == VX_ORIGIN_DEFAULT && leaf->key->need == VX_NEED_SOURCE);
    value->numeric = type == VX_KEY_NUMBER || type == VX_KEY_BYTES || type == VX_KEY_MILLI;
}

static bool list_leaf(void *context, const vx_leaf *leaf)
{
    listing_pass *pass = context;
    const unsigned char *field = (const unsigned char *)&pass->model->config + leaf->offset;
    size_t path_bytes = strlen(leaf->path) + 1;
    size_t value_bytes = (size_t)vx_key_format(leaf->key, field, NULL, 0) + 1;
    if (pass->values != NULL) {
        vx_model_value *value = &pass->values[pass->count];
        char *path = pass->text + pass->bytes, *text = path + path_bytes;
        memcpy(path, leaf->path, path_bytes);
        vx_key_format(leaf->key, field, text, value_bytes);
        value->path = path;
        value->value = text;
        describe(pass, leaf, value);
    }
    pass->count++;
    pass->bytes += path_bytes + value_bytes;
    return true;
}

vx_status vx_listing_renew(vx_model *model, vx_msg *msg)
{
    const vx_key_group *root = vx_keys_root(model->kind);
    listing_pass measure = {.model = model};
    vx_keys_each(root, &model->config, list_leaf, &measure);
    listing_pass fill = {.model = model};
    fill.values = calloc(measure.count, sizeof *fill.values);
    fill.text = malloc(measure.bytes);
    if (fill.values == NULL || fill.text == NULL) {
        free(fill.values);
        free(fill.text);
        return vx_fail_nomem(msg);
    }
    vx_keys_each(root, &model->config, list_leaf, &fill);
    vx_listing_fini(&model->listing);
    model->listing = (vx_model_listing){.values = fill.values, .count = fill.count, .text = fill.text};
    return VX_OK;
}

void vx_listing_fini(vx_model_listing *listing)
{
    free(listing->values);
    free(listing->text);
    *listing = (vx_model_listing){0};
}

void vx_model_each(const vx_model *model, bool (*each)(void *context, const vx_model_value *value), void *context)
{
    for (size_t i = 0; i < model->listing.count; i++)
        if (!each(context, &model->listing.values[i])) return;
}
