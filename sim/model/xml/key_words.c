/* Words of the models' enumerations. Their order is the enums' order. */
#include "keys.h"

const char *const vx_words_vendor[] = {"intel", "amd", NULL};
const char *const vx_words_tlb_class[] = {"l1d", "l1i", "l2", NULL};
const char *const vx_words_pages[] = {"4k", "2m", "4m", "1g", NULL};
const char *const vx_words_access[] = {"load", "store", "fetch", NULL};
const char *const vx_words_replacement[] = {"lru", "plru", NULL};
const char *const vx_words_psc[] = {"none", "prefix", "physical", NULL};
const char *const vx_words_caches[] = {"fixed", "walks", "all", NULL};
const char *const vx_words_placement[] = {"linear", "scattered", NULL};
const char *const vx_words_tables[] = {"clustered", "interleaved", "scattered", NULL};
const char *const vx_words_scheme[] = {
    "native", "shadow-wp", "shadow-vtlb", "shadow-kvm", "shadow-xen-v2", "shadow-xen-v3", "ept",
    "npt",    "trap",      "bt",          NULL};
const char *const vx_words_unshadow[] = {"off", "lower", "all", NULL};
const char *const vx_words_exits[] = {"plain", "kvm", NULL};
const char *const vx_words_tpr_trap[] = {"all", "masked", NULL};
const char *const vx_words_guest_timer[] = {"none", "periodic", "one-shot", "deadline", NULL};
const char *const vx_words_apic_access[] = {"none", "page", "cr8", "x2apic", NULL};
const char *const vx_words_smp_traces[] = {"auto", "threads", "processes", NULL};

const char *const vx_words_granularity[] = {"page", "domain", "all", NULL};
const char *const vx_words_backend[] = {"domain", "thread", NULL};
const char *const vx_words_levels[] = {"0", "1", "2", "3", "4", "5", NULL};

enum { WORDS_WITHOUT_END = 1 };
#define HAS(list, count) _Static_assert(sizeof(list) / sizeof *(list)-WORDS_WITHOUT_END == (count), #list)
HAS(vx_words_backend, VX_BACKEND_HOMES);
HAS(vx_words_tlb_class, VX_TLB_CLASSES);
HAS(vx_words_pages, VX_PAGE_SIZES);
HAS(vx_words_access, VX_ACCESSES);
HAS(vx_words_replacement, VX_REPLACEMENTS);
HAS(vx_words_scheme, VX_SCHEMES);
HAS(vx_words_unshadow, VX_UNSHADOWS);
HAS(vx_words_exits, VX_EXIT_POLICIES);

const vx_key_group *vx_keys_root(vx_model_kind kind)
{
    switch (kind) {
    case VX_MODEL_CPU:
        return &vx_keys_cpu;
    case VX_MODEL_VMM:
        return &vx_keys_vmm;
    case VX_MODEL_CHIPSET:
        return &vx_keys_chipset;
    case VX_MODEL_NIC:
        return &vx_keys_nic;
    default:
        return &vx_keys_vm;
    }
}
