#include "report_config.h"

#include <string.h>

#include "report_private.h"

typedef struct config_pass {
    json_t *config;
    bool failed;
} config_pass;

/* A number as a number, whatever the locale; a switch as a Boolean; all else (words, lists of words, bit masks in
 * hexadecimal) as --set would take it. */
static json_t *value_json(const vx_model_value *value)
{
    if (value->numeric) {
        json_error_t error;
        json_t *number = json_loads(value->value, JSON_DECODE_ANY, &error);
        if (number || json_error_code(&error) != json_error_numeric_overflow) return number;
    }
    if (strcmp(value->value, "yes") == 0) return json_true();
    if (strcmp(value->value, "no") == 0) return json_false();
    return report_string(value->value);
}

static bool add_value(void *context, const vx_model_value *value)
{
    config_pass *pass = context;
    json_t *object = json_object();
    bool done = report_set(pass->config, value->path, object) && report_set(object, "value", value_json(value)) &&
                report_set(object, "from", report_string(value->from)) &&
                report_set(object, "source", report_string(value->source)) &&
                report_set(object, "assumed", json_boolean(value->assumed));
    pass->failed = !done;
    return done;
}

json_t *report_config(const vx_model *const models[4])
{
    config_pass pass = {.config = json_object()};
    if (!pass.config) return NULL;
    for (unsigned i = 0; i < 4 && !pass.failed; i++)
        if (models[i]) vx_model_each(models[i], add_value, &pass);
    if (!pass.failed) return pass.config;
    json_decref(pass.config);
    return NULL;
}
