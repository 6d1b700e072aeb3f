/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads and stores: which of them call back, and what each is: a reference, a store to a page table or the gates, an
 * access to a device. */
#include <string.h>

#include "recorder.h"

/* The instructions before and with the one that made a reference have run. False where that is none of the running
 * block: QEMU then calls back for what it does itself to deliver an interrupt or exception, as the last instruction of
 * an earlier block that called back at all.
 * QEMU makes an access to a device again in a block of its own, whose beginning it does not tell: what is left of the
 * block that it broke off will not run. */
static bool run_to_reference(vxr_recorder *r, const vxr_insn *insn)
{
    if (!r->full) {
        vxr_stand_behind(r, insn);
        return true;
    }
    const vxr_block *block = vxr_running(r);
    uint32_t i = insn->index;
    if (insn->block != block) {
        if (insn->block->count > 1) return false;
        for (i = 0; i < block->count && block->insn[i].address != insn->address;) i++;
        if (i == block->count) return false;
    }
    vxr_run_to(r, i + 1);
    if (insn->block != block) vxr_cut(r);
    return true;
}

/* ---- what is known of pages and of QEMU's descriptions ---- */

void vxr_forget_frames(vxr_recorder *r)
{
    memset(r->known.plain, 0xFF, sizeof r->known.plain);
    memset(r->known.page, 0xFF, sizeof r->known.page);
}

/* The largest page is of 1 GiB. */
void vxr_forget_frames_near(vxr_recorder *r, uint64_t address)
{
    enum { LARGEST = 30 - 12 };
    uint64_t mask = r->linear_mask >> 12 >> LARGEST << LARGEST;
    for (unsigned i = 0; i < FRAMES_KNOWN; i++)
        if (((r->known.page[i] ^ address >> 12) & mask) == 0) r->known.plain[i] = r->known.page[i] = PAGE_NONE;
}

static inline unsigned place_of(uint64_t address) { return (unsigned)(address >> 12) % FRAMES_KNOWN; }

/* Whether stores to this RAM need a look. */
static bool is_watched(const vxr_recorder *r, uint64_t gpa)
{
    return vxr_tables_hold(&r->tables, gpa) || vxr_gates_hold(&r->gates, gpa);
}

/* Reads and writes of the region below 1 MiB that firmware shadows may go to different places. */
static void know(vxr_recorder *r, uint64_t address, uint64_t gpa)
{
    if (gpa >= 0xA0000 && gpa < 0x100000) return;
    unsigned place = place_of(address);
    r->known.page[place] = address >> 12;
    r->known.plain[place] = is_watched(r, gpa) ? PAGE_NONE : address >> 12;
    r->known.frame[place] = gpa >> 12;
}

/* Further pages have come to hold tables. */
static void look_through_known(vxr_recorder *r)
{
    for (unsigned i = 0; i < FRAMES_KNOWN; i++)
        if (r->known.plain[i] != PAGE_NONE && is_watched(r, r->known.frame[i] << 12)) r->known.plain[i] = PAGE_NONE;
}

static vxr_known_kind ask_kind(qemu_plugin_meminfo_t info)
{
    uint64_t tag = STEP_REFERENCE | qemu_plugin_mem_size_shift(info) << 1 | qemu_plugin_mem_is_store(info);
    return tag << KIND_TAG | info;
}

/* Each place holds some description: at first all the same. */
void vxr_forget_kinds(vxr_recorder *r)
{
    for (unsigned i = 0; i < KINDS_KNOWN; i++) r->kinds[i] = ask_kind(0);
}

static inline vxr_known_kind *kind_at(vxr_recorder *r, qemu_plugin_meminfo_t info)
{
    return &r->kinds[info * 0x9E3779B1U >> 20];
}

static inline bool is_kind_of(vxr_known_kind kind, qemu_plugin_meminfo_t info) { return (uint32_t)kind == info; }

/* The tag of its step, but for the instruction. */
static unsigned tag_of(vxr_recorder *r, qemu_plugin_meminfo_t info)
{
    vxr_known_kind *kind = kind_at(r, info);
    if (!is_kind_of(*kind, info)) *kind = ask_kind(info);
    return (unsigned)(*kind >> KIND_TAG);
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

static const vxr_insn *insn_of(const vxr_recorder *r, vxr_site site)
{
    return &vxr_block_of(r, site >> SITE_BLOCK)->insn[(uint16_t)site >> SITE_INDEX];
}

/* What is left of a site of the running block without that block is the instruction. */
static inline bool is_running(const vxr_recorder *r, vxr_site site, unsigned *index)
{
    vxr_site left = site ^ r->running << SITE_BLOCK;
    *index = (unsigned)left >> SITE_INDEX;
    return left >> SITE_BLOCK == 0;
}

/* A store to a table: whether a REP instruction makes it. Its site says as much as its instruction, which is not looked
 * at where it need not be. */
static bool run_to_store(vxr_recorder *r, vxr_site site)
{
    unsigned index;
    if (is_running(r, site, &index)) {
        vxr_run_to(r, index + 1);
        return r->repeated && r->repeated->index == index;
    }
    const vxr_insn *insn = insn_of(r, site);
    run_to_reference(r, insn);
    return insn->decoded.repeated;
}

/* A store to RAM that needs a look; false where it is a reference all the same. */
static bool take_watched(vxr_recorder *r, vxr_site site, uint64_t address, unsigned bytes, uint64_t gpa)
{
    if (vxr_gates_hold(&r->gates, gpa)) {
        r->gates.stale = true;
        vxr_look(r);
        if (!r->full) vxr_see_gates(r);
    }
    if (!vxr_tables_hold(&r->tables, gpa)) return false;
    uint64_t made = r->tables.made;
    if (run_to_store(r, site) && vxr_tables_refilled(&r->tables, gpa)) return false;
    vxr_tables_stored(&r->tables, gpa, bytes, r->stream.references ? address : GVA_UNKNOWN);
    if (r->tables.made != made) look_through_known(r);
    return true;
}

static void put_reference(vxr_recorder *r, vxr_site site, unsigned tag, uint64_t gva, uint64_t gpa)
{
    unsigned index;
    bool runs = is_running(r, site, &index), with_gpa = r->with_gpa && gpa != UINT64_MAX;
    if ((!runs || with_gpa) && !run_to_reference(r, insn_of(r, site))) return;
    if (with_gpa) vxr_stream_small_event(&r->stream, REC_GPA, gpa, 0);
    vxr_stream_reference(&r->stream, gva, (runs ? index : r->next - 1) << STEP_INSTRUCTION | tag);
}

/* A load or store of a device, which QEMU makes again in a block of its own. */
static void take_device(vxr_recorder *r, vxr_site site, uint64_t gva, unsigned bytes, bool store)
{
    const vxr_insn *insn = insn_of(r, site);
    run_to_reference(r, insn);
    vxr_device_access(r, insn, gva, bytes, store);
    vxr_look(r);
}

/* QEMU is asked where the reference goes, unless that is known. */
__attribute__((noinline)) static void look_at_reference(vxr_recorder *r, vxr_site site, qemu_plugin_meminfo_t info,
                                                        uint64_t address)
{
    if (r->ended || !r->attached) return;
    unsigned tag = tag_of(r, info), bytes = 1U << (tag >> 1);
    bool store = tag & 1;
    uint64_t gva = address & r->linear_mask, gpa = UINT64_MAX;
    unsigned place = place_of(address);
    if (r->known.page[place] == address >> 12 && !r->with_gpa) {
        if (!store && !r->full) return;
        gpa = r->known.frame[place] << 12 | (gva & 4095);
        if (!is_watched(r, gpa)) r->known.plain[place] = address >> 12; /* a table that has gone */
    } else {
        const struct qemu_plugin_hwaddr *physical = qemu_plugin_get_hwaddr(info, address);
        if (physical && qemu_plugin_hwaddr_is_io(physical)) {
            take_device(r, site, gva, bytes, store);
            return;
        }
        if (physical) gpa = ram_address(r, physical);
        if (gpa != UINT64_MAX) know(r, address, gpa);
    }
    if (store && gpa != UINT64_MAX && take_watched(r, site, gva, bytes, gpa)) return;
    if (r->full) put_reference(r, site, tag, gva, gpa);
}

static inline bool is_plain(const vxr_recorder *r, uint64_t address)
{
    return r->known.plain[place_of(address)] == address >> 12;
}

/* What most references need: a step. False where they need more. No calls, which would cost all of them registers. Of a
 * site of the running block nothing is left without the block but the instruction. */
static inline bool put_plain(vxr_recorder *r, vxr_site site, qemu_plugin_meminfo_t info, uint64_t gva)
{
    vxr_site index = site ^ r->running << SITE_BLOCK;
    vxr_known_kind kind = *kind_at(r, info);
    return index < 1 << SITE_BLOCK && is_kind_of(kind, info) &&
           vxr_stream_put_reference(&r->stream, gva, (unsigned)(index | kind >> KIND_TAG));
}

/* A reference that is wanted, and may meet a device or a page table. */
static void on_reference(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    if (!is_plain(r, address) || r->with_gpa || !put_plain(r, (vxr_site)data, info, address & r->linear_mask))
        look_at_reference(r, (vxr_site)data, info, address);
}

/* Of a user's instruction that reads a descriptor: that read is the processor's, with a supervisor's rights (SDM Vol.
 * 3A, 4.6.1). It is no reference of the user's, and the user's rights would not do for it. */
static void on_segment_load(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    enum { TABLE_BYTES = 1 << 16 };
    vxr_recorder *r = &vxr_the_recorder;
    if ((address & r->linear_mask) - r->gdt >= TABLE_BYTES) on_reference(vcpu, info, address, data);
}

/* The same where it can meet neither a device nor a page table. */
static void on_plain_reference(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    if (!put_plain(r, (vxr_site)data, info, address & r->linear_mask))
        look_at_reference(r, (vxr_site)data, info, address);
}

/* A reference that is wanted only where it meets a device or a table. */
static void on_unwanted_reference(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    if (!is_plain(r, address)) look_at_reference(r, (vxr_site)data, info, address);
}

/* A round of a REP instruction with one reference, STOS or LODS, is done when that is. */
static void on_round(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    vxr_the_recorder.further_rounds++;
    on_unwanted_reference(vcpu, info, address, data);
}

/* Apart, for its call would cost all of them registers. */
__attribute__((noinline)) static void learn_moved(vxr_recorder *r, qemu_plugin_meminfo_t info, uint64_t address,
                                                  vxr_site site)
{
    bool store = qemu_plugin_mem_is_store(info);
    *(store ? &r->moved_to : &r->moved_from) = info;
    r->further_rounds += store;
    if (!is_plain(r, address)) look_at_reference(r, site, info, address);
}

/* Of MOVS, when its store is. Nearly all are of one size: QEMU's description tells load from store. */
static void on_moved_round(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    vxr_recorder *r = &vxr_the_recorder;
    if (info != r->moved_from && info != r->moved_to) {
        learn_moved(r, info, address, (vxr_site)data);
        return;
    }
    r->further_rounds += info == r->moved_to;
    on_unwanted_reference(vcpu, info, address, data);
}

/* ---- translation ---- */

/* `other`: for rounds that call back before they run. */
static qemu_plugin_vcpu_mem_cb_t call_of_round(const vxr_instruction *decoded, qemu_plugin_vcpu_mem_cb_t other)
{
    switch (decoded->opcode & ~1U) {
    case 0xA4: /* MOVS */
        return on_moved_round;
    case 0xAA: /* STOS */
    case 0xAC: /* LODS */
        return on_round;
    default:
        return other;
    }
}

/* User code stores to no page table; nor do loads matter where no reference is wanted. A block of one instruction may
 * be one that QEMU made for an access to a device; no other meets one, but for the last instruction of the longest
 * blocks of newer QEMUs. One registration an instruction, for all its references: QEMU 7.2 calls back for loads too
 * where stores were asked for, and the other way round. */
void vxr_watch_references(vxr_recorder *r, struct qemu_plugin_insn *from, const vxr_insn *insn, vxr_mark mark)
{
    const vxr_block *block = insn->block;
    bool single = block->count == 1, last = insn->index + 1U == block->count;
    bool watched = single || (block->cpl < 3 && (insn->decoded.may_store || (block->full && last)));
    enum qemu_plugin_cb_flags registers = single ? QEMU_PLUGIN_CB_R_REGS : QEMU_PLUGIN_CB_NO_REGS;
    qemu_plugin_vcpu_mem_cb_t call = NULL;
    if (block->full)
        call = watched || r->with_gpa ? on_reference : on_plain_reference;
    else if (watched)
        call = on_unwanted_reference;
    if (!block->full && insn->decoded.repeated) call = call_of_round(&insn->decoded, call);
    if (block->full && block->cpl == 3 && insn->decoded.reads_descriptor) call = on_segment_load;
    vxr_site site = vxr_site_of(mark, insn->index);
    if (call) qemu_plugin_register_vcpu_mem_cb(from, call, registers, QEMU_PLUGIN_MEM_RW, (void *)site);
}
