/* RFC 4180: CRLF ends a line; a field with comma, quote, CR or LF is quoted, quotes within doubled. */
#include "report_private.h"

#include <string.h>

/* Columns in order of first appearance, as keys of an object, and the rows. */
typedef struct csv_table {
    json_t *columns, *rows;
} csv_table;

/* Appends `text` to a string value that grows: "a; b". */
static bool join(json_t *row, const char *key, const char *text)
{
    const char *before = json_string_value(json_object_get(row, key));
    if (!text) return true;
    if (!before) return report_set(row, key, report_string(text));
    return report_set(row, key, json_sprintf("%s; %s", before, text));
}

static bool flatten(json_t *row, const json_t *object, const char *prefix, unsigned depth);

/* A list of words, or of objects with names, in one field. */
static bool join_all(json_t *row, const char *key, const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (!join(row, key, json_string_value(json_is_object(item) ? json_object_get(item, "name") : item)))
            return false;
    }
    return true;
}

/* Grids have no place in a table of scalars. */
static bool flatten_member(json_t *row, const char *key, json_t *value, unsigned depth)
{
    if (json_is_array(value)) return true;
    if (!json_is_object(value)) return json_object_set(row, key, value) == 0;
    char prefix[512];
    int length = snprintf(prefix, sizeof prefix, "%s.", key);
    if (length < 0 || (size_t)length >= sizeof prefix || depth == 0) return true;
    return flatten(row, value, prefix, depth - 1);
}

/* Every scalar of a run by its dotted path. */
static bool flatten(json_t *row, const json_t *object, const char *prefix, unsigned depth)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        char key[512];
        int length = snprintf(key, sizeof key, "%s%s", prefix, name);
        if (length < 0 || (size_t)length >= sizeof key) continue;
        if (!flatten_member(row, key, value, depth)) return false;
    }
    return true;
}

/* One member of an object, where it has it. */
static bool take(json_t *row, const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (json_is_array(value)) return join_all(row, key, value);
    return !value || flatten_member(row, key, value, 1);
}

/* What a run is, for its own row and those of its intervals. */
static json_t *row_head(const json_t *document, const json_t *run, json_t *interval)
{
    static const char *const keys[] = {"name", "scheme", "vpid",   "cpu",         "vmm",
                                       "seed", "class",  "window", "approximate", "identities"};
    json_t *row = json_object();
    const json_t *trace = json_object_get(document, "trace");
    bool done = row && take(row, document, "verb") && take(row, document, "complete");
    if (done && json_is_object(trace)) done = join(row, "trace", json_string_value(json_object_get(trace, "path")));
    for (size_t i = 0; done && i < json_array_size(trace); i++)
        done = join(row, "trace", json_string_value(json_object_get(json_array_get(trace, i), "path")));
    for (size_t i = 0; done && i < sizeof keys / sizeof *keys; i++) done = take(row, run, keys[i]);
    if (report_set(row, "interval", interval) && done) return row;
    json_decref(row);
    return NULL;
}

static bool add_row(csv_table *table, json_t *row)
{
    bool done = row && report_add_missing(table->columns, row);
    return json_array_append_new(table->rows, row) == 0 && done;
}

/* The run's own figures: all but what its head holds and what is too wide for a table. */
static bool add_figures(json_t *row, const json_t *run)
{
    static const char *const left_out[] = {"config", "intervals", "window"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)run, name, value)
    {
        bool skip = json_object_get(row, name) != NULL;
        for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) skip |= strcmp(name, left_out[i]) == 0;
        if (!skip && !flatten_member(row, name, value, 16)) return false;
    }
    return true;
}

static bool add_run(csv_table *table, const json_t *document, const json_t *run)
{
    const json_t *intervals = json_object_get(run, "intervals");
    for (size_t i = 0; i < json_array_size(intervals); i++) {
        json_t *row = row_head(document, run, json_integer((json_int_t)i + 1));
        bool done = row && json_object_update(row, json_array_get(intervals, i)) == 0;
        if (!add_row(table, row) || !done) return false;
    }
    json_t *row = row_head(document, run, json_null());
    bool done = row && add_figures(row, run);
    return add_row(table, row) && done;
}

static void put_text(const char *text, FILE *out)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* Nothing for null and for what the row lacks. */
static bool put_field(const json_t *value, FILE *out)
{
    if (json_is_string(value)) put_text(json_string_value(value), out);
    if (!value || json_is_null(value) || json_is_string(value)) return true;
    return json_dumpf(value, out, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12)) == 0;
}

static bool put_table(const csv_table *table, FILE *out)
{
    const char *name, *separator = "";
    json_t *unused;
    json_object_foreach(table->columns, name, unused)
    {
        fputs(separator, out);
        put_text(name, out);
        separator = ",";
    }
    fputs("\r\n", out);
    for (size_t i = 0; i < json_array_size(table->rows); i++) {
        separator = "";
        json_object_foreach(table->columns, name, unused)
        {
            fputs(separator, out);
            if (!put_field(json_object_get(json_array_get(table->rows, i), name), out)) return false;
            separator = ",";
        }
        fputs("\r\n", out);
    }
    return true;
}

vx_status vx_report_write_csv(const json_t *document, FILE *out, vx_msg *msg)
{
    csv_table table = {.columns = json_object(), .rows = json_array()};
    const json_t *runs = json_object_get(document, "runs");
    bool done = table.columns && table.rows;
    for (size_t i = 0; done && i < json_array_size(runs); i++)
        done = add_run(&table, document, json_array_get(runs, i));
    done = done && put_table(&table, out);
    json_decref(table.columns);
    json_decref(table.rows);
    return done || ferror(out) ? report_end(out, msg) : vx_fail_nomem(msg);
}
