/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code all of whose references are wanted. Its blocks call back when they begin, its instructions where they are not
 * plain, and its loads and stores (references.c).
 *
 * How far a block has run is learned as it goes: a reference or a privileged instruction says that all before it in
 * the block have run, the next block's beginning that the whole block has; after an exception the stack says it. */
#include <stdlib.h>

#include "recorder.h"

/* Instructions are counted so that the count's sign goes when there are as many as asked for: adding to it tells. */
static uint64_t first_count(uint64_t max) { return max && max < 1ULL << 63 ? 0 - max : 1ULL << 63; }

static bool is_at_limit(const vxr_recorder *r) { return !(r->stream.instructions >> 63); }

void vxr_begin_full_code(vxr_recorder *r)
{
    r->stream.instructions = first_count(r->max);
    r->stream.ran = r->stream.ahead = 0;
}

/* ---- blocks ---- */

/* Few bits for the epoch: where it has come so far that one returns, the old blocks must go first. */
static bool is_fresh(const vxr_recorder *r) { return r->gates.epoch - r->fresh < CALM_EPOCHS; }

static unsigned calm_of(const vxr_recorder *r, const vxr_block *block)
{
    bool user = block->cpl == 3, special = block->vector >= 0 || block->repeats;
    if (special || (block->cpl != 0 && !user) || !is_fresh(r)) return CALM_NEVER;
    return 1 + r->gates.epoch % CALM_EPOCHS * 2 + user;
}

static vxr_mark mark_of(const vxr_recorder *r, const vxr_block *block)
{
    return (vxr_mark)block->number << 1 | 1 | (vxr_mark)block->count << MARK_COUNT |
           (vxr_mark)calm_of(r, block) << MARK_CALM;
}

/* False without memory. */
static bool tell_of_block(vxr_recorder *r, vxr_block *block)
{
    uint8_t bytes[COUNT_MAX];
    if (r->stream.blocks == r->told_room) {
        uint32_t room = r->told_room ? 2 * r->told_room : 1 << 14;
        vxr_block **told = realloc(r->told, room * sizeof *told);
        if (!told) return false;
        r->told = told;
        r->told_room = room;
    }
    for (uint32_t i = 0; i < block->count; i++) bytes[i] = block->insn[i].size;
    block->number = vxr_stream_define(&r->stream, block->address, bytes, block->count);
    r->told[block->number] = block;
    return true;
}

void vxr_look_up(vxr_recorder *r, vxr_block *block)
{
    if (r->gates.stale) {
        vxr_gates_refresh(&r->gates);
        vxr_forget_frames(r);
        if (!is_fresh(r)) vxr_retranslate();
    }
    if (block->epoch == r->gates.epoch) return;
    block->epoch = r->gates.epoch;
    block->vector = (int16_t)vxr_gates_vector(&r->gates, block->address);
}

__attribute__((noinline)) static void look_at_block(vxr_recorder *r, vxr_mark mark, vxr_block *block)
{
    if (r->ended) return;
    if (r->changed) vxr_take_control(r);
    if (r->awaited) vxr_take_awaited(r);
    vxr_look_up(r, block);
    if (block->vector >= 0) vxr_arrived(r, block->vector);
    const vxr_insn *repeated = r->repeated;
    vxr_finish_block(r);
    vxr_stream_breathe(&r->stream);
    if (is_at_limit(r) || vxr_is_over(r)) {
        vxr_end(r);
        return;
    }
    if (block->cpl != r->cpl) {
        r->cpl = block->cpl;
        vxr_stream_small_event(&r->stream, REC_CPL, 0, r->cpl);
    }
    /* Each round of a REP instruction is a block's first instruction to QEMU; to the processor they are one. */
    bool again = repeated && repeated->address == block->address && block->insn[0].decoded.repeated;
    vxr_mark now = mark_of(r, block);
    r->next = again ? 1 : 0;
    r->running = now;
    r->stream.instructions += block->count - r->next;
    r->stream.ran = 0;
    vxr_stream_block(&r->stream, (uint64_t)block->number << STEP_OPERAND | (again ? STEP_AGAIN : STEP_BLOCK));
    r->repeated = block->repeats ? &block->insn[block->count - 1] : NULL;
    r->rounds = r->repeated && block->count == 1 ? mark : 0;
    bool calm = !(r->repeated || r->gates.stale || is_at_limit(r)) && now >> MARK_CALM != CALM_NEVER;
    r->calm = calm ? now >> MARK_CALM << MARK_CALM : LOOK;
}

/* What begins runs as often as anything, and most blocks need no look. Where that is so, what is left of the mark
 * without the recorder's calm is the number of instructions. They count from here on; what does not run is taken off
 * (vxr_cut). */
static inline bool begin_calmly(vxr_recorder *r, vxr_mark mark)
{
    vxr_mark count = (mark ^ r->calm) >> MARK_COUNT;
    if (count > COUNT_MAX) return false;
    r->running = mark;
    r->next = 0;
    r->stream.instructions += count;
    if (is_at_limit(r)) vxr_look(r);
    return true;
}

static inline void begin_slowly(vxr_recorder *r, vxr_mark mark)
{
    if (mark != r->rounds) look_at_block(r, mark, vxr_block_of(r, mark));
}

static inline uint64_t block_step(vxr_mark mark) { return (mark & MARK_LOW) >> 1 << STEP_OPERAND | STEP_BLOCK; }

/* Apart, for its calls would cost registers. */
__attribute__((noinline)) static void tell_slowly(vxr_recorder *r, vxr_mark mark)
{
    if (begin_calmly(r, mark))
        vxr_stream_block(&r->stream, block_step(mark));
    else
        begin_slowly(r, mark);
}

static void on_block(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    vxr_mark mark = (vxr_mark)data;
    if (vxr_stream_has_room(&r->stream) && begin_calmly(r, mark))
        *r->stream.at++ = block_step(mark);
    else
        tell_slowly(r, mark);
}

/* A block that ends with a REP instruction: looked at, unless it is that instruction's further round. */
static void on_repeating_block(unsigned vcpu, void *mark)
{
    (void)vcpu;
    begin_slowly(&vxr_the_recorder, (vxr_mark)mark);
}

/* ---- instructions ---- */

/* What QEMU hands over with a plain event, so that it needs no access to memory but the recorder's: the low part of its
 * block's mark, and below it which instruction it is, and its class. */
typedef uintptr_t event_place;
enum { PLACE_INDEX = 6, PLACE_CLASS = (1 << PLACE_INDEX) - 1 };
_Static_assert((int)VXR_CLASSES <= PLACE_CLASS && COUNT_MAX >> (SITE_BLOCK - PLACE_INDEX) == 0, "a place has room");

static inline event_place place_of(vxr_mark mark, unsigned index, vxr_class class)
{
    return mark << SITE_BLOCK | (event_place)index << PLACE_INDEX | (event_place) class;
}

static void on_privileged(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    const vxr_insn *insn = data;
    if (r->ended || insn->block != vxr_running(r)) return;
    bool again = insn->index < r->next; /* a further round of INS or OUTS */
    vxr_run_to(r, insn->index + 1U);
    vxr_stream_breathe(&r->stream);
    if (!again || !insn->decoded.repeated) vxr_privileged(r, insn);
}

static void on_plain_event(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    event_place left = (event_place)data ^ r->running << SITE_BLOCK;
    if (r->ended || left >> SITE_BLOCK) return;
    vxr_run_to(r, (uint32_t)(left >> PLACE_INDEX) + 1);
    vxr_stream_breathe(&r->stream);
    vxr_plain_event(r, (vxr_class)(left & PLACE_CLASS));
}

/* The instruction behind one whose result is awaited is about to run. */
static void on_result(unsigned vcpu, void *data)
{
    (void)vcpu;
    (void)data;
    if (vxr_the_recorder.awaited) vxr_take_awaited(&vxr_the_recorder);
}

/* ---- translation ---- */

static bool leaves_a_result(const vxr_insn *insn)
{
    return insn->decoded.class == VXR_RDMSR || insn->decoded.class == VXR_IN || insn->decoded.class == VXR_DR_READ;
}

void vxr_watch_full_code(vxr_recorder *r, struct qemu_plugin_tb *tb, vxr_block *block)
{
    vxr_look_up(r, block);
    if (!tell_of_block(r, block)) {
        vxr_end(r);
        return;
    }
    vxr_mark mark = mark_of(r, block);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, block->repeats ? on_repeating_block : on_block, QEMU_PLUGIN_CB_R_REGS,
                                         (void *)mark);
    for (uint32_t i = 0; i < block->count; i++) {
        vxr_insn *insn = &block->insn[i];
        struct qemu_plugin_insn *from = qemu_plugin_tb_get_insn(tb, i);
        if (i > 0 && leaves_a_result(insn - 1))
            qemu_plugin_register_vcpu_insn_exec_cb(from, on_result, QEMU_PLUGIN_CB_R_REGS, insn);
        vxr_class class = insn->decoded.class;
        if (vxr_is_plain_event(class))
            qemu_plugin_register_vcpu_insn_exec_cb(from, on_plain_event, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)place_of(mark, i, class));
        else if (class != VXR_PLAIN)
            qemu_plugin_register_vcpu_insn_exec_cb(from, on_privileged, QEMU_PLUGIN_CB_R_REGS, insn);
        vxr_watch_references(r, from, insn, mark);
    }
}
