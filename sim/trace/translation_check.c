/* Does a trace hold all that is needed to translate its references? Rebuilds the guest's page tables from its records
 * alone and walks each reference whose guest-physical address the recorder noted. */
#include "vx_trace.h"

#include "vx_addr.h"
#include "vx_radix.h"

enum { SPACE_BITS = 40 }; /* guest-physical addresses beyond have no tables here: such a walk ends at an empty entry */
#define CR0_PG 0x80000000u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
#define CR4_LA57 0x1000u
#define EFER_LMA 0x400u
#define EFER_LME 0x100u
#define CR3_NO_FLUSH (1ULL << 63)

typedef struct checker {
    vx_physmem memory;
    uint64_t cr0, cr3, cr4, efer, pdpte[4];
    const vx_radix *format; /* NULL: paging is off */
    bool has_gpa;
    uint64_t gpa;
    uint64_t record, instruction;
    vx_translations found;
} checker;

static void choose_format(checker *self)
{
    if (!(self->cr0 & CR0_PG))
        self->format = NULL;
    else if (self->efer & (EFER_LMA | EFER_LME))
        self->format = self->cr4 & CR4_LA57 ? &vx_radix_5level : &vx_radix_4level;
    else
        self->format = self->cr4 & CR4_PAE ? &vx_radix_pae : &vx_radix_2level;
}

/* ---- what changes the tables ---- */

static void page_new(checker *self, const vx_record *record, const uint64_t *words)
{
    unsigned bytes = self->format == &vx_radix_2level ? 4 : 8;
    vx_physmem_clear_page(&self->memory, (vx_hpa){record->addr});
    for (unsigned i = 0; i + 1 < record->count; i += 2) {
        uint64_t offset = words[i] * bytes;
        vx_hpa at = {record->addr + offset};
        if (words[i] >= VX_PAGE_BYTES / bytes) continue;
        if (bytes == 8)
            vx_physmem_write64(&self->memory, at, words[i + 1]);
        else
            vx_physmem_write32(&self->memory, at, (uint32_t)words[i + 1]);
    }
}

static void table_store(checker *self, const vx_record *record, const uint64_t *words)
{
    if (record->size == 8)
        vx_physmem_write64(&self->memory, (vx_hpa){words[0]}, words[1]);
    else
        vx_physmem_write32(&self->memory, (vx_hpa){words[0]}, (uint32_t)words[1]);
}

static void control_write(checker *self, unsigned number, uint64_t value)
{
    if (number == 0) self->cr0 = value;
    if (number == 3) self->cr3 = value & ~CR3_NO_FLUSH;
    if (number == 4) self->cr4 = value;
    choose_format(self);
}

static void state(checker *self, const uint64_t *words)
{
    self->cr0 = words[0];
    self->cr3 = words[2];
    self->cr4 = words[3];
    self->efer = words[4];
    for (unsigned i = 0; i < 4; i++) self->pdpte[i] = words[5 + i];
    choose_format(self);
}

/* ---- the walk ---- */

static uint64_t offset_in(uint64_t gva, unsigned bits) { return gva & ((1ULL << bits) - 1); }

static bool walk(const checker *self, uint64_t gva, uint64_t *gpa)
{
    const vx_radix *format = self->format;
    if (!format) {
        *gpa = gva;
        return true;
    }
    unsigned level = format->top;
    uint64_t table = self->cr3 & VX_ENTRY_ADDRESS;
    if (format == &vx_radix_2level) table &= UINT32_MAX;
    if (format == &vx_radix_pae) {
        uint64_t entry = self->pdpte[gva >> 30 & 3];
        if (!(entry & VX_PTE_P)) return false;
        table = entry & VX_ENTRY_ADDRESS;
        level--;
    }
    for (;; level--) {
        vx_hpa at = {table + (uint64_t)vx_radix_index(format, level, gva) * format->entry_bytes};
        uint64_t entry = vx_radix_read(format, &self->memory, at);
        if (!(entry & format->present)) return false;
        bool leaf = vx_radix_is_leaf(format, level, entry);
        if (format == &vx_radix_2level && level == 2 && !(self->cr4 & CR4_PSE)) leaf = false;
        table = vx_radix_frame(format, entry, level, leaf);
        if (!leaf) continue;
        *gpa = table | offset_in(gva, format->shift[level]);
        return true;
    }
}

static void compare(checker *self, uint64_t gva)
{
    uint64_t walked = 0;
    bool mapped = walk(self, gva, &walked);
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

static void take(checker *self, const vx_record *record, const uint64_t *payload)
{
    const uint64_t *words = payload + record->arg;
    switch (record->kind) {
    case VX_REC_LOAD:
    case VX_REC_STORE:
        if (self->has_gpa) compare(self, record->addr);
        self->has_gpa = false;
        break;
    case VX_REC_FETCH:
        self->instruction += record->count;
        self->has_gpa = false;
        break;
    case VX_REC_SKIPPED:
        self->instruction += words[0];
        break;
    case VX_REC_GPA:
        self->has_gpa = true;
        self->gpa = record->addr;
        break;
    case VX_REC_PT_PAGE_NEW:
        page_new(self, record, words);
        break;
    case VX_REC_PT_PAGE_GONE:
        vx_physmem_clear_page(&self->memory, (vx_hpa){record->addr});
        break;
    case VX_REC_PT_STORE:
        table_store(self, record, words);
        self->has_gpa = false;
        break;
    case VX_REC_STATE:
        state(self, words);
        break;
    case VX_REC_CR_WRITE:
        control_write(self, record->size, record->addr);
        break;
    case VX_REC_EFER_LOAD:
        self->efer = record->addr;
        choose_format(self);
        break;
    case VX_REC_PDPTE_LOAD:
        for (unsigned i = 0; i < 4; i++) self->pdpte[i] = words[i];
        break;
    default:
        break;
    }
    self->record++;
}

vx_status vx_trace_check_translations(vx_source *source, vx_translations *result, vx_msg *msg)
{
    checker self = {0};
    vx_batch batch;
    vx_status status = vx_physmem_init(&self.memory, 1ULL << SPACE_BITS, msg);
    if (status) return status;
    do {
        status = vx_source_next(source, &batch, msg);
        for (size_t i = 0; !status && i < batch.count; i++) take(&self, &batch.records[i], batch.payload);
    } while (!status && batch.count);
    vx_physmem_fini(&self.memory);
    if (!status) *result = self.found;
    return status;
}
