/* What the files of this room share. */
#ifndef IOMMU_PRIVATE_H
#define IOMMU_PRIVATE_H

#include "vx_iommu.h"
#include "vx_setassoc.h"

/* ---- caches ---- */

typedef struct vx_io_cache {
    vx_setassoc array;
    bool exists;
    vx_io_cache_counts *counts;
} vx_io_cache;

vx_status vx_io_cache_init(vx_io_cache *cache, vx_arena *arena, const vx_cfg_io_cache *config, const char *name,
                           vx_io_cache_counts *counts, vx_msg *msg);
/* The slot that holds the key, marked as used and counted as a hit; or VX_SETASSOC_NONE, counted as a miss where
 * `count_miss`. */
uint32_t vx_io_cache_find(vx_io_cache *cache, uint64_t spread, uint64_t key, bool count_miss);
/* VX_SETASSOC_NONE where the cache does not exist. `spread` picks the set, as for find. */
uint32_t vx_io_cache_fill(vx_io_cache *cache, uint64_t spread, uint64_t key, uint64_t value);

/* ---- spaces: whose a translation is ----
 *
 * Second-level mappings are tagged by domain-id, first-level and nested ones by domain-id and PASID
 * (specification, 6.2.4). Both are interned to a number that fits a tag. */

enum { VX_IO_SPACES = 1 << 14, VX_IO_SPACE_WAYS = 16 };

typedef struct vx_io_space {
    uint16_t domain;
    uint32_t pasid; /* VX_PASID_NONE: second-level */
} vx_io_space;

uint16_t vx_io_space_id(vx_iommu *iommu, uint16_t domain, uint32_t pasid);
vx_io_space vx_io_space_of(const vx_iommu *iommu, uint16_t id);

/* ---- tags and values ---- */

/* IOTLB tag:  63 page number 19 | 18 space 3 | 2 size 1 | 1. Paging-structure tag: prefix 17 | space 1 | 1. */
static inline uint64_t vx_iotlb_tag(uint64_t address, vx_page_size size, uint16_t space)
{
    return (address >> vx_page_shift(size)) << 19 | (uint64_t)space << 3 | (uint64_t)size << 1 | 1;
}
static inline uint64_t vx_io_paging_tag(uint64_t prefix, uint16_t space)
{
    return prefix << 17 | (uint64_t)space << 1 | 1;
}

/* Values: frame or table in 51:12, what all entries used allow below. */
#define VX_IO_R (1ULL << 0)
#define VX_IO_W (1ULL << 1)
#define VX_IO_X (1ULL << 2)
#define VX_IO_U (1ULL << 3)      /* user requests too */
#define VX_IO_DIRTY (1ULL << 4)  /* a write sets no more D flag */
#define VX_IO_ABSENT (1ULL << 5) /* caching mode: not present, for the reason in 63:56 */
#define VX_IO_REASON_SHIFT 56
#define VX_IO_RIGHTS (VX_IO_R | VX_IO_W | VX_IO_X | VX_IO_U)

/* ---- what root, context and PASID entries say of a request ---- */

typedef struct vx_io_context {
    uint64_t root; /* legacy: second-level table; scalable: PASID directory */
    uint32_t rid_pasid;
    uint16_t domain;        /* legacy */
    uint8_t type;           /* legacy: translation type */
    uint8_t levels;         /* legacy: of the second level */
    uint8_t directory_bits; /* scalable: log2 of the directory's entries */
    bool present;           /* false: cached as absent, with `fault` (caching mode) */
    bool fault_disabled, dte, paside, pre, rid_privileged;
    vx_vtd_fault fault;
} vx_io_context;

typedef struct vx_io_pasid {
    uint64_t first_root, second_root;
    uint16_t domain;
    uint8_t type; /* vx_vtd_pgtt */
    uint8_t first_levels, second_levels;
    bool present, fault_disabled, second_ad, snoop, sre, ere, wpe, nxe;
    vx_vtd_fault fault;
} vx_io_pasid;

/* All that a walk needs to know. */
typedef struct vx_io_setup {
    vx_io_pasid entry;     /* legacy mode: made up from the context entry */
    uint16_t space;        /* of the translation */
    uint16_t second_space; /* of second-level mappings of this domain */
    bool scalable, fault_disabled;
    bool pasid_valid; /* the request has a PASID of its own */
    uint32_t pasid;
} vx_io_setup;

/* What one request costs and does on its way. */
typedef struct vx_io_work {
    uint32_t accesses;
    bool fault_disabled; /* FPD of the entry that applies, once known */
    bool absent;         /* the walk ended at an entry that is not present */
} vx_io_work;

/* ---- the IOMMU ---- */

typedef struct vx_io_event { /* FECTL, IECTL, PECTL and their data and address registers */
    uint32_t control, data, address, upper;
} vx_io_event;

typedef struct vx_io_fault_record {
    uint64_t low, high;
} vx_io_fault_record;

typedef struct vx_io_irte {
    uint64_t low, high;
} vx_io_irte;

enum { VX_IO_FAULT_RECORDS = 8, VX_IO_DEVICES = 64 };

struct vx_iommu {
    vx_cfg_iommu config;
    vx_physmem *memory;
    vx_iommu_hooks hooks;
    uint64_t cap, ecap;
    vx_tick hit_ticks, read_ticks, descriptor_ticks, register_ticks;
    /* Registers. Root and interrupt tables take effect when GCMD says so. */
    uint32_t gsts, fsts, ics, prs;
    uint64_t rtaddr, root, irta, interrupt_table;
    uint64_t ccmd, iotlb_command, iva, iqa, iqerr, pqa;
    uint32_t iqh, iqt, pqh, pqt;
    vx_io_event fault_event, completion_event, page_event;
    vx_io_fault_record records[VX_IO_FAULT_RECORDS];
    unsigned next_record;
    /* The descriptor being executed. */
    bool descriptor_running;
    vx_tick descriptor_due;
    /* Caches. */
    vx_setassoc spaces;
    vx_io_cache iotlb, context, pasid, interrupts, paging[VX_RADIX_LEVELS_MAX + 1];
    uint8_t iotlb_sizes;     /* bit n: an entry of this size may be held */
    vx_io_context *contexts; /* by slot of `context` */
    vx_io_pasid *pasids;     /* by slot of `pasid` */
    vx_io_irte *irtes;       /* by slot of `interrupts` */
    vx_device_tlb *devices[VX_IO_DEVICES];
    unsigned device_count;
    vx_iommu_counts counts;
};

/* ---- memory: every read of a table goes through here ---- */

/* False where no memory answers at the address. */
bool vx_io_read64(vx_iommu *iommu, vx_io_work *work, vx_io_read what, uint64_t at, uint64_t *value);
void vx_io_write64(vx_iommu *iommu, uint64_t at, uint64_t value);
static inline bool vx_io_beyond_host(const vx_iommu *iommu, uint64_t address)
{
    return address >> iommu->config.host_bits != 0;
}
/* Address bits of a table entry that the host address width does not have: reserved. */
static inline uint64_t vx_io_reserved_address(const vx_iommu *iommu)
{
    return VX_ENTRY_ADDRESS & ~((1ULL << iommu->config.host_bits) - 1);
}
static inline bool vx_io_interrupt_range(uint64_t address) { return address >> 20 == VX_VTD_INTERRUPT_RANGE >> 20; }

/* ---- steps of a translation ---- */

/* Root, context and PASID tables and their caches: whose tables translate this request? */
vx_vtd_fault vx_io_find_context(vx_iommu *iommu, uint16_t source_id, vx_io_work *work, vx_io_context *context);
vx_vtd_fault vx_io_find_pasid(vx_iommu *iommu, uint16_t source_id, uint32_t pasid, const vx_io_context *context,
                              vx_io_work *work, vx_io_pasid *entry);

static inline bool vx_io_scalable(const vx_iommu *iommu)
{
    return ((iommu->root >> VX_VTD_TTM_SHIFT) & 3) == VX_VTD_TTM_SCALABLE;
}

/* The end of a walk. */
typedef struct vx_io_leaf {
    uint64_t hpa; /* of the address asked for */
    vx_page_size size;
    uint64_t rights; /* VX_IO_R, W, X, U, DIRTY */
} vx_io_leaf;

/* What a walk is for. */
typedef struct vx_io_need {
    bool write, execute, user;
} vx_io_need;

vx_vtd_fault vx_io_walk_second(vx_iommu *iommu, const vx_io_setup *setup, uint64_t address, vx_io_need need,
                               vx_io_work *work, vx_io_leaf *leaf);
vx_vtd_fault vx_io_walk_first(vx_iommu *iommu, const vx_io_setup *setup, uint64_t address, vx_io_need need,
                              vx_io_work *work, vx_io_leaf *leaf);

/* A paging-structure cache's answer: the table that the entry of `level` points to. */
typedef struct vx_io_start {
    unsigned level; /* of the first entry to be read */
    uint64_t table, rights;
} vx_io_start;
void vx_io_paging_find(vx_iommu *iommu, const vx_radix *format, uint64_t address, uint16_t space, vx_io_start *start);
void vx_io_paging_fill(vx_iommu *iommu, const vx_radix *format, uint64_t address, uint16_t space, unsigned level,
                       uint64_t table, uint64_t rights);

/* ---- faults ---- */

/* Counts the fault and records it, unless `silent` (FPD). */
void vx_io_fault_dma(vx_iommu *iommu, const vx_dma_request *request, vx_vtd_fault fault, bool silent);
void vx_io_fault_interrupt(vx_iommu *iommu, const vx_interrupt_request *request, unsigned index, vx_vtd_fault fault,
                           bool silent);
/* Sets bits of FSTS and raises the fault event where none was set before. */
void vx_io_status_set(vx_iommu *iommu, uint32_t bits);
/* Writes of software: FSTS, a record's upper half (which clears F), an event's control. */
void vx_io_status_clear(vx_iommu *iommu, uint32_t bits);
void vx_io_record_clear(vx_iommu *iommu, unsigned record);
void vx_io_event_raise(vx_iommu *iommu, vx_io_event *event);
void vx_io_event_control(vx_iommu *iommu, vx_io_event *event, uint32_t value);

/* ---- invalidation ---- */

enum { VX_IO_ASK_GLOBAL = 1, VX_IO_ASK_DOMAIN = 2, VX_IO_ASK_FINE = 3 }; /* as CCMD, IOTLB and the descriptors count */

/* Each returns the granularity that was carried out. fine: by device, with the function mask. */
unsigned vx_io_drop_contexts(vx_iommu *iommu, unsigned asked, uint16_t domain, uint16_t source_id, unsigned mask);
/* fine: 2^address_mask pages from `address`; hint: upper entries have not changed. */
unsigned vx_io_drop_pages(vx_iommu *iommu, unsigned asked, uint16_t domain, uint64_t address, unsigned address_mask,
                          bool hint);
/* First-level and nested translations of one PASID: all, or 2^address_mask pages. */
void vx_io_drop_pasid_pages(vx_iommu *iommu, bool all, uint16_t domain, uint32_t pasid, uint64_t address,
                            unsigned address_mask, bool hint);
/* global; or of a domain, and there one PASID where `pasid` is one. */
void vx_io_drop_pasids(vx_iommu *iommu, bool global, uint16_t domain, uint32_t pasid);
/* global, or 2^mask entries from `index`. */
void vx_io_drop_interrupts(vx_iommu *iommu, bool global, unsigned index, unsigned mask);
/* Everything of a space whose number is taken away. */
void vx_io_drop_space(vx_iommu *iommu, uint16_t space);

/* False where no device TLB of this source-id answers. all: every address. */
bool vx_io_drop_device(vx_iommu *iommu, uint16_t source_id, uint32_t pasid, bool all, uint64_t address,
                       unsigned address_mask);

/* ---- registers that start something ---- */

/* IQT or the queue's status was written: run, or ask to be run. */
void vx_io_queue_start(vx_iommu *iommu);
static inline unsigned vx_io_descriptor_bytes(const vx_iommu *iommu) { return iommu->iqa & VX_VTD_IQA_WIDE ? 32 : 16; }

#endif
