/* Reads what perf prints of a host's exits (Linux, tools/perf/builtin-kvm.c, print_result): a heading, a row a reason,
 * a line of totals. Whatever stands before a heading is perf's talk and is passed over; between heading and totals
 * every line must be a row, and rows must add up to the totals, so that a cut file is noticed. */
#include "report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vx_measured.h"
#include "vx_text_file.h"

enum { BYTES_MAX = 1 << 20, LINE_MAX = 512, NAME_MAX = 48, WORDS_MAX = 24 };

typedef struct perf_row {
    char name[NAME_MAX];
    uint64_t count;
    double time_us, least_us, most_us;
    bool extremes; /* older perfs print no least and most */
    unsigned line;
} perf_row;

typedef struct perf_text {
    const char *name;
    unsigned line;
    bool inside;   /* a table */
    bool extremes; /* ... that has columns for least and most */
    unsigned tables, first_row, count;
    uint64_t total;    /* of all rows */
    uint64_t in_table; /* of the present table's */
    perf_row row[REPORT_EXITS_MAX];
} perf_text;

static vx_status refuse(const perf_text *text, vx_msg *msg, const char *what)
{
    return vx_fail(msg, VX_ERR_INPUT, "%s:%u: %s", text->name, text->line, what);
}

/* ---- words ---- */

/* A decimal number with this behind it, and nothing else. */
static bool number(const char *word, const char *unit, double *value)
{
    enum { DIGITS_MAX = 15 };
    unsigned digits = 0;
    double scale = 1.0;
    bool fraction = false;
    *value = 0.0;
    for (; (*word >= '0' && *word <= '9') || (*word == '.' && !fraction); word++) {
        if (*word == '.') {
            fraction = true;
            continue;
        }
        *value = *value * 10.0 + (*word - '0');
        if (fraction) scale *= 10.0;
        digits++;
    }
    *value /= scale;
    return digits > 0 && digits <= DIGITS_MAX && strcmp(word, unit) == 0;
}

static bool whole(const char *word, uint64_t *value)
{
    enum { DIGITS_MAX = 15 };
    size_t digits = strspn(word, "0123456789");
    *value = 0;
    for (size_t i = 0; i < digits && digits <= DIGITS_MAX; i++) *value = *value * 10 + (uint64_t)(word[i] - '0');
    return digits > 0 && digits <= DIGITS_MAX && word[digits] == '\0';
}

static unsigned split(char *line, char *words[WORDS_MAX])
{
    unsigned count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " \t", &rest); word && count < WORDS_MAX; word = strtok_r(NULL, " \t", &rest))
        words[count++] = word;
    return count;
}

/* ---- rows ---- */

static bool is_name(const char *word)
{
    return word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+.:")] == '\0';
}

/* "PF excp" becomes PF_excp. */
static bool take_name(perf_row *row, char *const words[], unsigned count)
{
    size_t length = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t more = strlen(words[i]);
        if (!is_name(words[i]) || length + more + 2 > NAME_MAX) return false;
        if (i > 0) row->name[length++] = '_';
        memcpy(row->name + length, words[i], more + 1);
        length += more;
    }
    return count > 0;
}

static unsigned without_deviation(char *const words[], unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (words[i][0] == '(') return i;
    return count;
}

/* NAME count share share [least most] mean */
static bool take_row(perf_row *row, bool extremes, char *const words[], unsigned count)
{
    unsigned columns = extremes ? 6 : 4;
    double share, mean;
    count = without_deviation(words, count);
    if (count <= columns) return false;
    unsigned at = count - columns;
    row->extremes = extremes;
    bool fine = take_name(row, words, at) && whole(words[at], &row->count) && number(words[at + 1], "%", &share) &&
                number(words[at + 2], "%", &share) && number(words[count - 1], "us", &mean);
    if (fine && extremes)
        fine = number(words[at + 3], "us", &row->least_us) && number(words[at + 4], "us", &row->most_us);
    if (fine) row->time_us = mean * (double)row->count;
    return fine;
}

/* Names of older kernels. */
static void rename_row(perf_row *row)
{
    static const char *const names[][2] = {{"PENDING_INTERRUPT", "INTERRUPT_WINDOW"},
                                           {"INVALID_GUEST_STATE", "INVALID_STATE"},
                                           {"NMI_WINDOW_EXITING", "NMI_WINDOW"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(row->name, names[i][0]) == 0) memcpy(row->name, names[i][1], strlen(names[i][1]) + 1);
}

static void merge(perf_row *into, const perf_row *row)
{
    bool first = into->count == 0;
    if (row->count && (first || row->least_us < into->least_us)) into->least_us = row->least_us;
    if (row->count && (first || row->most_us > into->most_us)) into->most_us = row->most_us;
    into->extremes = row->extremes && (first || into->extremes);
    into->count += row->count;
    into->time_us += row->time_us;
    into->line = row->line;
}

static vx_status add_row(perf_text *text, char *const words[], unsigned count, vx_msg *msg)
{
    perf_row row = {.line = text->line};
    if (!take_row(&row, text->extremes, words, count)) return refuse(text, msg, "no row of perf kvm stat");
    rename_row(&row);
    text->total += row.count;
    text->in_table += row.count;
    for (unsigned i = 0; i < text->count; i++) {
        if (strcmp(text->row[i].name, row.name) != 0) continue;
        if (text->row[i].line >= text->first_row)
            return vx_fail(msg, VX_ERR_INPUT, "%s:%u: %s stands twice in a table (line %u)", text->name, text->line,
                           row.name, text->row[i].line);
        merge(&text->row[i], &row);
        return VX_OK;
    }
    if (text->count == REPORT_EXITS_MAX) return refuse(text, msg, "more exit reasons than any processor has");
    text->row[text->count++] = row;
    return VX_OK;
}

/* ---- lines ---- */

/* The word before "Samples", where the line is a heading: perf has tables of ports, MMIO and MSRs too. */
static vx_status take_heading(perf_text *text, char *const words[], unsigned count, vx_msg *msg)
{
    unsigned at = 0;
    while (at < count && strcmp(words[at], "Samples") != 0) at++;
    if (at == 0 || at + 2 >= count || strcmp(words[at + 1], "Samples%") != 0) return VX_OK;
    if (strcmp(words[0], "VM-EXIT") != 0)
        return vx_fail(msg, VX_ERR_INPUT,
                       "%s:%u: a table of '%s', not of VM-EXIT (perf kvm stat report --event=vmexit)", text->name,
                       text->line, is_name(words[0]) ? words[0] : "?");
    text->inside = true;
    text->extremes = strcmp(words[at + 3 < count ? at + 3 : 0], "Min") == 0;
    text->tables++;
    text->first_row = text->line;
    text->in_table = 0;
    return VX_OK;
}

/* "Total Samples:N, Total events handled time:Xus." */
static vx_status take_totals(perf_text *text, char *const words[], unsigned count, vx_msg *msg)
{
    uint64_t total;
    char *comma = count > 1 ? strchr(words[1], ',') : NULL;
    if (comma) *comma = '\0';
    if (!comma || strncmp(words[1], "Samples:", 8) != 0 || !whole(words[1] + 8, &total))
        return refuse(text, msg, "no line of totals of perf kvm stat");
    if (total != text->in_table)
        return vx_fail(msg, VX_ERR_INPUT, "%s:%u: the rows have %llu samples, the total says %llu: cut?", text->name,
                       text->line, (unsigned long long)text->in_table, (unsigned long long)total);
    text->inside = false;
    return VX_OK;
}

static vx_status take_line(perf_text *text, char *line, vx_msg *msg)
{
    char *words[WORDS_MAX];
    unsigned count = split(line, words);
    if (count == 0) return VX_OK;
    if (!text->inside) return take_heading(text, words, count, msg);
    if (strcmp(words[0], "Total") == 0) return take_totals(text, words, count, msg);
    return add_row(text, words, count, msg);
}

/* Terminals are told to clear (live): ESC [ ... letter. What remains fits a line; a NUL becomes one no row has. */
static bool copy_line(char line[LINE_MAX], const char *from, const char *end)
{
    size_t length = 0;
    while (from < end) {
        if (*from == '\033' && end - from > 1 && from[1] == '[') {
            for (from += 2; from < end && (*from < '@' || *from > '~'); from++) continue;
            if (from < end) from++;
            continue;
        }
        if (length + 1 == LINE_MAX) return false;
        char byte = *from++;
        if (byte != '\r') line[length++] = byte ? byte : '\1';
    }
    line[length] = '\0';
    return true;
}

static vx_status take_lines(perf_text *text, const char *from, size_t size, vx_msg *msg)
{
    const char *end = from + size;
    vx_status status = VX_OK;
    while (status == VX_OK && from < end) {
        const char *stop = memchr(from, '\n', (size_t)(end - from));
        if (!stop) stop = end;
        char line[LINE_MAX];
        text->line++;
        status = copy_line(line, from, stop) ? take_line(text, line, msg) : refuse(text, msg, "line too long");
        from = stop + 1;
    }
    if (status != VX_OK) return status;
    if (text->inside) return refuse(text, msg, "ends within a table: no line of totals");
    if (text->tables == 0)
        return vx_fail(msg, VX_ERR_INPUT, "%s: no table of VM-EXIT as perf kvm stat prints it", text->name);
    if (text->total == 0) return refuse(text, msg, "no exit was counted");
    return VX_OK;
}

/* ---- the result ---- */

static void sort(perf_text *text)
{
    for (unsigned i = 1; i < text->count; i++) {
        perf_row row = text->row[i];
        unsigned at = i;
        for (; at > 0 && text->row[at - 1].count < row.count; at--) text->row[at] = text->row[at - 1];
        text->row[at] = row;
    }
}

static json_t *reason_json(const perf_row *row, uint64_t total)
{
    json_t *reason = json_object();
    bool done = report_set(reason, "count", report_count(row->count)) &&
                report_set(reason, "share", json_real((double)row->count / (double)total)) &&
                report_set(reason, "time_us", json_real(row->time_us)) &&
                report_set(reason, "min_us", row->extremes ? json_real(row->least_us) : json_null()) &&
                report_set(reason, "max_us", row->extremes ? json_real(row->most_us) : json_null());
    if (done) return reason;
    json_decref(reason);
    return NULL;
}

static json_t *measured_json(const perf_text *text)
{
    json_t *measured = json_object(), *reasons = json_object();
    double time_us = 0.0;
    bool done = measured && reasons;
    for (unsigned i = 0; done && i < text->count; i++) {
        time_us += text->row[i].time_us;
        done = report_set(reasons, text->row[i].name, reason_json(&text->row[i], text->total));
    }
    done = done && report_set(measured, "path", report_string(text->name)) &&
           report_set(measured, "tables", report_count(text->tables)) &&
           report_set(measured, "total", report_count(text->total)) &&
           report_set(measured, "time_us", json_real(time_us)) &&
           report_set(measured, "by_reason", json_incref(reasons));
    json_decref(reasons);
    if (done) return measured;
    json_decref(measured);
    return NULL;
}

vx_status vx_measured_parse(json_t **measured, const char *bytes, size_t size, const char *name, vx_msg *msg)
{
    perf_text text = {.name = name};
    vx_status status = take_lines(&text, bytes, size, msg);
    if (status != VX_OK) return status;
    sort(&text);
    json_t *made = measured_json(&text);
    if (!made) return vx_fail_nomem(msg);
    *measured = made;
    return VX_OK;
}

vx_status vx_measured_read(json_t **measured, const char *path, vx_msg *msg)
{
    const char *why;
    FILE *file = vx_text_file_open(path, &why);
    if (!file) return vx_fail(msg, VX_ERR_IO, "cannot open %s: %s", path, why);
    char *bytes = malloc(BYTES_MAX + 1);
    size_t size = bytes ? fread(bytes, 1, BYTES_MAX + 1, file) : 0;
    vx_status status = bytes ? VX_OK : vx_fail_nomem(msg);
    if (status == VX_OK && ferror(file))
        status = vx_fail(msg, VX_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    else if (status == VX_OK && size > BYTES_MAX)
        status = vx_fail(msg, VX_ERR_INPUT, "%s: larger than %d bytes: not what perf kvm stat prints", path, BYTES_MAX);
    if (status == VX_OK) status = vx_measured_parse(measured, bytes, size, path, msg);
    free(bytes);
    fclose(file);
    return status;
}
