/* vexit trace view: records as text, one a line. */
#include <inttypes.h>

#include "trace_actions.h"
#include "vx_number.h"

/* What the fields of a kind mean, as vx_record.h says; NULL where it has none. Kinds not listed have no operands. */
typedef struct field_names {
    const char *addr, *size;
    const char *words[13];
} field_names;

static const field_names fields[VX_REC_KINDS] = {
    [VX_REC_LOAD] = {"gva", "bytes", {0}},
    [VX_REC_STORE] = {"gva", "bytes", {0}},
    [VX_REC_PT_STORE] = {"gva", "bytes", {"gpa", "value"}},
    [VX_REC_PT_PAGE_NEW] = {"gpa", "level", {0}},
    [VX_REC_PT_PAGE_GONE] = {"gpa", NULL, {0}},
    [VX_REC_STATE] = {NULL,
                      "cpl",
                      {"cr0", "cr2", "cr3", "cr4", "efer", "pdpte0", "pdpte1", "pdpte2", "pdpte3", "gdt", "idt", "ldt",
                       "tss"}},
    [VX_REC_SKIPPED] = {NULL, NULL, {"instructions", "fetches", "loads", "stores"}},
    [VX_REC_GPA] = {"gpa", NULL, {0}},
    [VX_REC_PROCESS] = {"process", NULL, {0}},
    [VX_REC_MARK] = {"mark", NULL, {0}},
    [VX_REC_CR_READ] = {"value", "cr", {0}},
    [VX_REC_CR_WRITE] = {"value", "cr", {0}},
    [VX_REC_LMSW] = {"value", NULL, {0}},
    [VX_REC_EFER_LOAD] = {"value", NULL, {0}},
    [VX_REC_PDPTE_LOAD] = {NULL, NULL, {"pdpte0", "pdpte1", "pdpte2", "pdpte3"}},
    [VX_REC_INVLPG] = {"gva", NULL, {0}},
    [VX_REC_INVPCID] = {"gva", "type", {"pcid"}},
    [VX_REC_EXCEPTION] = {"cr2", "vector", {"error"}},
    [VX_REC_INTERRUPT] = {NULL, "vector", {0}},
    [VX_REC_INT_N] = {NULL, "vector", {0}},
    [VX_REC_CPL] = {NULL, "cpl", {0}},
    [VX_REC_CPUID] = {"leaf", NULL, {"subleaf"}},
    [VX_REC_PAUSE] = {"times", NULL, {0}},
    [VX_REC_RDTSC] = {"times", NULL, {0}},
    [VX_REC_RDPMC] = {"counter", NULL, {0}},
    [VX_REC_MONITOR] = {"gva", NULL, {0}},
    [VX_REC_XSETBV] = {"value", "xcr", {0}},
    [VX_REC_DR_READ] = {"value", "dr", {0}},
    [VX_REC_DR_WRITE] = {"value", "dr", {0}},
    [VX_REC_DESC_TABLE] = {"operand", "instruction", {0}},
    [VX_REC_RDMSR] = {"msr", NULL, {"value"}},
    [VX_REC_WRMSR] = {"msr", NULL, {"value"}},
    [VX_REC_IO_IN] = {"port", "bytes", {"value", "repetitions"}},
    [VX_REC_IO_OUT] = {"port", "bytes", {"value", "repetitions"}},
    [VX_REC_MMIO_READ] = {"gpa", "bytes", {"value", "gva"}},
    [VX_REC_MMIO_WRITE] = {"gpa", "bytes", {"value", "gva"}},
    [VX_REC_APIC_READ] = {"offset", "bytes", {"value", "gva"}},
    [VX_REC_APIC_WRITE] = {"offset", "bytes", {"value", "gva"}},
    [VX_REC_VMCALL] = {"rax", NULL, {0}},
    [VX_REC_VMX] = {"operand", "reason", {0}},
    [VX_REC_SVM] = {"operand", "exitcode", {0}},
    [VX_REC_DMA] = {"iova", "write", {"source", "pasid", "bytes"}},
    [VX_REC_DMA_MAP] = {"iova", NULL, {"source", "gpa", "bytes", "rights"}},
    [VX_REC_DMA_UNMAP] = {"iova", NULL, {"source", "bytes"}},
    [VX_REC_MSI] = {"address", NULL, {"source", "data"}},
    [VX_REC_INSTRUCTION] = {"operand", "instruction", {"second"}},
    [VX_REC_SIGNAL] = {"operand", "signal", {0}},
};

enum { ENTRIES_SHOWN = 8 };

/* A new table's present entries, pairs of index and value: the first few, or all where it is the only record shown. */
static void print_entries(FILE *out, const vx_record *record, const uint64_t *payload, bool whole)
{
    unsigned entries = record->count / 2U, shown = whole || entries < ENTRIES_SHOWN ? entries : ENTRIES_SHOWN;
    for (unsigned i = 0; i < shown; i++)
        fprintf(out, " [%" PRIu64 "]=0x%" PRIx64, payload[record->arg + 2 * i], payload[record->arg + 2 * i + 1]);
    if (shown < entries) fprintf(out, " and %u more", entries - shown);
}

static void print_words(FILE *out, const vx_record *record, const uint64_t *payload)
{
    const char *const *names = fields[record->kind].words;
    for (unsigned i = 0; i < record->count; i++) {
        uint64_t word = payload[record->arg + i];
        if (record->kind == VX_REC_SKIPPED)
            fprintf(out, " %s=%" PRIu64, names[i], word);
        else
            fprintf(out, " %s=0x%" PRIx64, names[i], word);
    }
}

/* Kinds whose size is the number of a name. */
static const char *word_of_size(const vx_record *record)
{
    if (record->kind == VX_REC_INSTRUCTION) return vx_instruction_name(record->size);
    return record->kind == VX_REC_SIGNAL ? vx_signal_name(record->size) : NULL;
}

static void print_record(FILE *out, const vx_record *record, const uint64_t *payload, bool whole)
{
    const field_names *names = &fields[record->kind];
    const vx_record_info *info = vx_record_describe(record->kind);
    bool bare = record->kind != VX_REC_FETCH && !names->addr && !names->size && info->words_max == 0;
    fprintf(out, bare ? "%s" : "%-12s", info->name);
    if (record->kind == VX_REC_FETCH) {
        fprintf(out, " gva=0x%" PRIx64 " instructions=%u bytes=%" PRIu32, record->addr, record->count, record->arg);
        return;
    }
    if (names->addr) fprintf(out, " %s=0x%" PRIx64, names->addr, record->addr);
    const char *word = word_of_size(record);
    if (names->size && word)
        fprintf(out, " %s=%s", names->size, word);
    else if (names->size)
        fprintf(out, " %s=%u", names->size, record->size);
    if (record->kind == VX_REC_PT_PAGE_NEW)
        print_entries(out, record, payload, whole);
    else if (info->words_max)
        print_words(out, record, payload);
}

vx_status vx_trace_action_view(trace_given *given, vx_msg *msg)
{
    const vx_trace_options options = {
        .stream = given->stream, .whole_chunks = given->whole_chunks, .skip_instructions = given->skip};
    vx_trace_totals totals = {0};
    vx_source *source;
    vx_batch batch = {0};
    uint64_t shown = 0, from = 0;
    if (given->from && !vx_number_whole(given->from, &from))
        return vx_fail(msg, VX_ERR_INPUT, "--from %s: not a number", given->from);
    FILE *out = given->text ? given->text : stdout;
    vx_status status = vx_source_open(&source, given->operands[0], &options, given->seed, msg);
    if (status) return status;
    fprintf(out, "%12s %14s  record\n", "number", "instructions");
    do {
        status = vx_source_next(source, &batch, msg);
        for (size_t i = 0; !status && i < batch.count && shown < given->count; i++) {
            const vx_record *record = &batch.records[i];
            vx_trace_totals_add(&totals, record, 1, batch.payload);
            if (totals.records <= from) continue;
            fprintf(out, "%12" PRIu64 " %14" PRIu64 "  ", totals.records - 1, totals.instructions);
            print_record(out, record, batch.payload, given->count == 1);
            fputc('\n', out);
            shown++;
        }
    } while (!status && batch.count && shown < given->count);
    vx_source_close(source);
    return status;
}
