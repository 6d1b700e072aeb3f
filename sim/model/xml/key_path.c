/* Paths: from a configuration to its leaves and from a path to a leaf. */
#include "keys.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vx_key_path_add(char path[VX_KEY_PATH], const char *name)
{
    size_t used = strlen(path);
    int more = snprintf(path + used, VX_KEY_PATH - used, "%s%s", used ? "." : "", name);
    assert(more >= 0 && (size_t)more < VX_KEY_PATH - used);
    (void)more;
}

typedef struct leaf_visit {
    const unsigned char *config;
    bool (*each)(void *context, const vx_leaf *leaf);
    void *context;
    vx_leaf leaf;
} leaf_visit;

static bool visit_instance(leaf_visit *visit, const vx_key_group *group, size_t base);

/* The keys' paths are written behind the group's path in the one buffer, and cut off again. */
static bool visit_keys(leaf_visit *visit, const vx_key_group *group, size_t base)
{
    size_t length = strlen(visit->leaf.path);
    visit->leaf.group = group;
    visit->leaf.base = base;
    for (size_t i = 0; i < group->key_count; i++) {
        if (i == 0 && group->many == VX_GROUP_NAMED) continue; /* the name is in the path */
        visit->leaf.key = &group->keys[i];
        visit->leaf.offset = base + group->keys[i].offset;
        vx_key_path_add(visit->leaf.path, group->keys[i].name);
        bool go_on = visit->each(visit->context, &visit->leaf);
        visit->leaf.path[length] = '\0';
        if (!go_on) return false;
    }
    return true;
}

static bool visit_repeated(leaf_visit *visit, const vx_key_group *group, size_t parent)
{
    size_t length = strlen(visit->leaf.path);
    unsigned count = visit->config[parent + group->count_offset];
    for (unsigned i = 0; i < count; i++) {
        size_t base = parent + group->offset + (size_t)i * group->stride;
        char number[12];
        snprintf(number, sizeof number, "%u", i);
        vx_key_path_add(visit->leaf.path, group->many == VX_GROUP_NAMED
                                              ? (const char *)visit->config + base + group->keys[0].offset
                                              : number);
        bool go_on = visit_instance(visit, group, base);
        visit->leaf.path[length] = '\0';
        if (!go_on) return false;
    }
    return true;
}

static bool visit_group(leaf_visit *visit, const vx_key_group *group, size_t parent)
{
    size_t length = strlen(visit->leaf.path);
    vx_key_path_add(visit->leaf.path, group->name);
    bool go_on = group->many == VX_GROUP_ONE ? visit_instance(visit, group, parent + group->offset)
                                             : visit_repeated(visit, group, parent);
    visit->leaf.path[length] = '\0';
    return go_on;
}

static bool visit_instance(leaf_visit *visit, const vx_key_group *group, size_t base)
{
    if (!visit_keys(visit, group, base)) return false;
    for (size_t i = 0; i < group->child_count; i++)
        if (!visit_group(visit, &group->children[i], base)) return false;
    return true;
}

void vx_keys_each(const vx_key_group *root, const void *config, bool (*each)(void *context, const vx_leaf *leaf),
                  void *context)
{
    leaf_visit visit = {.config = config, .each = each, .context = context};
    visit_group(&visit, root, 0);
}

typedef struct leaf_search {
    const char *path;
    vx_leaf *found;
    bool hit;
    char *nearest;
} leaf_search;

static bool compare_path(void *context, const vx_leaf *leaf)
{
    leaf_search *search = context;
    if (strcmp(search->path, leaf->path) != 0) return true;
    *search->found = *leaf;
    search->hit = true;
    return false;
}

/* Two at a time: the best so far and the next, so that no list of all paths is needed. */
static bool compare_slip(void *context, const vx_leaf *leaf)
{
    leaf_search *search = context;
    bool first = search->nearest[0] == '\0';
    const char *names[2] = {first ? leaf->path : search->nearest, leaf->path};
    const char *near = vx_did_you_mean(search->path, names, first ? 1 : 2);
    if (near == leaf->path) snprintf(search->nearest, VX_KEY_PATH, "%s", near);
    return true;
}

bool vx_keys_find(const vx_key_group *root, const void *config, const char *path, vx_leaf *leaf,
                  char nearest[VX_KEY_PATH])
{
    leaf_search search = {.path = path, .found = leaf, .nearest = nearest};
    nearest[0] = '\0';
    vx_keys_each(root, config, compare_path, &search);
    if (!search.hit) vx_keys_each(root, config, compare_slip, &search);
    return search.hit;
}

static void reset_key(const vx_key *key, unsigned char *field)
{
    memset(field, 0, key->size);
    if (key->type == VX_KEY_TEXT) return;
    uint64_t value = key->initial;
    /* Little-endian, as x86 and wasm are: the low bytes of the value are the field's. */
    memcpy(field, &value, key->size);
}

void vx_keys_reset(const vx_key_group *group, void *instance)
{
    unsigned char *base = instance;
    for (size_t i = 0; i < group->key_count; i++) reset_key(&group->keys[i], base + group->keys[i].offset);
    for (size_t i = 0; i < group->child_count; i++) {
        const vx_key_group *child = &group->children[i];
        if (child->many == VX_GROUP_ONE)
            vx_keys_reset(child, base + child->offset);
        else
            base[child->count_offset] = 0;
    }
}
