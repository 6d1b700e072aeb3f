/* Which file a model's name stands for, and which models there are. */
#include "model_state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char extension[] = ".xml";
enum { EXTENSION = sizeof extension - 1 };

static bool ends_in_xml(const char *name)
{
    size_t length = strlen(name);
    return length > EXTENSION && strcmp(name + length - EXTENSION, extension) == 0;
}

bool vx_model_is_path(const char *name) { return strchr(name, '/') != NULL || ends_in_xml(name); }

static const char *search_path(void)
{
    const char *given = getenv("VEXIT_MODELS");
    return given && *given ? given : VX_MODELS_INSTALLED ":" VX_MODELS_SOURCE;
}

/* Takes the next folder off a list with ':' between; false at the end. A folder too long for a path is passed over. */
static bool next_folder(const char **list, vx_model_kind kind, char folder[VX_MODEL_PATH])
{
    while (**list != '\0') {
        size_t length = strcspn(*list, ":");
        int written = snprintf(folder, VX_MODEL_PATH, "%.*s/%s", (int)length, *list, vx_model_kind_name(kind));
        *list += length + ((*list)[length] == ':');
        if (length > 0 && written > 0 && written < VX_MODEL_PATH) return true;
    }
    return false;
}

/* ---- the names there are ---- */

typedef struct name_list {
    char (*names)[VX_CFG_NAME];
    size_t count, capacity;
} name_list;

static bool add_name(name_list *list, const char *name, size_t length)
{
    for (size_t i = 0; i < list->count; i++)
        if (strlen(list->names[i]) == length && memcmp(list->names[i], name, length) == 0) return true;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 32;
        void *bigger = realloc(list->names, capacity * sizeof *list->names);
        if (bigger == NULL) return false;
        list->names = bigger;
        list->capacity = capacity;
    }
    char *slot = list->names[list->count++];
    memcpy(slot, name, length);
    slot[length] = '\0';
    return true;
}

static bool add_folder(name_list *list, const char *folder)
{
    DIR *directory = opendir(folder);
    if (directory == NULL) return true; /* a folder of the search path need not exist */
    bool room = true;
    for (struct dirent *entry; room && (entry = readdir(directory)) != NULL;) {
        size_t length = strlen(entry->d_name) - EXTENSION;
        if (ends_in_xml(entry->d_name) && entry->d_name[0] != '.' && length < VX_CFG_NAME)
            room = add_name(list, entry->d_name, length);
    }
    closedir(directory);
    return room;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* All names of a kind, sorted; false where there is no memory, and then there is nothing to free. */
static bool all_names(vx_model_kind kind, name_list *list)
{
    const char *rest = search_path();
    char folder[VX_MODEL_PATH];
    *list = (name_list){0};
    while (next_folder(&rest, kind, folder)) {
        if (add_folder(list, folder)) continue;
        free(list->names);
        return false;
    }
    if (list->count > 0) qsort(list->names, list->count, sizeof *list->names, by_name);
    return true;
}

static vx_status unknown_name(vx_model_kind kind, const char *name, vx_msg *msg)
{
    name_list list;
    if (!all_names(kind, &list)) return vx_fail_nomem(msg);
    const char **names = calloc(list.count + 1, sizeof *names);
    if (names == NULL) {
        free(list.names);
        return vx_fail_nomem(msg);
    }
    for (size_t i = 0; i < list.count; i++) names[i] = list.names[i];
    const char *near = vx_did_you_mean(name, names, list.count);
    const char *word = vx_model_kind_name(kind);
    vx_status status = near ? vx_fail(msg, VX_ERR_INPUT, "no %s model '%.80s', did you mean '%s'?", word, name, near)
                            : vx_fail(msg, VX_ERR_INPUT, "no %s model '%.80s' in %.512s", word, name, search_path());
    free(names);
    free(list.names);
    return status;
}

vx_status vx_model_search(vx_model_kind kind, const char *name, char path[VX_MODEL_PATH], vx_msg *msg)
{
    if (vx_model_is_path(name)) {
        if (snprintf(path, VX_MODEL_PATH, "%s", name) < VX_MODEL_PATH) return VX_OK;
        return vx_fail(msg, VX_ERR_INPUT, "the path of the model is too long");
    }
    const char *rest = search_path();
    char folder[VX_MODEL_PATH], file[VX_MODEL_PATH];
    while (next_folder(&rest, kind, folder)) {
        int written = snprintf(file, sizeof file, "%s/%s%s", folder, name, extension);
        if (written < VX_MODEL_PATH && access(file, F_OK) == 0) {
            memcpy(path, file, (size_t)written + 1);
            return VX_OK;
        }
    }
    return unknown_name(kind, name, msg);
}

/* ---- the kind of a name ---- */

const char *vx_model_kind_name(vx_model_kind kind) { return vx_keys_root(kind)->name; }

static vx_status kind_of_file(vx_model_kind *kind, const char *path, vx_msg *msg)
{
    char root[VX_CFG_NAME];
    vx_status status = vx_xml_root_name(path, root, sizeof root, msg);
    if (status != VX_OK) return status;
    for (int i = 0; i < VX_MODEL_KINDS; i++) {
        if (strcmp(root, vx_model_kind_name((vx_model_kind)i)) != 0) continue;
        *kind = (vx_model_kind)i;
        return VX_OK;
    }
    return vx_fail(msg, VX_ERR_INPUT, "%s: the root element is <%s>, not <cpu>, <vmm>, <vm>, <chipset> or <nic>", path,
                   root);
}

vx_status vx_model_kind_of(vx_model_kind *kind, const char *name, vx_msg *msg)
{
    if (vx_model_is_path(name)) return kind_of_file(kind, name, msg);
    vx_status status = VX_ERR_INPUT;
    vx_msg near = {""};
    for (int i = 0; i < VX_MODEL_KINDS; i++) {
        char path[VX_MODEL_PATH];
        vx_msg why;
        status = vx_model_search((vx_model_kind)i, name, path, &why);
        if (status == VX_OK) {
            *kind = (vx_model_kind)i;
            return VX_OK;
        }
        if (status != VX_ERR_INPUT) return vx_fail(msg, status, "%s", why.text);
        if (near.text[0] == '\0' && strstr(why.text, "did you mean") != NULL) near = why;
    }
    if (near.text[0] != '\0') return vx_fail(msg, status, "%s", near.text);
    return vx_fail(msg, status, "no model '%.80s' in %.512s", name, search_path());
}

/* ---- listing ---- */

static bool list_one(vx_model_kind kind, const char *name,
                     bool (*each)(void *context, const char *name, const char *title), void *context)
{
    vx_model *model;
    vx_msg why;
    if (vx_model_open(&model, kind, name, &why) != VX_OK) return each(context, name, why.text);
    const char *const titles[VX_MODEL_KINDS] = {[VX_MODEL_CPU] = model->config.cpu.title,
                                                [VX_MODEL_VMM] = model->config.vmm.title,
                                                [VX_MODEL_VM] = model->config.guest.title,
                                                [VX_MODEL_CHIPSET] = model->config.chipset.title,
                                                [VX_MODEL_NIC] = model->config.nic.title};
    bool go_on = each(context, name, titles[kind]);
    vx_model_close(model);
    return go_on;
}

vx_status vx_model_list(vx_model_kind kind, bool (*each)(void *context, const char *name, const char *title),
                        void *context, vx_msg *msg)
{
    name_list list;
    if (!all_names(kind, &list)) return vx_fail_nomem(msg);
    for (size_t i = 0; i < list.count; i++)
        if (!list_one(kind, list.names[i], each, context)) break;
    free(list.names);
    return VX_OK;
}
