/* What the I/O side of a machine is: plain structs that the IOMMU and the devices are built from (vx_config.h has the
 * processor and the hypervisor). Values are validated before any room sees them. */
#ifndef VX_CONFIG_IO_H
#define VX_CONFIG_IO_H

#include "vx_config.h"

/* ---- the IOMMU (VT-d) ---- */

/* One cache of translations; entries 0: there is none. */
typedef struct vx_cfg_io_cache {
    uint32_t entries, ways;
    vx_replacement replacement;
} vx_cfg_io_cache;

/* The finest granularity at which invalidations are carried out; what is asked for more finely is done at this one
 * (VT-d specification, 6.5: "hardware may perform the invalidation at a coarser granularity"). */
typedef enum vx_io_granularity { VX_IO_BY_PAGE, VX_IO_BY_DOMAIN, VX_IO_BY_ALL } vx_io_granularity;

typedef struct vx_cfg_iommu {
    bool present;       /* the chipset has VT-d */
    uint8_t host_bits;  /* host address width, 36 to 52 */
    uint8_t guest_bits; /* MGAW, 30 to 57: widest input address of second-level translation */
    uint8_t levels;     /* bit n: second-level tables of n levels (3, 4, 5): CAP.SAGAW */
    bool page_2m, page_1g;
    bool page_selective; /* CAP.PSI */
    uint8_t max_mask;    /* CAP.MAMV: a page-selective invalidation covers up to 2^max_mask pages */
    bool queued;         /* ECAP.QI */
    bool pass_through;   /* ECAP.PT */
    bool interrupt_remapping, extended_interrupts, posted_interrupts;
    bool device_tlb, page_requests;
    bool scalable, first_level, nested; /* ECAP.SMTS, FLTS, NEST */
    bool first_level_1g, first_level_5; /* CAP.FL1GP, FL5LP */
    bool second_level_ad;               /* ECAP.SLADS */
    bool caching_mode;                  /* CAP.CM: entries that are not present may be cached too */
    uint8_t fault_records;              /* CAP.NFR + 1: 1 to 8 */
    vx_io_granularity granularity;
    vx_cfg_io_cache iotlb, context, pasid, interrupts;
    vx_cfg_io_cache paging[6]; /* [n]: paging-structure cache of level-n entries, n = 2 to 5; others unused */
    /* Times; a tick is a cycle of the CPU, of which there are ticks_per_us in a microsecond (0: 1000, a tick is 1 ns).
     */
    uint32_t hit_ns;        /* a translation that the IOTLB answers */
    uint32_t read_ns;       /* one read of a table entry in memory */
    uint32_t descriptor_ns; /* one descriptor of the invalidation queue, with its invalidation */
    uint32_t register_ns;   /* an invalidation through the registers, until its bit is clear again */
    uint32_t ticks_per_us;
} vx_cfg_iommu;

/* ---- the chipset: what lies between devices and memory ---- */

/* I/OAT: copies from memory to memory. */
typedef struct vx_cfg_copy_engine {
    uint32_t channels;      /* 0: there is none */
    uint32_t mb_s;          /* 10^6 bytes copied a second, over all channels */
    uint32_t descriptor_ns; /* a descriptor beside its bytes */
} vx_cfg_copy_engine;

typedef struct vx_cfg_chipset {
    char name[VX_CFG_NAME];
    char title[64];
    uint32_t dma_page_ns; /* a DMA of 4 KiB that no translation delays */
    vx_cfg_iommu iommu;
    vx_cfg_copy_engine copy_engine;
} vx_cfg_chipset;

/* ---- the network card, its driver, and what a hypervisor's device model takes for it ---- */

/* Where the back-end of a para-virtual driver runs. */
typedef enum vx_backend_home {
    VX_BACKEND_DOMAIN, /* in an I/O domain's vCPU (Xen): the card's interrupts come to it as events of the hypervisor */
    VX_BACKEND_THREAD, /* in a thread of the host (virtio's vhost): they are its own */
    VX_BACKEND_HOMES
} vx_backend_home;

typedef struct vx_cfg_nic {
    char name[VX_CFG_NAME];
    char title[64];
    char server_cpu[VX_CFG_NAME], server_chipset[VX_CFG_NAME]; /* models of where it is put; "": nowhere */
    uint32_t mbit;                                             /* of the wire, each direction */
    uint32_t tx_ring, rx_ring;                                 /* descriptors of a queue */
    uint32_t queues;        /* VMDq: queues that received frames are sorted into by address; 1: no sorting */
    uint32_t functions;     /* SR-IOV virtual functions; 0: none */
    uint32_t fifo_kib;      /* memory of the card for received frames */
    uint32_t moderation_ns; /* least time between two interrupts of a queue */
    uint32_t wire_ns;       /* to the peer, one way, beside the bits' own time */
    /* Cycles of the guest's (or native) stack and driver. */
    uint32_t send_ticks, receive_ticks; /* a frame through the stack, driver included, register accesses not */
    uint32_t ack_ticks;                 /* an acknowledgement without payload, sent */
    uint32_t kib_ticks;                 /* 1 KiB of payload between program and stack */
    uint32_t handler_ticks;             /* an interrupt handler beside its register accesses and frames */
    uint32_t map_ticks, unmap_ticks;    /* a buffer mapped for the card's DMA and unmapped, invalidation not included */
    uint32_t read_ticks, write_ticks;   /* one register access without a hypervisor */
    /* Cycles of the hypervisor: whole exits, hardware and software together. */
    bool obeys_itr;         /* the device model keeps interrupts apart as the driver asks */
    uint32_t access_ticks;  /* emulated register access */
    uint32_t emulate_ticks; /* device model: a frame between guest memory and the host's NIC, beside the copy */
    uint32_t kick_ticks;    /* notification of the back-end by the guest */
    uint32_t inject_ticks;  /* an interrupt to a guest that runs */
    uint32_t eoi_ticks;     /* the guest's end of interrupt */
    uint32_t backend_ticks; /* back-end: a frame between shared ring and the host's NIC, beside copy and sorting */
    uint32_t sort_ticks;    /* back-end: whose a received frame is, where the card does not sort */
    uint32_t copy_post_ticks, copy_poll_ticks; /* one copy given to the chipset's engine; one look for complete ones */
    uint32_t copy_least_bytes;                 /* smaller frames are not worth it */
    uint32_t copy_kib_ticks;                   /* 1 KiB copied by device model or back-end */
    vx_backend_home backend;                   /* where it runs */
    uint32_t event_ticks; /* back-end: an event to a guest; in an I/O domain also one from the hypervisor */
    uint32_t wake_ticks;  /* back-end or halted vCPU: from its notification until it runs */
} vx_cfg_nic;

#endif
