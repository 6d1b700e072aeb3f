/* Opening a file of text that somebody gave by name: a model, a policy, a table. */
#ifndef VX_TEXT_FILE_H
#define VX_TEXT_FILE_H

#include <stdio.h>

/* Opens for reading, or returns NULL and sets *why (a static text, or strerror's). Never waits for a writer: a pipe
 * that has one (a shell's <(command)) is read to its end, and one that nobody has open for writing is refused, where
 * fopen would wait for ever. A directory opens, and fails at the first read. */
FILE *vx_text_file_open(const char *path, const char **why);

#endif
