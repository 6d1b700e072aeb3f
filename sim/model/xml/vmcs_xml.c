/* Reading a VMCS image from XML. */
#include "vx_vmcs_xml.h"

#include <libxml/tree.h>
#include <string.h>

#include "xml_guard.h"

typedef struct reader {
    xmlDoc *document;
    const char *label;
    const vx_vmcs_xml_sink *sink;
    vx_msg *msg;
} reader;

static vx_status fail(const reader *r, const xmlNode *node, const char *what, const char *name)
{
    return vx_fail(r->msg, VX_ERR_INPUT, "%s:%d: %s '%.80s'", r->label, vx_xml_line(node), what, name);
}

static const char *name_of(const xmlNode *node) { return (const char *)node->name; }

/* ---- the root ---- */

static vx_status take_root_attribute(const reader *r, const xmlNode *root, const xmlAttr *attribute)
{
    static const char *const known[] = {"cpu", "start", "ia32e"};
    const char *name = (const char *)attribute->name;
    bool found = attribute->ns == NULL;
    for (size_t i = 0; found; i++) {
        if (i == sizeof known / sizeof *known)
            found = false;
        else if (strcmp(known[i], name) == 0)
            break;
    }
    if (!found) return fail(r, root, "<vmcs> has no attribute", name);
    char *text = vx_xml_text(r->document, attribute);
    if (!text) return vx_fail_nomem(r->msg);
    vx_status status = r->sink->attribute(r->sink->context, name, text, vx_xml_line(root), r->msg);
    xmlFree(text);
    return status;
}

/* ---- items ---- */

static const struct {
    const char *element, *key, *value;
} items[] = {{"field", "name", "value"}, {"msr", "index", "value"}, {"memory", "address", "bytes"}};

static vx_status take_item(const reader *r, const xmlNode *node)
{
    size_t kind = 0;
    while (kind < sizeof items / sizeof *items && strcmp(items[kind].element, name_of(node)) != 0) kind++;
    if (kind == sizeof items / sizeof *items) return fail(r, node, "<vmcs> holds no element", name_of(node));
    if (node->children) return fail(r, node, "nothing stands inside the element", name_of(node));
    const xmlAttr *key = NULL, *value = NULL;
    for (const xmlAttr *at = node->properties; at; at = at->next) {
        const char *name = (const char *)at->name;
        if (!at->ns && strcmp(name, items[kind].key) == 0)
            key = at;
        else if (!at->ns && strcmp(name, items[kind].value) == 0)
            value = at;
        else
            return fail(r, node, "the element has no attribute", name);
    }
    if (!key) return fail(r, node, "the element lacks the attribute", items[kind].key);
    if (!value) return fail(r, node, "the element lacks the attribute", items[kind].value);
    char *key_text = vx_xml_text(r->document, key), *value_text = key_text ? vx_xml_text(r->document, value) : NULL;
    vx_status status = key_text && value_text ? r->sink->item(r->sink->context, items[kind].element, key_text,
                                                              value_text, vx_xml_line(node), r->msg)
                                              : vx_fail_nomem(r->msg);
    xmlFree(key_text);
    xmlFree(value_text);
    return status;
}

static vx_status take_children(const reader *r, const xmlNode *root)
{
    vx_status status = VX_OK;
    for (const xmlNode *node = root->children; node && status == VX_OK; node = node->next) {
        if (node->type == XML_ELEMENT_NODE)
            status = take_item(r, node);
        else if (node->type == XML_TEXT_NODE && !xmlIsBlankNode(node))
            status = fail(r, node, "text between the elements:", (const char *)node->content);
    }
    return status;
}

vx_status vx_vmcs_xml_parse(const char *text, size_t bytes, const char *label, const vx_vmcs_xml_sink *sink,
                            vx_msg *msg)
{
    reader r = {.label = label, .sink = sink, .msg = msg};
    vx_status status = vx_xml_parse(&r.document, text, bytes, label, msg);
    if (status != VX_OK) return status;
    const xmlNode *root = xmlDocGetRootElement(r.document);
    if (!root || strcmp(name_of(root), "vmcs") != 0)
        status = vx_fail(msg, VX_ERR_INPUT, "%s: the root element is not <vmcs>", label);
    for (const xmlAttr *at = root ? root->properties : NULL; at && status == VX_OK; at = at->next)
        status = take_root_attribute(&r, root, at);
    if (root && status == VX_OK) status = take_children(&r, root);
    xmlFreeDoc(r.document);
    return status;
}
