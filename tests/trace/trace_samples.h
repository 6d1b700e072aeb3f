/* Record streams and files for the tests of the trace room. */
#ifndef TRACE_SAMPLES_H
#define TRACE_SAMPLES_H

#include "vx_random.h"
#include "vx_trace.h"

/* A stream in memory; its batch is what a source would give. */
typedef struct vx_sample {
    vx_record *records;
    size_t count;
    uint64_t *payload;
    size_t words;
    size_t record_room, word_room;
} vx_sample;

/* `count` random valid records of all kinds, without any pattern. */
vx_sample vx_sample_random(vx_random *random, size_t count);

/* A program-like stream: blocks of code with loads and stores that come again and again, and now and then an event. */
vx_sample vx_sample_program(vx_random *random, size_t count);

/* One random valid record of a kind; its words go to sample->payload. */
void vx_sample_add(vx_sample *sample, vx_random *random, vx_record_kind kind);

void vx_sample_free(vx_sample *sample);

/* Whether record `number` of the sample is this one, with the same payload. */
bool vx_sample_equals(const vx_sample *sample, size_t number, const vx_record *record, const uint64_t *payload);

/* Reads the source to its end; how many records came, which must be the sample's from `first` on. Fails the test if
 * not. */
size_t vx_sample_compare(const vx_sample *sample, size_t first, vx_source *source);

/* A generator, opened; the test fails where it cannot be. */
vx_source *vx_sample_generator(const char *what, uint64_t seed);

/* A path in the test's own folder, which vx_sample_folder_remove, a fixture of CMocka's, removes with all in it. */
const char *vx_sample_path(const char *name);
int vx_sample_folder_remove(void **state);

/* How many temporary files of a writer of this path there are. */
unsigned vx_sample_temporaries(const char *path);

/* Writes streams (one sample each) to a file; fails the test where that fails. */
void vx_sample_write(const char *path, const vx_sample *streams, uint32_t count, uint32_t chunk_records);

/* A file's bytes, malloced. */
uint8_t *vx_sample_load(const char *path, size_t *size);
void vx_sample_store(const char *path, const uint8_t *bytes, size_t size);

/* The header that vx_sample_write writes. */
extern const vx_trace_header vx_sample_header;

#endif
