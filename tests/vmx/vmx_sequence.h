/* Sequences of VMX operations spelled by bytes, with what must hold after each of them. */
#ifndef VMX_SEQUENCE_H
#define VMX_SEQUENCE_H

#include <stddef.h>

#include "vx_vmx.h"

/* Runs the operations; `memory` of at least 1 MiB is overwritten. Returns NULL, or what did not hold. */
const char *vmx_sequence_run(vx_physmem *memory, const uint8_t *bytes, size_t count);

/* How often each kind of result has come up, over all runs. */
extern unsigned long vmx_sequence_kinds[VX_VMX_DEAD + 1];

#endif
