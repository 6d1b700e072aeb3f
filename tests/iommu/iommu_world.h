/* A machine with an IOMMU, its tables in memory and its registers programmed as a driver does. */
#ifndef IOMMU_WORLD_H
#define IOMMU_WORLD_H

#include "test_support.h"
#include "vx_iommu.h"

enum { IO_WORLD_BYTES = 1 << 28, IO_WORLD_QUEUE_BYTES = 4096 };

typedef struct io_world {
    vx_arena arena;
    vx_physmem memory;
    vx_iommu *iommu;
    uint64_t next_page;  /* table pages are taken from here on */
    uint64_t root;       /* root table */
    uint64_t queue;      /* invalidation queue, 16-byte descriptors */
    uint64_t interrupts; /* interrupt-remapping table, 256 entries */
    uint64_t page_queue;
    bool scalable;
    /* The last DMA. */
    vx_dma_translation out;
    /* Events seen. */
    unsigned events, kicks, responses;
    uint64_t event_address, response;
    uint32_t event_data;
} io_world;

/* Everything that the model has. */
vx_cfg_iommu io_world_config(void);

/* Memory, tables without entries, registers programmed, translation and the queue on. scalable: the root table's mode.
 */
void io_world_open(io_world *world, const vx_cfg_iommu *config, bool scalable);
void io_world_close(io_world *world);
/* Identities hold. */
void io_world_check(const io_world *world);

uint64_t io_world_page(io_world *world); /* a zeroed page */
uint64_t io_world_get(const io_world *world, uint64_t at);
void io_world_put(io_world *world, uint64_t at, uint64_t value);

/* Where the context entry of a source-id is; its table is made where there is none. */
uint64_t io_world_context_at(io_world *world, uint16_t source_id);
/* Legacy: a context entry with second-level tables at `root`. */
void io_world_context(io_world *world, uint16_t source_id, uint16_t domain, unsigned type, unsigned levels,
                      uint64_t root);
/* Scalable: a context entry with a directory of 128 entries, all requests allowed. Returns the directory. */
uint64_t io_world_scalable_context(io_world *world, uint16_t source_id);
/* Where the entry of a PASID below the directory is; its table is made where there is none. */
uint64_t io_world_pasid_at(io_world *world, uint64_t directory, uint32_t pasid);
/* A PASID entry: type, domain, second level (0: none), first level (0: none). Snoops; SRE and ERE set. */
void io_world_pasid(io_world *world, uint64_t directory, uint32_t pasid, vx_vtd_pgtt type, uint16_t domain,
                    unsigned second_levels, uint64_t second, uint64_t first);

/* Maps one page in second-level tables; rights: VX_VTD_SL_R, VX_VTD_SL_W. */
void io_world_map(io_world *world, unsigned levels, uint64_t root, uint64_t iova, uint64_t hpa, vx_page_size size,
                  uint64_t rights);
/* First-level tables of 4 levels, whose addresses are translated by place(address) = address + `offset`. */
void io_world_map_first(io_world *world, uint64_t root, uint64_t offset, uint64_t address, uint64_t frame,
                        vx_page_size size, uint64_t bits);
/* Where the entry of `level` for the address is in the tables at root. */
uint64_t io_world_entry_at(const io_world *world, unsigned levels, uint64_t root, uint64_t iova, unsigned level);

/* One untranslated request without PASID; the translation is in world->out. */
vx_dma_outcome io_world_dma(io_world *world, uint16_t source_id, uint64_t address, bool write);
vx_dma_outcome io_world_dma_pasid(io_world *world, uint16_t source_id, uint32_t pasid, uint64_t address, bool write);

/* Puts a descriptor into the queue and moves the tail. */
void io_world_submit(io_world *world, uint64_t low, uint64_t high);
/* Everything: contexts, PASIDs, IOTLB. */
void io_world_flush(io_world *world);
/* Page-selective, through the queue. */
void io_world_flush_pages(io_world *world, uint16_t domain, uint64_t address, unsigned mask, bool hint);

#endif
