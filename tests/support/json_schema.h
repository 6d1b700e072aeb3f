/* Checks JSON documents against a JSON Schema file, as far as docs/schema uses that language: type, properties,
 * patternProperties, additionalProperties, required, items, enum, const, minimum, maximum, pattern, and $ref to a place
 * in the same file. Any other keyword that is no annotation is an error: it would be a promise that nobody checks. */
#ifndef VX_JSON_SCHEMA_H
#define VX_JSON_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

typedef struct vx_schema_fault {
    char where[256]; /* "/runs/0/cycles/total" */
    char what[256];
} vx_schema_fault;

/* Whether the document is as the schema says; the first fault otherwise. */
bool vx_json_schema_check(const json_t *schema, const json_t *document, vx_schema_fault *fault);

#endif
