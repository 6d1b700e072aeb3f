#include "fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_import(vx_import_qemu_vtd, data, size); }
