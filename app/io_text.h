/* The text of vexit io: a column a run. */
#ifndef IO_TEXT_H
#define IO_TEXT_H

#include <jansson.h>

void io_text_paths(const json_t *document); /* of guests, a column a path */
void io_text_trace(const json_t *document); /* of a trace, a column a policy */

#endif
