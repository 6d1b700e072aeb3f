/* An IOMMU with every capability, and no caches yet. */
#ifndef FULL_IOMMU_H
#define FULL_IOMMU_H

#include "vx_config_io.h"

static inline vx_cfg_iommu full_iommu(void)
{
    return (vx_cfg_iommu){.present = true,
                          .host_bits = 46,
                          .guest_bits = 57,
                          .levels = 0x38,
                          .page_2m = true,
                          .page_1g = true,
                          .page_selective = true,
                          .max_mask = 18,
                          .queued = true,
                          .pass_through = true,
                          .interrupt_remapping = true,
                          .extended_interrupts = true,
                          .posted_interrupts = true,
                          .device_tlb = true,
                          .page_requests = true,
                          .scalable = true,
                          .first_level = true,
                          .nested = true,
                          .first_level_1g = true,
                          .first_level_5 = true,
                          .second_level_ad = true};
}

#endif
