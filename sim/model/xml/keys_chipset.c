/* Keys of a chipset: every leaf of vx_cfg_chipset. VT-d is its IOMMU. */
#include "keys_table.h"

enum { ENTRIES_MAX = 65536, NS_MAX = 1000000 };

#define TYPE vx_cfg_io_cache
static const vx_key cache[] = {
    NUMBER("entries", entries, "entries", 0, ENTRIES_MAX, 0, VX_NEED_SOURCE, "entries; 0: there is none"),
    NUMBER("ways", ways, "ways", 0, ENTRIES_MAX, 0, VX_NEED_SOURCE,
           "associativity; equal to entries: fully associative"),
    WORD("replacement", replacement, vx_words_replacement, VX_REPLACE_LRU, VX_NEED_NOTHING, false,
         "replacement policy (Intel documents none)"),
};
#undef TYPE

#define TYPE vx_cfg_iommu
#define CACHE(word, member, about)                                                                                     \
    {                                                                                                                  \
        .name = (word), .doc = (about), KEYS(cache), .offset = offsetof(TYPE, member)                                  \
    }
static const vx_key_group caches[] = {
    CACHE("iotlb", iotlb, "IOTLB"),
    CACHE("context", context, "context cache"),
    CACHE("pasid", pasid, "PASID cache"),
    CACHE("interrupts", interrupts, "interrupt entry cache"),
    CACHE("pde", paging[2], "paging-structure cache of level-2 entries"),
    CACHE("pdpte", paging[3], "paging-structure cache of level-3 entries"),
    CACHE("pml4e", paging[4], "paging-structure cache of level-4 entries"),
    CACHE("pml5e", paging[5], "paging-structure cache of level-5 entries"),
};
static const vx_key iommu[] = {
    SWITCH("present", present, 0, VX_NEED_FEATURE, "the chipset has VT-d"),
    NUMBER("host_bits", host_bits, "bits", 36, 52, 39, VX_NEED_SOURCE, "host address width"),
    NUMBER("guest_bits", guest_bits, "bits", 30, 57, 39, VX_NEED_SOURCE, "MGAW: widest input address"),
    WORDS("levels", levels, vx_words_levels, 1U << 3, VX_NEED_SOURCE, false,
          "levels of second-level tables: 3, 4, 5 (CAP.SAGAW)"),
    FEATURE(page_2m, "2 MiB pages in second-level tables"),
    FEATURE(page_1g, "1 GiB pages in second-level tables"),
    FEATURE(page_selective, "page-selective invalidation (CAP.PSI)"),
    NUMBER("max_mask", max_mask, "bits", 0, 52, 0, VX_NEED_SOURCE,
           "CAP.MAMV: one invalidation covers 2^max_mask pages at most"),
    FEATURE(queued, "queued invalidation"),
    FEATURE(pass_through, "pass-through context entries"),
    FEATURE(interrupt_remapping, "interrupt remapping"),
    FEATURE(extended_interrupts, "32-bit APIC identifiers in interrupt entries"),
    FEATURE(posted_interrupts, "posted interrupts"),
    FEATURE(device_tlb, "device TLBs (ATS)"),
    FEATURE(page_requests, "page requests (PRI)"),
    FEATURE(scalable, "scalable mode: PASIDs"),
    FEATURE(first_level, "first-level translation"),
    FEATURE(nested, "nested translation"),
    FEATURE(first_level_1g, "1 GiB pages in first-level tables"),
    FEATURE(first_level_5, "5-level first-level tables"),
    FEATURE(second_level_ad, "A and D flags in second-level tables"),
    SWITCH("caching_mode", caching_mode, 0, VX_NEED_FEATURE,
           "entries that are not present may be cached too (virtual IOMMUs)"),
    NUMBER("fault_records", fault_records, "records", 1, 8, 1, VX_NEED_SOURCE, "fault recording registers"),
    WORD("granularity", granularity, vx_words_granularity, VX_IO_BY_PAGE, VX_NEED_SOURCE, false,
         "finest granularity at which invalidations are carried out"),
    NUMBER("hit_ns", hit_ns, "ns", 0, NS_MAX, 0, VX_NEED_SOURCE, "a translation that the IOTLB answers"),
    NUMBER("read_ns", read_ns, "ns", 0, NS_MAX, 200, VX_NEED_SOURCE, "one read of a table entry"),
    NUMBER("descriptor_ns", descriptor_ns, "ns", 0, NS_MAX, 200, VX_NEED_SOURCE,
           "one descriptor of the invalidation queue"),
    NUMBER("register_ns", register_ns, "ns", 0, NS_MAX, 1000, VX_NEED_SOURCE, "an invalidation through the registers"),
};
#undef TYPE

#define TYPE vx_cfg_chipset
static const vx_key chipset[] = {
    TEXT("name", name, VX_NEED_NAME, true, "the model's name"),
    TEXT("title", title, VX_NEED_NOTHING, true, "what it is, for people"),
};
static const vx_key dma[] = {
    NUMBER("page_ns", dma_page_ns, "ns", 1, NS_MAX, 100, VX_NEED_SOURCE, "a DMA of 4 KiB that no translation delays"),
};
#undef TYPE

#define TYPE vx_cfg_copy_engine
static const vx_key copy_engine[] = {
    NUMBER("channels", channels, "channels", 0, 16, 0, VX_NEED_SOURCE, "I/OAT: channels of the copy engine; 0: none"),
    NUMBER("mb_s", mb_s, "MB/s", 1, 1000000, 4000, VX_NEED_SOURCE, "bytes it copies a second, over all channels"),
    NUMBER("descriptor_ns", descriptor_ns, "ns", 0, NS_MAX, 200, VX_NEED_SOURCE, "a descriptor beside its bytes"),
};
#undef TYPE

#define TYPE vx_cfg_chipset
static const vx_key_group children[] = {
    {.name = "dma", .doc = "devices' way to memory", KEYS(dma)},
    {.name = "copy_engine",
     .doc = "I/OAT: copies from memory to memory",
     KEYS(copy_engine),
     .offset = offsetof(TYPE, copy_engine)},
    {.name = "iommu", .doc = "VT-d", KEYS(iommu), CHILDREN(caches), .offset = offsetof(TYPE, iommu)},
};
const vx_key_group vx_keys_chipset = {
    .name = "chipset", .doc = "what lies between devices and memory", KEYS(chipset), CHILDREN(children)};
#undef TYPE
