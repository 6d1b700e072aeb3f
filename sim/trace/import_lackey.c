/* Valgrind lackey, `valgrind --tool=lackey --trace-mem=yes`: one line a reference, hexadecimal address, decimal size.
 *
 *     I  04001090,3       an instruction of 3 bytes
 *      L 1ffefff9f8,8     its load      (printed after its instruction)
 *      S 1ffefff9f0,8     its store
 *      M 04222c40,4       a modify: a load and a store of the same bytes, two references
 *
 * Lines that begin with "==", "--" or "**" are Valgrind's own, "SB " those of --trace-superblocks; they and empty
 * lines are passed over. Everything else is an error: the program's own output may have got into the file. The "=="
 * lines before the first reference give the recipe: Valgrind's version and command, and any "==0== Note: text" that a
 * recording script adds.
 *
 * An instruction of more than 15 bytes is a sequence of Valgrind's (a client request) and stands as one of 15.
 *
 * Speed: the scan needs no bounds checks, since it only looks at lines whose end is in the window. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers.h"

enum {
    SIZE_BYTES_MAX = 4096, /* lackey asserts sizes of at most 512 */
    RESERVE_RECORDS = VX_IMPORT_BATCH_RECORDS + 2 * SIZE_BYTES_MAX / VX_IMPORT_REFERENCE_BYTES + 1,
    HEX_DIGITS_MAX = 16,
    EXCERPT_BYTES = 40,
};

typedef struct lackey_source {
    vx_source source;
    vx_input *input;
    vx_import_batch batch;
    uint64_t line; /* number of the line at input->at, from 1 */
    bool any;      /* a reference has been read */
} lackey_source;

typedef struct lackey_line {
    uint64_t addr;
    unsigned bytes;
    uint8_t letter;
} lackey_line;

/* Value of a hexadecimal digit plus 1; 0: no digit. */
static const uint8_t hex_plus_1[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static vx_status line_fault(const lackey_source *lackey, const uint8_t *line, const char *what, vx_msg *msg)
{
    char excerpt[EXCERPT_BYTES + 1];
    size_t length = 0;
    for (; length < EXCERPT_BYTES && line + length < lackey->input->end && line[length] != '\n'; length++)
        excerpt[length] = (char)(line[length] >= ' ' && line[length] < 0x7F ? line[length] : '?');
    excerpt[length] = '\0';
    size_t left = (size_t)(lackey->input->end - line);
    const char *hint = lackey->any ? "" : vx_import_hint(line, left, "lackey");
    return vx_fail(msg, VX_ERR_INPUT, "%s:%" PRIu64 ": %s: \"%s\"%s", lackey->input->name, lackey->line, what, excerpt,
                   hint);
}

/* Reads one reference line at `*at`, which ends with a newline; returns what is wrong, or NULL and moves on. */
static inline const char *parse_line(const uint8_t **at, lackey_line *line)
{
    const uint8_t *p = *at;
    if (p[0] == 'I' && p[1] == ' ' && p[2] == ' ')
        line->letter = 'I';
    else if (p[0] == ' ' && (p[1] == 'L' || p[1] == 'S' || p[1] == 'M') && p[2] == ' ')
        line->letter = p[1];
    else
        return "not a lackey line";
    p += 3;
    const uint8_t *digits = p;
    uint64_t addr = 0;
    for (unsigned digit; (digit = hex_plus_1[*p]) != 0; p++) addr = addr << 4 | (digit - 1);
    if (p == digits || *p != ',') return "expected \"address,size\"";
    if (p - digits > HEX_DIGITS_MAX) return "the address has more than 16 digits";
    if (!vx_import_address_valid(addr)) return "the address is not canonical";
    unsigned bytes = 0;
    for (p++; *p >= '0' && *p <= '9' && bytes <= SIZE_BYTES_MAX; p++) bytes = bytes * 10 + (unsigned)(*p - '0');
    if (bytes == 0 || bytes > SIZE_BYTES_MAX) return "the size is not 1 to 4096";
    if (*p == '\r') p++;
    if (*p != '\n') return "something follows the size";
    line->addr = addr;
    line->bytes = bytes;
    *at = p + 1;
    return NULL;
}

static inline void put_line(vx_import_batch *batch, const lackey_line *line)
{
    if (line->letter == 'I') {
        unsigned bytes = line->bytes < VX_IMPORT_INSTRUCTION_BYTES ? line->bytes : VX_IMPORT_INSTRUCTION_BYTES;
        vx_import_fetch(batch, line->addr, bytes);
        return;
    }
    if (line->letter != 'S') vx_import_references(batch, VX_REC_LOAD, line->addr, line->bytes);
    if (line->letter != 'L') vx_import_references(batch, VX_REC_STORE, line->addr, line->bytes);
}

static bool is_comment(const uint8_t *line)
{
    return line[0] == '\n' || (line[0] == '\r' && line[1] == '\n') || (line[0] == '=' && line[1] == '=') ||
           (line[0] == '-' && line[1] == '-') || (line[0] == '*' && line[1] == '*') ||
           (line[0] == 'S' && line[1] == 'B' && line[2] == ' ');
}

/* Reads whole lines up to `stop`, which is just past a newline, or until the batch is full. */
static vx_status read_lines(lackey_source *lackey, const uint8_t *stop, vx_msg *msg)
{
    vx_input *input = lackey->input;
    while (input->at < stop && lackey->batch.count < VX_IMPORT_BATCH_RECORDS) {
        lackey_line line;
        const uint8_t *at = input->at;
        const char *fault = parse_line(&at, &line);
        if (!fault) {
            put_line(&lackey->batch, &line);
            lackey->any = true;
        } else if (is_comment(at)) {
            at = (const uint8_t *)memchr(at, '\n', (size_t)(stop - at)) + 1;
        } else {
            return line_fault(lackey, at, fault, msg);
        }
        input->at = at;
        lackey->line++;
    }
    return VX_OK;
}

/* At the end of the input: whether it is whole. */
static vx_status check_end(const lackey_source *lackey, vx_msg *msg)
{
    if (vx_input_left(lackey->input) > 0)
        return line_fault(lackey, lackey->input->at, "the last line has no end: the file is cut", msg);
    if (lackey->any) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT, "%s: no reference in %" PRIu64 " lines (recorded without --trace-mem=yes?)",
                   lackey->input->name, lackey->line - 1);
}

static vx_status fill_batch(lackey_source *lackey, bool *ended, vx_msg *msg)
{
    vx_input *input = lackey->input;
    while (lackey->batch.count < VX_IMPORT_BATCH_RECORDS) {
        const uint8_t *last = memrchr(input->at, '\n', vx_input_left(input));
        if (last) {
            vx_status status = read_lines(lackey, last + 1, msg);
            if (status) return status;
        } else if (input->ended) {
            *ended = true;
            return check_end(lackey, msg);
        } else {
            vx_status status = vx_input_fill(input, msg);
            if (status) return status;
            if (vx_input_left(input) == VX_INPUT_WINDOW_BYTES && !memchr(input->at, '\n', VX_INPUT_WINDOW_BYTES))
                return line_fault(lackey, input->at, "the line is longer than 262144 bytes", msg);
        }
    }
    return VX_OK;
}

static vx_status lackey_next(vx_source *source, vx_batch *out, vx_msg *msg)
{
    lackey_source *lackey = (lackey_source *)source;
    vx_status status = vx_import_batch_begin(&lackey->batch, RESERVE_RECORDS, 0, msg);
    if (status) return status;
    bool ended = false;
    status = fill_batch(lackey, &ended, msg);
    if (status) return status;
    vx_import_batch_emit(&lackey->batch, ended, out);
    return VX_OK;
}

static void lackey_close(vx_source *source)
{
    lackey_source *lackey = (lackey_source *)source;
    vx_import_batch_fini(&lackey->batch);
    vx_input_close(lackey->input);
    free(lackey);
}

/* Appends the text after `key` in a line of Valgrind's preamble, up to `stop`, to the recipe. */
static void add_to_recipe(char *recipe, const uint8_t *line, size_t length, const char *key, const char *before,
                          uint8_t stop)
{
    const uint8_t *found = memmem(line, length, key, strlen(key));
    if (!found) return;
    size_t used = strlen(recipe), before_length = strlen(before);
    if (used + before_length >= VX_TRACE_RECIPE) return;
    memcpy(recipe + used, before, before_length + 1);
    used += before_length;
    for (const uint8_t *p = found + strlen(key); p < line + length && *p != stop && used < VX_TRACE_RECIPE - 1; p++)
        recipe[used++] = (char)(*p >= ' ' && *p < 0x7F ? *p : '?');
    recipe[used] = '\0';
}

static void recipe_from_preamble(vx_trace_header *header, const vx_input *input)
{
    const uint8_t *line = input->at;
    while (input->end - line > 2 && line[0] == '=' && line[1] == '=') {
        const uint8_t *end = memchr(line, '\n', (size_t)(input->end - line));
        if (!end) return;
        add_to_recipe(header->recipe, line, (size_t)(end - line), "Using ", "; ", ';');
        add_to_recipe(header->recipe, line, (size_t)(end - line), "Note: ", "; ", '\r');
        add_to_recipe(header->recipe, line, (size_t)(end - line), "Command: ", "; command: ", '\r');
        line = end + 1;
    }
}

vx_status vx_import_lackey(vx_source **source, vx_input *input, vx_msg *msg)
{
    static const vx_source_ops ops = {lackey_next, lackey_close};
    lackey_source *lackey = calloc(1, sizeof *lackey);
    if (!lackey) {
        vx_input_close(input);
        return vx_fail_nomem(msg);
    }
    lackey->source.ops = &ops;
    lackey->input = input;
    lackey->line = 1;
    vx_import_user_header(&lackey->source.header, "imported from Valgrind lackey text");
    recipe_from_preamble(&lackey->source.header, input);
    *source = &lackey->source;
    return VX_OK;
}
