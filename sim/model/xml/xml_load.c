/* A document to a configuration, by the key table.
 *
 * An element is a group, an attribute one of its keys. An element may come several times, each time with other keys
 * and another source; `source` and `assumed` hold for the element's values and for the elements inside it. */
#include "xml_load.h"

#include <stdio.h>
#include <string.h>

#include "xml_guard.h"

/* What stands behind the values of an element. */
typedef struct ground {
    const char *source; /* NULL: none */
    bool assumed;
} ground;

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

vx_status vx_xml_fail_at(const load_file *file, const xmlNode *node, const char *format, ...)
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
    return vx_xml_fail_at(element->file, element->node, "<%s> has no attribute '%s'%s", element->group->name, name,
                          near);
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
        return vx_xml_fail_at(file, element->node, "%s.%s is given twice", element->path, key->name);
    bool needs_ground = key->need == VX_NEED_SOURCE || key->need == VX_NEED_FEATURE;
    if (needs_ground && !element->ground.source && !element->ground.assumed)
        return vx_xml_fail_at(file, element->node, "%s.%s has neither source nor assumed", element->path, key->name);
    char why[VX_KEY_WHY];
    if (!vx_key_parse(key, text, config_at(file, offset), why))
        return vx_xml_fail_at(file, element->node, "%s.%s: '%.80s' is not %s", element->path, key->name, text, why);
    vx_status status = origin_of_element(element);
    if (status == VX_OK) file->model->origin_of[offset] = element->origin;
    return status;
}

static vx_status take_attribute(load_element *element, const xmlAttr *attribute)
{
    const char *name = (const char *)attribute->name;
    if (attribute->ns != NULL)
        return vx_xml_fail_at(element->file, element->node, "a model has no namespaces (attribute '%s')", name);
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

const char *vx_xml_attribute(const xmlNode *node, const char *name)
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
    const char *source = vx_xml_attribute(node, "source"), *assumed = vx_xml_attribute(node, "assumed");
    if (has_source && source == NULL)
        return vx_xml_fail_at(element->file, node, "<%s>: source is empty", element->group->name);
    if (has_assumed && (assumed == NULL || strcmp(assumed, "yes") != 0))
        return vx_xml_fail_at(element->file, node, "<%s>: assumed can only be \"yes\"", element->group->name);
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
        return vx_xml_fail_at(parent->file, child->node, "more than %u <%s>", group->limit, group->name);
    child->base = parent->base + group->offset + (size_t)*count * group->stride;
    forget(parent->file, group, child->base);
    ++*count;
    return VX_OK;
}

static vx_status find_named(const load_element *parent, load_element *child)
{
    const vx_key_group *group = child->group;
    const vx_key *id = &group->keys[0];
    const char *name = vx_xml_attribute(child->node, id->name);
    if (name == NULL) return vx_xml_fail_at(parent->file, child->node, "<%s> has no %s", group->name, id->name);
    unsigned count = *config_at(parent->file, parent->base + group->count_offset);
    for (unsigned i = 0; i < count; i++) {
        child->base = parent->base + group->offset + (size_t)i * group->stride;
        size_t offset = child->base + id->offset;
        if (strcmp((const char *)config_at(parent->file, offset), name) != 0) continue;
        if (vx_model_origin(parent->file->model, offset)->file == parent->file->number)
            return vx_xml_fail_at(parent->file, child->node, "%s '%s' is given twice", child->path, name);
        return VX_OK;
    }
    return add_instance(parent, child);
}

/* The name is taken even where the instance was inherited, so that a second element of that name is seen. */
static vx_status take_name(load_element *child)
{
    const vx_key *id = &child->group->keys[0];
    const char *name = vx_xml_attribute(child->node, id->name);
    if (strchr(name, '.') != NULL)
        return vx_xml_fail_at(child->file, child->node, "%s: '%.80s': a name within a path has no '.'", child->path,
                              name);
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
    return vx_xml_fail_at(parent->file, node, "<%s> holds no <%.80s>%s", parent->group->name, (const char *)node->name,
                          near);
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
        return vx_xml_fail_at(parent->file, node, "a model has no namespaces (element '%.80s')",
                              (const char *)node->name);
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
            status =
                vx_xml_fail_at(element->file, node, "<%s> holds text; values are attributes", element->group->name);
    }
    return status;
}

/* ---- the document ---- */

vx_status vx_xml_load_document(load_file *file)
{
    const xmlNode *root = xmlDocGetRootElement(file->document);
    const char *kind = vx_model_kind_name(file->model->kind);
    if (root->ns != NULL || root->nsDef != NULL) return vx_xml_fail_at(file, root, "a model has no namespaces");
    if (strcmp((const char *)root->name, kind) != 0)
        return vx_xml_fail_at(file, root, "the root element is <%.80s>, not <%s>", (const char *)root->name, kind);
    load_element element = {.file = file, .node = root, .group = vx_keys_root(file->model->kind)};
    vx_key_path_add(element.path, kind);
    vx_status status = origin_of_element(&element); /* before the base's, to be VX_ORIGIN_ROOT */
    if (status == VX_OK) status = vx_xml_load_base(file, root);
    return status == VX_OK ? load_values(&element) : status;
}
