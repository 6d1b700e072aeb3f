/* Builds a recording of the prototype recorder tag by tag. */
#ifndef VXT0_FILE_H
#define VXT0_FILE_H

#include "import_support.h"

#include "import_vxt0.h"

#define ARGS(...) (sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)), ((const uint64_t[]){__VA_ARGS__})
#define NO_ARGS 0, NULL

void vxt0_header(bytes *to, bool has_ppn, bool guest32);

/* `instructions` since the event before; a PTPAGE's entries come as further operands (index, value). */
void vxt0_event_tag(bytes *to, unsigned event, uint64_t instructions, size_t count, const uint64_t *args);

/* `code`: lengths and classes of the instructions, in turn. */
void vxt0_block_def(bytes *to, uint64_t id, uint64_t address, size_t instructions, const uint8_t *code);
void vxt0_block_tag(bytes *to, uint64_t id);
void vxt0_block_mem_tag(bytes *to, uint64_t id);

/* A reference of 2^log2_bytes bytes by instruction `index`, `delta` from that one's last address. */
void vxt0_reference_tag(bytes *to, bool store, unsigned log2_bytes, uint64_t index, int64_t delta);

/* A filtered reference: flags 1 store, 2 fetch. */
void vxt0_filtered_tag(bytes *to, unsigned flags, int64_t page_delta, uint64_t instructions);

#endif
