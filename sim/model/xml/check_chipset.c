/* Rules between the values of a chipset model. The IOMMU checks the same when it is built; here the message has a
 * place.
 */
#include "model_state.h"

static bool power_of_two(uint32_t x) { return x != 0 && (x & (x - 1)) == 0; }

static vx_status check_cache(const vx_model *model, const vx_cfg_io_cache *cache, const char *name, vx_msg *msg)
{
    if (cache->entries == 0) return VX_OK;
    if (cache->ways == 0 || cache->entries % cache->ways != 0 || !power_of_two(cache->entries / cache->ways))
        return vx_check_fail(model, &cache->ways, msg,
                             "chipset.iommu.%s: %u entries in %u ways: sets must be a power of two", name,
                             cache->entries, cache->ways);
    if (cache->replacement == VX_REPLACE_PLRU && (!power_of_two(cache->ways) || cache->ways > 64))
        return vx_check_fail(model, &cache->ways, msg,
                             "chipset.iommu.%s: plru needs a power of two of ways, at most 64", name);
    return VX_OK;
}

static vx_status check_caches(const vx_model *model, vx_msg *msg)
{
    const vx_cfg_iommu *iommu = &model->config.chipset.iommu;
    const struct {
        const vx_cfg_io_cache *cache;
        const char *name;
    } all[] = {{&iommu->iotlb, "iotlb"},           {&iommu->context, "context"}, {&iommu->pasid, "pasid"},
               {&iommu->interrupts, "interrupts"}, {&iommu->paging[2], "pde"},   {&iommu->paging[3], "pdpte"},
               {&iommu->paging[4], "pml4e"},       {&iommu->paging[5], "pml5e"}};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        vx_status status = check_cache(model, all[i].cache, all[i].name, msg);
        if (status) return status;
    }
    return VX_OK;
}

vx_status vx_check_chipset(const vx_model *model, vx_msg *msg)
{
    const vx_cfg_iommu *iommu = &model->config.chipset.iommu;
    if ((iommu->levels & 0x38) == 0 || (iommu->levels & 7) != 0)
        return vx_check_fail(model, &iommu->levels, msg, "chipset.iommu.levels are of 3, 4 and 5");
    if (iommu->nested && !iommu->first_level)
        return vx_check_fail(model, &iommu->nested, msg, "chipset.iommu.nested needs first_level");
    if ((iommu->first_level || iommu->second_level_ad || iommu->page_requests) && !iommu->scalable)
        return vx_check_fail(model, &iommu->scalable, msg,
                             "chipset.iommu: first_level, second_level_ad and page_requests need scalable");
    if (iommu->posted_interrupts && !iommu->interrupt_remapping)
        return vx_check_fail(model, &iommu->posted_interrupts, msg,
                             "chipset.iommu.posted_interrupts needs interrupt_remapping");
    if ((iommu->interrupt_remapping || iommu->device_tlb || iommu->scalable) && !iommu->queued)
        return vx_check_fail(model, &iommu->queued, msg,
                             "chipset.iommu: interrupt_remapping, device_tlb and scalable need queued");
    return check_caches(model, msg);
}
