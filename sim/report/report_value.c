/* Making members of JSON from C values, and finding members that may be missing or of another type. */
#include "report_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The text with every byte beyond ASCII replaced: what remains is UTF-8. */
static json_t *ascii_string(const char *text)
{
    size_t length = strlen(text);
    char *copy = malloc(length + 1);
    if (!copy) return NULL;
    for (size_t i = 0; i < length; i++) copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    copy[length] = '\0';
    json_t *value = json_string(copy);
    free(copy);
    return value;
}

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80) text++;
    return *text == '\0';
}

json_t *report_string(const char *text)
{
    json_t *value = json_string(text);
    return value || is_ascii(text) ? value : ascii_string(text);
}

json_t *report_count(uint64_t count)
{
    if (count <= INT64_MAX) return json_integer((json_int_t)count);
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, count);
    return json_string(digits);
}

bool report_set(json_t *object, const char *key, json_t *value) { return json_object_set_new(object, key, value) == 0; }

bool report_add_missing(json_t *object, const json_t *other)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)other, key, value)
    {
        if (!json_object_get(object, key) && json_object_set(object, key, value) != 0) return false;
    }
    return true;
}

const json_t *report_at(const json_t *object, const char *path)
{
    char key[REPORT_WORD];
    for (;;) {
        size_t length = strcspn(path, ".");
        if (length >= sizeof key) return NULL;
        memcpy(key, path, length);
        key[length] = '\0';
        object = json_object_get(object, key);
        if (!object || path[length] == '\0') return object;
        path += length + 1;
    }
}

uint64_t report_uint(const json_t *object, const char *path)
{
    json_int_t value = json_integer_value(report_at(object, path));
    return value > 0 ? (uint64_t)value : 0;
}

double report_real(const json_t *object, const char *path) { return json_number_value(report_at(object, path)); }

vx_status report_end(FILE *out, vx_msg *msg)
{
    if (fflush(out) == 0 && !ferror(out)) return VX_OK;
    return vx_fail(msg, VX_ERR_IO, "cannot write the report: %s", strerror(errno));
}
