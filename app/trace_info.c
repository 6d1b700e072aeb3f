/* vexit trace info: what a trace says about itself, from its index. vexit trace check: that all of it is true. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "trace_actions.h"

static const char *const tier_names[] = {['F'] = "full", ['S'] = "filtered", ['E'] = "events"};
static const char *const kind_names[] = {
    [VX_TRACE_USER] = "user", [VX_TRACE_SYSTEM] = "system", [VX_TRACE_DMA] = "dma"};
static const char *const paging_names[VX_PAGING_MODES] = {"none", "32-bit", "PAE", "4-level", "5-level"};
static const char *const feature_names[] = {"PGE", "PCID", "SMEP", "SMAP", "NX", "KPTI"};

enum { FEATURES = sizeof feature_names / sizeof *feature_names };

/* ---- info ---- */

static void print_header(FILE *out, const vx_trace_header *header)
{
    fprintf(out, "kind          %s, tier %c (%s)", kind_names[header->kind], header->tier, tier_names[header->tier]);
    if (header->filter_sets) fprintf(out, ", filter of %" PRIu32 " sets", header->filter_sets);
    fprintf(out, "\npaging        %s\n", paging_names[header->paging]);
    if (header->features) {
        fputs("features     ", out);
        for (unsigned i = 0; i < FEATURES; i++)
            if (header->features >> i & 1) fprintf(out, " %s", feature_names[i]);
        fputc('\n', out);
    }
    for (uint32_t i = 0; i < header->ram_ranges; i++)
        fprintf(out, "ram           0x%" PRIx64 ", %" PRIu64 " MiB\n", header->ram[i].gpa, header->ram[i].bytes >> 20);
    fputs("recipe        ", out);
    for (const char *c = header->recipe; *c; c++) fputc((unsigned char)*c < ' ' && *c != '\n' ? '?' : *c, out);
    fputc('\n', out);
}

static void print_totals(FILE *out, const vx_trace_totals *totals)
{
    fprintf(out, "instructions  %" PRIu64 "\n", totals->instructions);
    fprintf(out, "fetches       %" PRIu64 "\nloads         %" PRIu64 "\nstores        %" PRIu64 "\n", totals->fetches,
            totals->loads, totals->stores);
    fprintf(out, "records       %" PRIu64 "\n", totals->records);
    for (unsigned i = 0; i < VX_REC_KINDS; i++)
        if (totals->by_kind[i]) fprintf(out, "  %-14s%" PRIu64 "\n", vx_record_describe(i)->name, totals->by_kind[i]);
}

static void print_info(FILE *out, const char *path, uint32_t stream, const vx_trace_info *info)
{
    fprintf(out, "trace         %s\nhash          %016" PRIx64 "\n", path, info->hash);
    print_header(out, &info->header);
    fprintf(out, "references    %" PRIu64 "\n", info->header.references);
    fprintf(out, "file          %" PRIu64 " bytes, %" PRIu64 " before zstd, %" PRIu32 " chunks", info->file_bytes,
            info->raw_bytes, info->chunks);
    if (info->header.references)
        fprintf(out, ", %.3f bytes a reference", (double)info->file_bytes / (double)info->header.references);
    fprintf(out, "\nstream        %" PRIu32 " of %" PRIu32 "\n", stream, info->streams);
    if (!info->complete) fputs("incomplete    cut or damaged: no index, so no counts by kind\n", out);
    print_totals(out, &info->totals);
}

static json_t *integer(uint64_t value) { return json_integer((json_int_t)value); }

static json_t *events_json(const vx_trace_totals *totals)
{
    json_t *events = json_object();
    for (unsigned i = 0; i < VX_REC_KINDS; i++)
        if (totals->by_kind[i]) json_object_set_new(events, vx_record_describe(i)->name, integer(totals->by_kind[i]));
    return events;
}

static json_t *header_json(const vx_trace_header *header)
{
    char tier[2] = {(char)header->tier, '\0'};
    json_t *json = json_pack("{s:s,s:s,s:s}", "tier", tier, "kind", kind_names[header->kind], "paging",
                             paging_names[header->paging]);
    json_t *features = json_array(), *ram = json_array();
    for (unsigned i = 0; i < FEATURES; i++)
        if (header->features >> i & 1) json_array_append_new(features, json_string(feature_names[i]));
    for (uint32_t i = 0; i < header->ram_ranges; i++) {
        char gpa[24];
        snprintf(gpa, sizeof gpa, "0x%" PRIx64, header->ram[i].gpa);
        json_t *range = json_object();
        json_object_set_new(range, "gpa", json_string(gpa));
        json_object_set_new(range, "bytes", integer(header->ram[i].bytes));
        json_array_append_new(ram, range);
    }
    json_object_set_new(json, "filter_sets", integer(header->filter_sets));
    json_object_set_new(json, "references", integer(header->references));
    json_object_set_new(json, "features", features);
    json_object_set_new(json, "ram", ram);
    json_object_set_new(json, "recipe", json_string(header->recipe));
    return json;
}

static json_t *info_json(const char *path, uint32_t stream, const vx_trace_info *info)
{
    char hash[24];
    json_t *json = header_json(&info->header);
    snprintf(hash, sizeof hash, "%016" PRIx64, info->hash);
    json_object_set_new(json, "path", json_string(path));
    json_object_set_new(json, "hash", json_string(hash));
    json_object_set_new(json, "complete", json_boolean(info->complete));
    json_object_set_new(json, "file_bytes", integer(info->file_bytes));
    json_object_set_new(json, "raw_bytes", integer(info->raw_bytes));
    json_object_set_new(json, "chunks", integer(info->chunks));
    json_object_set_new(json, "streams", integer(info->streams));
    json_object_set_new(json, "stream", integer(stream));
    json_object_set_new(json, "instructions", integer(info->totals.instructions));
    json_object_set_new(json, "fetches", integer(info->totals.fetches));
    json_object_set_new(json, "loads", integer(info->totals.loads));
    json_object_set_new(json, "stores", integer(info->totals.stores));
    json_object_set_new(json, "records", integer(info->totals.records));
    json_object_set_new(json, "events", events_json(&info->totals));
    return json;
}

vx_status vx_trace_action_info(trace_given *given, vx_msg *msg)
{
    const vx_trace_options options = {.stream = given->stream, .whole_chunks = given->whole_chunks};
    const char *path = given->operands[0];
    vx_trace_info info;
    vx_status status = vx_trace_info_read(path, &options, &info, msg);
    if (status) return status;
    if (given->text) print_info(given->text, path, given->stream, &info);
    if (given->document) json_object_set_new(given->document, "trace", info_json(path, given->stream, &info));
    return VX_OK;
}

/* ---- check ---- */

static vx_status count_stream(const char *path, uint32_t stream, vx_trace_totals *totals, vx_msg *msg)
{
    const vx_trace_options options = {.stream = stream};
    vx_source *source;
    vx_batch batch = {0};
    vx_status status = vx_trace_open(&source, path, &options, msg);
    if (status) return status;
    *totals = (vx_trace_totals){0};
    do {
        status = vx_source_next(source, &batch, msg);
        if (!status) vx_trace_totals_add(totals, batch.records, batch.count, batch.payload);
    } while (!status && batch.count);
    vx_source_close(source);
    return status;
}

/* ---- check --translations ---- */

static vx_status check_translations(const char *path, const vx_trace_info *info, vx_translations *found, vx_msg *msg)
{
    *found = (vx_translations){0};
    for (uint32_t stream = 0; stream < info->streams; stream++) {
        const vx_trace_options options = {.stream = stream};
        vx_source *source;
        vx_translations one;
        vx_status status = vx_trace_open(&source, path, &options, msg);
        if (status) return status;
        status = vx_trace_check_translations(source, &one, msg);
        vx_source_close(source);
        if (status) return status;
        uint64_t compared = found->compared + one.compared, disagreements = found->disagreements + one.disagreements;
        if (!found->disagreements) *found = one;
        found->compared = compared;
        found->disagreements = disagreements;
    }
    if (!found->disagreements) return VX_OK;
    char walked[48] = "nothing there";
    if (found->mapped) snprintf(walked, sizeof walked, "0x%" PRIx64, found->walked);
    return vx_fail(msg, VX_ERR_CHECK,
                   "%s: %" PRIu64 " of %" PRIu64 " translations disagree; first: record %" PRIu64
                   " at instruction %" PRIu64 ", gva 0x%" PRIx64 ": recorded 0x%" PRIx64 ", the page tables map %s",
                   path, found->disagreements, found->compared, found->record, found->instruction, found->gva,
                   found->recorded, walked);
}

static void tell_translations(const trace_given *given, const char *path, const vx_translations *found)
{
    if (!given->text) return;
    if (found->compared)
        fprintf(given->text, "%s: translations: %" PRIu64 " compared, %" PRIu64 " disagree\n", path, found->compared,
                found->disagreements);
    else
        fprintf(given->text, "%s: translations: none recorded\n", path);
}

/* Decodes all of a file: every checksum, every record's validity, and the index's totals against the records. */
static vx_status check_file(const char *path, vx_trace_totals *all, vx_msg *msg)
{
    vx_trace_info info;
    vx_status status = vx_trace_info_read(path, NULL, &info, msg);
    *all = (vx_trace_totals){0};
    for (uint32_t stream = 0; !status && stream < info.streams; stream++) {
        const vx_trace_options options = {.stream = stream};
        vx_trace_totals totals;
        status = count_stream(path, stream, &totals, msg);
        if (!status) status = vx_trace_info_read(path, &options, &info, msg);
        if (status) return status;
        if (memcmp(&totals, &info.totals, sizeof totals) != 0)
            return vx_fail(msg, VX_ERR_CHECK, "%s: stream %" PRIu32 ": the index's totals are not the records'", path,
                           stream);
        all->records += totals.records;
        all->instructions += totals.instructions;
    }
    return status;
}

static json_t *check_json(const char *path, const trace_given *given, const vx_translations *found, vx_status status,
                          const vx_msg *msg)
{
    json_t *json = json_pack("{s:s,s:b,s:s}", "path", path, "ok", status == VX_OK, "message", status ? msg->text : "");
    if (given->translations)
        json_object_set_new(json, "translations",
                            json_pack("{s:o,s:o}", "compared", integer(found->compared), "disagreements",
                                      integer(found->disagreements)));
    return json;
}

vx_status vx_trace_action_check(trace_given *given, vx_msg *msg)
{
    json_t *checked = given->document ? json_array() : NULL;
    if (given->document) json_object_set_new(given->document, "checked", checked);
    for (unsigned i = 0; i < given->operand_count; i++) {
        const char *path = given->operands[i];
        vx_trace_totals all;
        vx_trace_info info;
        vx_translations found = {0};
        vx_status status = check_file(path, &all, msg);
        if (!status && given->translations) status = vx_trace_info_read(path, NULL, &info, msg);
        if (!status && given->translations) status = check_translations(path, &info, &found, msg);
        if (checked) json_array_append_new(checked, check_json(path, given, &found, status, msg));
        if (status) return status;
        if (given->text)
            fprintf(given->text, "%s: OK, %" PRIu64 " records, %" PRIu64 " instructions\n", path, all.records,
                    all.instructions);
        if (given->translations) tell_translations(given, path, &found);
    }
    return VX_OK;
}
