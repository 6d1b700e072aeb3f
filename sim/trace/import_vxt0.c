/* Recordings of the prototype recorder ("VXT0", a QEMU TCG plugin): a whole guest's events, and either all references
 * (tier F), those that a 16-entry LRU filter let through (tier S, approximate), or none (tier E).
 *
 * Decoded twice: first to learn the tier and the features for the header, then for the records.
 *
 * Instruction counts. The recorder counts a block of code when it begins, so an event stands at the end of its block
 * in tiers E and S. In tier F the blocks are there, and an event stands at its instruction.
 *
 * An interrupt that INT n delivers, which the recorder also saw arrive, is left out; so are the further rounds of a REP
 * INS or OUTS, whose record counts them all. IRET is followed by the privilege level it returns to. */
#include "import_vxt0.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "header_features.h"

enum {
    MARK_RECORD_ON = 1, /* low byte of the guest's mark: recorder, references on and off */
    MARK_RECORD_OFF = 2,
};

vx_status vxt0_fault(const vxt0_source *vxt0, const char *what, vx_msg *msg)
{
    return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": %s", vxt0->input->name, vxt0->tag.offset, what);
}

vx_status vxt0_event_fault(const vxt0_source *vxt0, const char *what, vx_msg *msg)
{
    return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": event %s: %s", vxt0->input->name, vxt0->tag.offset,
                   vxt0_event_name(vxt0->tag.event), what);
}

vx_import_batch *vxt0_target(vxt0_source *vxt0) { return vxt0->waiting == VXT0_WAITS_NOT ? &vxt0->batch : &vxt0->held; }

/* ---- faults and interrupts ---- */

static vx_status put_delivery(vxt0_source *vxt0, vx_msg *msg)
{
    const vxt0_tag *tag = &vxt0->tag;
    uint64_t vector = tag->arg[0];
    bool by_int_n =
        vxt0->has_before && vxt0->before == VXT0_SWINT && vxt0->before_arg[0] == vector && tag->instructions == 0;
    if (by_int_n) return VX_OK;
    if (vector > (tag->event == VXT0_EXC ? 31 : UINT8_MAX)) return vxt0_event_fault(vxt0, "impossible vector", msg);
    if (tag->event == VXT0_IRQ) {
        vx_import_event(&vxt0->batch, VX_REC_INTERRUPT, 0, (uint8_t)vector, NULL, 0);
        return VX_OK;
    }
    const uint64_t error_code = tag->arg[1];
    uint64_t cr2 = vector == 14 ? tag->arg[4] : 0;
    vx_import_event(&vxt0->batch, VX_REC_EXCEPTION, cr2, (uint8_t)vector, &error_code, 1);
    return VX_OK;
}

/* ---- the clock of tiers E and S ---- */

/* Puts the instructions up to `clock` as skipped. Where references are filtered every instruction's fetch was seen. */
static void skip_to(vxt0_source *vxt0, uint64_t clock)
{
    if (clock <= vxt0->now) return;
    uint64_t skipped = clock - vxt0->now;
    bool filtered = vxt0->source.header.tier == VX_TIER_FILTERED && vxt0->recording;
    vx_import_skipped(&vxt0->batch, skipped, filtered ? skipped : 0);
    vxt0->now = clock;
}

/* The filter's clock stands still outside the region that the guest marked. */
static void recording_mark(vxt0_source *vxt0, unsigned mark)
{
    if (mark == MARK_RECORD_ON && !vxt0->recording && !vxt0->any_filtered) {
        vxt0->filter_base = vxt0->event_clock;
        vxt0->recording = true;
    } else if (mark == MARK_RECORD_ON && !vxt0->recording) {
        vxt0->filter_base += vxt0->event_clock - vxt0->off_clock;
        vxt0->recording = true;
    } else if (mark == MARK_RECORD_OFF && vxt0->recording) {
        vxt0->off_clock = vxt0->event_clock;
        vxt0->recording = false;
    }
}

/* ---- events ---- */

static bool is_device_access(unsigned event)
{
    return (event >= VXT0_MMIOR && event <= VXT0_TPRW) || event == VXT0_EOI || event == VXT0_ICR;
}

static bool is_device_store(unsigned event)
{
    return event == VXT0_MMIOW || event == VXT0_APICW || event == VXT0_TPRW || event == VXT0_EOI || event == VXT0_ICR;
}

/* A device access takes the place of its reference. */
static void await_device_reference(vxt0_source *vxt0)
{
    const vxt0_tag *tag = &vxt0->tag;
    if (vxt0->source.header.tier == VX_TIER_FULL) {
        vxt0->waiting = VXT0_WAITS_FOR_MMIO;
        vxt0->waiting_address = tag->arg[3];
        vxt0->waiting_bytes = tag->arg[1];
        vxt0->waiting_store = is_device_store(tag->event);
    } else {
        vxt0->mmio_before = true;
        vxt0->mmio_store = is_device_store(tag->event);
        vxt0->mmio_page = tag->arg[3] >> VX_PAGE_SHIFT;
    }
}

/* A REP INS or OUTS is recorded at each of its rounds, with the rounds left. */
static bool is_further_round(const vxt0_source *vxt0)
{
    const vxt0_tag *tag = &vxt0->tag;
    if (tag->event != VXT0_INS && tag->event != VXT0_OUTS) return false;
    if (tag->arg[2] == 0) return true;
    return vxt0->has_before && vxt0->before == tag->event && vxt0->before_arg[0] == tag->arg[0] &&
           vxt0->before_arg[1] == tag->arg[1] && vxt0->before_arg[2] == tag->arg[2] + 1 && tag->instructions <= 1;
}

static vx_status put_plain_event(vxt0_source *vxt0, vx_msg *msg)
{
    vxt0_tag *tag = &vxt0->tag;
    if (is_further_round(vxt0)) return VX_OK;
    if (is_device_access(tag->event)) {
        if (vxt0->guest32) tag->arg[3] &= UINT32_MAX;
        await_device_reference(vxt0);
    }
    if (tag->event == VXT0_INVLPG && vxt0->guest32) tag->arg[0] &= UINT32_MAX;
    if (!vxt0_put_event(vxt0_target(vxt0), tag)) return vxt0_event_fault(vxt0, "impossible operands", msg);
    if (tag->event == VXT0_IRET && vxt0->cr0 & VX_CR0_PE)
        vx_import_event(&vxt0->batch, VX_REC_CPL, 0, tag->arg[0] & 3, NULL, 0);
    if (tag->event == VXT0_MARK) recording_mark(vxt0, tag->arg[0] & 0xFF);
    return VX_OK;
}

static vx_status put_event(vxt0_source *vxt0, vx_msg *msg)
{
    switch (vxt0->tag.event) {
    case VXT0_PTPAGE:
    case VXT0_PTDROP:
    case VXT0_PTW:
    case VXT0_PDPTE:
    case VXT0_STATE:
        return vxt0_put_paging(vxt0, msg);
    case VXT0_EXC:
    case VXT0_IRQ:
        return put_delivery(vxt0, msg);
    default:
        return put_plain_event(vxt0, msg);
    }
}

/* Page-table pages that a waiting store links or unlinks wait with it. */
static bool waits_with_store(const vxt0_source *vxt0)
{
    unsigned event = vxt0->tag.event;
    return vxt0->waiting == VXT0_WAITS_FOR_STORE && vxt0->tag.instructions == 0 &&
           (event == VXT0_PTPAGE || event == VXT0_PTDROP) && !vx_import_batch_full(&vxt0->held);
}

static vx_status read_event(vxt0_source *vxt0, vx_msg *msg)
{
    const vxt0_tag *tag = &vxt0->tag;
    if (vxt0->event_clock + tag->instructions < vxt0->event_clock)
        return vxt0_event_fault(vxt0, "impossible count", msg);
    vxt0->event_clock += tag->instructions;
    if (vxt0->source.header.tier == VX_TIER_FULL) {
        vx_status status = VX_OK;
        if (!waits_with_store(vxt0)) {
            status = vxt0_full_release(vxt0, msg);
            if (!status) status = vxt0_full_before_event(vxt0, msg);
        }
        if (!status) status = vx_import_batch_reserve(&vxt0->held, VXT0_TAG_RECORDS_MAX, VXT0_TAG_WORDS_MAX, msg);
        if (status) return status;
    } else {
        skip_to(vxt0, vxt0->event_clock);
    }
    vxt0->mmio_before = false;
    vx_status status = put_event(vxt0, msg);
    if (status) return status;
    vxt0->has_before = true;
    vxt0->before = tag->event;
    memcpy(vxt0->before_arg, tag->arg, sizeof vxt0->before_arg);
    return VX_OK;
}

/* ---- tier S ---- */

/* Page and direction are all that the filter kept: the reference stands as 1 byte at the page's start. A fetch stands
 * for one instruction, the first of its block. */
static vx_status read_filtered(vxt0_source *vxt0, vx_msg *msg)
{
    const vxt0_tag *tag = &vxt0->tag;
    uint64_t page = vxt0->last_page[tag->fetch] + (uint64_t)tag->delta;
    vxt0->last_page[tag->fetch] = page;
    vxt0->filter_clock += tag->instructions;
    vxt0->any_filtered = vxt0->recording = true;
    uint64_t clock = vxt0->filter_base + vxt0->filter_clock;
    if (vxt0->guest32) page &= UINT32_MAX >> VX_PAGE_SHIFT;
    if (page >> (64 - VX_PAGE_SHIFT) || !vx_canonical(page << VX_PAGE_SHIFT, 57))
        return vxt0_fault(vxt0, "the reference's address is not canonical", msg);
    bool device = vxt0->mmio_before && !tag->fetch && tag->store == vxt0->mmio_store && page == vxt0->mmio_page &&
                  clock == vxt0->event_clock;
    vxt0->mmio_before = false;
    if (device) return VX_OK;
    skip_to(vxt0, clock);
    if (tag->fetch) {
        vx_import_fetch(&vxt0->batch, page << VX_PAGE_SHIFT, 1);
        vxt0->now++;
    } else {
        vx_import_reference(&vxt0->batch, tag->store ? VX_REC_STORE : VX_REC_LOAD, page << VX_PAGE_SHIFT, 1);
    }
    return VX_OK;
}

/* ---- the source ---- */

static vx_status read_tag(vxt0_source *vxt0, vx_msg *msg)
{
    vx_status status = vx_import_batch_reserve(&vxt0->batch, VXT0_TAG_RECORDS_MAX, VXT0_TAG_WORDS_MAX, msg);
    if (status) return status;
    status = vxt0_read_tag(vxt0->input, vxt0->has_ppn, &vxt0->tag, msg);
    if (status) return status;
    switch (vxt0->tag.kind) {
    case VXT0_TAG_EVENT:
        return read_event(vxt0, msg);
    case VXT0_TAG_FILTERED:
        return read_filtered(vxt0, msg);
    case VXT0_TAG_BLOCK_DEF:
        return vxt0_blocks_add(&vxt0->blocks, &vxt0->tag, vxt0->input->name, msg);
    case VXT0_TAG_BLOCK:
        return vxt0_full_block(vxt0, msg);
    case VXT0_TAG_BLOCK_MEM:
        return vxt0_full_block_mem(vxt0, msg);
    case VXT0_TAG_REFERENCE:
        return vxt0_full_reference(vxt0, msg);
    case VXT0_TAG_END:
        return vxt0_full_end(vxt0, msg);
    }
    return VX_OK;
}

static vx_status vxt0_next(vx_source *source, vx_batch *out, vx_msg *msg)
{
    vxt0_source *vxt0 = (vxt0_source *)source;
    vx_status status = vx_import_batch_begin(&vxt0->batch, 0, 0, msg);
    bool ended = false;
    while (!status && !ended && !vx_import_batch_full(&vxt0->batch)) {
        status = read_tag(vxt0, msg);
        ended = vxt0->tag.kind == VXT0_TAG_END;
    }
    if (status) return status;
    vx_import_batch_emit(&vxt0->batch, ended, out);
    return VX_OK;
}

static void vxt0_close(vx_source *source)
{
    vxt0_source *vxt0 = (vxt0_source *)source;
    vx_import_batch_fini(&vxt0->batch);
    vx_import_batch_fini(&vxt0->held);
    vxt0_pages_fini(&vxt0->pages);
    vxt0_blocks_fini(&vxt0->blocks);
    vx_input_close(vxt0->input);
    free(vxt0);
}

/* ---- the first pass ---- */

typedef struct first_pass {
    bool full, filtered, has_state;
} first_pass;

static void note_state(vx_trace_header *header, first_pass *pass, const uint64_t *arg)
{
    uint64_t cr0 = arg[0], cr4 = arg[2], efer = arg[3];
    if (!pass->has_state) header->paging = vx_paging_mode_of(cr0, cr4, efer);
    pass->has_state = true;
    header->features |= header_features(cr4, efer);
}

static vx_status scan(vxt0_source *vxt0, first_pass *pass, vx_msg *msg)
{
    do {
        vx_status status = vxt0_read_tag(vxt0->input, vxt0->has_ppn, &vxt0->tag, msg);
        if (status) return status;
        vxt0_tag_kind kind = vxt0->tag.kind;
        pass->full |= kind == VXT0_TAG_REFERENCE || kind == VXT0_TAG_BLOCK;
        pass->filtered |= kind == VXT0_TAG_FILTERED;
        if (kind == VXT0_TAG_EVENT && vxt0->tag.event == VXT0_STATE)
            note_state(&vxt0->source.header, pass, vxt0->tag.arg);
        if (pass->full && pass->filtered) return vxt0_fault(vxt0, "both filtered and unfiltered references", msg);
    } while (vxt0->tag.kind != VXT0_TAG_END);
    return VX_OK;
}

static void write_header(vx_trace_header *header, const first_pass *pass)
{
    header->kind = VX_TRACE_SYSTEM;
    header->tier = pass->full ? VX_TIER_FULL : pass->filtered ? VX_TIER_FILTERED : VX_TIER_EVENTS;
    const char *what = "all references";
    if (header->tier == VX_TIER_EVENTS) what = "events only; instruction counts at the ends of blocks";
    if (header->tier == VX_TIER_FILTERED)
        what = "references that miss a fully associative 16-entry LRU filter: approximate; pages only; the loads and "
               "stores left out were not counted; instruction counts at the ends of blocks";
    snprintf(header->recipe, sizeof header->recipe, "imported from VXT0, the prototype recorder (QEMU TCG plugin): %s",
             what);
}

static vx_status open_vxt0(vxt0_source *vxt0, vx_msg *msg)
{
    first_pass pass = {0};
    vx_status status = vxt0_read_header(vxt0->input, &vxt0->has_ppn, &vxt0->guest32, msg);
    if (!status) status = scan(vxt0, &pass, msg);
    if (!status) status = vx_input_rewind(vxt0->input, msg);
    if (!status) status = vxt0_read_header(vxt0->input, &vxt0->has_ppn, &vxt0->guest32, msg);
    if (!status) write_header(&vxt0->source.header, &pass);
    return status;
}

vx_status vx_import_vxt0(vx_source **source, vx_input *input, vx_msg *msg)
{
    static const vx_source_ops ops = {vxt0_next, vxt0_close};
    vxt0_source *vxt0 = calloc(1, sizeof *vxt0);
    if (!vxt0) {
        vx_input_close(input);
        return vx_fail_nomem(msg);
    }
    vxt0->source.ops = &ops;
    vxt0->input = input;
    vx_status status = open_vxt0(vxt0, msg);
    if (status) {
        vxt0_close(&vxt0->source);
        return status;
    }
    *source = &vxt0->source;
    return VX_OK;
}
