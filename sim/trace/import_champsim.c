/* ChampSim instruction records (ChampSim, inc/trace_instruction.h), little-endian, one an instruction:
 *
 *     64 bytes: u64 ip; u8 is_branch, branch_taken; u8 written registers[2], read registers[4];
 *               u64 stores[2], loads[4]                                    (an address 0: none)
 *     96 bytes (CloudSuite): the same with 4 written registers and stores[4], then u8 asid[2] and padding.
 *
 * The format holds no sizes. An instruction's size is the distance to the next record's ip where that is 1 to 15 bytes
 * and no branch was taken, and otherwise assumed 4; a load or store is assumed 8 bytes. An instruction's loads come
 * before its stores. CloudSuite's asid makes process records. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "importers.h"

enum { ASSUMED_INSTRUCTION_BYTES = 4, ASSUMED_REFERENCE_BYTES = 8, RECORD_BYTES_MAX = 96, LOADS = 4, STORES_MAX = 4 };

typedef struct champsim_layout {
    const char *importer;
    const char *recipe;
    size_t record_bytes;
    size_t stores_at, stores, loads_at;
    size_t asid_at; /* 0: none */
} champsim_layout;

static const champsim_layout champsim = {"champsim",
                                         "imported from ChampSim records; assumed: 8 bytes a load or store, 4 bytes an "
                                         "instruction unless the next one tells",
                                         64,
                                         16,
                                         2,
                                         32,
                                         0};
static const champsim_layout cloudsuite = {
    "champsim-cloudsuite",
    "imported from ChampSim CloudSuite records; assumed: 8 bytes a load or store, "
    "4 bytes an instruction unless the next one tells",
    96,
    24,
    4,
    56,
    88};

typedef struct champsim_source {
    vx_source source;
    vx_input *input;
    const champsim_layout *layout;
    vx_import_batch batch;
    bool has_held, has_asid;
    unsigned asid;
    uint8_t held[RECORD_BYTES_MAX]; /* an instruction that waits for the next one's ip */
} champsim_source;

static uint64_t le64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

static vx_status record_fault(const champsim_source *champ, const char *what, vx_msg *msg)
{
    const vx_input *input = champ->input;
    uint64_t offset = vx_input_offset(input);
    const char *hint = offset == 0 ? vx_import_hint(input->at, vx_input_left(input), champ->layout->importer) : "";
    return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": %s%s", input->name, offset, what, hint);
}

/* What no record of the format can hold, or NULL. */
static const char *record_wrong(const uint8_t *record, const champsim_layout *layout)
{
    if (record[8] > 1 || record[9] > 1) return "not a ChampSim record: is_branch or branch_taken is neither 0 nor 1";
    if (!vx_import_address_valid(le64(record))) return "the instruction pointer is not canonical";
    for (size_t i = 0; i < layout->stores; i++) {
        if (!vx_import_address_valid(le64(record + layout->stores_at + 8 * i))) return "a store is not canonical";
    }
    for (size_t i = 0; i < LOADS; i++) {
        if (!vx_import_address_valid(le64(record + layout->loads_at + 8 * i))) return "a load is not canonical";
    }
    return NULL;
}

static unsigned held_bytes(const champsim_source *champ, const uint8_t *next)
{
    if (!next || champ->held[9]) return ASSUMED_INSTRUCTION_BYTES;
    uint64_t distance = le64(next) - le64(champ->held);
    return distance >= 1 && distance <= VX_IMPORT_INSTRUCTION_BYTES ? (unsigned)distance : ASSUMED_INSTRUCTION_BYTES;
}

static void put_references(vx_import_batch *batch, vx_record_kind kind, const uint8_t *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t addr = le64(addresses + 8 * i);
        if (addr) vx_import_reference(batch, kind, addr, ASSUMED_REFERENCE_BYTES);
    }
}

/* The held instruction with its references; `next` (NULL at the end) tells its size. */
static void put_held(champsim_source *champ, const uint8_t *next)
{
    const champsim_layout *layout = champ->layout;
    if (layout->asid_at) {
        unsigned asid = (unsigned)(champ->held[layout->asid_at] | champ->held[layout->asid_at + 1] << 8);
        if (!champ->has_asid || asid != champ->asid) vx_import_event(&champ->batch, VX_REC_PROCESS, asid, 0, NULL, 0);
        champ->has_asid = true;
        champ->asid = asid;
    }
    vx_import_fetch(&champ->batch, le64(champ->held), held_bytes(champ, next));
    put_references(&champ->batch, VX_REC_LOAD, champ->held + layout->loads_at, LOADS);
    put_references(&champ->batch, VX_REC_STORE, champ->held + layout->stores_at, layout->stores);
    champ->has_held = false;
}

static vx_status read_record(champsim_source *champ, bool *ended, vx_msg *msg)
{
    vx_input *input = champ->input;
    size_t bytes = champ->layout->record_bytes;
    vx_status status = vx_input_need(input, bytes, msg);
    if (status) return status;
    *ended = vx_input_left(input) == 0;
    if (*ended) {
        if (champ->has_held) put_held(champ, NULL);
        return VX_OK;
    }
    if (vx_input_left(input) < bytes) return record_fault(champ, "the last record is cut", msg);
    const char *wrong = record_wrong(input->at, champ->layout);
    if (wrong) return record_fault(champ, wrong, msg);
    if (champ->has_held) put_held(champ, input->at);
    memcpy(champ->held, input->at, bytes);
    champ->has_held = true;
    input->at += bytes;
    return VX_OK;
}

static vx_status champsim_next(vx_source *source, vx_batch *out, vx_msg *msg)
{
    champsim_source *champ = (champsim_source *)source;
    size_t reserve = VX_IMPORT_BATCH_RECORDS + 2 + LOADS + STORES_MAX;
    vx_status status = vx_import_batch_begin(&champ->batch, reserve, 0, msg);
    bool ended = false;
    while (!status && !ended && !vx_import_batch_full(&champ->batch)) status = read_record(champ, &ended, msg);
    if (status) return status;
    vx_import_batch_emit(&champ->batch, ended, out);
    return VX_OK;
}

static void champsim_close(vx_source *source)
{
    champsim_source *champ = (champsim_source *)source;
    vx_import_batch_fini(&champ->batch);
    vx_input_close(champ->input);
    free(champ);
}

static vx_status open_layout(vx_source **source, vx_input *input, const champsim_layout *layout, vx_msg *msg)
{
    static const vx_source_ops ops = {champsim_next, champsim_close};
    champsim_source *champ = calloc(1, sizeof *champ);
    if (!champ) {
        vx_input_close(input);
        return vx_fail_nomem(msg);
    }
    champ->source.ops = &ops;
    champ->input = input;
    champ->layout = layout;
    vx_import_user_header(&champ->source.header, layout->recipe);
    *source = &champ->source;
    return VX_OK;
}

vx_status vx_import_champsim(vx_source **source, vx_input *input, vx_msg *msg)
{
    return open_layout(source, input, &champsim, msg);
}

vx_status vx_import_cloudsuite(vx_source **source, vx_input *input, vx_msg *msg)
{
    return open_layout(source, input, &cloudsuite, msg);
}
