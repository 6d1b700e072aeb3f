#include "json_schema.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct schema_check {
    const json_t *root;
    vx_schema_fault *fault;
    unsigned depth; /* of schemas in schemas: a $ref may point at itself */
} schema_check;

/* Where in the document one is; the whole path is written only when something is wrong. */
typedef struct place {
    const struct place *up;
    const char *key; /* NULL: an element */
    size_t index;
} place;

static bool check(schema_check *c, const json_t *schema, const json_t *value, const place *at);

static void write_place(const place *at, char *text, size_t bytes)
{
    if (!at) return;
    write_place(at->up, text, bytes);
    size_t length = strlen(text);
    if (at->key)
        snprintf(text + length, bytes - length, "/%s", at->key);
    else
        snprintf(text + length, bytes - length, "/%zu", at->index);
}

static bool wrong(schema_check *c, const place *at, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool wrong(schema_check *c, const place *at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->fault->what, sizeof c->fault->what, format, arguments);
    va_end(arguments);
    c->fault->where[0] = '\0';
    write_place(at, c->fault->where, sizeof c->fault->where);
    return false;
}

static bool matches(const char *pattern, const char *text)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) return false;
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

static bool has_type(const json_t *value, const char *type)
{
    if (strcmp(type, "number") == 0) return json_is_number(value);
    if (strcmp(type, "boolean") == 0) return json_is_boolean(value);
    static const struct {
        const char *name;
        json_type type;
    } types[] = {{"object", JSON_OBJECT},
                 {"array", JSON_ARRAY},
                 {"string", JSON_STRING},
                 {"integer", JSON_INTEGER},
                 {"null", JSON_NULL}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i].name) == 0) return json_typeof(value) == types[i].type;
    return false;
}

static bool check_type(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    bool fits = json_is_string(rule) && has_type(value, json_string_value(rule));
    for (size_t i = 0; i < json_array_size(rule); i++)
        fits |= has_type(value, json_string_value(json_array_get(rule, i)));
    return fits || wrong(c, at, "is of another type");
}

static bool check_enum(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    for (size_t i = 0; i < json_array_size(rule); i++)
        if (json_equal(json_array_get(rule, i), value)) return true;
    return wrong(c, at, "is none of the values allowed");
}

static bool check_const(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    return json_equal(rule, value) || wrong(c, at, "is not the constant");
}

static bool check_minimum(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    if (!json_is_number(value) || json_number_value(value) >= json_number_value(rule)) return true;
    return wrong(c, at, "is below the minimum");
}

static bool check_maximum(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    if (!json_is_number(value) || json_number_value(value) <= json_number_value(rule)) return true;
    return wrong(c, at, "is above the maximum");
}

static bool check_pattern(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    if (!json_is_string(value) || matches(json_string_value(rule), json_string_value(value))) return true;
    return wrong(c, at, "does not match %s", json_string_value(rule));
}

static bool check_required(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    for (size_t i = 0; json_is_object(value) && i < json_array_size(rule); i++) {
        const char *key = json_string_value(json_array_get(rule, i));
        if (!json_object_get(value, key)) return wrong(c, at, "lacks '%s'", key);
    }
    return true;
}

static bool check_items(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        place element = {.up = at, .index = i};
        if (!check(c, rule, json_array_get(value, i), &element)) return false;
    }
    return true;
}

static bool check_properties(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    const char *key;
    json_t *schema;
    json_object_foreach((json_t *)rule, key, schema)
    {
        place member = {.up = at, .key = key};
        const json_t *found = json_object_get(value, key);
        if (found && !check(c, schema, found, &member)) return false;
    }
    return true;
}

static bool check_patterns(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    const char *pattern, *key;
    json_t *schema, *found;
    json_object_foreach((json_t *)rule, pattern, schema)
    {
        json_object_foreach((json_t *)value, key, found)
        {
            place member = {.up = at, .key = key};
            if (matches(pattern, key) && !check(c, schema, found, &member)) return false;
        }
    }
    return true;
}

static bool is_named(const json_t *schema, const char *key)
{
    if (json_object_get(json_object_get(schema, "properties"), key)) return true;
    const char *pattern;
    json_t *unused;
    json_object_foreach(json_object_get(schema, "patternProperties"), pattern,
                        unused) if (matches(pattern, key)) return true;
    return false;
}

static bool check_additional(schema_check *c, const json_t *schema, const json_t *value, const place *at)
{
    const json_t *rule = json_object_get(schema, "additionalProperties");
    const char *key;
    json_t *found;
    json_object_foreach((json_t *)value, key, found)
    {
        place member = {.up = at, .key = key};
        if (is_named(schema, key) || json_is_true(rule)) continue;
        if (json_is_false(rule)) return wrong(c, &member, "is not allowed here");
        if (!check(c, rule, found, &member)) return false;
    }
    return true;
}

/* "#/$defs/count": a path of keys from the schema's root. */
static bool check_reference(schema_check *c, const json_t *rule, const json_t *value, const place *at)
{
    const char *path = json_string_value(rule);
    const json_t *target = c->root;
    if (!path || path[0] != '#') return wrong(c, at, "the schema refers to another file");
    for (path++; *path == '/'; path += strcspn(path, "/")) {
        path++;
        target = json_object_getn(target, path, strcspn(path, "/"));
    }
    if (!target) return wrong(c, at, "the schema refers to what it lacks: %s", json_string_value(rule));
    return check(c, target, value, at);
}

static const struct keyword {
    const char *name;
    bool (*check)(schema_check *c, const json_t *rule, const json_t *value, const place *at); /* NULL: annotation */
} keywords[] = {
    {"type", check_type},
    {"properties", check_properties},
    {"required", check_required},
    {"patternProperties", check_patterns},
    {"items", check_items},
    {"enum", check_enum},
    {"const", check_const},
    {"minimum", check_minimum},
    {"maximum", check_maximum},
    {"pattern", check_pattern},
    {"$ref", check_reference},
    {"additionalProperties", NULL},
    {"$schema", NULL},
    {"$id", NULL},
    {"$defs", NULL},
    {"title", NULL},
    {"description", NULL},
};

static const struct keyword *keyword_of(const char *name)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(keywords[i].name, name) == 0) return &keywords[i];
    return NULL;
}

static bool check(schema_check *c, const json_t *schema, const json_t *value, const place *at)
{
    if (++c->depth > 256) return wrong(c, at, "the schema refers to itself");
    const char *name;
    json_t *rule;
    json_object_foreach((json_t *)schema, name, rule)
    {
        const struct keyword *keyword = keyword_of(name);
        if (!keyword) return wrong(c, at, "the schema has the unknown keyword '%s'", name);
        if (keyword->check && !keyword->check(c, rule, value, at)) return false;
    }
    /* This one needs its neighbours. */
    if (json_object_get(schema, "additionalProperties") && !check_additional(c, schema, value, at)) return false;
    c->depth--;
    return true;
}

bool vx_json_schema_check(const json_t *schema, const json_t *document, vx_schema_fault *fault)
{
    schema_check c = {.root = schema, .fault = fault};
    return check(&c, schema, document, NULL);
}
