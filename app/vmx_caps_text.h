/* The capability MSRs of a processor, decoded. */
#ifndef VMX_CAPS_TEXT_H
#define VMX_CAPS_TEXT_H

#include <jansson.h>
#include <stdio.h>

#include "vx_vmx_caps.h"

void vmx_caps_print(const vx_vmx_caps *caps, FILE *out);
json_t *vmx_caps_json(const vx_vmx_caps *caps); /* an array, one member an MSR */

#endif
