/* The files that a verb writes: whether they can be, before anything runs, and writing one. */
#ifndef OUTPUT_FILES_H
#define OUTPUT_FILES_H

#include <jansson.h>

#include "vx_status.h"

enum { OUTPUT_FILES_MAX = 4 };

/* What a verb is to write and what it reads; a NULL among either, and "-" for standard output, stand for no file. */
typedef struct output_files {
    const char *written[OUTPUT_FILES_MAX];
    const char *const *read;
    unsigned read_count;
} output_files;

/* Whether each file's folder can be written to, no file is one of those that are read, which writing would end, and no
 * two are one file or both standard output. Devices and pipes are exempt from the latter two. */
vx_status output_files_check(const output_files *files, vx_msg *msg);

/* Writes a document whole or not at all; "-" is standard output. */
vx_status output_json(const json_t *document, const char *path, vx_msg *msg);

#endif
