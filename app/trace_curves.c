/* vexit trace reach: the misses of TLBs of every size, from one pass over a trace. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "trace_actions.h"
#include "vx_chart.h"
#include "vx_reach.h"

enum { SIZES = 14, SMALLEST = 8 /* entries; each size is twice the one before */, BAR = 40, CURVES = 6 };

static const char *const stream_names[] = {"data", "code", "both"};
static const char *const page_names[] = {"4k", "2m"};

/* The geometries of one size that the table shows. */
typedef enum geometry { FULLY, EIGHT_WAYS, FOUR_WAYS, SHAPES } geometry;

static const char *const shape_names[SHAPES] = {"fully", "8-way", "4-way"};
static const uint32_t shape_ways[SHAPES] = {[EIGHT_WAYS] = 8, [FOUR_WAYS] = 4};

static uint32_t entries_at(unsigned row) { return (uint32_t)SMALLEST << row; }

/* False where the size has no such geometry. */
static bool misses_of(const vx_reach *reach, vx_reach_stream stream, vx_reach_page page, uint32_t entries,
                      geometry shape, uint64_t *misses)
{
    uint32_t sets = shape == FULLY ? 1 : entries / shape_ways[shape];
    if (sets > VX_REACH_SETS_MAX) return false;
    *misses = vx_reach_misses(reach, stream, page, sets, entries / sets);
    return true;
}

static double per_thousand(const vx_reach *reach, vx_reach_stream stream, vx_reach_page page, uint64_t misses)
{
    uint64_t lookups = vx_reach_lookups(reach, stream, page);
    return lookups ? 1000 * (double)misses / (double)lookups : 0;
}

/* ---- text ---- */

/* Rows up to where no larger fully associative array has fewer misses. */
static unsigned rows_worth_showing(const vx_reach *reach, vx_reach_page page)
{
    unsigned rows = 1;
    for (unsigned stream = 0; stream < VX_REACH_STREAMS; stream++) {
        uint64_t least = vx_reach_misses(reach, stream, page, 1, entries_at(SIZES - 1));
        while (rows < SIZES && vx_reach_misses(reach, stream, page, 1, entries_at(rows - 1)) > least) rows++;
    }
    return rows;
}

static void print_row(FILE *out, const vx_reach *reach, vx_reach_page page, uint32_t entries)
{
    fprintf(out, "%8" PRIu32, entries);
    for (unsigned stream = 0; stream < VX_REACH_STREAMS; stream++)
        for (unsigned shape = 0; shape < SHAPES; shape++) {
            uint64_t misses;
            if (misses_of(reach, stream, page, entries, shape, &misses))
                fprintf(out, "%*" PRIu64, shape == FULLY ? 13 : 11, misses);
            else
                fprintf(out, "%*s", shape == FULLY ? 13 : 11, "-");
        }
    fputc('\n', out);
}

static void print_table(FILE *out, const vx_reach *reach, vx_reach_page page)
{
    fprintf(out, "\nMISSES WITH %s PAGES\n%8s", page == VX_REACH_4K ? "4 KiB" : "2 MiB", "");
    for (unsigned stream = 0; stream < VX_REACH_STREAMS; stream++)
        fprintf(out, "%13s %" PRIu64 " lookups", stream_names[stream], vx_reach_lookups(reach, stream, page));
    fprintf(out, "\n%8s", "entries");
    for (unsigned stream = 0; stream < VX_REACH_STREAMS; stream++)
        for (unsigned shape = 0; shape < SHAPES; shape++)
            fprintf(out, "%*s", shape == FULLY ? 13 : 11, shape_names[shape]);
    fputc('\n', out);
    unsigned rows = rows_worth_showing(reach, page);
    for (unsigned row = 0; row < rows; row++) print_row(out, reach, page, entries_at(row));
    if (rows < SIZES) fprintf(out, "%8s larger arrays miss as often\n", "");
}

/* One character is a factor of the tenth root of ten, from one miss in a million lookups on. */
static void print_bars(FILE *out, const vx_reach *reach, vx_reach_page page)
{
    fprintf(out,
            "\nDATA MISSES A THOUSAND LOOKUPS, %s pages, fully associative (logarithmic, 4 characters: 2.5 times)\n",
            page == VX_REACH_4K ? "4 KiB" : "2 MiB");
    unsigned rows = rows_worth_showing(reach, page);
    for (unsigned row = 0; row < rows; row++) {
        uint64_t misses = vx_reach_misses(reach, VX_REACH_DATA, page, 1, entries_at(row));
        double rate = per_thousand(reach, VX_REACH_DATA, page, misses);
        int length = rate > 0 ? (int)lround(BAR + 10 * log10(rate / 10)) : 0;
        fprintf(out, "%8" PRIu32 " |", entries_at(row));
        for (int i = 0; i < length; i++) fputc('#', out);
        fprintf(out, " %.3f\n", rate);
    }
}

static void print(const trace_given *given, const vx_reach *reach, const vx_trace_header *header)
{
    FILE *out = given->text;
    if (!out) return;
    fprintf(out, "reach    of %s: LRU, one page size, nothing flushes\n", given->operands[0]);
    for (unsigned page = 0; page < VX_REACH_PAGES; page++) print_table(out, reach, page);
    for (unsigned page = 0; page < VX_REACH_PAGES; page++) print_bars(out, reach, page);
    if (header->tier == VX_TIER_FILTERED)
        fprintf(out,
                "\napproximate (filter): exact where the number of sets is a multiple of %" PRIu32
                ", with 4 KiB pages\n",
                header->filter_sets);
}

/* ---- JSON ---- */

static json_t *curve_json(const vx_reach *reach, vx_reach_stream stream, vx_reach_page page)
{
    json_t *rows = json_array();
    for (unsigned row = 0; row < SIZES; row++) {
        json_t *misses = json_object();
        for (unsigned shape = 0; shape < SHAPES; shape++) {
            uint64_t count;
            if (misses_of(reach, stream, page, entries_at(row), shape, &count))
                json_object_set_new(misses, shape_names[shape], json_integer((json_int_t)count));
        }
        json_array_append_new(rows, json_pack("{s:I,s:o}", "entries", (json_int_t)entries_at(row), "misses", misses));
    }
    return json_pack("{s:s,s:s,s:I,s:o}", "stream", stream_names[stream], "page", page_names[page], "lookups",
                     (json_int_t)vx_reach_lookups(reach, stream, page), "sizes", rows);
}

static void tell(const trace_given *given, const vx_reach *reach, const vx_trace_header *header)
{
    if (!given->document) return;
    json_t *curves = json_array();
    for (unsigned stream = 0; stream < VX_REACH_STREAMS; stream++)
        for (unsigned page = 0; page < VX_REACH_PAGES; page++)
            json_array_append_new(curves, curve_json(reach, stream, page));
    json_t *approximate = json_array();
    if (header->tier == VX_TIER_FILTERED) json_array_append_new(approximate, json_string("filter"));
    json_object_set_new(given->document, "reach",
                        json_pack("{s:s,s:s,s:o,s:o}", "path", given->operands[0], "replacement", "lru", "approximate",
                                  approximate, "curves", curves));
}

/* ---- chart ---- */

static vx_status draw(const trace_given *given, const vx_reach *reach, vx_msg *msg)
{
    static const char *const names[CURVES] = {"data, 4 KiB", "data, 2 MiB", "code, 4 KiB",
                                              "code, 2 MiB", "both, 4 KiB", "both, 2 MiB"};
    double at[SIZES], rates[CURVES][SIZES];
    vx_curve curves[CURVES];
    for (unsigned row = 0; row < SIZES; row++) at[row] = entries_at(row);
    for (unsigned i = 0; i < CURVES; i++) {
        vx_reach_stream stream = i / VX_REACH_PAGES;
        vx_reach_page page = i % VX_REACH_PAGES;
        for (unsigned row = 0; row < SIZES; row++)
            rates[i][row] = per_thousand(reach, stream, page, vx_reach_misses(reach, stream, page, 1, entries_at(row)));
        curves[i] = (vx_curve){.name = names[i], .y = rates[i]};
    }
    vx_chart chart = {.title = "Misses of a fully associative LRU TLB",
                      .x = {.label = "entries", .logarithmic = true},
                      .y = {.label = "misses per 1000 lookups", .logarithmic = true},
                      .at = at,
                      .points = SIZES,
                      .curves = curves,
                      .count = CURVES};
    return vx_chart_svg(&chart, given->svg, msg);
}

/* ---- the action ---- */

static vx_status measure(vx_source *source, vx_reach *reach, vx_msg *msg)
{
    vx_batch batch = {.count = 1};
    for (;;) {
        vx_status status = vx_source_next(source, &batch, msg);
        if (status || batch.count == 0) return status;
        vx_reach_add(reach, &batch);
    }
}

static vx_status refuse(const trace_given *given, const vx_trace_header *header, vx_msg *msg)
{
    if (header->tier == VX_TIER_EVENTS)
        return vx_fail(msg, VX_ERR_INPUT, "%s: tier E holds no references", given->operands[0]);
    if (header->kind == VX_TRACE_DMA)
        return vx_fail(msg, VX_ERR_INPUT, "%s: a DMA trace, no TLB translates it", given->operands[0]);
    return VX_OK;
}

vx_status vx_trace_action_reach(trace_given *given, vx_msg *msg)
{
    const vx_trace_options options = {
        .stream = given->stream, .whole_chunks = given->whole_chunks, .skip_instructions = given->skip};
    vx_source *source;
    vx_reach *reach = NULL;
    vx_status status = vx_source_open(&source, given->operands[0], &options, given->seed, msg);
    if (status) return status;
    status = refuse(given, &source->header, msg);
    if (!status) status = vx_reach_open(&reach, msg);
    if (!status) status = measure(source, reach, msg);
    if (!status) {
        print(given, reach, &source->header);
        tell(given, reach, &source->header);
        status = draw(given, reach, msg);
    }
    vx_reach_close(reach);
    vx_source_close(source);
    return status;
}
