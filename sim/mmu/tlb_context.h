/* Contexts: whose a cached translation is, interned to a small number that fits a tag (SDM Vol. 3C, 28.3.2: mappings
 * are associated with a VPID, a PCID and an EP4TA). */
#ifndef VX_TLB_CONTEXT_H
#define VX_TLB_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_arena.h"
#include "vx_status.h"

typedef enum vx_context_kind {
    VX_CONTEXT_FREE,
    VX_CONTEXT_LINEAR,        /* VPID and PCID */
    VX_CONTEXT_COMBINED,      /* VPID, PCID and EP4TA */
    VX_CONTEXT_GUEST_PHYSICAL /* EP4TA; under NPT the ASID too, by which AMD flushes */
} vx_context_kind;

enum { VX_PCID_GLOBAL = 0xFFFF, VX_CONTEXT_NONE = 0, VX_CONTEXTS_MAX = 1 << 16 };

typedef struct vx_context {
    uint64_t nested_root;
    uint16_t vpid;
    uint16_t pcid; /* VX_PCID_GLOBAL: of global translations, any PCID */
    uint8_t kind;  /* vx_context_kind */
} vx_context;

typedef struct vx_contexts {
    vx_context *of;    /* by id; [0] is never used */
    uint16_t *buckets; /* hash table of ids, open addressing, 0 empty */
    uint32_t capacity; /* ids 1 to capacity - 1 */
    uint32_t bucket_mask;
    uint32_t used; /* ids 1 to used are given out */
} vx_contexts;

/* Room for `capacity` - 1 contexts; capacity is 2 to VX_CONTEXTS_MAX. */
vx_status vx_contexts_init(vx_contexts *contexts, vx_arena *arena, uint32_t capacity, vx_msg *msg);

/* The id of a context, new or known; VX_CONTEXT_NONE where the table is full. */
uint16_t vx_contexts_intern(vx_contexts *contexts, const vx_context *wanted);

/* Forgets every context for which keep[id] is 0. Ids of the others do not change. */
void vx_contexts_retain(vx_contexts *contexts, const uint8_t *keep);

#endif
