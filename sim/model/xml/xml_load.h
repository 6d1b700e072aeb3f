/* What the two halves of loading a model share: files (xml_files.c) and the documents in them (xml_load.c). */
#ifndef XML_LOAD_H
#define XML_LOAD_H

#include <libxml/tree.h>

#include "model_state.h"

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

/* "path:line: ..." of a node. */
vx_status vx_xml_fail_at(const load_file *file, const xmlNode *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The attribute's text, kept by the document: NULL where it is absent or empty. Entities of one's own do not exist, so
 * an attribute is one text node. */
const char *vx_xml_attribute(const xmlNode *node, const char *name);

/* Takes the values of the file's document, after those of what it extends. */
vx_status vx_xml_load_document(load_file *file);
/* Loads what the root element extends; nothing where it extends nothing. */
vx_status vx_xml_load_base(load_file *file, const xmlNode *root);

#endif
