/* Effects of records on control state: SDM Vol. 3A, 2.5 and 4.1; on page tables: docs/trace-format.md. */
#include "guest_image.h"

#include <stdlib.h>
#include <string.h>

#include "vx_addr.h"
#include "vx_control_registers.h"
#include "vx_random.h"

enum { SPACE_BITS = 40 }; /* guest-physical addresses beyond have no tables here: such a walk ends at an empty entry */
enum { FIRST_SLOTS = 1024 };

vx_status guest_image_init(guest_image *image, vx_msg *msg)
{
    *image = (guest_image){.slots = FIRST_SLOTS};
    vx_status status = vx_physmem_init(&image->memory, 1ULL << SPACE_BITS, msg);
    if (status) return status;
    image->pages = calloc(FIRST_SLOTS, sizeof *image->pages);
    if (image->pages) return VX_OK;
    vx_physmem_fini(&image->memory);
    return vx_fail_nomem(msg);
}

void guest_image_fini(guest_image *image)
{
    vx_physmem_fini(&image->memory);
    free(image->pages);
}

/* ---- control state ---- */

vx_paging_mode guest_image_paging(const guest_image *image)
{
    const uint64_t *state = image->state;
    return vx_paging_mode_of(state[IMAGE_CR0], state[IMAGE_CR4], state[IMAGE_EFER]);
}

const vx_radix *guest_image_format(const guest_image *image)
{
    static const vx_radix *const formats[VX_PAGING_MODES] = {[VX_PAGING_32BIT] = &vx_radix_2level,
                                                             [VX_PAGING_PAE] = &vx_radix_pae,
                                                             [VX_PAGING_4LEVEL] = &vx_radix_4level,
                                                             [VX_PAGING_5LEVEL] = &vx_radix_5level};
    return formats[guest_image_paging(image)];
}

/* Paging on or off in long mode sets or clears LMA (SDM Vol. 3A, 9.8.5). */
static void write_cr0(guest_image *image, uint64_t value)
{
    uint64_t *efer = &image->state[IMAGE_EFER];
    image->state[IMAGE_CR0] = value;
    if (!(value & VX_CR0_PG))
        *efer &= ~VX_EFER_LMA;
    else if (*efer & VX_EFER_LME)
        *efer |= VX_EFER_LMA;
}

static void write_control(guest_image *image, unsigned number, uint64_t value)
{
    if (number == 0) write_cr0(image, value);
    if (number == 2) image->state[IMAGE_CR2] = value;
    if (number == 3) image->state[IMAGE_CR3] = value & ~VX_CR3_NO_FLUSH;
    if (number == 4) image->state[IMAGE_CR4] = value;
}

static void load_descriptor_table(guest_image *image, unsigned which, uint64_t base)
{
    if (which == VX_DESC_LGDT) image->state[IMAGE_GDT] = base;
    if (which == VX_DESC_LIDT) image->state[IMAGE_IDT] = base;
}

/* ---- which pages are live ---- */

static image_page *place_of(const guest_image *image, uint64_t gpa)
{
    uint32_t slot = (uint32_t)vx_mix64(gpa >> VX_PAGE_SHIFT) & (image->slots - 1);
    while (image->pages[slot].gpa && image->pages[slot].gpa != gpa + 1) slot = (slot + 1) & (image->slots - 1);
    return &image->pages[slot];
}

static bool grow(guest_image *image)
{
    guest_image bigger = {.slots = 2 * image->slots};
    bigger.pages = calloc(bigger.slots, sizeof *bigger.pages);
    if (!bigger.pages) return false;
    for (uint32_t i = 0; i < image->slots; i++)
        if (image->pages[i].gpa) *place_of(&bigger, image->pages[i].gpa - 1) = image->pages[i];
    free(image->pages);
    image->pages = bigger.pages;
    image->slots = bigger.slots;
    return true;
}

static bool add_page(guest_image *image, uint64_t gpa, uint8_t level)
{
    if (2 * image->live >= image->slots && !grow(image)) return false;
    image_page *place = place_of(image, gpa);
    image->live += place->gpa == 0;
    *place = (image_page){gpa + 1, level};
    return true;
}

/* What stands behind it in its chain moves up. */
static void remove_page(guest_image *image, uint64_t gpa)
{
    image_page *gone = place_of(image, gpa);
    if (!gone->gpa) return;
    image->live--;
    uint32_t slot = (uint32_t)(gone - image->pages);
    gone->gpa = 0;
    for (slot = (slot + 1) & (image->slots - 1); image->pages[slot].gpa; slot = (slot + 1) & (image->slots - 1)) {
        image_page moved = image->pages[slot];
        image->pages[slot].gpa = 0;
        *place_of(image, moved.gpa - 1) = moved;
    }
}

/* ---- their contents ---- */

static unsigned entry_bytes(const guest_image *image) { return guest_image_paging(image) == VX_PAGING_32BIT ? 4 : 8; }

static void write_entry(guest_image *image, uint64_t gpa, unsigned bytes, uint64_t value)
{
    if (bytes == 8)
        vx_physmem_write64(&image->memory, (vx_hpa){gpa}, value);
    else
        vx_physmem_write32(&image->memory, (vx_hpa){gpa}, (uint32_t)value);
}

static bool page_new(guest_image *image, const vx_record *record, const uint64_t *words)
{
    unsigned bytes = entry_bytes(image);
    uint64_t page = record->addr & ~(uint64_t)(VX_PAGE_BYTES - 1);
    vx_physmem_clear_page(&image->memory, (vx_hpa){page});
    for (unsigned i = 0; i + 1 < record->count; i += 2)
        if (words[i] < VX_PAGE_BYTES / bytes) write_entry(image, page + words[i] * bytes, bytes, words[i + 1]);
    return add_page(image, page, record->size);
}

static void page_gone(guest_image *image, uint64_t gpa)
{
    uint64_t page = gpa & ~(uint64_t)(VX_PAGE_BYTES - 1);
    vx_physmem_clear_page(&image->memory, (vx_hpa){page});
    remove_page(image, page);
}

vx_status guest_image_take(guest_image *image, const vx_record *record, const uint64_t *payload, vx_msg *msg)
{
    const uint64_t *words = payload + record->arg;
    switch (record->kind) {
    case VX_REC_STATE:
        memcpy(image->state, words, sizeof image->state);
        image->cpl = record->size & 3;
        image->stateful = true;
        break;
    case VX_REC_CR_WRITE:
        write_control(image, record->size, record->addr);
        break;
    case VX_REC_CLTS:
        image->state[IMAGE_CR0] &= ~VX_CR0_TS;
        break;
    case VX_REC_LMSW: /* PE, MP, EM, TS; PE cannot be cleared (SDM Vol. 2, LMSW) */
        write_cr0(image, (image->state[IMAGE_CR0] & ~0xEULL) | (record->addr & 0xF));
        break;
    case VX_REC_EFER_LOAD:
        image->state[IMAGE_EFER] = record->addr;
        break;
    case VX_REC_PDPTE_LOAD:
        memcpy(&image->state[IMAGE_PDPTE], words, 4 * sizeof *words);
        break;
    case VX_REC_DESC_TABLE:
        load_descriptor_table(image, record->size, record->addr);
        break;
    case VX_REC_EXCEPTION:
        if (record->size == 14) image->state[IMAGE_CR2] = record->addr;
        image->cpl = 0;
        break;
    case VX_REC_INTERRUPT:
    case VX_REC_INT_N:
    case VX_REC_SYSCALL:
    case VX_REC_SYSENTER:
        image->cpl = 0;
        break;
    case VX_REC_SYSRET:
    case VX_REC_SYSEXIT:
        image->cpl = 3;
        break;
    case VX_REC_CPL:
        image->cpl = record->size & 3;
        break;
    case VX_REC_PT_STORE:
        write_entry(image, words[0], record->size, words[1]);
        break;
    case VX_REC_PT_PAGE_NEW:
        return page_new(image, record, words) ? VX_OK : vx_fail_nomem(msg);
    case VX_REC_PT_PAGE_GONE:
        page_gone(image, record->addr);
        break;
    default:
        break;
    }
    return VX_OK;
}

/* ---- telling ---- */

static int by_address(const void *a, const void *b)
{
    uint64_t x = ((const image_page *)a)->gpa, y = ((const image_page *)b)->gpa;
    return (x > y) - (x < y);
}

image_page *guest_image_pages(const guest_image *image)
{
    image_page *pages = calloc(image->live + 1, sizeof *pages);
    uint32_t count = 0;
    if (!pages) return NULL;
    for (uint32_t i = 0; i < image->slots; i++) {
        if (!image->pages[i].gpa) continue;
        pages[count] = image->pages[i];
        pages[count++].gpa--;
    }
    qsort(pages, count, sizeof *pages, by_address);
    return pages;
}

unsigned guest_image_entries(const guest_image *image, uint64_t gpa, uint64_t *words)
{
    unsigned bytes = entry_bytes(image), count = 0;
    for (unsigned i = 0; i < VX_PAGE_BYTES / bytes; i++) {
        vx_hpa at = {gpa + i * bytes};
        uint64_t value = bytes == 8 ? vx_physmem_read64(&image->memory, at) : vx_physmem_read32(&image->memory, at);
        if (!value) continue;
        words[count++] = i;
        words[count++] = value;
    }
    return count;
}
