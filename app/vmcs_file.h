/* A file that describes a VMCS for `vexit vmx check`: fields by name, MSRs to load on entry, pieces of memory. */
#ifndef VMCS_FILE_H
#define VMCS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_status.h"
#include "vx_vmcs_field.h"

typedef struct vmcs_field_value {
    const vx_vmcs_field *field;
    uint64_t value;
    int line; /* 0: unknown */
} vmcs_field_value;

typedef struct vmcs_msr_value {
    uint64_t index, value;
} vmcs_msr_value;

typedef struct vmcs_memory_piece {
    uint64_t address;
    uint8_t *bytes;
    size_t count;
    int line;
} vmcs_memory_piece;

typedef struct vmcs_file {
    char cpu[64];     /* "": the file names none */
    bool start_valid; /* fields that the file does not name are those of the valid image; else 0 */
    bool ia32e;       /* the processor is in IA-32e mode before the entry */
    vmcs_field_value *fields;
    vmcs_msr_value *msrs;
    vmcs_memory_piece *pieces;
    size_t field_count, msr_count, piece_count;
} vmcs_file;

/* JSON (the text begins with '{') or XML. Errors name file and line. VX_ERR_INPUT, VX_ERR_IO, VX_ERR_NOMEM; the file is
 * then empty. */
vx_status vmcs_file_open(vmcs_file *file, const char *path, vx_msg *msg);
vx_status vmcs_file_parse(vmcs_file *file, const char *text, size_t bytes, const char *label, vx_msg *msg);
void vmcs_file_close(vmcs_file *file);

#endif
