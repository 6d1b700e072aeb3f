/* Entries of Xen's shadows: Xen 3.3.0-rc7, xen/arch/x86/mm/shadow/multi.c: _sh_propagate, shadow_set_l1e to
 * shadow_set_l4e, validate_gl1e to validate_gl4e, sh_prefetch. */
#include "xen_shadow.h"

enum { ENTRIES = 512 };

/* What every entry that points to a table has set: nobody needs to find out what the guest uses. */
#define UPPER (VX_PTE_P | VX_PTE_A)
#define ALL_RIGHTS (VX_PTE_W | VX_PTE_U)
#define RIGHTS (VX_PTE_W | VX_PTE_U | VX_PTE_NX)

static uint64_t read_entry(const vmm_vm *vm, const shadow_page *page, unsigned index)
{
    return vx_physmem_read64(vm->vmm->memory, (vx_hpa){page->table + 8ULL * index});
}

static void write_entry(const vmm_vm *vm, const shadow_page *page, unsigned index, uint64_t value)
{
    vx_physmem_write64(vm->vmm->memory, (vx_hpa){page->table + 8ULL * index}, value);
}

void xen_set_upper(vmm_vm *vm, shadow_page *page, unsigned index, shadow_page *child, uint64_t bits)
{
    xen_shadow *xen = vm->state;
    uint64_t entry = page->table + 8ULL * index, old = read_entry(vm, page, index);
    if (old & VX_PTE_P) {
        xen->flush |= old != (child ? child->table | bits : 0);
        if (child && (old & VX_ENTRY_ADDRESS) == child->table) {
            write_entry(vm, page, index, child->table | bits);
            return;
        }
        shadow_page *before = xen_page_child(vm, old);
        shadow_pages_clear(&xen->pages, entry, page->key.level);
        xen_page_release(vm, before);
    }
    if (child && !shadow_pages_link(&xen->pages, entry, child, bits)) vm->vmm->out_of_tables = true;
}

void xen_set_leaf(vmm_vm *vm, shadow_page *page, unsigned index, uint64_t value)
{
    xen_shadow *xen = vm->state;
    uint64_t entry = page->table + 8ULL * index, frame = value & VX_ENTRY_ADDRESS;
    if ((value & VX_PTE_P) && (value & VX_PTE_W)) xen_oos_note_writable(vm, frame, entry);
    if (read_entry(vm, page, index) == value) return;
    if (value & VX_PTE_P) {
        if (!shadow_pages_map(&xen->pages, entry, frame, value & ~VX_ENTRY_ADDRESS)) vm->vmm->out_of_tables = true;
        vm->vmm->counts.shadow_fills++;
        return;
    }
    shadow_pages_clear(&xen->pages, entry, 1);
    write_entry(vm, page, index, value);
}

void xen_empty_page(vmm_vm *vm, shadow_page *page)
{
    for (unsigned i = 0; i < ENTRIES; i++)
        if (page->key.level > 1)
            xen_set_upper(vm, page, i, NULL, 0);
        else
            xen_set_leaf(vm, page, i, 0);
}

/* ---- from the guest's entries ---- */

static bool maps_large(const vmm_vm *vm, const vx_radix *format, unsigned level, uint64_t entry)
{
    bool large = format != &vx_radix_2level || (vm->guest.cr4 & VX_CR4_PSE);
    return large && vx_radix_is_leaf(format, level, entry);
}

/* D belongs to entries that map a page: no stores before it is set. */
static uint64_t upper_bits(uint64_t entry, bool large)
{
    uint64_t bits = UPPER | (entry & RIGHTS);
    if (large && !(entry & VX_PTE_D)) bits &= ~(uint64_t)VX_PTE_W;
    return bits;
}

uint64_t xen_upper_bits(const vmm_vm *vm, const guest_walk *walk, unsigned level)
{
    if (shadow_format(&vm->guest) == &vx_radix_pae && level == 3) return VX_PTE_P;
    if (level < walk->leaf || !guest_format(&vm->guest)) return UPPER | ALL_RIGHTS;
    return upper_bits(walk->step[level].entry, level == walk->leaf);
}

static uint64_t protect_tables(vmm_vm *vm, uint64_t gpa, uint64_t value, xen_fetch fetch)
{
    uint64_t gfn = gpa >> VX_PAGE_SHIFT;
    bool let = fetch == XEN_DEMAND_STORE && xen_is_out_of_sync(vm, gfn);
    return xen_is_table(vm, gfn) && !let ? value & ~(uint64_t)(VX_PTE_W | VX_PTE_D) : value;
}

uint64_t xen_leaf_value(vmm_vm *vm, uint64_t entry, xen_fetch fetch)
{
    if (!(entry & VX_PTE_P)) return XEN_NOT_PRESENT;
    uint64_t gpa = vx_radix_frame(guest_format(&vm->guest), entry, 1, true);
    if (gpa >= vm->ram->bytes || guest_entry_malformed(vm, 1, true, entry) || !(entry & VX_PTE_A)) return 0;
    uint64_t value = vx_gpa_map_hpa(vm->ram, (vx_gpa){gpa}).v | UPPER | (entry & (RIGHTS | VX_PTE_D));
    if (!(entry & VX_PTE_D) || !(entry & VX_PTE_W)) value &= ~(uint64_t)(VX_PTE_W | VX_PTE_D);
    return protect_tables(vm, gpa, value, fetch);
}

uint64_t xen_piece_value(vmm_vm *vm, uint64_t gpa, xen_fetch fetch)
{
    if (gpa >= vm->ram->bytes) return 0;
    uint64_t value = vx_gpa_map_hpa(vm->ram, (vx_gpa){gpa}).v | UPPER | ALL_RIGHTS | VX_PTE_D;
    return protect_tables(vm, gpa, value, fetch);
}

static bool is_small_directory(const vmm_vm *vm, const shadow_page *page)
{
    return page->key.level == 2 && guest_format(&vm->guest) == &vx_radix_2level;
}

uint64_t xen_guest_entry(const vmm_vm *vm, const shadow_page *page, unsigned index)
{
    const vx_radix *format = guest_format(&vm->guest);
    vx_gpa at = shadow_mirrored_gpa(vm, &page->key, index);
    if (is_small_directory(vm, page)) /* two shadow entries for each of the guest's */
        at.v = (page->key.gfn << VX_PAGE_SHIFT) + 4ULL * (page->key.quadrant * (ENTRIES / 2) + index / 2);
    return vx_radix_read(format, vm->vmm->memory, vx_gpa_map_hpa(vm->ram, at));
}

/* ---- after a store of the guest's ---- */

static void validate_leaf(vmm_vm *vm, shadow_page *page, unsigned index)
{
    xen_set_leaf(vm, page, index, xen_leaf_value(vm, xen_guest_entry(vm, page, index), XEN_PREFETCH));
}

/* The shadow of what a guest entry points to, if there is one: none is made for an entry that may never be used. False:
 * the entry points nowhere, so this is hardly a table. */
static bool known_child(vmm_vm *vm, const shadow_page *page, unsigned index, uint64_t entry, bool large,
                        shadow_page **child)
{
    const vx_radix *format = guest_format(&vm->guest);
    unsigned level = page->key.level;
    bool small = is_small_directory(vm, page);
    uint64_t at = vx_radix_frame(format, entry, level, large);
    if (large && small) at += (uint64_t)(index & 1) << 21;
    shadow_key key = xen_key((shadow_key){.gfn = at >> VX_PAGE_SHIFT, .level = (uint8_t)(level - 1), .direct = large});
    if (small && !large) key.quadrant = (uint8_t)(index & 1);
    *child = xen_page_find(vm, &key);
    return at < vm->ram->bytes;
}

static bool validate_upper(vmm_vm *vm, shadow_page *page, unsigned index)
{
    uint64_t entry = xen_guest_entry(vm, page, index);
    const vx_radix *format = guest_format(&vm->guest);
    shadow_page *child = NULL;
    bool large = maps_large(vm, format, page->key.level, entry), fine = true;
    bool used = (entry & VX_PTE_P) && (entry & VX_PTE_A) && !guest_entry_malformed(vm, page->key.level, large, entry);
    if (used) fine = known_child(vm, page, index, entry, large, &child);
    xen_set_upper(vm, page, index, fine ? child : NULL, upper_bits(entry, large));
    return fine;
}

/* Leaves first, as in Xen: sh_validate_guest_entry. */
void xen_validate(vmm_vm *vm, uint64_t gfn, unsigned index, unsigned count)
{
    xen_shadow *xen = vm->state;
    bool fine = true;
    for (unsigned level = 1; level <= VX_RADIX_LEVELS_MAX; level++) {
        shadow_page *page = NULL;
        while ((page = shadow_pages_of(&xen->pages, gfn, page)) != NULL) {
            unsigned i, past;
            if (page->key.level != level) continue;
            uint64_t destroyed = xen->destroyed;
            for (shadow_mirrored_entries(vm, &page->key, index, count, &i, &past); i < past; i++)
                if (level > 1)
                    fine &= validate_upper(vm, page, i);
                else
                    validate_leaf(vm, page, i);
            if (destroyed != xen->destroyed) page = NULL; /* the chain is another one; what is done stays as it is */
        }
    }
    if (!fine) xen_remove_shadows(vm, gfn, false);
}

/* ---- prefetch ---- */

/* Not worth it where the entry needs another fault anyway. */
static bool needs_fault(uint64_t entry)
{
    if (!(entry & VX_PTE_P)) return false;
    return !(entry & VX_PTE_A) || ((entry & VX_PTE_W) && !(entry & VX_PTE_D));
}

void xen_prefetch(vmm_vm *vm, shadow_page *page, unsigned index, uint64_t gpa)
{
    unsigned past = index + vm->vmm->config->xen.prefetch;
    if (past > ENTRIES) past = ENTRIES;
    for (unsigned i = index + 1; i < past && read_entry(vm, page, i) == 0; i++) {
        if (page->key.direct) {
            xen_set_leaf(vm, page, i,
                         xen_piece_value(vm, gpa + ((uint64_t)(i - index) << VX_PAGE_SHIFT), XEN_PREFETCH));
            continue;
        }
        uint64_t entry = xen_guest_entry(vm, page, i);
        if (needs_fault(entry)) return;
        xen_set_leaf(vm, page, i, xen_leaf_value(vm, entry, XEN_PREFETCH));
        xen_oos_note_mirrored(vm, page, i);
    }
}
