/* A driver, a device and tables made by an enemy: the input is a program of register writes, stores to the first MiB of
 * memory and requests. Whatever it does, counters stay consistent and every outcome is one of the declared ones. */
#include <stdlib.h>
#include <string.h>

#include "full_iommu.h"
#include "vx_iommu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPERATION_BYTES = 12, MEMORY_BYTES = 1 << 20 };

/* Everything, with caches so small that entries are displaced often. */
static vx_cfg_iommu small_iommu(void)
{
    vx_cfg_iommu config = full_iommu();
    config.caching_mode = true;
    config.fault_records = 2;
    config.iotlb = config.paging[2] = config.paging[3] = (vx_cfg_io_cache){4, 2, VX_REPLACE_LRU};
    config.context = config.pasid = config.interrupts = (vx_cfg_io_cache){2, 1, VX_REPLACE_LRU};
    return config;
}

/* selector, small number, 16-bit number, 64-bit value */
static void operate(vx_iommu *iommu, vx_device_tlb *tlb, vx_physmem *memory, const uint8_t *at)
{
    uint16_t number;
    uint64_t value;
    memcpy(&number, at + 2, 2);
    memcpy(&value, at + 4, 8);
    const vx_dma_request request = {.address = {value},
                                    .pasid = at[1] & 1 ? (uint32_t)at[1] >> 4 : VX_PASID_NONE,
                                    .source_id = number,
                                    .type = (vx_dma_type)((at[1] >> 1 & 3) % 3),
                                    .write = (at[1] & 8) != 0,
                                    .execute = (at[1] & 0x11) == 0x11,
                                    .privileged = (at[1] & 0x21) == 0x21};
    vx_dma_translation translation;
    vx_interrupt interrupt;
    switch (at[0] % 7) {
    case 0:
        vx_iommu_write(iommu, number, at[1] & 1 ? 8 : 4, value);
        break;
    case 1:
        vx_physmem_write64(memory, (vx_hpa){(uint64_t)at[1] << 12 | (number & 0xFF8)}, value);
        break;
    case 2:
        if (vx_iommu_translate(iommu, &request, &translation) > VX_DMA_UNSUPPORTED) abort();
        break;
    case 3:
        if (vx_device_tlb_translate(tlb, &request, &translation) > VX_DMA_UNSUPPORTED) abort();
        break;
    case 4:
        vx_iommu_page_request(iommu, &request, number, true);
        break;
    case 5:
        vx_iommu_interrupt(iommu, &(vx_interrupt_request){value, at[1], number}, &interrupt);
        break;
    default:
        vx_iommu_read(iommu, number, at[1] & 1 ? 8 : 4);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const vx_cfg_iommu config = small_iommu();
    vx_arena arena;
    vx_physmem memory;
    vx_iommu *iommu;
    vx_device_tlb *tlb;
    vx_arena_init(&arena);
    if (vx_physmem_init(&memory, MEMORY_BYTES, NULL)) return 0;
    if (vx_iommu_init(&iommu, &arena, &config, &memory, NULL, NULL)) abort();
    if (vx_device_tlb_init(&tlb, iommu, &arena, 0, 8, 2, NULL)) abort();
    for (size_t i = 0; i + OPERATION_BYTES <= size; i += OPERATION_BYTES) operate(iommu, tlb, &memory, data + i);
    vx_identity identities[16];
    unsigned count = vx_iommu_identities(iommu, identities, 16);
    for (unsigned i = 0; i < count; i++)
        if (identities[i].left != identities[i].right) abort();
    vx_physmem_fini(&memory);
    vx_arena_fini(&arena);
    return 0;
}
