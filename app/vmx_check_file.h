/* What VMLAUNCH would make of a described VMCS. */
#ifndef VMX_CHECK_FILE_H
#define VMX_CHECK_FILE_H

#include <jansson.h>
#include <stdio.h>

#include "vmcs_file.h"
#include "vx_config.h"

typedef struct vmx_verdict vmx_verdict;

/* Puts the VMCS and its memory before a processor, executes VMLAUNCH, and asks every check. `label` stands before the
 * lines of errors. VX_ERR_INPUT: a piece of memory lies where the processor has none. */
vx_status vmx_check_file(vmx_verdict **verdict, const vmcs_file *file, const char *label, const vx_cfg_cpu *cpu,
                         vx_msg *msg);
void vmx_verdict_free(vmx_verdict *verdict);
bool vmx_verdict_enters(const vmx_verdict *verdict);

void vmx_verdict_print(const vmx_verdict *verdict, const char *label, FILE *out);
json_t *vmx_verdict_json(const vmx_verdict *verdict); /* members to add to the document */

#endif
