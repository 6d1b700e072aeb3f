/* Private to the vxt0 importer: its tags, its live page-table pages, its code blocks. */
#ifndef IMPORT_VXT0_H
#define IMPORT_VXT0_H

#include "importers.h"

enum {
    VXT0_ARGS_MAX = 8,
    VXT0_ENTRIES_MAX = 1024,    /* entries of a page-table page, 4 bytes each */
    VXT0_BLOCK_MAX = 4096,      /* instructions in a block; QEMU ends one at 512 */
    VXT0_PAGES_MAX = 1 << 16,   /* live page-table pages: 256 MiB, which map 128 GiB */
    VXT0_TAG_RECORDS_MAX = 512, /* records of one tag: fetches of a block of 4096 instructions, stores of 64 bytes */
    VXT0_TAG_WORDS_MAX = 2 * VXT0_ENTRIES_MAX + 64
};

/* The recorder's event numbers. */
typedef enum vxt0_event {
    VXT0_CR3W,
    VXT0_CR0W,
    VXT0_CR4W,
    VXT0_CR8W,
    VXT0_CR8R,
    VXT0_CR3R,
    VXT0_INVLPG,
    VXT0_LIDT,
    VXT0_LGDT,
    VXT0_LTR,
    VXT0_EXC,
    VXT0_IRQ,
    VXT0_SWINT,
    VXT0_IRET,
    VXT0_SYSCALL,
    VXT0_SYSRET,
    VXT0_SYSENTER,
    VXT0_SYSEXIT,
    VXT0_IN,
    VXT0_OUT,
    VXT0_INS,
    VXT0_OUTS,
    VXT0_MMIOR,
    VXT0_MMIOW,
    VXT0_APICR,
    VXT0_APICW,
    VXT0_TPRR,
    VXT0_TPRW,
    VXT0_CPUID,
    VXT0_HLT,
    VXT0_RDMSR,
    VXT0_WRMSR,
    VXT0_RDTSC,
    VXT0_PAUSE,
    VXT0_MWAIT,
    VXT0_WBINVD,
    VXT0_MOVDR,
    VXT0_XSETBV,
    VXT0_CLTS,
    VXT0_CLI,
    VXT0_STI,
    VXT0_PUSHF,
    VXT0_POPF,
    VXT0_PTPAGE,
    VXT0_PTW,
    VXT0_PTDROP,
    VXT0_PDPTE,
    VXT0_MARK,
    VXT0_CR0R,
    VXT0_CR2R,
    VXT0_CR4R,
    VXT0_SIDT,
    VXT0_INVPCID,
    VXT0_VMX,
    VXT0_EOI,
    VXT0_ICR,
    VXT0_STATE,
    VXT0_EVENTS
} vxt0_event;

typedef enum vxt0_tag_kind {
    VXT0_TAG_END, /* of the stream */
    VXT0_TAG_BLOCK_DEF,
    VXT0_TAG_BLOCK,
    VXT0_TAG_BLOCK_MEM,
    VXT0_TAG_EVENT,
    VXT0_TAG_FILTERED,
    VXT0_TAG_REFERENCE
} vxt0_tag_kind;

typedef struct vxt0_tag {
    vxt0_tag_kind kind;
    uint64_t offset; /* in the decompressed data, for messages */
    /* EVENT */
    unsigned event, args;
    uint64_t instructions; /* since the event before; FILTERED: since the filtered reference before */
    uint64_t arg[VXT0_ARGS_MAX];
    size_t pairs; /* PTPAGE: entries in `pair` */
    /* BLOCK_DEF, BLOCK, BLOCK_MEM */
    uint64_t block, address, block_instructions;
    const uint8_t *lengths_and_kinds; /* 2 bytes an instruction; within the input's window */
    /* REFERENCE, FILTERED */
    bool store, fetch;
    unsigned bytes;
    uint64_t index; /* of the instruction in its block */
    int64_t delta;  /* of the address, or of the page number */
    uint64_t ppn;   /* page that the recorder saw; 0: MMIO */
    uint64_t pair[2 * VXT0_ENTRIES_MAX];
} vxt0_tag;

/* Reads the 8-byte header. */
vx_status vxt0_read_header(vx_input *input, bool *has_ppn, bool *guest32, vx_msg *msg);

/* Reads one tag. Its pointers are good until the next one. */
vx_status vxt0_read_tag(vx_input *input, bool has_ppn, vxt0_tag *tag, vx_msg *msg);

/* ---- live page-table pages, with their contents ---- */

typedef struct vxt0_pages {
    struct vxt0_page *slots; /* open addressing by page number */
    size_t slot_count, used, live;
} vxt0_pages;

/* A new page, or a new snapshot of one: all zero. NULL: no memory. */
uint8_t *vxt0_pages_new(vxt0_pages *pages, uint64_t ppn);
/* NULL where the page is not live. */
uint8_t *vxt0_pages_find(const vxt0_pages *pages, uint64_t ppn);
void vxt0_pages_drop(vxt0_pages *pages, uint64_t ppn);
/* Takes any live page out and gives its number; false where none is left. */
bool vxt0_pages_take(vxt0_pages *pages, uint64_t *ppn);
void vxt0_pages_fini(vxt0_pages *pages);

/* ---- code blocks (full recordings) ---- */

typedef struct vxt0_blocks {
    struct vxt0_block *blocks;
    size_t count, capacity;
    uint8_t *lengths_and_kinds; /* of all blocks' instructions */
    uint64_t *last;             /* the address that each instruction last referred to */
    size_t instructions, instruction_capacity;
} vxt0_blocks;

typedef struct vxt0_block {
    uint64_t address;
    size_t first;
    uint32_t instructions;
} vxt0_block;

vx_status vxt0_blocks_add(vxt0_blocks *blocks, const vxt0_tag *tag, const char *name, vx_msg *msg);
void vxt0_blocks_fini(vxt0_blocks *blocks);

/* Where instruction `index` of a block starts. */
uint64_t vxt0_block_address(const vxt0_blocks *blocks, const vxt0_block *block, size_t index);

/* ---- events ---- */

/* Puts the record of an event that needs no memory of others: all but page-table pages, page-table stores, PDPTE and
 * STATE, faults and interrupts. The caller has reserved 1 record and 2 words. NULL: the operands fit no record. */
vx_record *vxt0_put_event(vx_import_batch *batch, const vxt0_tag *tag);

/* How many operands the event has in the file. */
unsigned vxt0_event_args(unsigned event);
const char *vxt0_event_name(unsigned event);

/* Whether the recorder's instruction class `kind` (in a block's definition) makes this event. */
bool vxt0_event_of_class(unsigned event, unsigned kind);

/* ---- the source ---- */

/* What the recorder tells just before a reference of which it is the other half. */
typedef enum vxt0_waiting { VXT0_WAITS_NOT, VXT0_WAITS_FOR_STORE, VXT0_WAITS_FOR_MMIO } vxt0_waiting;

typedef struct vxt0_source {
    vx_source source;
    vx_input *input;
    bool has_ppn, guest32;
    vxt0_tag tag;
    vx_import_batch batch;

    uint64_t cr0, cr4, efer, pdpte[4];
    vxt0_pages pages;

    /* The two clocks of the recorder, in instructions since it began: events carry one, and blocks (tier F) or
     * filtered references (tier S) the other, which runs only where references were recorded. */
    uint64_t event_clock;
    uint64_t now; /* instructions that the records put so far account for; tiers E and S */

    /* The event before. */
    bool has_before;
    unsigned before;
    uint64_t before_arg[3];

    /* Tier S. */
    bool recording, any_filtered; /* between the region's marks; a filtered reference was seen */
    uint64_t filter_clock, filter_base, off_clock;
    uint64_t last_page[2];
    bool mmio_before, mmio_store; /* the tag before was a device access */
    uint64_t mmio_page;

    /* Tier F. */
    vxt0_blocks blocks;
    uint64_t block_clock, unrecorded; /* in executed blocks; in none */
    bool running, interrupted;        /* a block runs; it gave way to a block of its own for one instruction */
    size_t block;                     /* the one that runs */
    size_t next_index;                /* its first instruction without a record */
    uint64_t next_address;
    bool has_current;
    size_t current; /* the block that the next references belong to */
    vxt0_waiting waiting;
    uint64_t waiting_address, waiting_bytes; /* what the reference must match: gpa or gva */
    bool waiting_store;
    vx_import_batch held; /* the records that wait for their reference */
} vxt0_source;

/* The error "name: byte N: what", N being where the current tag starts. */
vx_status vxt0_fault(const vxt0_source *vxt0, const char *what, vx_msg *msg);
/* The same, which names the current tag's event. */
vx_status vxt0_event_fault(const vxt0_source *vxt0, const char *what, vx_msg *msg);

/* Where records go: aside while they wait for their reference. */
vx_import_batch *vxt0_target(vxt0_source *vxt0);

/* Puts the current tag's event: a page-table page new or gone, a store to one, PDPTEs or the state. */
vx_status vxt0_put_paging(vxt0_source *vxt0, vx_msg *msg);

/* Tier F. */
vx_status vxt0_full_block(vxt0_source *vxt0, vx_msg *msg);
vx_status vxt0_full_block_mem(vxt0_source *vxt0, vx_msg *msg);
vx_status vxt0_full_reference(vxt0_source *vxt0, vx_msg *msg);

/* Before an event is put: the instructions up to and with the one that makes it. */
vx_status vxt0_full_before_event(vxt0_source *vxt0, vx_msg *msg);

/* The records that wait do so no longer: their reference did not come. */
vx_status vxt0_full_release(vxt0_source *vxt0, vx_msg *msg);

/* Nothing follows: what waits and what is left of the last block. */
vx_status vxt0_full_end(vxt0_source *vxt0, vx_msg *msg);

#endif
