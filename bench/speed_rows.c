#include "speed_rows.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* What is asked here: of a speed, no more than the machine's share. */
static double asked_here(const speed_rows *rows, const speed_row *row)
{
    if (row->kind != SPEED_AT_LEAST || rows->loop == 0 || rows->loop >= SPEED_LOOP_ASKED) return row->asked;
    return row->asked * rows->loop / SPEED_LOOP_ASKED;
}

static const char *verdict(const speed_rows *rows, const speed_row *row)
{
    if (row->kind == SPEED_NO_REACH) return NULL;
    bool met = row->kind == SPEED_AT_LEAST ? row->value >= asked_here(rows, row) : row->value <= row->asked;
    return met ? "met" : "missed";
}

static bool is_rate(const speed_row *row) { return strcmp(row->unit, "Mref/s") == 0; }

void speed_rows_add(speed_rows *rows, const speed_row *row)
{
    assert(rows->count < SPEED_ROWS);
    unsigned i = rows->count++;
    rows->at[i].row = *row;
    snprintf(rows->at[i].name, SPEED_NAME, "%s", row->name);
    rows->at[i].row.name = rows->at[i].name;
    if (rows->quiet) return;
    printf("%-44s %9.*f %-12s", row->name, row->value < 100 ? 2 : 0, row->value, row->unit);
    if (is_rate(row) && rows->loop > 0) printf(" %6.3f of the loop", row->value / rows->loop);
    if (row->kind != SPEED_NO_REACH)
        printf("  asked %s%.3g: %s", row->kind == SPEED_AT_MOST ? "at most " : "", asked_here(rows, row),
               verdict(rows, row));
    printf("\n");
    fflush(stdout);
}

void speed_rows_say(const speed_rows *rows, const char *format, ...)
{
    if (rows->quiet) return;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
}

void speed_rows_csv(const speed_rows *rows, FILE *out)
{
    fprintf(out, "what,value,unit,of the bare loop,asked here,verdict\n");
    for (unsigned i = 0; i < rows->count; i++) {
        const speed_row *row = &rows->at[i].row;
        fprintf(out, "\"%s\",%.6g,%s,", row->name, row->value, row->unit);
        if (is_rate(row) && rows->loop > 0) fprintf(out, "%.6g", row->value / rows->loop);
        if (row->kind == SPEED_NO_REACH)
            fprintf(out, ",,\n");
        else
            fprintf(out, ",%.6g,%s\n", asked_here(rows, row), verdict(rows, row));
    }
}

static json_t *json_of(const speed_rows *rows, const speed_row *row)
{
    json_t *object = json_pack("{s:s, s:f, s:s}", "name", row->name, "value", row->value, "unit", row->unit);
    if (object && is_rate(row) && rows->loop > 0)
        json_object_set_new(object, "of_bare_loop", json_real(row->value / rows->loop));
    if (object && row->kind != SPEED_NO_REACH) {
        json_object_set_new(object, "asked", json_real(row->asked));
        json_object_set_new(object, "asked_here", json_real(asked_here(rows, row)));
        json_object_set_new(object, "asked_as", json_string(row->kind == SPEED_AT_MOST ? "at most" : "at least"));
        json_object_set_new(object, "verdict", json_string(verdict(rows, row)));
    }
    return object;
}

vx_status speed_rows_json(const speed_rows *rows, const char *path, bool quick, vx_msg *msg)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < rows->count; i++) json_array_append_new(list, json_of(rows, &rows->at[i].row));
    json_t *document = json_pack("{s:s, s:b, s:I, s:f, s:i, s:o}", "schema", "vexit-speed/1", "quick", quick,
                                 "processors", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "bare_loop_mref_per_second",
                                 rows->loop, "bare_loop_asked_mref_per_second", SPEED_LOOP_ASKED, "rows", list);
    if (!document) return vx_fail_nomem(msg);
    size_t flags = JSON_INDENT(1) | JSON_REAL_PRECISION(6);
    int failed;
    if (strcmp(path, "-") == 0) {
        failed = json_dumpf(document, stdout, flags) || putchar('\n') == EOF || fflush(stdout);
    } else {
        failed = json_dump_file(document, path, flags);
    }
    json_decref(document);
    return failed ? vx_fail(msg, VX_ERR_IO, "%s: cannot write", path) : VX_OK;
}
