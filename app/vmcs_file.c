/* A file that describes a VMCS: XML or JSON to the same values.
 *
 * JSON: {"cpu": "haswell", "start": "valid", "ia32e": true, "fields": {"Guest CR0": "0x80000031", ...},
 *        "msrs": [{"index": "0xC0000080", "value": "0xD01"}], "memory": [{"address": "0x5000", "bytes": "01 00 58
 * 56"}]} Numbers are JSON numbers, or text in decimal or with 0x. */
#include "vmcs_file.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vx_number.h"
#include "vx_text_file.h"
#include "vx_vmcs_xml.h"

enum { FILE_BYTES_MAX = 1 << 24, MSRS_MAX = 512 };

/* ---- values ---- */

typedef struct place {
    vmcs_file *file;
    const char *label;
} place;

/* More room for one element of an array; NULL without memory. */
static void *grown(void *array, size_t count, size_t bytes)
{
    return (count & (count - 1)) ? array : realloc(array, (count ? 2 * count : 1) * bytes);
}

static vx_status take_number(const place *at, const char *text, int line, uint64_t *value, vx_msg *msg)
{
    if (vx_number_whole(text, value)) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT, "%s:%d: '%.80s' is not a number of 64 bits", at->label, line, text);
}

static vx_status take_field(const place *at, const char *name, const char *text, int line, vx_msg *msg)
{
    vmcs_file *file = at->file;
    const vx_vmcs_field *field = vx_vmcs_field_named(name);
    if (!field) {
        const char *near = vx_vmcs_field_near(name);
        return vx_fail(msg, VX_ERR_INPUT, "%s:%d: no VMCS field '%.80s'%s%s%s", at->label, line, name,
                       near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    uint64_t value = 0;
    vx_status status = take_number(at, text, line, &value, msg);
    if (status != VX_OK) return status;
    unsigned bits = 8 * vx_vmcs_bytes_of(field->encoding);
    if (bits < 64 && value >> bits)
        return vx_fail(msg, VX_ERR_INPUT, "%s:%d: %s has %u bits, 0x%" PRIx64 " does not fit", at->label, line,
                       field->name, bits, value);
    for (size_t i = 0; i < file->field_count; i++)
        if (file->fields[i].field == field)
            return vx_fail(msg, VX_ERR_INPUT, "%s:%d: %s is given twice", at->label, line, field->name);
    vmcs_field_value *fields = grown(file->fields, file->field_count, sizeof *fields);
    if (!fields) return vx_fail_nomem(msg);
    file->fields = fields;
    fields[file->field_count++] = (vmcs_field_value){field, value, line};
    return VX_OK;
}

static vx_status take_msr(const place *at, const char *index, const char *text, int line, vx_msg *msg)
{
    vmcs_file *file = at->file;
    vmcs_msr_value msr;
    vx_status status = take_number(at, index, line, &msr.index, msg);
    if (status == VX_OK) status = take_number(at, text, line, &msr.value, msg);
    if (status != VX_OK) return status;
    if (file->msr_count == MSRS_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%s:%d: more than %d MSRs", at->label, line, MSRS_MAX);
    vmcs_msr_value *msrs = grown(file->msrs, file->msr_count, sizeof *msrs);
    if (!msrs) return vx_fail_nomem(msg);
    file->msrs = msrs;
    msrs[file->msr_count++] = msr;
    return VX_OK;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of hexadecimal digits, with blanks between them. */
static bool parse_bytes(const char *text, uint8_t *bytes, size_t *count)
{
    for (*count = 0; *text;) {
        if (isspace((unsigned char)*text)) {
            text++;
            continue;
        }
        int high = nibble(text[0]), low = high < 0 ? -1 : nibble(text[1]);
        if (low < 0) return false;
        bytes[(*count)++] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return *count > 0;
}

static vx_status take_memory(const place *at, const char *address, const char *text, int line, vx_msg *msg)
{
    vmcs_file *file = at->file;
    vmcs_memory_piece piece = {.line = line};
    vx_status status = take_number(at, address, line, &piece.address, msg);
    if (status != VX_OK) return status;
    vmcs_memory_piece *pieces = grown(file->pieces, file->piece_count, sizeof *pieces);
    if (!pieces) return vx_fail_nomem(msg);
    file->pieces = pieces;
    piece.bytes = malloc(strlen(text) / 2 + 1);
    if (!piece.bytes) return vx_fail_nomem(msg);
    if (!parse_bytes(text, piece.bytes, &piece.count)) {
        free(piece.bytes);
        return vx_fail(msg, VX_ERR_INPUT, "%s:%d: memory bytes are pairs of hexadecimal digits", at->label, line);
    }
    pieces[file->piece_count++] = piece;
    return VX_OK;
}

/* "cpu", "start", "ia32e" */
static vx_status take_attribute(void *context, const char *name, const char *value, int line, vx_msg *msg)
{
    const place *at = context;
    if (strcmp(name, "cpu") == 0) {
        if (strlen(value) >= sizeof at->file->cpu)
            return vx_fail(msg, VX_ERR_INPUT, "%s:%d: cpu is too long a name", at->label, line);
        memcpy(at->file->cpu, value, strlen(value) + 1);
        return VX_OK;
    }
    bool start = strcmp(name, "start") == 0;
    const char *yes = start ? "valid" : "yes", *no = start ? "zero" : "no";
    if (strcmp(value, yes) != 0 && strcmp(value, no) != 0)
        return vx_fail(msg, VX_ERR_INPUT, "%s:%d: %s '%.80s' is not %s or %s", at->label, line, name, value, yes, no);
    *(start ? &at->file->start_valid : &at->file->ia32e) = strcmp(value, yes) == 0;
    return VX_OK;
}

static vx_status take_item(void *context, const char *element, const char *key, const char *value, int line,
                           vx_msg *msg)
{
    const place *at = context;
    if (strcmp(element, "field") == 0) return take_field(at, key, value, line, msg);
    if (strcmp(element, "msr") == 0) return take_msr(at, key, value, line, msg);
    return take_memory(at, key, value, line, msg);
}

/* ---- JSON ---- */

typedef struct json_reader {
    place at;
    const char *text, *end;
    vx_msg *msg;
} json_reader;

/* The line on which a key first stands: jansson keeps none. */
static int line_of(const json_reader *r, const char *key)
{
    size_t length = strlen(key);
    int line = 1;
    for (const char *at = r->text; at < r->end; at++) {
        if (*at == '\n') line++;
        if (*at == '"' && (size_t)(r->end - at) > length + 1 && memcmp(at + 1, key, length) == 0 &&
            at[length + 1] == '"')
            return line;
    }
    return 1;
}

/* A number as text, whichever way it is written; false: it is neither. */
static bool number_text(const json_t *value, char text[32])
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        snprintf(text, 32, "%" PRId64, (int64_t)json_integer_value(value));
        return true;
    }
    if (!json_is_string(value) || json_string_length(value) >= 32) return false;
    snprintf(text, 32, "%s", json_string_value(value));
    return true;
}

static vx_status json_field(const json_reader *r, const char *name, const json_t *value)
{
    char text[32];
    int line = line_of(r, name);
    if (!number_text(value, text))
        return vx_fail(r->msg, VX_ERR_INPUT, "%s:%d: '%.80s' is not a number", r->at.label, line, name);
    return take_field(&r->at, name, text, line, r->msg);
}

/* One member of "msrs" or "memory", which stands at `line`: two members, of which the first is a number. */
static vx_status json_pair(const json_reader *r, const char *list, int line, const char *key, const char *value_key,
                           const json_t *entry)
{
    char index[32], value[32];
    const json_t *second = json_object_get(entry, value_key);
    if (json_object_size(entry) != 2 || !number_text(json_object_get(entry, key), index) || !second)
        return vx_fail(r->msg, VX_ERR_INPUT, "%s:%d: an entry of \"%s\" has \"%s\" and \"%s\"", r->at.label, line, list,
                       key, value_key);
    if (strcmp(list, "memory") == 0) {
        if (!json_is_string(second))
            return vx_fail(r->msg, VX_ERR_INPUT, "%s:%d: memory bytes are pairs of hexadecimal digits", r->at.label,
                           line);
        return take_memory(&r->at, index, json_string_value(second), line, r->msg);
    }
    if (!number_text(second, value))
        return vx_fail(r->msg, VX_ERR_INPUT, "%s:%d: an MSR's value is not a number", r->at.label, line);
    return take_msr(&r->at, index, value, line, r->msg);
}

static vx_status json_list(const json_reader *r, const char *list, const json_t *value)
{
    bool memory = strcmp(list, "memory") == 0;
    vx_status status = VX_OK;
    int line = line_of(r, list); /* once: the text may be long, and the list too */
    if (!json_is_array(value))
        return vx_fail(r->msg, VX_ERR_INPUT, "%s:%d: \"%s\" is not an array", r->at.label, line, list);
    for (size_t i = 0; i < json_array_size(value) && status == VX_OK; i++)
        status = json_pair(r, list, line, memory ? "address" : "index", memory ? "bytes" : "value",
                           json_array_get(value, i));
    return status;
}

static vx_status json_fields(const json_reader *r, json_t *value)
{
    vx_status status = VX_OK;
    if (!json_is_object(value))
        return vx_fail(r->msg, VX_ERR_INPUT, "%s:%d: \"fields\" is not an object", r->at.label, line_of(r, "fields"));
    for (void *i = json_object_iter(value); i && status == VX_OK; i = json_object_iter_next(value, i))
        status = json_field(r, json_object_iter_key(i), json_object_iter_value(i));
    return status;
}

static vx_status json_member(const json_reader *r, const char *key, json_t *value)
{
    static const char *const known[] = {"cpu", "start", "ia32e", "fields", "msrs", "memory"};
    if (strcmp(key, "fields") == 0) return json_fields(r, value);
    if (strcmp(key, "msrs") == 0 || strcmp(key, "memory") == 0) return json_list(r, key, value);
    int line = line_of(r, key);
    bool attribute = strcmp(key, "cpu") == 0 || strcmp(key, "start") == 0 || strcmp(key, "ia32e") == 0;
    if (!attribute) {
        const char *near = vx_did_you_mean(key, known, sizeof known / sizeof *known);
        return vx_fail(r->msg, VX_ERR_INPUT, "%s:%d: no member \"%.80s\"%s%s%s", r->at.label, line, key,
                       near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    const char *text = json_is_boolean(value) ? (json_is_true(value) ? "yes" : "no") : json_string_value(value);
    if (!text) return vx_fail(r->msg, VX_ERR_INPUT, "%s:%d: \"%s\" is not text", r->at.label, line, key);
    place at = r->at;
    return take_attribute(&at, key, text, line, r->msg);
}

static vx_status parse_json(const place *at, const char *text, size_t bytes, vx_msg *msg)
{
    json_error_t error;
    json_t *document = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!document)
        return vx_fail(msg, VX_ERR_INPUT, "%s:%d: %s", at->label, error.line > 0 ? error.line : 1, error.text);
    const json_reader r = {.at = *at, .text = text, .end = text + bytes, .msg = msg};
    vx_status status = VX_OK;
    for (void *i = json_object_iter(document); i && status == VX_OK; i = json_object_iter_next(document, i))
        status = json_member(&r, json_object_iter_key(i), json_object_iter_value(i));
    json_decref(document);
    return status;
}

/* ---- files ---- */

vx_status vmcs_file_parse(vmcs_file *file, const char *text, size_t bytes, const char *label, vx_msg *msg)
{
    *file = (vmcs_file){.ia32e = true};
    place at = {file, label};
    size_t first = 0;
    while (first < bytes && isspace((unsigned char)text[first])) first++;
    const vx_vmcs_xml_sink sink = {&at, take_attribute, take_item};
    vx_status status = first < bytes && text[first] == '{' ? parse_json(&at, text, bytes, msg)
                                                           : vx_vmcs_xml_parse(text, bytes, label, &sink, msg);
    if (status != VX_OK) vmcs_file_close(file);
    return status;
}

vx_status vmcs_file_open(vmcs_file *file, const char *path, vx_msg *msg)
{
    *file = (vmcs_file){.ia32e = true};
    const char *why;
    FILE *in = vx_text_file_open(path, &why);
    if (!in) return vx_fail(msg, VX_ERR_IO, "%s: %s", path, why);
    char *text = malloc(FILE_BYTES_MAX);
    vx_status status = VX_OK;
    size_t bytes = text ? fread(text, 1, FILE_BYTES_MAX, in) : 0;
    if (!text)
        status = vx_fail_nomem(msg);
    else if (ferror(in))
        status = vx_fail(msg, VX_ERR_IO, "%s: %s", path, strerror(errno));
    else if (bytes == FILE_BYTES_MAX)
        status = vx_fail(msg, VX_ERR_INPUT, "%s:1: longer than %d MiB", path, FILE_BYTES_MAX >> 20);
    fclose(in);
    if (status == VX_OK) status = vmcs_file_parse(file, text, bytes, path, msg);
    free(text);
    return status;
}

void vmcs_file_close(vmcs_file *file)
{
    for (size_t i = 0; i < file->piece_count; i++) free(file->pieces[i].bytes);
    free(file->pieces);
    free(file->fields);
    free(file->msrs);
    *file = (vmcs_file){.ia32e = true};
}
