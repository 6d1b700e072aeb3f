/* What an invalidation drops.
 *
 * VT-d specification, 6.5 (invalidation of translation caches). Hardware may drop more than was asked for; this model
 * drops what docs/rooms/iommu.md says, and counts as over-invalidated every entry that had to go with the configured
 * granularity only. */
#include "iommu_private.h"

/* What one invalidation names. */
typedef struct io_drop {
    const vx_iommu *iommu;
    unsigned asked, done; /* VX_IO_ASK_... */
    uint16_t domain;
    uint32_t pasid;       /* VX_PASID_NONE: of a domain's pages */
    uint64_t first, last; /* addresses */
    unsigned shift;       /* paging-structure entries: bits below their prefix */
    bool keep_upper;
    uint16_t space;
    uint64_t over;
} io_drop;

static uint64_t drop(vx_io_cache *cache, bool (*dead)(void *, uint64_t, uint64_t), void *context)
{
    if (!cache->exists) return 0;
    uint64_t dropped = vx_setassoc_drop_if(&cache->array, dead, context);
    cache->counts->dropped += dropped;
    return dropped;
}

static unsigned coarser(const vx_iommu *iommu, unsigned asked)
{
    static const unsigned least[] = {VX_IO_ASK_FINE, VX_IO_ASK_DOMAIN, VX_IO_ASK_GLOBAL};
    unsigned done = least[iommu->config.granularity];
    return done < asked ? done : asked;
}

/* ---- pages ---- */

static bool overlaps(const io_drop *what, uint64_t from, uint64_t to)
{
    return from <= what->last && to >= what->first;
}

/* First-level and nested translations are not found by a domain's second-level addresses: all of the domain go
 * (6.5.2.3, "IOTLB invalidate"). */
static bool named(const io_drop *what, unsigned granularity, uint16_t space_id, uint64_t from, uint64_t to)
{
    if (granularity == VX_IO_ASK_GLOBAL) return true;
    vx_io_space space = vx_io_space_of(what->iommu, space_id);
    if (space.domain != what->domain) return false;
    if (what->pasid != VX_PASID_NONE && space.pasid != what->pasid) return false;
    if (granularity == VX_IO_ASK_DOMAIN) return true;
    if (what->pasid == VX_PASID_NONE && space.pasid != VX_PASID_NONE) return true;
    return overlaps(what, from, to);
}

static bool dead_between(io_drop *what, uint16_t space, uint64_t from, uint64_t to)
{
    if (!named(what, what->done, space, from, to)) return false;
    what->over += !named(what, what->asked, space, from, to);
    return true;
}

static bool dead_page(void *context, uint64_t key, uint64_t value)
{
    (void)value;
    unsigned shift = vx_page_shift((vx_page_size)(key >> 1 & 3));
    uint64_t from = key >> 19 << shift;
    return dead_between(context, (uint16_t)(key >> 3), from, from + ((1ULL << shift) - 1));
}

static bool dead_upper(void *context, uint64_t key, uint64_t value)
{
    (void)value;
    io_drop *what = context;
    uint64_t from = key >> 17 << what->shift;
    return dead_between(what, (uint16_t)(key >> 1), from, from + ((1ULL << what->shift) - 1));
}

static void drop_translations(vx_iommu *iommu, io_drop *what)
{
    drop(&iommu->iotlb, dead_page, what);
    if (what->done == VX_IO_ASK_GLOBAL) iommu->iotlb_sizes = 0;
    if (!what->keep_upper)
        for (unsigned level = 2; level <= VX_RADIX_LEVELS_MAX; level++) {
            what->shift = vx_radix_5level.shift[level];
            drop(&iommu->paging[level], dead_upper, what);
        }
    iommu->counts.over_invalidated += what->over;
}

/* The aligned 2^mask pages that hold the address, as far as tags know addresses (57 bits). */
static void set_range(io_drop *what, uint64_t address, unsigned address_mask)
{
    unsigned shift = VX_PAGE_SHIFT + address_mask;
    address &= (1ULL << 57) - 1;
    what->first = shift >= 57 ? 0 : address >> shift << shift;
    what->last = shift >= 57 ? UINT64_MAX : what->first + ((1ULL << shift) - 1);
}

unsigned vx_io_drop_pages(vx_iommu *iommu, unsigned asked, uint16_t domain, uint64_t address, unsigned address_mask,
                          bool hint)
{
    unsigned done = coarser(iommu, asked);
    bool pages = iommu->config.page_selective && address_mask <= iommu->config.max_mask;
    if (done == VX_IO_ASK_FINE && !pages) done = VX_IO_ASK_DOMAIN;
    io_drop what = {.iommu = iommu, .asked = asked, .done = done, .domain = domain, .pasid = VX_PASID_NONE};
    set_range(&what, address, address_mask);
    what.keep_upper = hint && done == VX_IO_ASK_FINE;
    drop_translations(iommu, &what);
    return done;
}

void vx_io_drop_pasid_pages(vx_iommu *iommu, bool all, uint16_t domain, uint32_t pasid, uint64_t address,
                            unsigned address_mask, bool hint)
{
    unsigned asked = all ? VX_IO_ASK_DOMAIN : VX_IO_ASK_FINE;
    io_drop what = {.iommu = iommu, .asked = asked, .done = coarser(iommu, asked), .domain = domain, .pasid = pasid};
    set_range(&what, address, address_mask);
    what.keep_upper = hint && what.done == VX_IO_ASK_FINE;
    drop_translations(iommu, &what);
}

static bool dead_page_of_space(void *context, uint64_t key, uint64_t value)
{
    (void)value;
    return (uint16_t)(key >> 3) == *(const uint16_t *)context;
}

static bool dead_upper_of_space(void *context, uint64_t key, uint64_t value)
{
    (void)value;
    return (uint16_t)(key >> 1) == *(const uint16_t *)context;
}

void vx_io_drop_space(vx_iommu *iommu, uint16_t space)
{
    drop(&iommu->iotlb, dead_page_of_space, &space);
    for (unsigned level = 2; level <= VX_RADIX_LEVELS_MAX; level++)
        drop(&iommu->paging[level], dead_upper_of_space, &space);
}

/* ---- contexts ---- */

typedef struct context_drop {
    vx_iommu *iommu;
    unsigned asked, done;
    uint16_t domain, source_id, keep; /* keep: bits of the source-id that count */
} context_drop;

/* In scalable mode context entries have no domain: all go. An entry cached as absent has domain 0 (6.1). */
static bool context_named(const context_drop *what, unsigned granularity, uint16_t source_id, uint16_t domain)
{
    if (granularity == VX_IO_ASK_GLOBAL || (vx_io_scalable(what->iommu) && granularity == VX_IO_ASK_DOMAIN))
        return true;
    bool same_domain = vx_io_scalable(what->iommu) || domain == what->domain;
    if (granularity == VX_IO_ASK_DOMAIN) return same_domain;
    return same_domain && ((source_id ^ what->source_id) & what->keep) == 0;
}

static uint64_t drop_contexts(context_drop *what)
{
    vx_io_cache *cache = &what->iommu->context;
    uint64_t dropped = 0;
    for (uint32_t slot = 0; cache->exists && slot < cache->array.sets * cache->array.ways; slot++) {
        uint64_t key = cache->array.keys[slot];
        uint16_t domain = what->iommu->contexts[slot].domain;
        if (!key || !context_named(what, what->done, (uint16_t)(key >> 2), domain)) continue;
        what->iommu->counts.over_invalidated += !context_named(what, what->asked, (uint16_t)(key >> 2), domain);
        vx_setassoc_drop(&cache->array, slot);
        dropped++;
    }
    return dropped;
}

unsigned vx_io_drop_contexts(vx_iommu *iommu, unsigned asked, uint16_t domain, uint16_t source_id, unsigned mask)
{
    static const uint16_t function_bits[4] = {0, 4, 6, 7}; /* masked: none, 2, 2:1, 2:0 (6.5.1.1) */
    context_drop what = {.iommu = iommu,
                         .asked = asked,
                         .done = coarser(iommu, asked),
                         .domain = domain,
                         .source_id = source_id,
                         .keep = (uint16_t)~function_bits[mask & 3]};
    iommu->counts.context.dropped += drop_contexts(&what);
    return what.done;
}

/* ---- PASIDs and interrupts ---- */

void vx_io_drop_pasids(vx_iommu *iommu, bool global, uint16_t domain, uint32_t pasid)
{
    vx_setassoc *array = &iommu->pasid.array;
    for (uint32_t slot = 0; iommu->pasid.exists && slot < array->sets * array->ways; slot++) {
        uint64_t key = array->keys[slot];
        const vx_io_pasid *entry = &iommu->pasids[slot];
        if (!key) continue;
        bool of_domain = entry->present ? entry->domain == domain : true; /* an absent entry has no domain */
        bool named = of_domain && (pasid == VX_PASID_NONE || (key >> 1 & 0xFFFFF) == pasid);
        if (!global && !named) continue;
        vx_setassoc_drop(array, slot);
        iommu->counts.pasid.dropped++;
    }
}

typedef struct interrupt_drop {
    bool global;
    uint64_t index;
    unsigned mask;
} interrupt_drop;

static bool dead_interrupt(void *context, uint64_t key, uint64_t value)
{
    (void)value;
    const interrupt_drop *what = context;
    return what->global || (key >> 1) >> what->mask == what->index >> what->mask;
}

void vx_io_drop_interrupts(vx_iommu *iommu, bool global, unsigned index, unsigned mask)
{
    interrupt_drop what = {global, index, mask};
    drop(&iommu->interrupts, dead_interrupt, &what);
}
