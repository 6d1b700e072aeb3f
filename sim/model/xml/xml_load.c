/* A document to a configuration, by the key table.
 *
 * An element is a group, an attribute one of its keys. An element may come several times, each time with other keys
 * and another source; `source` and `assumed` hold for the element's values and for the elements inside it. */
#include "model_state.h"

#include <errno.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vx_text_file.h"
#include "xml_guard.h"

/* What stands behind the values of an element. */
typedef struct ground {
    const char *source; /* NULL: none */
    bool assumed;
} ground;

/* One file of a chain of `extends`. */
typedef struct load_file {
    const struct load_file *extended_by; /* NULL: the file that was asked for */
    vx_model *model;
    xmlDoc *document;
    const char *path;
    uint8_t number; /* 1: asked for */
    bool alone;     /* may not extend */
    vx_msg *msg;
} load_file;

/* An element while its values are taken. */
typedef struct load_element {
    load_file *file;
    const xmlNode *node;
    const vx_key_group *group;
    size_t base;            /* of the group's instance, from the start of the configuration */
    char path[VX_KEY_PATH]; /* of the instance */
    ground ground;
    uint16_t origin; /* of the values it sets; 0: none has been set yet */
} load_element;

static unsigned char *config_at(const load_file *file, size_t offset)
{
    return (unsigned char *)&file->model->config + offset;
}

static vx_status fail_at(const load_file *file, const xmlNode *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static vx_status fail_at(const load_file *file, const xmlNode *node, const char *format, ...)
{
    char text[sizeof(vx_msg)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return vx_fail(file->msg, VX_ERR_INPUT, "%s:%d: %s", file->path, vx_xml_line(node), text);
}

/* ", did you mean 'x'?" or "". */
static void hint(const char *word, const char *const *names, size_t count, char text[VX_KEY_PATH])
{
    const char *near = vx_did_you_mean(word, names, count);
    snprintf(text, VX_KEY_PATH, near ? ", did you mean '%s'?" : "%s", near ? near : "");
}

/* ---- attributes ---- */

static const vx_key *key_of(const vx_key_group *group, const char *name)
{
    for (size_t i = 0; i < group->key_count; i++)
        if (strcmp(group->keys[i].name, name) == 0) return &group->keys[i];
    return NULL;
}

static bool is_root(const load_element *element) { return element->node->parent->type != XML_ELEMENT_NODE; }

/* Attributes that are no keys: all elements but the root say what stands behind their values, a blanket source for a
 * whole model would say nothing; the root says what it extends. */
static bool is_about_values(const load_element *element, const char *name)
{
    if (is_root(element)) return strcmp(name, "extends") == 0;
    return strcmp(name, "source") == 0 || strcmp(name, "assumed") == 0;
}

enum { NAMES_MAX = 128 }; /* keys or children of one group, and the words every element takes */

static vx_status unknown_attribute(const load_element *element, const char *name)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < element->group->key_count; i++) names[count++] = element->group->keys[i].name;
    if (is_root(element)) {
        names[count++] = "extends";
    } else {
        names[count++] = "source";
        names[count++] = "assumed";
    }
    char near[VX_KEY_PATH];
    hint(name, names, count, near);
    return fail_at(element->file, element->node, "<%s> has no attribute '%s'%s", element->group->name, name, near);
}

static vx_status origin_of_element(load_element *element)
{
    if (element->origin != 0) return VX_OK;
    const load_file *file = element->file;
    const char *source = element->ground.source ? element->ground.source : "";
    return vx_origin_add(file->model, file->number, file->path, vx_xml_line(element->node), source,
                         element->ground.assumed, &element->origin, file->msg);
}

static vx_status take_value(load_element *element, const vx_key *key, const char *text)
{
    load_file *file = element->file;
    size_t offset = element->base + key->offset;
    if (vx_model_origin(file->model, offset)->file == file->number)
        return fail_at(file, element->node, "%s.%s is given twice", element->path, key->name);
    bool needs_ground = key->need == VX_NEED_SOURCE || key->need == VX_NEED_FEATURE;
    if (needs_ground && !element->ground.source && !element->ground.assumed)
        return fail_at(file, element->node, "%s.%s has neither source nor assumed", element->path, key->name);
    char why[VX_KEY_WHY];
    if (!vx_key_parse(key, text, config_at(file, offset), why))
        return fail_at(file, element->node, "%s.%s: '%.80s' is not %s", element->path, key->name, text, why);
    vx_status status = origin_of_element(element);
    if (status == VX_OK) file->model->origin_of[offset] = element->origin;
    return status;
}

static vx_status take_attribute(load_element *element, const xmlAttr *attribute)
{
    const char *name = (const char *)attribute->name;
    if (attribute->ns != NULL)
        return fail_at(element->file, element->node, "a model has no namespaces (attribute '%s')", name);
    if (is_about_values(element, name)) return VX_OK; /* read before */
    const vx_key *key = key_of(element->group, name);
    if (key == NULL) return unknown_attribute(element, name);
    if (key == element->group->keys && element->group->many == VX_GROUP_NAMED) return VX_OK; /* found its instance */
    char *text = vx_xml_text(element->file->document, attribute);
    if (text == NULL) return vx_fail_nomem(element->file->msg);
    vx_status status = take_value(element, key, text);
    xmlFree(text);
    return status;
}

/* The attribute's text, kept by the document: NULL where it is absent or empty. Entities of one's own do not exist, so
 * an attribute is one text node. */
static const char *attribute_text(const xmlNode *node, const char *name)
{
    const xmlAttr *attribute = xmlHasProp(node, (const xmlChar *)name);
    if (attribute == NULL || attribute->children == NULL) return NULL;
    const char *text = (const char *)attribute->children->content;
    return text != NULL && *text != '\0' ? text : NULL;
}

static vx_status take_ground(load_element *element)
{
    const xmlNode *node = element->node;
    bool has_source = xmlHasProp(node, (const xmlChar *)"source") != NULL;
    bool has_assumed = xmlHasProp(node, (const xmlChar *)"assumed") != NULL;
    if (!has_source && !has_assumed) return VX_OK; /* the outer element's */
    const char *source = attribute_text(node, "source"), *assumed = attribute_text(node, "assumed");
    if (has_source && source == NULL)
        return fail_at(element->file, node, "<%s>: source is empty", element->group->name);
    if (has_assumed && (assumed == NULL || strcmp(assumed, "yes") != 0))
        return fail_at(element->file, node, "<%s>: assumed can only be \"yes\"", element->group->name);
    element->ground = (ground){.source = source, .assumed = has_assumed};
    return VX_OK;
}

/* ---- elements ---- */

static vx_status load_children(load_element *element);

static vx_status load_values(load_element *element)
{
    vx_status status = VX_OK;
    for (const xmlAttr *at = element->node->properties; at != NULL && status == VX_OK; at = at->next)
        status = take_attribute(element, at);
    return status == VX_OK ? load_children(element) : status;
}

/* Forgets the origins of an instance that is to be written anew. */
static void forget(load_file *file, const vx_key_group *group, size_t base)
{
    memset(&file->model->origin_of[base], 0, group->stride * sizeof *file->model->origin_of);
    memset(config_at(file, base), 0, group->stride);
    vx_keys_reset(group, config_at(file, base));
}

static vx_status add_instance(const load_element *parent, load_element *child)
{
    const vx_key_group *group = child->group;
    unsigned char *count = config_at(parent->file, parent->base + group->count_offset);
    if (*count >= group->limit)
        return fail_at(parent->file, child->node, "more than %u <%s>", group->limit, group->name);
    child->base = parent->base + group->offset + (size_t)*count * group->stride;
    forget(parent->file, group, child->base);
    ++*count;
    return VX_OK;
}

static vx_status find_named(const load_element *parent, load_element *child)
{
    const vx_key_group *group = child->group;
    const vx_key *id = &group->keys[0];
    const char *name = attribute_text(child->node, id->name);
    if (name == NULL) return fail_at(parent->file, child->node, "<%s> has no %s", group->name, id->name);
    unsigned count = *config_at(parent->file, parent->base + group->count_offset);
    for (unsigned i = 0; i < count; i++) {
        child->base = parent->base + group->offset + (size_t)i * group->stride;
        size_t offset = child->base + id->offset;
        if (strcmp((const char *)config_at(parent->file, offset), name) != 0) continue;
        if (vx_model_origin(parent->file->model, offset)->file == parent->file->number)
            return fail_at(parent->file, child->node, "%s '%s' is given twice", child->path, name);
        return VX_OK;
    }
    return add_instance(parent, child);
}

/* The name is taken even where the instance was inherited, so that a second element of that name is seen. */
static vx_status take_name(load_element *child)
{
    const vx_key *id = &child->group->keys[0];
    const char *name = attribute_text(child->node, id->name);
    if (strchr(name, '.') != NULL)
        return fail_at(child->file, child->node, "%s: '%.80s': a name within a path has no '.'", child->path, name);
    vx_status status = take_value(child, id, name);
    if (status == VX_OK) vx_key_path_add(child->path, name);
    return status;
}

/* An inherited unit that is given arrays gets these in place of the inherited ones. */
static vx_status add_numbered(const load_element *parent, load_element *child, bool first)
{
    unsigned char *count = config_at(parent->file, parent->base + child->group->count_offset);
    if (first) *count = 0;
    char number[12];
    snprintf(number, sizeof number, "%u", *count);
    vx_status status = add_instance(parent, child);
    if (status == VX_OK) vx_key_path_add(child->path, number);
    return status;
}

static const vx_key_group *group_of(const vx_key_group *parent, const char *name)
{
    for (size_t i = 0; i < parent->child_count; i++)
        if (strcmp(parent->children[i].name, name) == 0) return &parent->children[i];
    return NULL;
}

static vx_status unknown_element(const load_element *parent, const xmlNode *node)
{
    const char *names[NAMES_MAX];
    for (size_t i = 0; i < parent->group->child_count; i++) names[i] = parent->group->children[i].name;
    char near[VX_KEY_PATH];
    hint((const char *)node->name, names, parent->group->child_count, near);
    return fail_at(parent->file, node, "<%s> holds no <%.80s>%s", parent->group->name, (const char *)node->name, near);
}

static bool is_first_of_its_name(const xmlNode *node)
{
    for (const xmlNode *before = node->prev; before != NULL; before = before->prev)
        if (before->type == XML_ELEMENT_NODE && strcmp((const char *)before->name, (const char *)node->name) == 0)
            return false;
    return true;
}

static vx_status load_child(const load_element *parent, const xmlNode *node)
{
    if (node->ns != NULL || node->nsDef != NULL)
        return fail_at(parent->file, node, "a model has no namespaces (element '%.80s')", (const char *)node->name);
    load_element child = {.file = parent->file, .node = node, .ground = parent->ground};
    child.group = group_of(parent->group, (const char *)node->name);
    if (child.group == NULL) return unknown_element(parent, node);
    memcpy(child.path, parent->path, sizeof child.path);
    vx_key_path_add(child.path, child.group->name);
    vx_status status = take_ground(&child);
    if (status != VX_OK) return status;
    switch (child.group->many) {
    case VX_GROUP_NAMED:
        status = find_named(parent, &child);
        if (status == VX_OK) status = take_name(&child);
        break;
    case VX_GROUP_NUMBERED:
        status = add_numbered(parent, &child, is_first_of_its_name(node));
        break;
    default:
        child.base = parent->base + child.group->offset;
        break;
    }
    return status == VX_OK ? load_values(&child) : status;
}

static bool is_blank(const xmlNode *node) { return xmlIsBlankNode(node) == 1; }

static vx_status load_children(load_element *element)
{
    vx_status status = VX_OK;
    for (const xmlNode *node = element->node->children; node != NULL && status == VX_OK; node = node->next) {
        if (node->type == XML_ELEMENT_NODE)
            status = load_child(element, node);
        else if (node->type != XML_COMMENT_NODE && !is_blank(node))
            status = fail_at(element->file, node, "<%s> holds text; values are attributes", element->group->name);
    }
    return status;
}

/* ---- files ---- */

static vx_status load_document(load_file *file);

static vx_status read_file(const char *path, char **text, size_t *bytes, vx_msg *msg)
{
    const char *why;
    FILE *stream = vx_text_file_open(path, &why);
    if (stream == NULL) return vx_fail(msg, VX_ERR_IO, "%s: %s", path, why);
    char *buffer = malloc(VX_MODEL_BYTES_MAX + 1);
    if (buffer == NULL) {
        fclose(stream);
        return vx_fail_nomem(msg);
    }
    size_t got = fread(buffer, 1, VX_MODEL_BYTES_MAX + 1, stream);
    bool failed = ferror(stream) != 0;
    int error = errno;
    fclose(stream);
    if (failed) {
        free(buffer);
        return vx_fail(msg, VX_ERR_IO, "%s: %s", path, strerror(error));
    }
    *text = buffer;
    *bytes = got;
    return VX_OK;
}

static vx_status parse_text(xmlDoc **document, const char *text, size_t bytes, const char *path, vx_msg *msg)
{
    if (bytes > VX_MODEL_BYTES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%s: is larger than %d bytes", path, VX_MODEL_BYTES_MAX);
    return vx_xml_parse(document, text, bytes, path, msg);
}

static vx_status parse_and_load(load_file *file, const char *text, size_t bytes)
{
    vx_status status = parse_text(&file->document, text, bytes, file->path, file->msg);
    if (status != VX_OK) return status;
    status = load_document(file);
    xmlFreeDoc(file->document);
    return status;
}

static vx_status open_and_load(load_file *file)
{
    char *text = NULL;
    size_t bytes = 0;
    vx_status status = read_file(file->path, &text, &bytes, file->msg);
    if (status != VX_OK) return status;
    status = parse_and_load(file, text, bytes);
    free(text);
    return status;
}

/* A base named by a path lies relative to the file that names it. */
static vx_status find_base(const load_file *file, const char *name, char path[VX_MODEL_PATH])
{
    if (!vx_model_is_path(name)) return vx_model_search(file->model->kind, name, path, file->msg);
    const char *slash = strrchr(file->path, '/');
    int folder = slash != NULL && name[0] != '/' ? (int)(slash - file->path) + 1 : 0;
    if (snprintf(path, VX_MODEL_PATH, "%.*s%s", folder, file->path, name) >= VX_MODEL_PATH)
        return vx_fail(file->msg, VX_ERR_INPUT, "the path is too long");
    return VX_OK;
}

static bool same_file(const char *a, const char *b)
{
    char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
    bool same = real_a != NULL && real_b != NULL && strcmp(real_a, real_b) == 0;
    free(real_a);
    free(real_b);
    return same;
}

static vx_status load_base(load_file *file, const xmlNode *root)
{
    if (xmlHasProp(root, (const xmlChar *)"extends") == NULL) return VX_OK;
    const char *name = attribute_text(root, "extends");
    if (name == NULL) return fail_at(file, root, "extends is empty");
    if (file->alone) return fail_at(file, root, "a model read from memory cannot extend '%.80s'", name);
    if (file->number >= VX_MODEL_BASES)
        return fail_at(file, root, "more than %d models extend one another", VX_MODEL_BASES);
    char path[VX_MODEL_PATH];
    vx_status status = find_base(file, name, path);
    if (status == VX_ERR_INPUT) {
        vx_msg why = *file->msg;
        return fail_at(file, root, "extends: %s", why.text);
    }
    if (status != VX_OK) return status;
    for (const load_file *above = file; above != NULL; above = above->extended_by)
        if (same_file(above->path, path)) return fail_at(file, root, "extends '%.80s', which extends it in turn", name);
    load_file base = {.extended_by = file,
                      .model = file->model,
                      .path = path,
                      .number = (uint8_t)(file->number + 1),
                      .msg = file->msg};
    return open_and_load(&base);
}

static vx_status load_document(load_file *file)
{
    const xmlNode *root = xmlDocGetRootElement(file->document);
    const char *kind = vx_model_kind_name(file->model->kind);
    if (root->ns != NULL || root->nsDef != NULL) return fail_at(file, root, "a model has no namespaces");
    if (strcmp((const char *)root->name, kind) != 0)
        return fail_at(file, root, "the root element is <%.80s>, not <%s>", (const char *)root->name, kind);
    load_element element = {.file = file, .node = root, .group = vx_keys_root(file->model->kind)};
    vx_key_path_add(element.path, kind);
    vx_status status = origin_of_element(&element); /* before the base's, to be VX_ORIGIN_ROOT */
    if (status == VX_OK) status = load_base(file, root);
    return status == VX_OK ? load_values(&element) : status;
}

vx_status vx_xml_load_file(vx_model *model, const char *path, vx_msg *msg)
{
    load_file file = {.model = model, .path = path, .number = 1, .msg = msg};
    return open_and_load(&file);
}

vx_status vx_xml_load_text(vx_model *model, const char *text, size_t bytes, const char *label, vx_msg *msg)
{
    load_file file = {.model = model, .path = label, .number = 1, .alone = true, .msg = msg};
    return parse_and_load(&file, text, bytes);
}

vx_status vx_xml_root_name(const char *path, char *name, size_t bytes, vx_msg *msg)
{
    char *text = NULL;
    size_t text_bytes = 0;
    xmlDoc *document = NULL;
    vx_status status = read_file(path, &text, &text_bytes, msg);
    if (status != VX_OK) return status;
    status = parse_text(&document, text, text_bytes, path, msg);
    free(text);
    if (status != VX_OK) return status;
    snprintf(name, bytes, "%s", (const char *)xmlDocGetRootElement(document)->name);
    xmlFreeDoc(document);
    return VX_OK;
}
