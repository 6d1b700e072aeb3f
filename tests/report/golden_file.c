#include "golden_file.h"

#include <string.h>

#include "json_schema.h"
#include "test_support.h"

static FILE *open_file(const char *folder, const char *name, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/%s", VX_SOURCE_DIR, folder, name);
    FILE *file = fopen(path, mode);
    if (!file) fail_msg("cannot open %s", path);
    return file;
}

json_t *golden_document(const char *name)
{
    FILE *file = open_file("tests/report/documents", name, "r");
    json_error_t error;
    json_t *document = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    fclose(file);
    if (!document) fail_msg("%s:%d: %s", name, error.line, error.text);
    return document;
}

void golden_schema(const json_t *document)
{
    FILE *file = open_file("docs/schema", "vexit-1.json", "r");
    json_t *schema = json_loadf(file, JSON_REJECT_DUPLICATES, NULL);
    fclose(file);
    assert_non_null(schema);
    vx_schema_fault fault;
    bool valid = vx_json_schema_check(schema, document, &fault);
    json_decref(schema);
    if (!valid) fail_msg("%s %s", fault.where, fault.what);
}

char *golden_render(const json_t *document, golden_writer write)
{
    char *text = NULL;
    size_t bytes = 0;
    vx_msg msg = {{0}};
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    vx_status status = write(document, out, &msg);
    fclose(out);
    if (status != VX_OK) fail_msg("%s", msg.text);
    return text;
}

void golden_check(const json_t *document, golden_writer write, const char *name)
{
    char *text = golden_render(document, write);
    bool update = getenv("VX_UPDATE_GOLDEN") != NULL;
    FILE *file = open_file("tests/report/golden", name, update ? "w" : "r");
    if (update) {
        fputs(text, file);
    } else {
        static char wanted[65536];
        size_t bytes = fread(wanted, 1, sizeof wanted - 1, file);
        wanted[bytes] = '\0';
        if (strcmp(text, wanted) != 0) print_message("%s differs; the rendering is:\n%s", name, text);
        assert_string_equal(text, wanted);
    }
    fclose(file);
    free(text);
}
