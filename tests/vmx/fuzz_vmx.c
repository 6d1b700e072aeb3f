/* Fuzz target with the VMX API as its alphabet: no crash, and vmx_sequence.c's invariants hold. */
#include <stdlib.h>

#include "vmx_sequence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static vx_physmem memory;
    vx_msg msg;
    if (!memory.base && vx_physmem_init(&memory, 1 << 20, &msg) != VX_OK) abort();
    if (vmx_sequence_run(&memory, data, size)) abort();
    return 0;
}
