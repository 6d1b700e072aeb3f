/* QEMU's trace events of its VT-d model (-trace 'vtd_*' -D FILE): what devices asked the IOMMU to translate.
 *
 *     vtd_iotlb_page_update IOTLB page update sid 0x8 iova 0xffe59002 slpte 0x5aa3001 domain 0x3   a miss, walked
 *     vtd_iotlb_page_hit IOTLB page hit sid 0x8 iova 0xfffff00c slpte 0x5b68003 domain 0x3         a hit
 *     vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x3 addr 0xffe59000 mask 0x0                an unmapped buffer
 *     vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x3
 *     vtd_inv_desc_iotlb_global iotlb invalidate global
 *
 * QEMU's IOTLB is another than hardware's (its key holds the source-id), so that hits and misses mean nothing here:
 * both become a DMA record. A page that has not been seen since its last invalidation, or whose entry has changed, is
 * mapped first; an invalidation unmaps the seen pages that it names. An invalidation of a domain is not the unmap of
 * all its pages, but since the log says nothing of pages that stay, they are mapped again when they are next seen.
 *
 * The log has neither lengths (0: not known) nor directions: a page that the device may only write is written, others
 * are read. Lines may begin with "PID@SECONDS:" as QEMU's log backend writes it. Events of other names are passed over;
 * what is no event is an error. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "importers.h"
#include "vtd_pages.h"

enum { LINE_MAX_BYTES = 1024, EXCERPT = 40, LARGE_BYTES = 1 << 21, LINE_RECORDS = 2 };

typedef struct vtd_source {
    vx_source source;
    vx_input *input;
    vx_import_batch batch;
    vtd_pages pages;
    uint64_t line;    /* number of the line at input->at, from 1 */
    bool any;         /* a DMA has been read */
    vx_status failed; /* of a callback */
    vx_msg *msg;
} vtd_source;

/* One line, cut out and terminated. */
typedef struct vtd_line {
    char text[LINE_MAX_BYTES];
} vtd_line;

static vx_status line_fault(const vtd_source *self, const vtd_line *line, const char *what, vx_msg *msg)
{
    char excerpt[EXCERPT + 1];
    size_t length = 0;
    for (; length < EXCERPT && line->text[length]; length++)
        excerpt[length] = (char)(line->text[length] >= ' ' && line->text[length] < 0x7F ? line->text[length] : '?');
    excerpt[length] = '\0';
    const char *hint = self->any ? "" : vx_import_hint((const uint8_t *)line->text, strlen(line->text), "qemu-vtd");
    return vx_fail(msg, VX_ERR_INPUT, "%s:%" PRIu64 ": %s: \"%s\"%s", self->input->name, self->line, what, excerpt,
                   hint);
}

/* The number after " word 0x". */
static bool field(const char *text, const char *word, uint64_t most, uint64_t *value)
{
    const char *found = strstr(text, word);
    if (!found) return false;
    const char *digits = found + strlen(word);
    char *end;
    if (!isxdigit((unsigned char)*digits) || strspn(digits, "0123456789abcdefABCDEF") > 16) return false;
    *value = strtoull(digits, &end, 16);
    return *value <= most && (*end == ' ' || *end == '\0');
}

/* ---- records ---- */

/* A second-level entry: R 0, W 1, PS 7, frame 51:12. */
static uint64_t bytes_of(uint64_t slpte) { return slpte & VTD_PS ? LARGE_BYTES : VX_PAGE_BYTES; }
static uint64_t base_of(uint64_t iova, uint64_t slpte) { return iova & ~(bytes_of(slpte) - 1); }

static vx_status reserve(vtd_source *self, vx_msg *msg)
{
    return vx_import_batch_reserve(&self->batch, LINE_RECORDS, LINE_RECORDS * 4, msg);
}

static void put_unmap(void *context, const vtd_page *page)
{
    vtd_source *self = context;
    uint64_t iova = vtd_page_number(page) << VX_PAGE_SHIFT;
    const uint64_t words[] = {page->source_id, bytes_of(page->slpte)};
    if (!self->failed) self->failed = reserve(self, self->msg);
    if (!self->failed) vx_import_event(&self->batch, VX_REC_DMA_UNMAP, iova, 0, words, 2);
}

static vx_status put_map(vtd_source *self, const vtd_page *page, vx_msg *msg)
{
    uint64_t iova = vtd_page_number(page) << VX_PAGE_SHIFT;
    uint64_t frame = page->slpte & 0x000FFFFFFFFFF000ULL & ~(bytes_of(page->slpte) - 1);
    const uint64_t words[] = {page->source_id, frame, bytes_of(page->slpte), page->slpte & 3};
    vx_status status = vtd_pages_add(&self->pages, page, msg);
    if (!status) vx_import_event(&self->batch, VX_REC_DMA_MAP, iova, 0, words, 4);
    return status;
}

static vx_status put_dma(vtd_source *self, const vtd_line *line, vx_msg *msg)
{
    uint64_t sid, iova, slpte, domain;
    if (!field(line->text, " sid 0x", 0xFFFF, &sid) || !field(line->text, " iova 0x", (1ULL << 57) - 1, &iova) ||
        !field(line->text, " slpte 0x", UINT64_MAX, &slpte) || !field(line->text, " domain 0x", 0xFFFF, &domain))
        return line_fault(self, line, "expected sid, iova, slpte and domain", msg);
    if (!(slpte & 3)) return line_fault(self, line, "the entry allows nothing", msg);
    vtd_page page = {
        .key = vtd_page_key((uint16_t)domain, base_of(iova, slpte)), .slpte = slpte, .source_id = (uint16_t)sid};
    vtd_page *known = vtd_pages_find(&self->pages, page.key);
    vx_status status = VX_OK;
    if (known && known->slpte != slpte) {
        vtd_page old = *known;
        vtd_pages_remove(&self->pages, known);
        put_unmap(self, &old);
        status = self->failed ? self->failed : reserve(self, msg);
        known = NULL;
    }
    if (!status && !known) status = put_map(self, &page, msg);
    if (status) return status;
    const uint64_t words[] = {sid, UINT32_MAX, 0};
    vx_import_event(&self->batch, VX_REC_DMA, iova, (slpte & 3) == 2, words, 3);
    self->any = true;
    return VX_OK;
}

static vx_status put_invalidation(vtd_source *self, const vtd_line *line, bool pages, bool global, vx_msg *msg)
{
    uint64_t domain = 0, address = 0, mask = 0, last = 0x7FFFFFFFFFFFULL;
    if (!global && !field(line->text, " domain 0x", 0xFFFF, &domain))
        return line_fault(self, line, "expected a domain", msg);
    if (pages &&
        (!field(line->text, " addr 0x", (1ULL << 57) - 1, &address) || !field(line->text, " mask 0x", 52, &mask)))
        return line_fault(self, line, "expected addr and mask", msg);
    uint64_t first = pages ? address >> VX_PAGE_SHIFT >> mask << mask : 0;
    if (pages) last = first + (1ULL << mask) - 1;
    self->msg = msg;
    self->failed = VX_OK;
    vx_status status = vtd_pages_take(&self->pages, global, (uint16_t)domain, first, last, put_unmap, self, msg);
    return status ? status : self->failed;
}

/* ---- lines ---- */

/* The event's name: behind "PID@SECONDS:" where there is one; NULL where the line is no event. */
static const char *event_of(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits && text[digits] == '@') {
        size_t time = strspn(text + digits + 1, "0123456789.");
        if (text[digits + 1 + time] != ':') return NULL;
        text += digits + 1 + time + 1;
    }
    size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return name > 2 && isalpha((unsigned char)*text) && (text[name] == ' ' || text[name] == '\0') ? text : NULL;
}

static bool is(const char *event, const char *name)
{
    size_t length = strlen(name);
    return strncmp(event, name, length) == 0 && (event[length] == ' ' || event[length] == '\0');
}

static vx_status read_line(vtd_source *self, const vtd_line *line, vx_msg *msg)
{
    const char *event = event_of(line->text);
    if (line->text[0] == '\0') return VX_OK;
    if (!event) return line_fault(self, line, "not a trace event of QEMU", msg);
    if (is(event, "vtd_iotlb_page_update") || is(event, "vtd_iotlb_page_hit")) return put_dma(self, line, msg);
    if (is(event, "vtd_inv_desc_iotlb_pages")) return put_invalidation(self, line, true, false, msg);
    if (is(event, "vtd_inv_desc_iotlb_domain")) return put_invalidation(self, line, false, false, msg);
    if (is(event, "vtd_inv_desc_iotlb_global")) return put_invalidation(self, line, false, true, msg);
    return VX_OK;
}

/* Cuts the next line out of the window. *whole is false where the input ends before the line does. */
static vx_status next_line(vtd_source *self, vtd_line *line, bool *whole, vx_msg *msg)
{
    vx_input *input = self->input;
    vx_status status = vx_input_need(input, LINE_MAX_BYTES, msg);
    if (status) return status;
    size_t left = vx_input_left(input), looked = left < LINE_MAX_BYTES ? left : LINE_MAX_BYTES;
    const uint8_t *end = memchr(input->at, '\n', looked);
    size_t length = end ? (size_t)(end - input->at) : looked;
    *whole = end != NULL;
    if (length >= LINE_MAX_BYTES) length = LINE_MAX_BYTES - 1;
    memcpy(line->text, input->at, length);
    if (length && line->text[length - 1] == '\r') length--;
    line->text[length] = '\0';
    if (memchr(line->text, '\0', length)) return line_fault(self, line, "a byte 0 in a line", msg);
    if (!end && looked == LINE_MAX_BYTES) return line_fault(self, line, "the line is longer than 1024 bytes", msg);
    if (end) input->at = end + 1;
    return VX_OK;
}

static vx_status read_some(vtd_source *self, bool *ended, vx_msg *msg)
{
    while (!vx_import_batch_full(&self->batch)) {
        vtd_line line;
        bool whole;
        vx_status status = next_line(self, &line, &whole, msg);
        if (status) return status;
        if (!whole) {
            *ended = true;
            if (line.text[0]) return line_fault(self, &line, "the last line has no end: the file is cut", msg);
            if (!self->any)
                return vx_fail(msg, VX_ERR_INPUT, "%s: no DMA in %" PRIu64 " lines", self->input->name, self->line - 1);
            return VX_OK;
        }
        status = reserve(self, msg);
        if (!status) status = read_line(self, &line, msg);
        if (status) return status;
        self->line++;
    }
    return VX_OK;
}

static vx_status vtd_next(vx_source *source, vx_batch *out, vx_msg *msg)
{
    vtd_source *self = (vtd_source *)source;
    bool ended = false;
    vx_status status = vx_import_batch_begin(&self->batch, VX_IMPORT_BATCH_RECORDS, VX_IMPORT_BATCH_WORDS, msg);
    if (!status) status = read_some(self, &ended, msg);
    if (!status) vx_import_batch_emit(&self->batch, ended, out);
    return status;
}

static void vtd_close(vx_source *source)
{
    vtd_source *self = (vtd_source *)source;
    vtd_pages_fini(&self->pages);
    vx_import_batch_fini(&self->batch);
    vx_input_close(self->input);
    free(self);
}

vx_status vx_import_qemu_vtd(vx_source **source, vx_input *input, vx_msg *msg)
{
    static const vx_source_ops ops = {vtd_next, vtd_close};
    vtd_source *self = calloc(1, sizeof *self);
    if (!self) {
        vx_input_close(input);
        return vx_fail_nomem(msg);
    }
    self->source.ops = &ops;
    self->source.header = (vx_trace_header){.tier = VX_TIER_FULL, .kind = VX_TRACE_DMA, .paging = VX_PAGING_NONE};
    strcpy(self->source.header.recipe, "imported from QEMU vtd_* trace events; lengths and directions not recorded");
    self->input = input;
    self->line = 1;
    *source = &self->source;
    return VX_OK;
}
