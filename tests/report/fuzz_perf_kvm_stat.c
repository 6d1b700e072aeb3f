/* Any bytes as what perf printed: an accepted host adds up, a refused one leaves nothing. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "vx_measured.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *measured = NULL;
    vx_msg msg = {{0}};
    vx_status status = vx_measured_parse(&measured, (const char *)data, size, "fuzz.txt", &msg);
    if (status != VX_OK) {
        assert(status == VX_ERR_INPUT && !measured && strncmp(msg.text, "fuzz.txt:", 9) == 0);
        return 0;
    }
    json_int_t sum = 0;
    const char *name;
    json_t *reason;
    json_object_foreach(json_object_get(measured, "by_reason"), name, reason)
    {
        assert(*name);
        sum += json_integer_value(json_object_get(reason, "count"));
    }
    assert(sum == json_integer_value(json_object_get(measured, "total")) && sum > 0);
    json_decref(measured);
    return 0;
}
