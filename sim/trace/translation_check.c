/* Does a trace hold all that is needed to translate its references? Rebuilds the guest's page tables from its records
 * alone and walks each reference whose guest-physical address the recorder noted. */
#include "guest_image.h"
#include "source_skip.h"
#include "vx_addr.h"
#include "vx_control_registers.h"

typedef struct checker {
    guest_image image;
    bool has_gpa;
    uint64_t gpa;
    uint64_t record, instruction;
    vx_translations found;
} checker;

/* ---- the walk ---- */

static uint64_t offset_in(uint64_t gva, unsigned bits) { return gva & ((1ULL << bits) - 1); }

static bool walk(const guest_image *image, uint64_t gva, uint64_t *gpa)
{
    const vx_radix *format = guest_image_format(image);
    if (!format) {
        *gpa = gva;
        return true;
    }
    unsigned level = format->top;
    uint64_t table = image->state[IMAGE_CR3] & VX_ENTRY_ADDRESS;
    if (format == &vx_radix_2level) table &= UINT32_MAX;
    if (format == &vx_radix_pae) {
        uint64_t entry = image->state[IMAGE_PDPTE + (gva >> 30 & 3)];
        if (!(entry & VX_PTE_P)) return false;
        table = entry & VX_ENTRY_ADDRESS;
        level--;
    }
    for (;; level--) {
        vx_hpa at = {table + (uint64_t)vx_radix_index(format, level, gva) * format->entry_bytes};
        uint64_t entry = vx_radix_read(format, &image->memory, at);
        if (!(entry & format->present)) return false;
        bool leaf = vx_radix_is_leaf(format, level, entry);
        if (format == &vx_radix_2level && level == 2 && !(image->state[IMAGE_CR4] & VX_CR4_PSE)) leaf = false;
        table = vx_radix_frame(format, entry, level, leaf);
        if (!leaf) continue;
        *gpa = table | offset_in(gva, format->shift[level]);
        return true;
    }
}

static void compare(checker *self, uint64_t gva)
{
    uint64_t walked = 0;
    bool mapped = walk(&self->image, gva, &walked);
    self->found.compared++;
    if (mapped && walked == self->gpa) return;
    if (self->found.disagreements++ > 0) return;
    self->found.record = self->record;
    self->found.instruction = self->instruction;
    self->found.gva = gva;
    self->found.recorded = self->gpa;
    self->found.walked = walked;
    self->found.mapped = mapped;
}

static vx_status take(checker *self, const vx_record *record, const uint64_t *payload, vx_msg *msg)
{
    vx_status status = VX_OK;
    switch (record->kind) {
    case VX_REC_LOAD:
    case VX_REC_STORE:
        if (self->has_gpa) compare(self, record->addr);
        self->has_gpa = false;
        break;
    case VX_REC_FETCH:
        self->has_gpa = false;
        break;
    case VX_REC_GPA:
        self->has_gpa = true;
        self->gpa = record->addr;
        break;
    case VX_REC_PT_STORE:
        self->has_gpa = false;
        status = guest_image_take(&self->image, record, payload, msg);
        break;
    default:
        status = guest_image_take(&self->image, record, payload, msg);
        break;
    }
    self->instruction += vx_record_instructions(record, payload);
    self->record++;
    return status;
}

vx_status vx_trace_check_translations(vx_source *source, vx_translations *result, vx_msg *msg)
{
    checker self = {0};
    vx_batch batch;
    vx_status status = guest_image_init(&self.image, msg);
    if (status) return status;
    do {
        status = vx_source_next(source, &batch, msg);
        for (size_t i = 0; !status && i < batch.count; i++) status = take(&self, &batch.records[i], batch.payload, msg);
    } while (!status && batch.count);
    guest_image_fini(&self.image);
    if (!status) *result = self.found;
    return status;
}
