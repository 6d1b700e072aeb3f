/* Page faults that a trace recorded beside those that its page tables cause here. Both must tell the same story: a
 * reference whose translation faults has the guest's fault behind it, and a recorded fault is one that the tables
 * explain at that place. Where they differ a trace is damaged, or its guest met a stale translation that its own
 * processor still held (a spurious fault). Either is counted, and the first is kept with its place.
 *
 * SDM Vol. 3A: error code 4.7, access rights 4.6, spurious faults 4.10.4.3.
 *
 * NOT MODELLED: whether reserved bits or protection keys explain a fault that names them; SMAP's override by EFLAGS.AC,
 * whose fault counts as explained. */
#include "vcpu_private.h"
#include "vx_exception.h"
#include "vx_radix.h"

static const vx_radix *view_format(const vx_registers *view)
{
    static const vx_radix *const formats[VX_PAGING_MODES] = {NULL, &vx_radix_2level, &vx_radix_pae, &vx_radix_4level,
                                                             &vx_radix_5level};
    return formats[vx_registers_paging(view)];
}

static uint64_t view_root(const vx_registers *view, const vx_radix *format)
{
    if (format == &vx_radix_2level) return view->cr3 & 0xFFFFF000ULL;
    if (format == &vx_radix_pae) return view->cr3 & 0xFFFFFFE0ULL;
    return view->cr3 & VX_ENTRY_ADDRESS;
}

static uint64_t view_entry(const vx_vcpu *v, const vx_radix *format, unsigned level, uint64_t table, uint64_t gva)
{
    uint32_t index = vx_radix_index(format, level, gva);
    if (format == &vx_radix_pae && level == 3) return v->view.pdpte[index]; /* latched */
    vx_gpa at = {table + (uint64_t)index * format->entry_bytes};
    return vx_radix_read(format, v->memory, vx_gpa_map_hpa(v->ram, at));
}

vx_guest_mapping vx_vcpu_guest_mapping(const vx_vcpu *v, vx_gva gva)
{
    const vx_radix *format = view_format(&v->view);
    vx_guest_mapping found = {.write = true, .user = true, .execute = true, .gpa = {gva.v}};
    found.present = !format;
    uint64_t table = format ? view_root(&v->view, format) : 0;
    for (unsigned level = format ? format->top : 0; !found.present; level--) {
        uint64_t entry = view_entry(v, format, level, table, gva.v);
        if (!(entry & VX_PTE_P)) return found;
        bool pdpte = format == &vx_radix_pae && level == 3; /* without rights */
        found.write &= pdpte || (entry & VX_PTE_W);
        found.user &= pdpte || (entry & VX_PTE_U);
        found.execute &= pdpte || !(entry & VX_PTE_NX);
        bool large = level > 1 && (format != &vx_radix_2level || (v->view.cr4 & VX_CR4_PSE));
        found.present = level == 1 || (large && vx_radix_is_leaf(format, level, entry));
        table = vx_radix_frame(format, entry, level, found.present);
        if (found.present) found.gpa.v = table | (gva.v & (vx_page_bytes((vx_page_size)format->page[level]) - 1));
    }
    return found;
}

/* ---- what differs ---- */

static void differ(vx_vcpu *v, const vx_fault_difference *difference)
{
    uint64_t *counts[VX_FAULT_DIFFERENCES] = {
        [VX_FAULT_UNRECORDED] = &v->counts.unrecorded_faults,
        [VX_FAULT_UNEXPLAINED] = &v->counts.unexplained_faults,
        [VX_FAULT_OTHER_CODE] = &v->counts.differing_faults,
    };
    ++*counts[difference->kind];
    if (!v->first_difference.kind) v->first_difference = *difference;
}

static bool explained(const vx_vcpu *v, vx_gva gva, uint32_t code)
{
    vx_guest_mapping mapping = vx_vcpu_guest_mapping(v, gva);
    bool user = (code & VX_PF_U) != 0, fetch = (code & VX_PF_I) != 0;
    if (!view_format(&v->view)) return false;
    if (code & (VX_PF_RSVD | VX_PF_PK)) return true;
    if (!(code & VX_PF_P)) return !mapping.present;
    if (!mapping.present) return false;
    bool wrong = user && !mapping.user;
    wrong |= (code & VX_PF_W) && !mapping.write && (user || (v->view.cr0 & VX_CR0_WP));
    wrong |= fetch && !mapping.execute;
    wrong |= fetch && !user && mapping.user && (v->view.cr4 & VX_CR4_SMEP);
    wrong |= !fetch && !user && mapping.user && (v->view.cr4 & VX_CR4_SMAP);
    return wrong;
}

/* A modelled guest OS makes its own events: there is nothing recorded. */
static bool is_recorded(const vx_vcpu *v) { return v->hooks.on_page_fault == NULL; }

static vx_fault_difference difference_at(const vx_vcpu *v, const vx_record *record, vx_gva gva, uint32_t error_code)
{
    return (vx_fault_difference){.record = is_recorded(v) ? vcpu_record_number(v, record) : 0,
                                 .instruction = v->instructions,
                                 .gva = gva,
                                 .error_code = error_code};
}

void vx_vcpu_end_of_trace(vx_vcpu *v)
{
    if (v->announced && is_recorded(v)) differ(v, &v->announcement);
    v->announced = false;
}

void vcpu_announce_fault(vx_vcpu *v, const vx_record *record, vx_gva gva, uint32_t error_code)
{
    vx_vcpu_end_of_trace(v); /* of the one before, which no record has confirmed */
    v->announced = true;
    v->announcement = difference_at(v, record, gva, error_code);
    v->announcement.kind = VX_FAULT_UNRECORDED;
}

bool vcpu_confirm_fault(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    if (record->kind != VX_REC_EXCEPTION) return false;
    vx_fault_difference recorded = difference_at(v, record, (vx_gva){record->addr}, (uint32_t)payload[0]);
    bool same = v->announced && record->size == 14 && record->addr == v->announcement.gva.v;
    if (!same) {
        vx_vcpu_end_of_trace(v);
        recorded.kind = VX_FAULT_UNEXPLAINED;
        if (record->size == 14 && is_recorded(v) && !explained(v, recorded.gva, recorded.error_code))
            differ(v, &recorded);
        return false;
    }
    recorded.kind = VX_FAULT_OTHER_CODE;
    if (is_recorded(v) && recorded.error_code != v->announcement.error_code) differ(v, &recorded);
    v->announced = false;
    return true;
}

const vx_fault_difference *vx_vcpu_first_difference(const vx_vcpu *v)
{
    return v->first_difference.kind ? &v->first_difference : NULL;
}
