/* Runs any bytes through an importer: it must end, and every record must be well formed. */
#ifndef FUZZ_IMPORT_H
#define FUZZ_IMPORT_H

#include "importers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int fuzz_import(vx_status (*open)(vx_source **source, vx_input *input, vx_msg *msg), const uint8_t *data, size_t size);

#endif
