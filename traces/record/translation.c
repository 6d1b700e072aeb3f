/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU translates: blocks of instructions. */
#include <stdlib.h>
#include <string.h>

#include "recorder.h"

enum { POOL_BYTES = 1 << 20 };

void *vxr_pool_take(vxr_pool *pool, size_t bytes)
{
    if (pool->left < bytes) {
        size_t size = bytes > POOL_BYTES ? bytes : POOL_BYTES;
        char *more = calloc(1, size);
        if (!more) return NULL;
        *pool = (vxr_pool){more, size};
    }
    void *taken = pool->at;
    pool->at += bytes;
    pool->left -= bytes;
    return taken;
}

/* The code segment's size. In IA-32e mode 64 serves for compatibility mode too: where INC or DEC looks like a REX
 * prefix nothing follows it in the instruction. */
static unsigned code_bits(vxr_recorder *r, uint16_t segment)
{
    vxr_dump dump;
    if (r->control.efer & EFER_LMA) return 64;
    if (!(r->control.cr0 & CR0_PE)) return 16;
    if (r->bits_known && r->segment_known == segment) return r->bits_known;
    r->segment_known = segment;
    r->bits_known = vxr_read_dump(&dump) ? dump.code_bits : 32;
    return r->bits_known;
}

static unsigned privilege(const vxr_recorder *r, uint16_t segment)
{
    if (!(r->control.cr0 & CR0_PE)) return 0;
    if (!(r->control.efer & EFER_LMA) && vxr_register(REG_FLAGS) & FLAGS_VM) return 3;
    return segment & 3;
}

static void copy_insn(vxr_insn *insn, struct qemu_plugin_insn *from)
{
    size_t size = qemu_plugin_insn_size(from);
    insn->size = (uint8_t)(size < 1 ? 1 : size > sizeof insn->bytes ? sizeof insn->bytes : size);
#if VXR_API >= 4
    qemu_plugin_insn_data(from, insn->bytes, insn->size);
#else
    memcpy(insn->bytes, qemu_plugin_insn_data(from), insn->size);
#endif
}

/* QEMU 7.2 leaves an instruction that crosses into another page to the next block, but counts it among this one's with
 * as many of its bytes as it had read. */
static bool is_left_to_next(const vxr_insn *insn, unsigned bits)
{
    enum { LONGEST = 15 };
    bool near_end = (insn->address & 4095) + LONGEST > 4096;
    return insn->index > 0 && near_end && !vxr_is_whole(insn->bytes, insn->size, bits);
}

static vxr_block *make_block(vxr_recorder *r, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);
    if (count == 0 || count > COUNT_MAX) return NULL; /* QEMU's have 512 at most */
    vxr_block *block = vxr_pool_take(&r->blocks, sizeof *block);
    vxr_insn *insns = vxr_pool_take(&r->insns, count * sizeof *insns);
    if (!block || !insns) return NULL;
    uint16_t segment = (uint16_t)vxr_register(REG_CS);
    unsigned bits = code_bits(r, segment);
    uint64_t address = qemu_plugin_tb_vaddr(tb) & r->linear_mask;
    *block = (vxr_block){.address = address, .vector = -1, .count = (uint16_t)count, .insn = insns};
    block->cpl = (uint8_t)(privilege(r, segment) & 3);
    block->full = r->full;
    for (size_t i = 0; i < count; i++) {
        vxr_insn *insn = &insns[i];
        copy_insn(insn, qemu_plugin_tb_get_insn(tb, i));
        insn->block = block;
        insn->index = (uint16_t)i;
        insn->address = address;
        insn->decoded = vxr_classify(insn->bytes, insn->size, bits);
        address += insn->size;
    }
    if (is_left_to_next(&insns[count - 1], bits)) block->count--;
    block->repeats = insns[block->count - 1].decoded.repeated;
    return block;
}

void vxr_translate(vxr_recorder *r, struct qemu_plugin_tb *tb)
{
    vxr_block *block = make_block(r, tb);
    if (!block) return;
    if (block->full)
        vxr_watch_full_code(r, tb, block);
    else
        vxr_watch_sparse_code(r, tb, block);
}
