/* Any bytes as a model of each kind: accepted models are whole, refused ones leave nothing. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "vx_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is listed can be set again to the same value. */
static bool set_again(void *context, const vx_model_value *value)
{
    char assignment[512];
    size_t path = strlen(value->path), text = strlen(value->value);
    assert(path + text + 2 <= sizeof assignment);
    memcpy(assignment, value->path, path);
    assignment[path] = '=';
    memcpy(assignment + path + 1, value->value, text + 1);
    memcpy(context, assignment, path + text + 2);
    return value->numeric; /* the last one visited is set below: setting renews the listing */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int kind = 0; kind < VX_MODEL_KINDS; kind++) {
        vx_model *model;
        vx_msg msg;
        vx_status status = vx_model_parse(&model, (vx_model_kind)kind, (const char *)data, size, "fuzz.xml", &msg);
        if (status != VX_OK) {
            assert(status == VX_ERR_INPUT || status == VX_ERR_NOMEM);
            assert(strlen(msg.text) > 0);
            continue;
        }
        char assignment[512] = "";
        vx_model_each(model, set_again, assignment);
        status = vx_model_set(model, assignment, &msg);
        assert(status == VX_OK || strstr(msg.text, "a name cannot be set") != NULL);
        assert(vx_model_check(model, &msg) == VX_OK);
        vx_model_close(model);
    }
    return 0;
}
