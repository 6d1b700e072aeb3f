/* CPUID Fn8000_000A: what a processor says of its SVM.
 *
 * Bits and names: Linux arch/x86/include/asm/cpufeatures.h (word 15), as in APM Vol. 3, Appendix E. Bits of features
 * that no model has a flag for (GMET 17, x2AVIC 18, SSS check 19, host MCE override 23, TLB control 24, IBS 26,
 * extended LVT offset 27, address check 28, Idle HLT 30) are 0. */
#include "vx_svm.h"

#define FEATURE(name) offsetof(vx_cfg_svm, name)

/* In the order of the bits. */
static const vx_svm_feature features[] = {
    {0, "npt", "nested paging", FEATURE(npt)},
    {1, "lbrv", "LBR virtualization", FEATURE(lbr_virtualization)},
    {2, "svm_lock", "VM_CR.LOCK and SVM_KEY", FEATURE(svm_lock)},
    {3, "nrip_save", "next rIP saved at #VMEXIT", FEATURE(nrips)},
    {4, "tsc_scale", "TSC_RATIO", FEATURE(tsc_ratio)},
    {5, "vmcb_clean", "VMCB clean bits", FEATURE(vmcb_clean)},
    {6, "flushbyasid", "TLB_CONTROL 3 and 7", FEATURE(flush_by_asid)},
    {7, "decodeassists", "decode assists", FEATURE(decode_assists)},
    {10, "pausefilter", "pause filter", FEATURE(pause_filter)},
    {12, "pfthreshold", "pause filter threshold", FEATURE(pause_threshold)},
    {13, "avic", "AVIC", FEATURE(avic)},
    {15, "v_vmsave_vmload", "virtualized VMLOAD and VMSAVE", FEATURE(virtual_vmload)},
    {16, "vgif", "virtual GIF", FEATURE(vgif)},
    {20, "v_spec_ctrl", "virtualized SPEC_CTRL", FEATURE(spec_ctrl)},
    {25, "vnmi", "virtual NMI", FEATURE(vnmi)},
    {29, "bus_lock_threshold", "bus-lock threshold", FEATURE(bus_lock_threshold)},
};

unsigned vx_svm_feature_count(void) { return sizeof features / sizeof *features; }

const vx_svm_feature *vx_svm_feature_at(unsigned index)
{
    return index < vx_svm_feature_count() ? &features[index] : NULL;
}

bool vx_svm_has(const vx_cfg_svm *svm, const vx_svm_feature *feature)
{
    return *(const bool *)((const char *)svm + feature->offset);
}

vx_svm_cpuid vx_svm_cpuid_of(const vx_cfg_svm *svm)
{
    vx_svm_cpuid leaf = {0};
    if (!svm->svm) return leaf;
    leaf.eax = 1; /* the only revision that processors report */
    leaf.ebx = svm->asids;
    for (unsigned i = 0; i < vx_svm_feature_count(); i++)
        if (vx_svm_has(svm, &features[i])) leaf.edx |= 1U << features[i].bit;
    return leaf;
}
