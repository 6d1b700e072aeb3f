/* The software that owns the IOMMU: an operating system's or a hypervisor's driver, in Linux's manner.
 *
 * It writes root, context and second-level tables into simulated memory, gives every device a domain of its own, and
 * invalidates through the queue as its policy says:
 *
 *     off          translation is not switched on
 *     passthrough  devices' addresses pass untranslated (context entries of type pass-through)
 *     deferred     unmapped addresses are invalidated 250 at a time, or when 10 ms have passed, by one invalidation of
 *                  all domains (Linux 2.6.26 on: commit 5e0d2a6fc094, "iommu: iotlb flushing")
 *     strict       each unmap is invalidated, and waited for, before the buffer is given back
 *
 * Sources: Linux drivers/iommu/intel/iommu.c (iommu_flush_iotlb_psi, intel_iommu_unmap), dmar.c (qi_submit_sync). */
#ifndef VX_IOMMU_DRIVER_H
#define VX_IOMMU_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_arena.h"
#include "vx_iommu.h"
#include "vx_physmem.h"
#include "vx_status.h"

typedef enum vx_iommu_policy {
    VX_IOMMU_OFF,
    VX_IOMMU_PASSTHROUGH,
    VX_IOMMU_DEFERRED,
    VX_IOMMU_STRICT,
    VX_IOMMU_POLICIES
} vx_iommu_policy;

/* "off", "passthrough", "deferred", "strict". */
const char *vx_iommu_policy_name(vx_iommu_policy policy);

typedef struct vx_iommu_driver_config {
    vx_iommu_policy policy;
    uint64_t tables, table_bytes; /* where in simulated memory tables and queue may lie; aligned to 4 KiB, not 0 */
    unsigned levels;              /* of second-level tables; 0: the fewest of 4, 3 and 5 that the IOMMU has */
    unsigned flush_unmaps;        /* deferred: 250 */
    vx_tick flush_ticks;          /* deferred: 10 ms */
    bool leaf_hint;               /* tells the IOMMU that upper entries have not changed (IH), as Linux does */
} vx_iommu_driver_config;

typedef struct vx_iommu_driver vx_iommu_driver;

typedef struct vx_iommu_driver_counts {
    uint64_t maps, unmaps, mapped_pages, unmapped_pages;
    uint64_t invalidations, waits; /* descriptors submitted */
    uint64_t flushes;              /* deferred: batches */
    uint64_t early_flushes;        /* deferred: among them, because an address that waited was mapped anew */
    uint64_t table_pages;          /* held: only ever grows with the address space in use */
} vx_iommu_driver_counts;

/* Programs the IOMMU. Everything must outlive the driver; memory comes from the arena. VX_ERR_INPUT where the IOMMU
 * lacks what the policy needs. */
vx_status vx_iommu_driver_init(vx_iommu_driver **driver, vx_arena *arena, vx_iommu *iommu, vx_physmem *memory,
                               const vx_iommu_driver_config *config, vx_msg *msg);

/* The device may reach [frame, frame + bytes) at iova, with VX_VTD_SL_R and VX_VTD_SL_W. Widened to whole pages; 2M
 * pages where both sides are aligned and the IOMMU has them. Pages that are mapped already are replaced. VX_ERR_NOMEM
 * where the tables' room is used up, VX_ERR_INPUT where the address is beyond the tables. */
vx_status vx_iommu_driver_map(vx_iommu_driver *driver, uint16_t source_id, uint64_t iova, uint64_t frame,
                              uint64_t bytes, uint64_t rights, vx_tick now, vx_msg *msg);

/* Takes it back. Addresses that are not mapped are passed over. */
void vx_iommu_driver_unmap(vx_iommu_driver *driver, uint16_t source_id, uint64_t iova, uint64_t bytes, vx_tick now);

/* Deferred: flushes what has waited too long. */
void vx_iommu_driver_tick(vx_iommu_driver *driver, vx_tick now);

/* The address that a device is given for iova: iova itself, or under off and passthrough the memory behind it (iova
 * where there is none). */
uint64_t vx_iommu_driver_bus_address(const vx_iommu_driver *driver, uint16_t source_id, uint64_t iova);

/* Live counters, valid as long as the driver; zeroed at the end of a warm-up; declared below "driver.". */
const vx_iommu_driver_counts *vx_iommu_driver_counted(const vx_iommu_driver *driver);
void vx_iommu_driver_counts_reset(vx_iommu_driver *driver);
void vx_iommu_driver_declare(vx_iommu_driver *driver, vx_stats *stats);

#endif
