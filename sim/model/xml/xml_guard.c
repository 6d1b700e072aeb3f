/* Reading XML that may be hostile. */
#include "xml_guard.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/SAX2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Hangs on the parser's `_private`. The first complaint is kept: later ones follow from it. */
typedef struct guard {
    const char *label;
    vx_msg *msg;
    vx_status status;
    unsigned depth;
} guard;

static guard *guard_of(void *parser) { return ((xmlParserCtxt *)parser)->_private; }

static void refuse(void *parser, const char *why)
{
    guard *self = guard_of(parser);
    if (self->status == VX_OK)
        self->status = vx_fail(self->msg, VX_ERR_INPUT, "%s:%d: %s", self->label, xmlSAX2GetLineNumber(parser), why);
    xmlStopParser(parser);
}

/* Called at "<!DOCTYPE name", before the internal subset is read. */
static void on_doctype(void *parser, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
    (void)name, (void)public_id, (void)system_id;
    refuse(parser, "a model has no DOCTYPE (no DTD, no entities)");
}

static void on_start(void *parser, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int namespaces,
                     const xmlChar **namespace_list, int attributes, int defaulted, const xmlChar **attribute_list)
{
    if (++guard_of(parser)->depth > VX_XML_DEPTH_MAX) {
        char why[64];
        snprintf(why, sizeof why, "elements are nested deeper than %d", VX_XML_DEPTH_MAX);
        refuse(parser, why);
        return;
    }
    xmlSAX2StartElementNs(parser, name, prefix, uri, namespaces, namespace_list, attributes, defaulted, attribute_list);
}

static void on_end(void *parser, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    guard_of(parser)->depth--;
    xmlSAX2EndElementNs(parser, name, prefix, uri);
}

static void note(guard *self, const xmlError *error)
{
    if (self->status != VX_OK || error->level < XML_ERR_ERROR) return;
    if (error->code == XML_ERR_NO_MEMORY) {
        self->status = vx_fail_nomem(self->msg);
        return;
    }
    const char *text = error->message ? error->message : "not well-formed XML";
    size_t length = strcspn(text, "\n");
    self->status = vx_fail(self->msg, VX_ERR_INPUT, "%s:%d: %.*s", self->label, error->line, (int)length, text);
}

static void on_complaint(void *parser, xmlErrorPtr error) { note(guard_of(parser), error); }

/* What libxml2 says outside of a parser (that it has no memory for one), it would otherwise print. */
static void on_global_complaint(void *context, xmlErrorPtr error) { note(context, error); }

static vx_status run_parser(xmlParserCtxt *parser, xmlDoc **document, const char *text, size_t bytes)
{
    guard *self = guard_of(parser);
    /* NONET and no DTDLOAD, NOENT, XINCLUDE: nothing outside the text is ever read. The text is taken as UTF-8 whatever
     * it declares, so that a declared encoding cannot smuggle in what the checks above it did not see. */
    xmlDoc *made = xmlCtxtReadMemory(parser, text, (int)bytes, self->label, "UTF-8",
                                     XML_PARSE_NONET | XML_PARSE_BIG_LINES | XML_PARSE_NOCDATA);
    if (self->status == VX_OK && (made == NULL || !parser->wellFormed))
        self->status = vx_fail(self->msg, VX_ERR_INPUT, "%s: not well-formed XML", self->label);
    if (self->status != VX_OK) {
        xmlFreeDoc(made);
        return self->status;
    }
    *document = made;
    return VX_OK;
}

static vx_status parse_guarded(guard *self, xmlDoc **document, const char *text, size_t bytes)
{
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (parser == NULL) return vx_fail_nomem(self->msg);
    parser->_private = self;
    parser->sax->internalSubset = on_doctype;
    parser->sax->startElementNs = on_start;
    parser->sax->endElementNs = on_end;
    parser->sax->serror = on_complaint;
    vx_status status = run_parser(parser, document, text, bytes);
    xmlFreeParserCtxt(parser);
    return status;
}

/* What follows the first `end` behind `at`; the end of the text where there is none. */
static const char *behind(const char *at, const char *text_end, const char *end)
{
    const char *found = memmem(at, (size_t)(text_end - at), end, strlen(end));
    return found ? found + strlen(end) : text_end;
}

/* Passes over a tag and counts its attributes: an '=' outside of quotes each. */
static const char *pass_tag(const char *at, const char *end, unsigned *attributes)
{
    char quote = '\0';
    for (*attributes = 0; at < end && (quote || *at != '>'); at++) {
        if (quote)
            quote = *at == quote ? '\0' : quote;
        else if (*at == '"' || *at == '\'')
            quote = *at;
        else
            *attributes += *at == '=';
    }
    return at;
}

/* The line of the first tag with too many attributes, 0 without one. libxml2 compares each attribute of a tag with each
 * before it: a megabyte of them would take minutes. */
static unsigned crowded_line(const char *text, const char *end)
{
    unsigned line = 1, attributes = 0;
    const char *at = text, *start;
    while (attributes <= VX_XML_ATTRIBUTES_MAX && (start = memchr(at, '<', (size_t)(end - at))) != NULL) {
        size_t left = (size_t)(end - start);
        if (left >= 4 && memcmp(start, "<!--", 4) == 0)
            at = behind(start + 4, end, "-->");
        else if (left >= 9 && memcmp(start, "<![CDATA[", 9) == 0)
            at = behind(start + 9, end, "]]>");
        else if (left >= 2 && start[1] == '?')
            at = behind(start + 2, end, "?>");
        else
            at = pass_tag(start, end, &attributes);
    }
    if (attributes <= VX_XML_ATTRIBUTES_MAX) return 0;
    for (const char *c = text; c < start; c++) line += *c == '\n';
    return line;
}

vx_status vx_xml_parse(xmlDoc **document, const char *text, size_t bytes, const char *label, vx_msg *msg)
{
    if (bytes == 0) return vx_fail(msg, VX_ERR_INPUT, "%s: is empty", label);
    if (memchr(text, '\0', bytes) != NULL) return vx_fail(msg, VX_ERR_INPUT, "%s: holds a NUL byte", label);
    unsigned crowded = crowded_line(text, text + bytes);
    if (crowded)
        return vx_fail(msg, VX_ERR_INPUT, "%s:%u: a tag has more than %d attributes", label, crowded,
                       VX_XML_ATTRIBUTES_MAX);
    guard self = {.label = label, .msg = msg, .status = VX_OK};
    /* The handler is the thread's: an embedding program gets its own back. */
    xmlStructuredErrorFunc handler = xmlStructuredError;
    void *context = xmlStructuredErrorContext;
    xmlSetStructuredErrorFunc(&self, on_global_complaint);
    vx_status status = parse_guarded(&self, document, text, bytes);
    xmlSetStructuredErrorFunc(context, handler);
    return status;
}

int vx_xml_line(const xmlNode *node) { return (int)xmlGetLineNo(node); }

char *vx_xml_text(xmlDoc *document, const xmlAttr *attribute)
{
    if (attribute->children == NULL) return (char *)xmlStrdup((const xmlChar *)"");
    return (char *)xmlNodeListGetString(document, attribute->children, 1);
}
