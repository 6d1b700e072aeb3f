/* Construction, capabilities, and what every part uses: reads of memory, caches, spaces.
 *
 * VT-d specification, 11.4.2 and 11.4.3 (capability registers). NOT MODELLED: see vx_iommu.h. */
#include "iommu_private.h"

#include <string.h>

#include "vx_random.h"

/* ---- configuration ---- */

static vx_status check_config(const vx_cfg_iommu *config, vx_msg *msg)
{
    if (config->host_bits < 36 || config->host_bits > 52)
        return vx_fail(msg, VX_ERR_INPUT, "IOMMU: host address width %u: must be 36 to 52", config->host_bits);
    if (config->guest_bits < 30 || config->guest_bits > 57)
        return vx_fail(msg, VX_ERR_INPUT, "IOMMU: guest address width %u: must be 30 to 57", config->guest_bits);
    if ((config->levels & 0x38) == 0 || (config->levels & ~0x38) != 0)
        return vx_fail(msg, VX_ERR_INPUT, "IOMMU: second-level tables must have 3, 4 or 5 levels");
    if (config->fault_records < 1 || config->fault_records > VX_IO_FAULT_RECORDS)
        return vx_fail(msg, VX_ERR_INPUT, "IOMMU: %u fault records: must be 1 to %u", config->fault_records,
                       VX_IO_FAULT_RECORDS);
    if (config->max_mask > 52)
        return vx_fail(msg, VX_ERR_INPUT, "IOMMU: address mask %u: must be at most 52", config->max_mask);
    if (config->nested && !config->first_level)
        return vx_fail(msg, VX_ERR_INPUT, "IOMMU: nested translation needs the first level");
    if ((config->first_level || config->second_level_ad || config->page_requests) && !config->scalable)
        return vx_fail(msg, VX_ERR_INPUT, "IOMMU: first level, A and D flags and page requests need scalable mode");
    if (config->posted_interrupts && !config->interrupt_remapping)
        return vx_fail(msg, VX_ERR_INPUT, "IOMMU: posting needs interrupt remapping");
    if ((config->interrupt_remapping || config->device_tlb || config->scalable) && !config->queued)
        return vx_fail(msg, VX_ERR_INPUT,
                       "IOMMU: interrupt remapping, device TLBs and scalable mode need queued invalidation");
    return VX_OK;
}

static uint64_t capabilities(const vx_cfg_iommu *config)
{
    uint64_t cap = 6;                                  /* ND: 16-bit domain-ids */
    cap |= (uint64_t)config->caching_mode << 7;        /* CM */
    cap |= (uint64_t)(config->levels >> 2 & 0xE) << 8; /* SAGAW: bit 1 is 3 levels */
    cap |= (uint64_t)(config->guest_bits - 1U) << 16;  /* MGAW */
    cap |= (uint64_t)(VX_VTD_FRCD >> 4) << 24;         /* FRO */
    cap |= (uint64_t)config->page_2m << 34 | (uint64_t)config->page_1g << 35;
    cap |= (uint64_t)config->page_selective << 39;       /* PSI */
    cap |= (uint64_t)(config->fault_records - 1U) << 40; /* NFR */
    cap |= (uint64_t)(config->max_mask & 0x3F) << 48;    /* MAMV */
    cap |= 3ULL << 54;                                   /* DWD, DRD: draining */
    cap |= (uint64_t)config->first_level_1g << 56 | (uint64_t)config->posted_interrupts << 59;
    return cap | (uint64_t)config->first_level_5 << 60;
}

static uint64_t extended_capabilities(const vx_cfg_iommu *config)
{
    uint64_t ecap = 1; /* C: page walks are coherent */
    ecap |= (uint64_t)config->queued << 1 | (uint64_t)config->device_tlb << 2;
    ecap |= (uint64_t)config->interrupt_remapping << 3 | (uint64_t)config->extended_interrupts << 4;
    ecap |= (uint64_t)config->pass_through << 6;
    ecap |= (uint64_t)(VX_VTD_IVA >> 4) << 8; /* IRO */
    ecap |= 15ULL << 20;                      /* MHMV */
    ecap |= (uint64_t)config->nested << 26 | (uint64_t)config->page_requests << 29;
    if (config->scalable) ecap |= 1ULL << 43 | 1ULL << 40 | 19ULL << 35;                /* SMTS, PASID, PSS: 20 bits */
    ecap |= (uint64_t)config->second_level_ad << 45 | (uint64_t)config->scalable << 46; /* SLADS, SLTS */
    return ecap | (uint64_t)config->first_level << 47;                                  /* FLTS */
}

/* ---- construction ---- */

static void set_times(vx_iommu *iommu)
{
    const vx_cfg_iommu *config = &iommu->config;
    uint64_t rate = config->ticks_per_us ? config->ticks_per_us : 1000;
    iommu->hit_ticks = config->hit_ns * rate / 1000;
    iommu->read_ticks = config->read_ns * rate / 1000;
    iommu->descriptor_ticks = config->descriptor_ns * rate / 1000;
    iommu->register_ticks = config->register_ns * rate / 1000;
}

vx_tick vx_iommu_read_ticks(const vx_iommu *iommu) { return iommu->read_ticks; }

static vx_status make_caches(vx_iommu *iommu, vx_arena *arena, vx_msg *msg)
{
    const vx_cfg_iommu *config = &iommu->config;
    vx_iommu_counts *counts = &iommu->counts;
    vx_status status = vx_setassoc_init(&iommu->spaces, arena, VX_IO_SPACES, VX_IO_SPACE_WAYS, VX_REPLACE_LRU, msg);
    if (!status) status = vx_io_cache_init(&iommu->iotlb, arena, &config->iotlb, "IOTLB", &counts->iotlb, msg);
    if (!status)
        status = vx_io_cache_init(&iommu->context, arena, &config->context, "context cache", &counts->context, msg);
    if (!status) status = vx_io_cache_init(&iommu->pasid, arena, &config->pasid, "PASID cache", &counts->pasid, msg);
    if (!status)
        status = vx_io_cache_init(&iommu->interrupts, arena, &config->interrupts, "interrupt entry cache",
                                  &counts->interrupts, msg);
    for (unsigned level = 2; level <= VX_RADIX_LEVELS_MAX && !status; level++)
        status = vx_io_cache_init(&iommu->paging[level], arena, &config->paging[level], "paging-structure cache",
                                  &counts->paging, msg);
    if (status) return status;
    iommu->contexts = vx_arena_array(arena, config->context.entries, sizeof *iommu->contexts);
    iommu->pasids = vx_arena_array(arena, config->pasid.entries, sizeof *iommu->pasids);
    iommu->irtes = vx_arena_array(arena, config->interrupts.entries, sizeof *iommu->irtes);
    return iommu->contexts && iommu->pasids && iommu->irtes ? VX_OK : vx_fail_nomem(msg);
}

vx_status vx_iommu_init(vx_iommu **iommu, vx_arena *arena, const vx_cfg_iommu *config, vx_physmem *memory,
                        const vx_iommu_hooks *hooks, vx_msg *msg)
{
    vx_status status = check_config(config, msg);
    if (status) return status;
    vx_iommu *made = vx_arena_alloc(arena, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    made->config = *config;
    set_times(made);
    made->memory = memory;
    if (hooks) made->hooks = *hooks;
    made->cap = capabilities(config);
    made->ecap = extended_capabilities(config);
    made->fault_event.control = made->completion_event.control = made->page_event.control = VX_VTD_EVENT_MASKED;
    status = make_caches(made, arena, msg);
    if (status) return status;
    *iommu = made;
    return VX_OK;
}

const vx_cfg_iommu *vx_iommu_config(const vx_iommu *iommu) { return &iommu->config; }

/* ---- memory ---- */

bool vx_io_read64(vx_iommu *iommu, vx_io_work *work, vx_io_read what, uint64_t at, uint64_t *value)
{
    iommu->counts.reads[what]++;
    iommu->counts.accesses++;
    work->accesses++;
    if (at > iommu->memory->bytes - 8) return false;
    *value = vx_physmem_read64(iommu->memory, (vx_hpa){at});
    return true;
}

void vx_io_write64(vx_iommu *iommu, uint64_t at, uint64_t value)
{
    vx_physmem_write64(iommu->memory, (vx_hpa){at}, value);
}

/* ---- caches ---- */

vx_status vx_io_cache_init(vx_io_cache *cache, vx_arena *arena, const vx_cfg_io_cache *config, const char *name,
                           vx_io_cache_counts *counts, vx_msg *msg)
{
    cache->counts = counts;
    if (config->entries == 0) return VX_OK;
    vx_msg why;
    vx_status status = vx_setassoc_init(&cache->array, arena, config->entries, config->ways, config->replacement, &why);
    if (status == VX_ERR_INPUT) return vx_fail(msg, status, "IOMMU: %s: %s", name, why.text);
    if (status) return vx_fail_nomem(msg);
    cache->exists = true;
    return VX_OK;
}

uint32_t vx_io_cache_find(vx_io_cache *cache, uint64_t spread, uint64_t key, bool count_miss)
{
    uint32_t slot = VX_SETASSOC_NONE;
    if (cache->exists) slot = vx_setassoc_find(&cache->array, (uint32_t)spread & (cache->array.sets - 1), key);
    if (slot != VX_SETASSOC_NONE) {
        vx_setassoc_touch(&cache->array, slot);
        cache->counts->lookups++;
        cache->counts->hits++;
    } else if (count_miss) {
        cache->counts->lookups++;
        cache->counts->misses++;
    }
    return slot;
}

uint32_t vx_io_cache_fill(vx_io_cache *cache, uint64_t spread, uint64_t key, uint64_t value)
{
    if (!cache->exists) return VX_SETASSOC_NONE;
    uint64_t evicted;
    uint32_t set = (uint32_t)spread & (cache->array.sets - 1);
    uint32_t slot = vx_setassoc_insert(&cache->array, set, key, value, &evicted);
    cache->counts->fills++;
    cache->counts->evictions += evicted != 0;
    return slot;
}

/* ---- spaces ---- */

uint16_t vx_io_space_id(vx_iommu *iommu, uint16_t domain, uint32_t pasid)
{
    vx_setassoc *spaces = &iommu->spaces;
    uint64_t key = (uint64_t)domain << 33 | (uint64_t)pasid << 1 | 1;
    uint32_t set = (uint32_t)vx_mix64(key) & (spaces->sets - 1);
    uint32_t slot = vx_setassoc_find(spaces, set, key);
    if (slot == VX_SETASSOC_NONE) {
        uint64_t evicted;
        slot = vx_setassoc_insert(spaces, set, key, 0, &evicted);
        if (evicted) {
            iommu->counts.spaces_evicted++;
            vx_io_drop_space(iommu, (uint16_t)slot);
        }
    } else {
        vx_setassoc_touch(spaces, slot);
    }
    return (uint16_t)slot;
}

vx_io_space vx_io_space_of(const vx_iommu *iommu, uint16_t id)
{
    uint64_t key = iommu->spaces.keys[id];
    return (vx_io_space){.domain = (uint16_t)(key >> 33), .pasid = (uint32_t)(key >> 1)};
}
