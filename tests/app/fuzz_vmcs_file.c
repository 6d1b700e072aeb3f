/* Any bytes as a VMCS file, JSON or XML: refused with a message, or values within their widths. */
#include <assert.h>
#include <string.h>

#include "vmcs_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vmcs_file file;
    vx_msg msg;
    vx_status status = vmcs_file_parse(&file, (const char *)data, size, "fuzz", &msg);
    if (status != VX_OK) {
        assert(status == VX_ERR_INPUT || status == VX_ERR_NOMEM);
        assert(strlen(msg.text) > 0 && file.field_count == 0);
        return 0;
    }
    for (size_t i = 0; i < file.field_count; i++) {
        unsigned bits = 8 * vx_vmcs_bytes_of(file.fields[i].field->encoding);
        assert(bits == 64 || file.fields[i].value >> bits == 0);
    }
    vmcs_file_close(&file);
    return 0;
}
