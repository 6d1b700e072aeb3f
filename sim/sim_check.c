/* --check: every translation that a reference uses, first-level hits too, against the guest's own tables walked in
 * software and composed with placement. Neither the hardware's walker nor any scheme's tables take part, so no two
 * schemes can disagree on a translation without one of them disagreeing with this.
 *
 * The modelled guest OS flushes whatever it changes at once. A recorded one may flush later; a stale translation is
 * legal until it does (SDM Vol. 3A, 4.10.4.4), and is counted. */
#include "sim_private.h"
#include "vx_radix.h"

#include <inttypes.h>

static uint64_t root_of(const vx_registers *view, const vx_radix *format)
{
    if (format == &vx_radix_2level) return view->cr3 & 0xFFFFF000ULL;
    return view->cr3 & VX_ENTRY_ADDRESS;
}

/* The rights of the entries on the way. */
typedef struct path_rights {
    bool write, user, execute;
} path_rights;

static bool allows(const vx_vcpu *vcpu, const vx_registers *view, const path_rights *rights, vx_access access)
{
    bool user = vx_vcpu_registers(vcpu)->cpl == 3;
    if (user && !rights->user) return false;
    if (access == VX_ACCESS_STORE) return rights->write || (!user && !(view->cr0 & VX_CR0_WP));
    return access != VX_ACCESS_FETCH || rights->execute;
}

/* Where the guest's tables say the address lies. False: they do not map it, or do not allow the access. */
static bool guest_physical(const sim_vm *vm, const vx_vcpu *vcpu, uint64_t gva, vx_access access, uint64_t *gpa)
{
    static const vx_radix *const formats[VX_PAGING_MODES] = {NULL, &vx_radix_2level, &vx_radix_pae, &vx_radix_4level,
                                                             &vx_radix_5level};
    const vx_registers *view = vx_vcpu_guest_view(vcpu);
    const vx_radix *format = formats[vx_registers_paging(view)];
    *gpa = gva;
    if (!format) return true;
    path_rights rights = {true, true, true};
    uint64_t table = root_of(view, format);
    for (unsigned level = format->top;; level--) {
        uint32_t index = vx_radix_index(format, level, gva);
        bool pdpte = format == &vx_radix_pae && level == 3; /* latched, without rights */
        vx_gpa at = {table + (uint64_t)index * format->entry_bytes};
        uint64_t entry =
            pdpte ? view->pdpte[index] : vx_radix_read(format, &vm->sim->memory, vx_gpa_map_hpa(vx_vcpu_ram(vcpu), at));
        if (!(entry & VX_PTE_P)) return false;
        rights.write &= pdpte || (entry & VX_PTE_W);
        rights.user &= pdpte || (entry & VX_PTE_U);
        rights.execute &= pdpte || !(entry & VX_PTE_NX);
        bool large = level > 1 && (format != &vx_radix_2level || (view->cr4 & VX_CR4_PSE));
        bool leaf = level == 1 || (large && vx_radix_is_leaf(format, level, entry));
        table = vx_radix_frame(format, entry, level, leaf);
        if (!leaf) continue;
        *gpa = table | (gva & (vx_page_bytes((vx_page_size)format->page[level]) - 1));
        return allows(vcpu, view, &rights, access);
    }
}

vx_status sim_check_translation(void *checker, const vx_vcpu *vcpu, vx_gva gva, vx_access access, vx_hpa hpa,
                                vx_msg *msg)
{
    sim_vm *vm = checker;
    uint64_t gpa;
    bool mapped = guest_physical(vm, vcpu, gva.v, access, &gpa);
    vm->sim->checked_translations++;
    if (mapped && vx_gpa_map_hpa(vx_vcpu_ram(vcpu), (vx_gpa){gpa}).v == hpa.v) return VX_OK;
    if (sim_is_system_trace(vm)) {
        vm->sim->stale_uses++;
        return VX_OK;
    }
    if (!mapped)
        return vx_fail(msg, VX_ERR_CHECK,
                       "%s: gva 0x%" PRIx64 " reached hpa 0x%" PRIx64 "; the guest's tables forbid it",
                       vm->sim->run_name, gva.v, hpa.v);
    return vx_fail(msg, VX_ERR_CHECK,
                   "%s: gva 0x%" PRIx64 " reached hpa 0x%" PRIx64 "; gpa 0x%" PRIx64 " lies elsewhere",
                   vm->sim->run_name, gva.v, hpa.v, gpa);
}

void sim_check_declare(vx_sim *sim)
{
    if (!sim->options.check) return;
    vx_stats_scalar(&sim->stats, &sim->checked_translations, "translations",
                    "translations used by references and compared with the guest's tables", "check.translations");
    vx_stats_scalar(&sim->stats, &sim->stale_uses, "translations",
                    "uses of translations that a recorded guest had changed and not flushed yet", "paging.stale_uses");
}
