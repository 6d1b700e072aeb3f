/* The report as one HTML page that needs nothing else: no network, no script. */
#include "report_html.h"

#include <string.h>

/* What no page may hold, or what would let one path pretend to be another: control characters, U+FFFE and U+FFFF (which
 * XML forbids), and the marks that turn the direction of text. */
static bool is_harmful(const unsigned char *at)
{
    if (at[0] < 0x20 || at[0] == 0x7f) return at[0] != '\n' && at[0] != '\t';
    if (at[0] == 0xc2) return at[1] < 0xa0;
    if (at[0] == 0xe2 && at[1] == 0x80) return at[2] >= 0xaa && at[2] <= 0xae;
    if (at[0] == 0xe2 && at[1] == 0x81) return at[2] >= 0xa6 && at[2] <= 0xa9;
    return at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe;
}

static void put_byte(FILE *out, unsigned char byte)
{
    switch (byte) {
    case '&':
        fputs("&amp;", out);
        break;
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    default:
        fputc(byte, out);
    }
}

/* Bytes of the character at `at`: its first and what continues it. */
static size_t character(const unsigned char *at)
{
    size_t bytes = 1;
    while ((at[bytes] & 0xc0) == 0x80) bytes++;
    return bytes;
}

void html_put_cut(FILE *out, const char *text, size_t most)
{
    const unsigned char *at = (const unsigned char *)text;
    for (; *at && most > 0; most--) {
        size_t bytes = character(at);
        if (is_harmful(at))
            fputc('?', out);
        else
            for (size_t i = 0; i < bytes; i++) put_byte(out, at[i]);
        at += bytes;
    }
    if (*at) fputs("...", out);
}

void html_put(FILE *out, const char *text) { html_put_cut(out, text, SIZE_MAX); }

void html_element(FILE *out, const char *tag, const char *text)
{
    fprintf(out, "<%s>", tag);
    html_put(out, text);
    fprintf(out, "</%s>", tag);
}

void html_word(FILE *out, const json_t *object, const char *path, const char *missing)
{
    const char *text = json_string_value(report_at(object, path));
    html_put(out, text ? text : missing);
}

void html_runs(FILE *out, const json_t *runs, bool (*holds)(const json_t *run, const void *context),
               const void *context)
{
    size_t count = 0, all = json_array_size(runs);
    for (size_t i = 0; i < all; i++) count += holds(json_array_get(runs, i), context);
    if (count == all && all > 1) {
        fputs("all runs", out);
        return;
    }
    bool first = true;
    for (size_t i = 0; i < all; i++) {
        const json_t *run = json_array_get(runs, i);
        if (!holds(run, context)) continue;
        if (!first) fputs(", ", out);
        html_word(out, run, "name", "?");
        first = false;
    }
}

void html_cell(FILE *out, const char *text)
{
    fputs("<td class=\"n\">", out);
    html_put(out, text);
    fputs("</td>", out);
}

/* The part of a path after its last slash: a title has no room for folders. */
static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void title(const json_t *document, FILE *out)
{
    const json_t *trace = json_object_get(document, "trace");
    if (json_is_array(trace)) trace = json_array_get(trace, 0);
    const char *path = json_string_value(json_object_get(trace, "path"));
    fputs("Vexit ", out);
    html_word(out, document, "verb", "report");
    if (path) {
        fputs(": ", out);
        html_put(out, file_name(path));
    }
    const json_t *run = json_array_get(json_object_get(document, "runs"), 0);
    if (run) {
        fputs(" on ", out);
        html_word(out, run, "cpu", "?");
    }
}

static void trace_facts(const json_t *trace, FILE *out)
{
    char number[REPORT_NUMBER];
    fputs("<dt>trace</dt><dd>", out);
    html_word(out, trace, "path", "?");
    fputs(" (tier ", out);
    html_word(out, trace, "tier", "?");
    fputs(", hash ", out);
    html_word(out, trace, "hash", "?");
    fprintf(out, "): %s references", report_figure(json_object_get(trace, "references"), number));
    if (report_uint(trace, "instructions"))
        fprintf(out, ", %s instructions", report_grouped(report_uint(trace, "instructions"), number));
    fputs("</dd>\n", out);
}

/* A fact of all runs, each value once in order of first appearance. */
static void run_facts(const json_t *runs, const char *key, const char *missing, FILE *out)
{
    bool first = true;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *value = json_object_get(json_array_get(runs, i), key);
        bool said = false;
        for (size_t j = 0; j < i && !said; j++) said = json_equal(value, json_object_get(json_array_get(runs, j), key));
        if (said) continue;
        const char *text = json_string_value(value);
        char number[REPORT_NUMBER];
        if (json_is_integer(value)) text = report_figure(value, number);
        if (!first) fputs(json_is_integer(value) ? "; " : ", ", out); /* 1,234; 1,235 */
        html_put(out, text ? text : missing);
        first = false;
    }
}

static void facts(const json_t *document, const json_t *shown, FILE *out)
{
    const json_t *trace = json_object_get(document, "trace");
    fputs("<dl>\n", out);
    if (json_is_object(trace)) trace_facts(trace, out);
    for (size_t i = 0; i < json_array_size(trace); i++) trace_facts(json_array_get(trace, i), out);
    static const struct {
        const char *key, *label, *missing;
    } lines[] = {{"cpu", "CPU", "?"},
                 {"vmm", "hypervisor", "none"},
                 {"name", "schemes", "?"},
                 {"instructions", "instructions counted", "?"},
                 {"references", "references counted", "?"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        fprintf(out, "<dt>%s</dt><dd>", lines[i].label);
        run_facts(shown, lines[i].key, lines[i].missing, out);
        fputs("</dd>\n", out);
    }
    fputs("<dt>seed</dt><dd>", out);
    run_facts(json_object_get(document, "runs"), "seed", "?", out);
    fputs("</dd>\n", out);
    fputs("<dt>made by</dt><dd>Vexit ", out);
    html_word(out, document, "tool.version", "?");
    fputs("</dd>\n</dl>\n", out);
}

static void head(const json_t *document, FILE *out)
{
    fputs("<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta "
          "charset=\"utf-8\"/>\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
          out);
    title(document, out);
    fputs("</title>\n", out);
    html_style(out);
    fputs("</head>\n", out);
}

static vx_status sections(const json_t *document, const json_t *runs, FILE *out, vx_msg *msg)
{
    html_notes(document, runs, out);
    html_bars(runs, out);
    html_overheads(runs, out);
    vx_status status = html_side_by_side(runs, out, msg);
    html_grids(runs, out);
    html_exits(runs, out);
    html_vcpus(runs, out);
    if (status == VX_OK) status = html_measured(document, runs, out, msg);
    html_tlbs(runs, out);
    if (status == VX_OK) status = html_flushes(runs, out, msg);
    if (status == VX_OK) status = html_derived(runs, out, msg);
    if (status == VX_OK) status = html_config(runs, out, msg);
    return status;
}

vx_status vx_report_write_html(const json_t *document, FILE *out, vx_msg *msg)
{
    const json_t *runs = json_object_get(document, "runs");
    json_t *shown = report_by_name(runs);
    if (!shown) return vx_fail_nomem(msg);
    head(document, out);
    fputs("<body>\n<h1>", out);
    title(document, out);
    fputs("</h1>\n", out);
    facts(document, shown, out);
    vx_status status = sections(document, shown, out, msg);
    fputs("</body>\n</html>\n", out);
    json_decref(shown);
    return status == VX_OK ? report_end(out, msg) : status;
}
