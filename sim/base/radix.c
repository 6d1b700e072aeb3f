#include "vx_radix.h"

#include <assert.h>
#include <inttypes.h>

#define EPT_PRESENT (VX_EPT_R | VX_EPT_W | VX_EPT_X)

/* 32-bit paging: SDM Vol. 3A, 4.3. */
const vx_radix vx_radix_2level = {
    .name = "2-level",
    .top = 2,
    .entry_bytes = 4,
    .bits = {0, 10, 10},
    .shift = {0, 12, 22},
    .page = {-1, VX_PAGE_4K, VX_PAGE_4M, -1, -1, -1},
    .present = VX_PTE_P,
    .large = VX_PTE_PS,
};

/* PAE paging: SDM Vol. 3A, 4.4. The top table is 4 entries, aligned to 32 bytes. */
const vx_radix vx_radix_pae = {
    .name = "pae",
    .top = 3,
    .entry_bytes = 8,
    .bits = {0, 9, 9, 2},
    .shift = {0, 12, 21, 30},
    .page = {-1, VX_PAGE_4K, VX_PAGE_2M, -1, -1, -1},
    .present = VX_PTE_P,
    .large = VX_PTE_PS,
};

/* 4-level and 5-level paging: SDM Vol. 3A, 4.5. */
const vx_radix vx_radix_4level = {
    .name = "4-level",
    .top = 4,
    .entry_bytes = 8,
    .bits = {0, 9, 9, 9, 9},
    .shift = {0, 12, 21, 30, 39},
    .page = {-1, VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G, -1, -1},
    .present = VX_PTE_P,
    .large = VX_PTE_PS,
};

const vx_radix vx_radix_5level = {
    .name = "5-level",
    .top = 5,
    .entry_bytes = 8,
    .bits = {0, 9, 9, 9, 9, 9},
    .shift = {0, 12, 21, 30, 39, 48},
    .page = {-1, VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G, -1, -1},
    .present = VX_PTE_P,
    .large = VX_PTE_PS,
};

/* EPT: SDM Vol. 3C, 28.3.2. An entry is present where it grants anything; bit 10 counts too under mode-based execute
 * control, which is the walker's to know. */
const vx_radix vx_radix_ept4 = {
    .name = "ept-4",
    .top = 4,
    .entry_bytes = 8,
    .bits = {0, 9, 9, 9, 9},
    .shift = {0, 12, 21, 30, 39},
    .page = {-1, VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G, -1, -1},
    .present = EPT_PRESENT,
    .large = VX_EPT_PS,
};

const vx_radix vx_radix_ept5 = {
    .name = "ept-5",
    .top = 5,
    .entry_bytes = 8,
    .bits = {0, 9, 9, 9, 9, 9},
    .shift = {0, 12, 21, 30, 39, 48},
    .page = {-1, VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G, -1, -1},
    .present = EPT_PRESENT,
    .large = VX_EPT_PS,
};

/* ---- entries ---- */

enum { PSE36_LOW_BIT = 13, PSE36_BITS = 8 }; /* bits 20:13 of a 4M entry are address bits 39:32 (SDM Vol. 3A, 4.3) */

static uint64_t low_bits(unsigned bits) { return (1ULL << bits) - 1; }

uint64_t vx_radix_frame(const vx_radix *format, uint64_t entry, unsigned level, bool leaf)
{
    if (!leaf) return entry & VX_ENTRY_ADDRESS;
    assert(format->page[level] >= 0);
    vx_page_size size = (vx_page_size)format->page[level];
    uint64_t frame = entry & VX_ENTRY_ADDRESS & ~low_bits(vx_page_shift(size));
    if (size == VX_PAGE_4M) frame |= ((entry >> PSE36_LOW_BIT) & low_bits(PSE36_BITS)) << 32;
    return frame;
}

/* The address bits of a leaf that maps `frame`: the inverse of vx_radix_frame for every frame the entry can hold. */
static uint64_t frame_bits(vx_page_size size, uint64_t frame)
{
    if (size != VX_PAGE_4M) return frame;
    return (frame & ~low_bits(32 + PSE36_BITS)) | (frame & low_bits(32)) |
           ((frame >> 32) & low_bits(PSE36_BITS)) << PSE36_LOW_BIT;
}

/* An entry without any of the format's present bits gets the lowest: P, or the right to read. */
static uint64_t with_present(const vx_radix *format, uint64_t bits)
{
    return (bits & format->present) ? bits : bits | (format->present & (0 - format->present));
}

/* The bits of an upper entry at this level. PAE's top entries have no rights: bits 2:1, 8:5 and 63 are reserved there
 * (SDM Vol. 3A, 4.4.1), and loading CR3 would fault. */
static uint64_t upper_bits(const vx_radix *format, unsigned level, uint64_t upper)
{
    bool pae_top = format->bits[level] == 2;
    return with_present(format, pae_top ? upper & 0xE19 : upper);
}

static bool fits_entry(const vx_radix *format, uint64_t entry)
{
    return format->entry_bytes == 8 || entry <= UINT32_MAX;
}

/* ---- walking ---- */

static vx_hpa place(const vx_radix_table *table, uint64_t address)
{
    return table->place ? table->place(table->place_context, address) : (vx_hpa){address};
}

static vx_radix_spot spot_in(const vx_radix_table *table, uint64_t base, unsigned level, uint64_t address)
{
    const vx_radix *format = table->format;
    uint64_t at = base + (uint64_t)vx_radix_index(format, level, address) * format->entry_bytes;
    uint64_t entry = vx_radix_read(format, table->memory, place(table, at));
    return (vx_radix_spot){
        .level = (uint8_t)level, .present = (entry & format->present) != 0, .at = at, .entry = entry};
}

vx_radix_spot vx_radix_lookup(const vx_radix_table *table, uint64_t address, unsigned lowest)
{
    const vx_radix *format = table->format;
    uint64_t base = table->root;
    for (unsigned level = format->top;; level--) {
        vx_radix_spot spot = spot_in(table, base, level, address);
        if (!spot.present || level <= lowest || vx_radix_is_leaf(format, level, spot.entry)) return spot;
        base = vx_radix_frame(format, spot.entry, level, false);
    }
}

static unsigned leaf_level(const vx_radix *format, vx_page_size size)
{
    for (unsigned level = 1; level <= format->top; level++)
        if (format->page[level] == (int8_t)size) return level;
    return 0;
}

/* What one vx_radix_map does below. */
typedef struct mapping {
    const vx_radix_table *table;
    uint64_t address;
    uint64_t upper;
    vx_radix_page_fn new_page;
    vx_radix_wrote_fn wrote;
    void *context;
} mapping;

static void write_entry(const mapping *map, const vx_radix_spot *spot, uint64_t value)
{
    vx_radix_write(map->table->format, map->table->memory, place(map->table, spot->at), value);
    if (map->wrote) map->wrote(map->context, spot->level, spot->at, value);
}

/* Links a new table below the absent entry at `spot`, so that it is present. */
static vx_status make_table(const mapping *map, vx_radix_spot *spot, vx_msg *msg)
{
    const vx_radix *format = map->table->format;
    uint64_t page = map->new_page(map->context, spot->level - 1U);
    if (page == 0)
        return vx_fail(msg, VX_ERR_NOMEM, "no page left for a level %u table of %s paging", spot->level - 1U,
                       format->name);
    uint64_t entry = page | upper_bits(format, spot->level, map->upper);
    if ((page & ~VX_ENTRY_ADDRESS) != 0 || !fits_entry(format, entry))
        return vx_fail(msg, VX_ERR_INPUT, "%s paging cannot name a table at 0x%" PRIx64, format->name, page);
    write_entry(map, spot, entry);
    spot->entry = entry;
    spot->present = true;
    return VX_OK;
}

/* Follows or makes the tables down to `target` and gives the entry there. */
static vx_status descend(const mapping *map, unsigned target, vx_radix_spot *end, vx_msg *msg)
{
    const vx_radix *format = map->table->format;
    uint64_t base = map->table->root;
    for (unsigned level = format->top;; level--) {
        vx_radix_spot spot = spot_in(map->table, base, level, map->address);
        if (level == target) {
            *end = spot;
            return VX_OK;
        }
        if (spot.present && vx_radix_is_leaf(format, level, spot.entry))
            return vx_fail(msg, VX_ERR_INPUT, "0x%" PRIx64 " is already mapped by a larger page", map->address);
        vx_status status = spot.present ? VX_OK : make_table(map, &spot, msg);
        if (status != VX_OK) return status;
        base = vx_radix_frame(format, spot.entry, level, false);
    }
}

vx_status vx_radix_map(const vx_radix_table *table, uint64_t address, uint64_t frame, vx_page_size size, uint64_t leaf,
                       uint64_t upper, vx_radix_page_fn new_page, vx_radix_wrote_fn wrote, void *context, vx_msg *msg)
{
    const vx_radix *format = table->format;
    unsigned target = leaf_level(format, size);
    if (target == 0)
        return vx_fail(msg, VX_ERR_INPUT, "%s paging has no pages of %s", format->name, vx_page_size_name(size));
    uint64_t entry = frame_bits(size, frame) | with_present(format, leaf) | (target > 1 ? format->large : 0);
    if ((frame & ~(VX_ENTRY_ADDRESS & ~low_bits(vx_page_shift(size)))) != 0 || !fits_entry(format, entry))
        return vx_fail(msg, VX_ERR_INPUT, "%s paging cannot map a page of %s to 0x%" PRIx64, format->name,
                       vx_page_size_name(size), frame);
    mapping map = {table, address, upper, new_page, wrote, context};
    vx_radix_spot end = {0};
    vx_status status = descend(&map, target, &end, msg);
    if (status != VX_OK) return status;
    if (end.present && !vx_radix_is_leaf(format, target, end.entry))
        return vx_fail(msg, VX_ERR_INPUT, "0x%" PRIx64 " already has a table of smaller pages", address);
    write_entry(&map, &end, entry);
    return VX_OK;
}
