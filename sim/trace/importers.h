/* What the importers share, and their entries that read an open input (tests and fuzzers come in here). */
#ifndef IMPORTERS_H
#define IMPORTERS_H

#include "import_batch.h"
#include "input_stream.h"
#include "vx_trace.h"

/* Each takes ownership of the input, also where it fails. */
vx_status vx_import_lackey(vx_source **source, vx_input *input, vx_msg *msg);
vx_status vx_import_champsim(vx_source **source, vx_input *input, vx_msg *msg);
vx_status vx_import_cloudsuite(vx_source **source, vx_input *input, vx_msg *msg);
vx_status vx_import_drmemtrace(vx_source **source, vx_input *input, vx_msg *msg);
vx_status vx_import_vxt0(vx_source **source, vx_input *input, vx_msg *msg);
vx_status vx_import_qemu_vtd(vx_source **source, vx_input *input, vx_msg *msg);

/* "; it looks like ...: use --from ...", where these first bytes betray another format than `wanted`; else "". */
const char *vx_import_hint(const uint8_t *head, size_t bytes, const char *wanted);

/* A linear address that a user-level x86-64 program can use: canonical with 48 bits (SDM Vol. 1, 3.3.7.1). */
static inline bool vx_import_address_valid(uint64_t address) { return vx_canonical(address, 48); }

/* The header of a full user-level trace. */
void vx_import_user_header(vx_trace_header *header, const char *recipe);

#endif
