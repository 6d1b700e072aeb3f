#include "fault_rows.h"

#define R VX_VTD_SL_R
#define W VX_VTD_SL_W

/* ---- spoilers ---- */

static uint64_t root_at(const io_world *world) { return world->root + (uint64_t)(ROW_SID >> 8) * 16; }

static void set_context(io_world *world, unsigned word, uint64_t clear, uint64_t set)
{
    uint64_t at = io_world_context_at(world, ROW_SID) + (uint64_t)word * 8;
    io_world_put(world, at, (io_world_get(world, at) & ~clear) | set);
}

static void set_root(io_world *world, uint64_t clear, uint64_t set)
{
    uint64_t at = root_at(world);
    io_world_put(world, at, (io_world_get(world, at) & ~clear) | set);
}

static void move_root_table(io_world *world, uint64_t rtaddr)
{
    vx_iommu_write(world->iommu, VX_VTD_RTADDR, 8, rtaddr);
    vx_iommu_write(world->iommu, VX_VTD_GCMD, 4, VX_VTD_SRTP | VX_VTD_TE | VX_VTD_QIE);
}

static void root_absent(io_world *w, const row_tables *t)
{
    (void)t;
    set_root(w, VX_VTD_ROOT_P, 0);
}
static void root_reserved(io_world *w, const row_tables *t)
{
    (void)t;
    set_root(w, 0, 0x100);
}
static void context_unreadable(io_world *w, const row_tables *t)
{
    (void)t;
    set_root(w, VX_ENTRY_ADDRESS, ROW_UNREADABLE);
}
static void root_unreadable(io_world *w, const row_tables *t)
{
    (void)t;
    move_root_table(w, ROW_UNREADABLE | (w->scalable ? 1U << VX_VTD_TTM_SHIFT : 0));
}
static void root_mode(io_world *w, const row_tables *t)
{
    (void)t;
    move_root_table(w, w->root | 3U << VX_VTD_TTM_SHIFT);
}
static void context_absent(io_world *w, const row_tables *t)
{
    (void)t;
    set_context(w, 0, VX_VTD_CONTEXT_P, 0);
}
static void context_reserved(io_world *w, const row_tables *t)
{
    (void)t;
    set_context(w, 1, 0, 1ULL << 40);
}
static void context_width(io_world *w, const row_tables *t)
{
    (void)t;
    set_context(w, 1, 7, 6);
}
static void context_type(io_world *w, const row_tables *t)
{
    (void)t;
    set_context(w, 0, 3U << VX_VTD_CONTEXT_TYPE_SHIFT, (uint64_t)VX_VTD_TYPE_UNTRANSLATED << VX_VTD_CONTEXT_TYPE_SHIFT);
}
static void no_dte(io_world *w, const row_tables *t)
{
    (void)t;
    set_context(w, 0, VX_VTD_CONTEXT_DTE, 0);
}
static void no_paside(io_world *w, const row_tables *t)
{
    (void)t;
    set_context(w, 0, VX_VTD_CONTEXT_PASIDE, 0);
}
static void no_pre(io_world *w, const row_tables *t)
{
    (void)t;
    set_context(w, 0, VX_VTD_CONTEXT_PRE, 0);
}
static void rid_pasid(io_world *w, const row_tables *t)
{
    (void)t;
    set_context(w, 1, 0, 0x80000);
}

static void set_at(io_world *world, uint64_t at, uint64_t clear, uint64_t set)
{
    io_world_put(world, at, (io_world_get(world, at) & ~clear) | set);
}

static void legacy_entry(io_world *w, const row_tables *t, unsigned level, uint64_t clear, uint64_t set)
{
    set_at(w, io_world_entry_at(w, 4, t->second, ROW_IOVA, level), clear, set);
}
static void not_writable(io_world *w, const row_tables *t) { legacy_entry(w, t, 1, W, 0); }
static void not_readable(io_world *w, const row_tables *t) { legacy_entry(w, t, 1, R, 0); }
static void not_mapped(io_world *w, const row_tables *t) { legacy_entry(w, t, 1, R | W, 0); }
static void table_unreadable(io_world *w, const row_tables *t)
{
    legacy_entry(w, t, 3, VX_ENTRY_ADDRESS, ROW_UNREADABLE);
}
static void table_reserved(io_world *w, const row_tables *t) { legacy_entry(w, t, 4, 0, VX_PTE_PS); }
static void interrupt_output(io_world *w, const row_tables *t) { legacy_entry(w, t, 1, VX_ENTRY_ADDRESS, 0xFEE00000); }

static void directory_unreadable(io_world *w, const row_tables *t)
{
    (void)t;
    set_context(w, 0, VX_ENTRY_ADDRESS, ROW_UNREADABLE);
}
static void directory_absent(io_world *w, const row_tables *t) { set_at(w, t->directory, 1, 0); }
static void directory_reserved(io_world *w, const row_tables *t) { set_at(w, t->directory, 0, 0x10); }
static void pasid_unreadable(io_world *w, const row_tables *t)
{
    set_at(w, t->directory, VX_ENTRY_ADDRESS, ROW_UNREADABLE);
}

static void pasid_word(io_world *w, const row_tables *t, uint32_t pasid, unsigned word, uint64_t clear, uint64_t set)
{
    set_at(w, io_world_pasid_at(w, t->directory, pasid) + (uint64_t)word * 8, clear, set);
}
static void pasid_absent(io_world *w, const row_tables *t) { pasid_word(w, t, ROW_SECOND, 0, 1, 0); }
static void pasid_reserved(io_world *w, const row_tables *t) { pasid_word(w, t, ROW_SECOND, 0, 0, 0x400); }
static void pasid_type(io_world *w, const row_tables *t)
{
    pasid_word(w, t, ROW_SECOND, 0, 7U << VX_VTD_PASID_TYPE_SHIFT, 5U << VX_VTD_PASID_TYPE_SHIFT);
}
static void no_ere(io_world *w, const row_tables *t) { pasid_word(w, t, ROW_FIRST, 2, VX_VTD_PASID_ERE, 0); }
static void no_sre(io_world *w, const row_tables *t) { pasid_word(w, t, ROW_FIRST, 2, VX_VTD_PASID_SRE, 0); }
static void second_root_unreadable(io_world *w, const row_tables *t)
{
    pasid_word(w, t, ROW_SECOND, 0, VX_ENTRY_ADDRESS, ROW_UNREADABLE);
}
static void second_no_snoop(io_world *w, const row_tables *t)
{
    pasid_word(w, t, ROW_SECOND, 0, 0, VX_VTD_PASID_SLADE);
    pasid_word(w, t, ROW_SECOND, 1, VX_VTD_PASID_PWSNP, 0);
}

/* First-level entries have the same indices as second-level ones of as many levels. */
static void first_entry(io_world *w, const row_tables *t, unsigned level, uint64_t clear, uint64_t set)
{
    set_at(w, io_world_entry_at(w, 4, t->first, ROW_IOVA, level), clear, set);
}
static void first_unreadable(io_world *w, const row_tables *t)
{
    first_entry(w, t, 2, VX_ENTRY_ADDRESS, ROW_UNREADABLE);
}
static void first_absent(io_world *w, const row_tables *t) { first_entry(w, t, 1, VX_PTE_P, 0); }
static void first_reserved(io_world *w, const row_tables *t) { first_entry(w, t, 4, 0, VX_PTE_PS); }
static void first_root_unreadable(io_world *w, const row_tables *t)
{
    pasid_word(w, t, ROW_FIRST, 2, VX_ENTRY_ADDRESS, ROW_UNREADABLE);
}
static void first_supervisor(io_world *w, const row_tables *t) { first_entry(w, t, 2, VX_PTE_U, 0); }
static void first_nx(io_world *w, const row_tables *t) { first_entry(w, t, 1, 0, VX_PTE_NX); }
static void first_read_only(io_world *w, const row_tables *t) { first_entry(w, t, 1, VX_PTE_W, 0); }
static void first_no_snoop(io_world *w, const row_tables *t)
{
    first_entry(w, t, 1, VX_PTE_A, 0);
    pasid_word(w, t, ROW_FIRST, 1, VX_VTD_PASID_PWSNP, 0);
}

static void nested_leaf(io_world *w, const row_tables *t, uint64_t gpa, uint64_t clear, uint64_t set)
{
    set_at(w, io_world_entry_at(w, 3, t->nested_second, gpa, 1), clear, set);
}
static void nested_root_beyond(io_world *w, const row_tables *t)
{
    pasid_word(w, t, ROW_NESTED, 2, VX_ENTRY_ADDRESS, 1ULL << 40);
}
static void nested_root_hidden(io_world *w, const row_tables *t) { nested_leaf(w, t, t->nested_gpa, R | W, 0); }
static void nested_table_hidden(io_world *w, const row_tables *t)
{
    nested_leaf(w, t, t->nested_gpa + VX_PAGE_BYTES, R | W, 0);
}
/* A must be set again, which the second level no longer allows. */
static void nested_table_read_only(io_world *w, const row_tables *t)
{
    set_at(w, t->nested_gpa + (uint64_t)vx_radix_index(&vx_radix_4level, 4, ROW_IOVA) * 8, VX_PTE_A, 0);
    nested_leaf(w, t, t->nested_gpa, W, 0);
}
static void nested_output_beyond(io_world *w, const row_tables *t)
{
    uint64_t leaf = 0, table = t->nested_gpa; /* where guest-physical addresses are host-physical ones */
    for (unsigned level = 4; level >= 1; level--) {
        leaf = table + (uint64_t)vx_radix_index(&vx_radix_4level, level, ROW_IOVA) * 8;
        table = io_world_get(w, leaf) & VX_ENTRY_ADDRESS;
    }
    set_at(w, leaf, VX_ENTRY_ADDRESS, 1ULL << 41);
}

/* ---- rows ---- */

#define LEGACY(reason, how, ...)                                                                                       \
    {                                                                                                                  \
        VX_VTD_FAULT_##reason, false, how, {__VA_ARGS__}, false, false                                                 \
    }
#define SCALABLE(reason, how, ...)                                                                                     \
    {                                                                                                                  \
        VX_VTD_FAULT_##reason, true, how, {__VA_ARGS__}, false, false                                                  \
    }
#define WRITES .write = true
#define BY(p) .pasid = (p)

const fault_row fault_rows[] = {
    {VX_VTD_FAULT_ROOT_P, false, root_absent, {WRITES}, false, true},
    LEGACY(CONTEXT_P, context_absent, WRITES),
    LEGACY(CONTEXT_INVALID, context_width, WRITES),
    LEGACY(BEYOND_MGAW, NULL, .address = {1ULL << 48}),
    LEGACY(WRITE, not_writable, WRITES),
    LEGACY(WRITE, not_mapped, WRITES),
    LEGACY(READ, not_readable, .write = false),
    LEGACY(READ, not_mapped, .write = false),
    LEGACY(TABLE_ACCESS, table_unreadable, WRITES),
    {VX_VTD_FAULT_ROOT_ACCESS, false, root_unreadable, {WRITES}, false, true},
    {VX_VTD_FAULT_CONTEXT_ACCESS, false, context_unreadable, {WRITES}, false, true},
    {VX_VTD_FAULT_ROOT_RESERVED, false, root_reserved, {WRITES}, false, true},
    LEGACY(CONTEXT_RESERVED, context_reserved, WRITES),
    LEGACY(TABLE_RESERVED, table_reserved, WRITES),
    LEGACY(TYPE_BLOCKED, context_type, .type = VX_DMA_TRANSLATED),
    LEGACY(TYPE_BLOCKED, context_type, .type = VX_DMA_TRANSLATION),
    LEGACY(INTERRUPT_ADDRESS, interrupt_output, WRITES),
    {VX_VTD_FAULT_S_ROOT_POINTER, true, root_mode, {WRITES}, false, true},
    {VX_VTD_FAULT_S_LEGACY_PASID, false, NULL, {BY(ROW_FIRST)}, false, true},
    {VX_VTD_FAULT_S_LEGACY_PAGE_REQUEST, false, NULL, {WRITES}, true, true},
    {VX_VTD_FAULT_S_ROOT_ACCESS, true, root_unreadable, {WRITES}, false, true},
    {VX_VTD_FAULT_S_ROOT_P, true, root_absent, {WRITES}, false, true},
    {VX_VTD_FAULT_S_ROOT_RESERVED, true, root_reserved, {WRITES}, false, true},
    {VX_VTD_FAULT_S_CONTEXT_ACCESS, true, context_unreadable, {WRITES}, false, true},
    SCALABLE(S_CONTEXT_P, context_absent, WRITES),
    SCALABLE(S_CONTEXT_RESERVED, context_reserved, WRITES),
    SCALABLE(S_DTE, no_dte, .type = VX_DMA_TRANSLATION),
    SCALABLE(S_PASIDE, no_paside, BY(ROW_FIRST)),
    SCALABLE(S_PASID_LARGE, NULL, BY(0x2000)),
    {VX_VTD_FAULT_S_PRE, true, no_pre, {BY(ROW_FIRST)}, true, false},
    SCALABLE(S_RID_PASID, rid_pasid, WRITES),
    SCALABLE(S_DIRECTORY_ACCESS, directory_unreadable, BY(ROW_SECOND)),
    SCALABLE(S_DIRECTORY_P, directory_absent, BY(ROW_SECOND)),
    SCALABLE(S_DIRECTORY_RESERVED, directory_reserved, BY(ROW_SECOND)),
    SCALABLE(S_PASID_ACCESS, pasid_unreadable, BY(ROW_SECOND)),
    SCALABLE(S_PASID_P, pasid_absent, BY(ROW_SECOND)),
    SCALABLE(S_PASID_RESERVED, pasid_reserved, BY(ROW_SECOND)),
    SCALABLE(S_PASID_INVALID, pasid_type, BY(ROW_SECOND)),
    SCALABLE(S_ERE, no_ere, BY(ROW_FIRST), .execute = true),
    SCALABLE(S_SRE, no_sre, BY(ROW_FIRST), .privileged = true),
    SCALABLE(F_ACCESS, first_unreadable, BY(ROW_FIRST)),
    SCALABLE(F_P, first_absent, BY(ROW_FIRST)),
    SCALABLE(F_RESERVED, first_reserved, BY(ROW_FIRST)),
    SCALABLE(F_ROOT_ACCESS, first_root_unreadable, BY(ROW_FIRST)),
    SCALABLE(N_BEYOND, nested_root_beyond, BY(ROW_NESTED)),
    SCALABLE(N_ROOT_READ, nested_root_hidden, BY(ROW_NESTED)),
    SCALABLE(N_READ, nested_table_hidden, BY(ROW_NESTED)),
    SCALABLE(N_WRITE, nested_table_read_only, BY(ROW_NESTED)),
    SCALABLE(S_TABLE_ACCESS, table_unreadable, BY(ROW_SECOND)),
    SCALABLE(S_TABLE_P, not_mapped, BY(ROW_SECOND)),
    SCALABLE(S_TABLE_RESERVED, table_reserved, BY(ROW_SECOND)),
    SCALABLE(S_TABLE_ROOT_ACCESS, second_root_unreadable, BY(ROW_SECOND)),
    SCALABLE(S_TABLE_AD, second_no_snoop, BY(ROW_SECOND)),
    SCALABLE(F_CANONICAL, NULL, BY(ROW_FIRST), .address = {1ULL << 47}),
    SCALABLE(F_USER, first_supervisor, BY(ROW_FIRST)),
    SCALABLE(F_EXECUTE, first_nx, BY(ROW_FIRST), .execute = true),
    SCALABLE(S_BEYOND, NULL, BY(ROW_SECOND), .address = {1ULL << 48}),
    SCALABLE(S_BEYOND, NULL, BY(ROW_THROUGH), .address = {1ULL << 46}),
    SCALABLE(N_OUTPUT_BEYOND, nested_output_beyond, BY(ROW_NESTED)),
    SCALABLE(S_WRITE, not_writable, BY(ROW_SECOND), WRITES),
    SCALABLE(S_WRITE, first_read_only, BY(ROW_FIRST), WRITES),
    SCALABLE(S_READ, not_readable, BY(ROW_SECOND)),
    SCALABLE(S_INTERRUPT_ADDRESS, interrupt_output, BY(ROW_SECOND)),
    SCALABLE(F_AD, first_no_snoop, BY(ROW_FIRST)),
};

const unsigned fault_row_count = sizeof fault_rows / sizeof *fault_rows;
