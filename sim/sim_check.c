/* --check: every translation that a reference uses, first-level hits too, against the guest's own tables walked in
 * software and composed with placement. Neither the hardware's walker nor any scheme's tables take part, so no two
 * schemes can disagree on a translation without one of them disagreeing with this.
 *
 * The modelled guest OS flushes whatever it changes at once, on the CPU that changes it. The others of several do so
 * when they answer its shootdown, and a recorded OS may flush later too; a stale translation is legal until then (SDM
 * Vol. 3A, 4.10.4.4), and is counted. */
#include "sim_private.h"

#include <inttypes.h>

/* Where the guest's tables say the address lies. False: they do not map it, or do not allow the access. */
static bool guest_physical(const vx_vcpu *vcpu, vx_gva gva, vx_access access, uint64_t *gpa)
{
    vx_guest_mapping mapping = vx_vcpu_guest_mapping(vcpu, gva);
    bool user = vx_vcpu_registers(vcpu)->cpl == 3;
    *gpa = mapping.gpa.v;
    if (!mapping.present || (user && !mapping.user)) return false;
    if (access == VX_ACCESS_STORE) return mapping.write || (!user && !(vx_vcpu_guest_view(vcpu)->cr0 & VX_CR0_WP));
    return access != VX_ACCESS_FETCH || mapping.execute;
}

vx_status sim_check_translation(void *checker, const vx_vcpu *vcpu, vx_gva gva, vx_access access, vx_hpa hpa,
                                vx_msg *msg)
{
    sim_vcpu *v = checker;
    uint64_t gpa;
    bool mapped = guest_physical(vcpu, gva, access, &gpa);
    v->sim->checked_translations++;
    if (mapped && vx_gpa_map_hpa(vx_vcpu_ram(vcpu), (vx_gpa){gpa}).v == hpa.v) return VX_OK;
    bool shot_down = v->guest && vx_guest_may_be_stale(v->guest, gva);
    if (shot_down || sim_is_system_trace(v)) {
        v->sim->stale_uses++;
        return VX_OK;
    }
    if (!mapped)
        return vx_fail(msg, VX_ERR_CHECK,
                       "%s: gva 0x%" PRIx64 " reached hpa 0x%" PRIx64 "; the guest's tables forbid it",
                       v->sim->run_name, gva.v, hpa.v);
    return vx_fail(msg, VX_ERR_CHECK,
                   "%s: gva 0x%" PRIx64 " reached hpa 0x%" PRIx64 "; gpa 0x%" PRIx64 " lies elsewhere",
                   v->sim->run_name, gva.v, hpa.v, gpa);
}

void sim_check_declare(vx_sim *sim)
{
    if (!sim->options.check) return;
    vx_stats_scalar(&sim->stats, &sim->checked_translations, "translations",
                    "translations used by references and compared with the guest's tables", "check.translations");
    vx_stats_scalar(&sim->stats, &sim->stale_uses, "translations",
                    "uses of translations that the guest had changed and not flushed yet", "paging.stale_uses");
}
