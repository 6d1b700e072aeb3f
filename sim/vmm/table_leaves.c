/* A walk over a whole table: what checks and synchronizes its leaves one by one shares. */
#include "vmm_private.h"

typedef struct visit {
    const vx_radix_table *table;
    table_leaf_fn leaf;
    void *context;
    vx_msg *msg;
} visit;

static vx_hpa place(const vx_radix_table *table, uint64_t at)
{
    return table->place ? table->place(table->place_context, at) : (vx_hpa){at};
}

static vx_status visit_table(const visit *v, uint64_t base, unsigned level, uint64_t prefix)
{
    const vx_radix *format = v->table->format;
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i < 1U << format->bits[level]; i++) {
        uint64_t at = base + (uint64_t)i * format->entry_bytes;
        uint64_t entry = vx_radix_read(format, v->table->memory, place(v->table, at));
        uint64_t address = prefix | (uint64_t)i << format->shift[level];
        if (!(entry & format->present)) continue;
        if (vx_radix_is_leaf(format, level, entry)) {
            const vx_radix_spot spot = {.level = (uint8_t)level, .present = true, .at = at, .entry = entry};
            status = v->leaf(v->context, address, &spot, v->msg);
        } else {
            status = visit_table(v, vx_radix_frame(format, entry, level, false), level - 1, address);
        }
    }
    return status;
}

vx_status table_leaves(const vx_radix_table *table, table_leaf_fn leaf, void *context, vx_msg *msg)
{
    const visit v = {table, leaf, context, msg};
    return visit_table(&v, table->root, table->format->top, 0);
}
