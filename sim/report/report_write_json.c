/* JSON laid out for reading: objects of a few plain members and arrays of plain values stand on one line. */
#include "report_private.h"

enum { LINE_MEMBERS = 8, REAL_DIGITS = 12 };

static bool is_plain(const json_t *value) { return !json_is_object(value) && !json_is_array(value); }

static bool fits_one_line(const json_t *value)
{
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            if (!is_plain(json_array_get(value, i))) return false;
        return true;
    }
    if (!json_is_object(value)) return true;
    if (json_object_size(value) > LINE_MEMBERS) return false;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member) if (!is_plain(member)) return false;
    return true;
}

static bool put_line(const json_t *value, FILE *out)
{
    return json_dumpf(value, out, JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS)) == 0;
}

static bool put_key(const char *key, FILE *out)
{
    json_t *text = json_string(key);
    bool done = text && put_line(text, out) && fputs(": ", out) >= 0;
    json_decref(text);
    return done;
}

static void put_break(unsigned depth, FILE *out) { fprintf(out, "\n%*s", (int)depth * 2, ""); }

/* Documents nest as deep as the contract does, or as jansson's parser lets them (2048). */
static bool put_value(const json_t *value, unsigned depth, FILE *out)
{
    if (fits_one_line(value)) return put_line(value, out);
    bool array = json_is_array(value), first = true;
    fputc(array ? '[' : '{', out);
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i > 0) fputc(',', out);
        put_break(depth + 1, out);
        if (!put_value(json_array_get(value, i), depth + 1, out)) return false;
    }
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member)
    {
        if (!first) fputc(',', out);
        first = false;
        put_break(depth + 1, out);
        if (!put_key(key, out) || !put_value(member, depth + 1, out)) return false;
    }
    put_break(depth, out);
    fputc(array ? ']' : '}', out);
    return true;
}

vx_status vx_report_write_json(const json_t *document, FILE *out, vx_msg *msg)
{
    bool done = put_value(document, 0, out);
    fputc('\n', out);
    if (!done && !ferror(out)) return vx_fail_nomem(msg);
    return report_end(out, msg);
}
