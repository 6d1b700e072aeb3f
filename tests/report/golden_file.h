/* Documents of tests, and the renderings that they must give. */
#ifndef GOLDEN_FILE_H
#define GOLDEN_FILE_H

#include <jansson.h>
#include <stdio.h>

#include "vx_status.h"

typedef vx_status (*golden_writer)(const json_t *document, FILE *out, vx_msg *msg);

/* tests/report/documents/<name>; fails the test where it cannot be read. New reference. */
json_t *golden_document(const char *name);

/* Fails the test where the document is not as docs/schema/vexit-1.json says. */
void golden_schema(const json_t *document);

/* What `write` makes of the document; fails the test where it fails. The caller frees it. */
char *golden_render(const json_t *document, golden_writer write);

/* Fails the test where `write` makes of the document anything but tests/report/golden/<name>. With VX_UPDATE_GOLDEN set
 * it writes that file instead, for a human to read before it is committed. */
void golden_check(const json_t *document, golden_writer write, const char *name);

#endif
