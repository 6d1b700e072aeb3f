/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads and stores: which of them call back, and what each is: a reference, a store to a page table or the gates, an
 * access to a device. */
#include <string.h>

#include "recorder.h"

/* Tells the instructions up to and with the one that made a reference. QEMU makes an access to a device again in a
 * block of its own, whose beginning it does not tell: what is left of the block that it broke off will not run. */
static inline void run_to_reference(vxr_recorder *r, const vxr_site *site)
{
    if (site->block == r->block) {
        if (r->stream.references)
            vxr_run_until(r, site->count, site->stop);
        else
            vxr_count_to(r, site->count);
        return;
    }
    uint64_t address = site->block->insn[site->count - 1].address;
    uint32_t i = r->next;
    while (i < r->block->count && r->block->insn[i].address != address) i++;
    if (i == r->block->count) return;
    vxr_run_to(r, i + 1);
    vxr_cut(r);
}

/* ---- what is known of pages and of QEMU's descriptions ---- */

void vxr_forget_frames(vxr_recorder *r) { memset(r->known, 0, sizeof r->known); }

static vxr_known_frame *known_at(vxr_recorder *r, uint64_t address)
{
    return &r->known[(address >> 12) % FRAMES_KNOWN];
}

/* Whether stores to this RAM need a look. */
static bool is_watched(const vxr_recorder *r, uint64_t gpa)
{
    return vxr_tables_hold(&r->tables, gpa) || vxr_gates_hold(&r->gates, gpa);
}

/* Reads and writes of the region below 1 MiB that firmware shadows may go to different places. */
static void know(vxr_recorder *r, uint64_t address, uint64_t gpa)
{
    if (gpa >= 0xA0000 && gpa < 0x100000) return;
    uint64_t page = (address >> 12) + 1;
    *known_at(r, address) = (vxr_known_frame){page, is_watched(r, gpa) ? 0 : page, gpa >> 12};
}

/* Further pages have come to hold tables. */
static void look_through_known(vxr_recorder *r)
{
    for (unsigned i = 0; i < FRAMES_KNOWN; i++)
        if (r->known[i].plain && is_watched(r, r->known[i].frame << 12)) r->known[i].plain = 0;
}

static inline const vxr_known_kind *kind_of(vxr_recorder *r, qemu_plugin_meminfo_t info)
{
    vxr_known_kind *known = &r->kinds[(info ^ info >> 8 ^ info >> 16) % KINDS_KNOWN];
    if (known->info != info + 1ULL)
        *known = (vxr_known_kind){info + 1ULL, qemu_plugin_mem_is_store(info) ? REC_STORE : REC_LOAD,
                                  (uint8_t)(1U << qemu_plugin_mem_size_shift(info))};
    return known;
}

/* The guest-physical address of RAM; UINT64_MAX where it is none (video memory, firmware). */
static uint64_t ram_address(const vxr_recorder *r, const struct qemu_plugin_hwaddr *place)
{
    uint64_t address = qemu_plugin_hwaddr_phys_addr(place), gpa;
#if VXR_API >= 4
    gpa = address;
    return vxr_is_ram(&r->ram, gpa, 1) ? gpa : UINT64_MAX;
#else
    return vxr_ram_gpa(&r->ram, address, &gpa) ? gpa : UINT64_MAX;
#endif
}

/* ---- what calls back ---- */

static void put_reference(vxr_recorder *r, uint64_t address, const vxr_known_kind *kind, uint64_t gpa)
{
    if (r->with_gpa && gpa != UINT64_MAX && r->stream.references)
        vxr_stream_event(&r->stream, REC_GPA, gpa, 0, NULL, 0);
    vxr_stream_reference(&r->stream, kind->kind, address, kind->bytes);
}

/* A store to RAM that needs a look; false where it is a reference all the same. */
static bool take_watched(vxr_recorder *r, const vxr_site *site, uint64_t address, unsigned bytes, uint64_t gpa)
{
    if (vxr_gates_hold(&r->gates, gpa)) {
        r->gates.stale = true;
        vxr_look(r);
    }
    if (!vxr_tables_hold(&r->tables, gpa)) return false;
    uint64_t made = r->tables.made;
    run_to_reference(r, site);
    if (site->block->insn[site->count - 1].decoded.repeated && vxr_tables_refilled(&r->tables, gpa)) return false;
    vxr_tables_stored(&r->tables, gpa, bytes, r->stream.references ? address : GVA_UNKNOWN);
    if (r->tables.made != made) look_through_known(r);
    return true;
}

/* QEMU is asked where the reference goes, unless that is known. */
static void look_at_reference(vxr_recorder *r, const vxr_site *site, qemu_plugin_meminfo_t info, uint64_t address)
{
    if (r->ended || !r->attached) return;
    const vxr_known_kind *kind = kind_of(r, info);
    bool store = kind->kind == REC_STORE;
    uint64_t gva = address & r->linear_mask, gpa = UINT64_MAX;
    const vxr_known_frame *known = known_at(r, gva);
    if (known->page == (gva >> 12) + 1 && !r->with_gpa) {
        gpa = known->frame << 12 | (gva & 4095);
    } else {
        const struct qemu_plugin_hwaddr *place = qemu_plugin_get_hwaddr(info, address);
        if (place && qemu_plugin_hwaddr_is_io(place)) {
            run_to_reference(r, site);
            vxr_device_access(r, &site->block->insn[site->count - 1], gva, kind->bytes, store);
            vxr_look(r);
            return;
        }
        if (place) gpa = ram_address(r, place);
        if (gpa != UINT64_MAX) know(r, gva, gpa);
    }
    if (store && gpa != UINT64_MAX && take_watched(r, site, gva, kind->bytes, gpa)) return;
    if (!r->stream.references) return;
    run_to_reference(r, site);
    put_reference(r, gva, kind, gpa);
}

/* A reference that is wanted, of the kernel. */
static void on_reference(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    const vxr_site *site = data;
    uint64_t gva = address & r->linear_mask;
    if (known_at(r, gva)->plain != (gva >> 12) + 1 || r->with_gpa) {
        look_at_reference(r, site, info, address);
        return;
    }
    run_to_reference(r, site);
    const vxr_known_kind *kind = kind_of(r, info);
    vxr_stream_reference(&r->stream, kind->kind, gva, kind->bytes);
}

/* The same where it can meet neither a device nor a page table. */
static void on_plain_reference(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    run_to_reference(r, data);
    const vxr_known_kind *kind = kind_of(r, info);
    vxr_stream_reference(&r->stream, kind->kind, address & r->linear_mask, kind->bytes);
}

/* A reference that is wanted only where it meets a device or a table. */
static void on_unwanted_reference(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    uint64_t gva = address & r->linear_mask;
    if (known_at(r, gva)->plain != (gva >> 12) + 1) look_at_reference(r, data, info, address);
}

/* ---- translation ---- */

/* User code stores to no page table; nor do loads matter where no reference is wanted. A block of one instruction may
 * be one that QEMU made for an access to a device. One registration an instruction, for all its references: QEMU 7.2
 * calls back for loads too where stores were asked for, and the other way round. */
void vxr_watch_references(vxr_recorder *r, struct qemu_plugin_insn *from, const vxr_insn *insn)
{
    const vxr_block *block = insn->block;
    bool single = block->count == 1, kernel = block->cpl < 3;
    enum qemu_plugin_cb_flags registers = single ? QEMU_PLUGIN_CB_R_REGS : QEMU_PLUGIN_CB_NO_REGS;
    qemu_plugin_vcpu_mem_cb_t call = NULL;
    if (block->full)
        call = single || kernel || r->with_gpa ? on_reference : on_plain_reference;
    else if (single || (kernel && insn->decoded.may_store))
        call = on_unwanted_reference;
    vxr_site *site = call ? vxr_pool_take(&r->sites, sizeof *site) : NULL;
    if (!site) return;
    *site = (vxr_site){block, insn->address + insn->size, insn->index + 1U};
    qemu_plugin_register_vcpu_mem_cb(from, call, registers, QEMU_PLUGIN_MEM_RW, site);
}
