/* Reading XML that may be hostile. */
#ifndef VX_XML_GUARD_H
#define VX_XML_GUARD_H

#include <libxml/tree.h>
#include <stddef.h>

#include "vx_status.h"

enum { VX_XML_DEPTH_MAX = 32, VX_XML_ATTRIBUTES_MAX = 128 };

/* Parses UTF-8 text to a document that the caller frees with xmlFreeDoc. Refused, before libxml2 acts on them: DOCTYPE
 * (so no DTD and no entities of one's own), NUL bytes, elements nested deeper than VX_XML_DEPTH_MAX, tags of more than
 * VX_XML_ATTRIBUTES_MAX attributes. Nothing is loaded from files or the network. `label` begins every message, with the
 * line. VX_ERR_INPUT or VX_ERR_NOMEM. */
vx_status vx_xml_parse(xmlDoc **document, const char *text, size_t bytes, const char *label, vx_msg *msg);

/* The line of a node, and a node's attribute text (caller frees with xmlFree; NULL: no memory). */
int vx_xml_line(const xmlNode *node);
char *vx_xml_text(xmlDoc *document, const xmlAttr *attribute);

#endif
