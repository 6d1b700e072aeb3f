/* The table of schemes, and which CPU and hypervisor model can run which. */
#include "vmm_private.h"

#include <string.h>

static const struct {
    const char *name, *doc;
    const vmm_scheme *ops; /* NULL: no hypervisor */
} schemes[VX_SCHEMES] = {
    [VX_SCHEME_NATIVE] = {"native", "no virtualization: the guest's tables are the hardware's", NULL},
    [VX_SCHEME_SHADOW_WP] = {"shadow-wp", "shadow page tables; guest tables are write-protected and always in step",
                             &vmm_scheme_shadow_wp},
    [VX_SCHEME_SHADOW_VTLB] = {"shadow-vtlb",
                               "virtual TLB: an empty shadow that hidden faults fill and guest flushes drop",
                               &vmm_scheme_shadow_vtlb},
    [VX_SCHEME_SHADOW_KVM] = {"shadow-kvm",
                              "shadow page tables as KVM keeps them: leaf tables out of sync until the guest flushes",
                              &vmm_scheme_shadow_kvm},
    [VX_SCHEME_SHADOW_XEN_V2] = {"shadow-xen-v2",
                                 "shadow page tables as Xen 3.2 keeps them: every store to a table is emulated at once",
                                 &vmm_scheme_shadow_xen_v2},
    [VX_SCHEME_SHADOW_XEN_V3] = {"shadow-xen-v3",
                                 "shadow page tables as Xen 3.3 keeps them: a few leaf tables out of sync",
                                 &vmm_scheme_shadow_xen_v3},
    [VX_SCHEME_EPT] = {"ept", "Intel extended page tables: hardware walks guest and EPT tables", &vmm_scheme_ept},
    [VX_SCHEME_NPT] = {"npt", "AMD nested page tables: hardware walks guest and nested tables", &vmm_scheme_npt},
    [VX_SCHEME_TRAP] = {"trap", "no VT-x: a deprivileged guest whose privileged instructions trap and are emulated",
                        &vmm_scheme_trap},
    [VX_SCHEME_BT] = {"bt", "no VT-x: a guest kernel in binary translation, with traced page tables", &vmm_scheme_bt},
};

const vmm_scheme *vmm_scheme_of(vx_scheme scheme) { return schemes[scheme].ops; }
const char *vx_scheme_name(vx_scheme scheme) { return schemes[scheme].name; }
const char *vx_scheme_doc(vx_scheme scheme) { return schemes[scheme].doc; }

vx_scheme vx_scheme_parse(const char *name)
{
    for (unsigned i = 0; i < VX_SCHEMES; i++)
        if (schemes[i].name && strcmp(schemes[i].name, name) == 0) return (vx_scheme)i;
    return VX_SCHEMES;
}

vx_status vx_vmm_check_vcpus(vx_scheme scheme, unsigned vcpus, vx_msg *msg)
{
    const vmm_scheme *ops = vmm_scheme_of(scheme);
    if (vcpus <= 1 || !ops || ops->tables != VMM_TABLES_OF_ONE) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT,
                   "%u vCPUs: scheme %s is modelled for one a VM; use native, ept, npt, shadow-vtlb or shadow-kvm",
                   vcpus, vx_scheme_name(scheme));
}

vx_status vx_vmm_check(const vx_cfg_cpu *cpu, const vx_cfg_vmm *vmm, vx_scheme scheme, bool vpid, vx_msg *msg)
{
    const vmm_scheme *ops = vmm_scheme_of(scheme);
    const char *name = vx_scheme_name(scheme);
    if (!ops) return VX_OK;
    if (!(vmm->schemes & (1U << scheme)))
        return vx_fail(msg, VX_ERR_INPUT, "scheme %s: hypervisor %s does not use it", name, vmm->name);
    if (ops->needs_ept && cpu->vendor == VX_VENDOR_AMD)
        return vx_fail(msg, VX_ERR_INPUT, "scheme %s: %s is an AMD processor, use npt", name, cpu->name);
    if (ops->needs_npt && cpu->vendor == VX_VENDOR_INTEL)
        return vx_fail(msg, VX_ERR_INPUT, "scheme %s: %s is an Intel processor, use ept", name, cpu->name);
    if (ops->needs_ept && !cpu->vmx.ept)
        return vx_fail(msg, VX_ERR_INPUT, "scheme %s: %s has no EPT; use shadow-wp or shadow-vtlb", name, cpu->name);
    if (ops->needs_npt && !cpu->svm.npt)
        return vx_fail(msg, VX_ERR_INPUT, "scheme %s: %s has no nested paging; use shadow-wp or shadow-vtlb", name,
                       cpu->name);
    if (ops->needs_vtx && !cpu->vmx.vmx && !cpu->svm.svm)
        return vx_fail(msg, VX_ERR_INPUT, "scheme %s: %s has neither VT-x nor AMD-V", name, cpu->name);
    if (vmm->reclaim_ticks && !ops->reclaim)
        return vx_fail(msg, VX_ERR_INPUT, "vmm.nested.reclaim_ticks: scheme %s has no nested tables", name);
    if (vpid && ops->deprivileged)
        return vx_fail(msg, VX_ERR_INPUT, "VPID: scheme %s does not enter VMX operation", name);
    if (vpid && cpu->vendor == VX_VENDOR_INTEL && !cpu->vmx.vpid)
        return vx_fail(msg, VX_ERR_INPUT, "VPID: %s has none", cpu->name);
    if (vpid && !vmm->vpid) return vx_fail(msg, VX_ERR_INPUT, "VPID: hypervisor %s does not use it", vmm->name);
    return VX_OK;
}
