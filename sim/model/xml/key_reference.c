/* The key reference: the table itself, as text. */
#include "keys.h"

#include <stdio.h>
#include <string.h>

typedef struct reference_walk {
    bool (*each)(void *context, const vx_model_key *key);
    void *context;
    char path[VX_KEY_PATH];
} reference_walk;

static bool tell_key(reference_walk *walk, const vx_key *key)
{
    char expects[VX_KEY_WHY], initial[VX_KEY_WHY] = "";
    unsigned char field[sizeof(uint64_t)] = {0};
    vx_key_expects(key, expects);
    if (!key->required && key->type != VX_KEY_TEXT) {
        memcpy(field, &key->initial, sizeof field); /* little-endian, as in vx_keys_reset */
        vx_key_format(key, field, initial, sizeof initial);
    }
    size_t length = strlen(walk->path);
    vx_key_path_add(walk->path, key->name);
    vx_model_key told = {.path = walk->path,
                         .expects = expects,
                         .initial = initial,
                         .doc = key->doc,
                         .needs_source = key->need == VX_NEED_SOURCE || key->need == VX_NEED_FEATURE};
    bool go_on = walk->each(walk->context, &told);
    walk->path[length] = '\0';
    return go_on;
}

static bool tell_group(reference_walk *walk, const vx_key_group *group)
{
    size_t length = strlen(walk->path);
    bool go_on = true;
    vx_key_path_add(walk->path, group->name);
    if (group->many != VX_GROUP_ONE) vx_key_path_add(walk->path, group->many == VX_GROUP_NAMED ? "<name>" : "<n>");
    for (size_t i = 0; i < group->key_count && go_on; i++) go_on = tell_key(walk, &group->keys[i]);
    for (size_t i = 0; i < group->child_count && go_on; i++) go_on = tell_group(walk, &group->children[i]);
    walk->path[length] = '\0';
    return go_on;
}

void vx_model_keys(vx_model_kind kind, bool (*each)(void *context, const vx_model_key *key), void *context)
{
    reference_walk walk = {.each = each, .context = context};
    tell_group(&walk, vx_keys_root(kind));
}
