/* The first identity of a document that does not hold, as an error with both sides. */
#include "report_private.h"

#include <string.h>

/* A count as report_count made it. */
static void count_text(const json_t *count, char text[REPORT_NUMBER])
{
    if (json_is_string(count))
        snprintf(text, REPORT_NUMBER, "%s", json_string_value(count));
    else
        snprintf(text, REPORT_NUMBER, "%" JSON_INTEGER_FORMAT, json_integer_value(count));
}

vx_status vx_report_identities(const json_t *document, vx_msg *msg)
{
    const json_t *runs = json_object_get(document, "runs");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const json_t *identities = json_object_get(run, "identities");
        const char *word = json_string_value(identities);
        if (word && strcmp(word, "ok") == 0) continue;
        char name[REPORT_WORD], left[REPORT_NUMBER], right[REPORT_NUMBER];
        report_word(run, "name", "?", name);
        const json_t *broken = json_array_get(identities, 0);
        if (!broken) return vx_fail(msg, VX_ERR_CHECK, "run %s: its identities were not checked", name);
        const char *identity = json_string_value(json_object_get(broken, "name"));
        count_text(json_object_get(broken, "left"), left);
        count_text(json_object_get(broken, "right"), right);
        return vx_fail(msg, VX_ERR_CHECK, "run %s: '%s' does not hold: %s against %s", name, identity ? identity : "?",
                       left, right);
    }
    return VX_OK;
}
