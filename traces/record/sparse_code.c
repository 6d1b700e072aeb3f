/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code whose references are not wanted: all of it with events alone, else what runs before a region begins.
 *
 * Nearly all of its blocks run without a call. QEMU counts the instructions itself (-icount), and takes off what a
 * fault has cut; so it is enough to ask where an event is told. What calls back: instructions that are not plain,
 * stores that may meet a page table, rounds of REP instructions, the handlers of gates, and blocks behind instructions
 * whose result is waited for (looked_places.h).
 *
 * QEMU counts each round of a REP instruction; to the processor they are one, which counts when it is done. */
#include "recorder.h"

static uint32_t behind(const vxr_insn *insn) { return insn->block->count - insn->index - 1U; }

void vxr_stand(vxr_recorder *r, uint32_t ahead)
{
    r->stream.instructions = vxr_guest_instructions() - r->further_rounds;
    r->stream.ahead = ahead;
}

void vxr_stand_behind(vxr_recorder *r, const vxr_insn *insn)
{
    vxr_stand(r, behind(insn));
    vxr_see_privilege(r, insn->block->cpl);
}

static uint64_t position(const vxr_recorder *r) { return r->stream.instructions - r->stream.ahead; }

void vxr_begin_sparse_code(vxr_recorder *r)
{
    r->doubted = false;
    r->stream.told = r->began_at = position(r);
    r->left = (int64_t)r->max;
}

/* ---- the privilege level ---- */

/* An instruction that may have changed it unseen (IRET, a far transfer): if it has, that was here. */
static void doubt_privilege(vxr_recorder *r)
{
    r->doubted = true;
    r->doubted_at = position(r);
}

void vxr_see_privilege(vxr_recorder *r, unsigned cpl)
{
    bool doubted = r->doubted;
    r->doubted = false;
    if (cpl == r->cpl) return;
    r->cpl = cpl;
    uint64_t here = r->stream.instructions;
    if (doubted) r->stream.instructions = r->doubted_at + r->stream.ahead;
    vxr_stream_small_event(&r->stream, REC_CPL, 0, cpl);
    r->stream.instructions = here;
}

/* ---- blocks that are looked at ---- */

/* The block that begins at `address` is to be looked at: QEMU may have one already that does not call back. */
static void want_look(vxr_recorder *r, uint64_t address)
{
    bool is_new = vxr_places_add(&r->places, address);
    if (is_new && vxr_places_may_be_translated(&r->places, address)) vxr_retranslate();
}

void vxr_want_look_behind(vxr_recorder *r, const vxr_insn *insn)
{
    if (behind(insn) == 0) want_look(r, insn->address + insn->size);
}

void vxr_see_gates(vxr_recorder *r)
{
    if (!r->gates.stale) return;
    unsigned epoch = r->gates.epoch;
    vxr_gates_refresh(&r->gates);
    vxr_forget_frames(r);
    if (r->gates.epoch == epoch) return;
    for (unsigned i = 0; i < GATE_SLOTS; i++)
        if (r->gates.slot[i].vector >= 0) want_look(r, r->gates.slot[i].address);
}

/* What the instruction before has left behind is known now. */
static void settle(vxr_recorder *r)
{
    if (r->changed) vxr_take_control(r);
    if (r->awaited) vxr_take_awaited(r);
    vxr_see_gates(r);
}

static void end_if_over(vxr_recorder *r)
{
    bool limited = r->max && r->begun && position(r) - r->began_at >= r->max;
    if (vxr_is_over(r) || limited) vxr_end(r);
}

/* Such a block begins. */
static void on_looked_block(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    vxr_block *block = data;
    if (r->ended) return;
    vxr_stand(r, block->count);
    settle(r);
    vxr_stream_breathe(&r->stream); /* a value that was waited for must be in its record first */
    vxr_look_up(r, block);
    if (block->vector >= 0) vxr_arrived(r, block->vector);
    end_if_over(r);
}

/* Any block, where there is a limit. It counts too many (REP instructions, faults); where that would be as many as
 * asked for, QEMU is asked. */
static void on_limited_block(unsigned vcpu, void *count)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    uint64_t runs = (uintptr_t)count;
    if (!r->begun || r->ended || (r->left -= (int64_t)runs) > 0) return;
    vxr_stand(r, (uint32_t)runs);
    r->left = (int64_t)(r->began_at + r->max - position(r) - runs);
    end_if_over(r);
}

/* ---- instructions ---- */

/* A plain event's place: how many instructions of the block are behind it, the privilege level, the class. */
enum { PLACE_CPL = 6, PLACE_BEHIND = 8, PLACE_CLASS = (1 << PLACE_CPL) - 1 };
_Static_assert((int)VXR_CLASSES <= PLACE_CLASS, "a place has room");

static uintptr_t place_of(const vxr_insn *insn)
{
    return (uintptr_t)behind(insn) << PLACE_BEHIND | (uintptr_t)insn->block->cpl << PLACE_CPL | insn->decoded.class;
}

static void on_plain_event(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    uintptr_t place = (uintptr_t)data;
    vxr_class class = place & PLACE_CLASS;
    if (r->ended) return;
    vxr_stand(r, (uint32_t)(place >> PLACE_BEHIND));
    vxr_see_privilege(r, place >> PLACE_CPL & 3);
    vxr_stream_breathe(&r->stream);
    vxr_plain_event(r, class);
    if (class == VXR_IRET) doubt_privilege(r);
}

static void on_far_transfer(unsigned vcpu, void *insn)
{
    (void)vcpu;
    vxr_stand_behind(&vxr_the_recorder, insn);
    doubt_privilege(&vxr_the_recorder);
}

/* Whether a round of a REP instruction, about to run, is one more of the same: nothing has run between. */
static bool goes_on(vxr_recorder *r, const vxr_insn *insn)
{
    uint64_t now = vxr_guest_instructions();
    bool further = r->round_of == insn->address && r->round_at + 1 == now;
    r->round_of = insn->address;
    r->round_at = now;
    r->further_rounds += further;
    return further;
}

/* CMPS and SCAS, which may end with any round. */
static void on_round(unsigned vcpu, void *insn)
{
    (void)vcpu;
    goes_on(&vxr_the_recorder, insn);
}

void vxr_round_broken_off(vxr_recorder *r, uint64_t rip)
{
    if (r->round_of == rip && r->round_at == position(r) + r->further_rounds) r->further_rounds++;
    r->round_of = UINT64_MAX;
}

static void on_privileged(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    const vxr_insn *insn = data;
    if (r->ended || (insn->decoded.repeated && goes_on(r, insn))) return; /* INS, OUTS */
    vxr_stand_behind(r, insn);
    vxr_stream_breathe(&r->stream);
    vxr_privileged(r, insn);
    vxr_see_gates(r);
    if (insn->decoded.class == VXR_SVM) doubt_privilege(r);
}

/* What an instruction has left behind, before the next one of its block. */
static void on_result(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    const vxr_insn *insn = data;
    if (r->ended) return;
    vxr_stand(r, insn->block->count - insn->index);
    settle(r);
    end_if_over(r);
}

/* ---- translation ---- */

static bool leaves_something(const vxr_insn *insn)
{
    switch (insn->decoded.class) {
    case VXR_IN:
    case VXR_RDMSR:
    case VXR_DR_READ: /* a value in a register */
    case VXR_CR_WRITE:
    case VXR_WRMSR:
    case VXR_LMSW:
    case VXR_CLTS: /* control state */
    case VXR_OUT:  /* QEMU's end */
        return true;
    default:
        return false;
    }
}

static bool is_compare(const vxr_instruction *decoded)
{
    return decoded->repeated && (decoded->opcode >> 1 == 0xA6 >> 1 || decoded->opcode >> 1 == 0xAE >> 1);
}

static void watch_instruction(vxr_recorder *r, struct qemu_plugin_insn *from, vxr_insn *insn)
{
    vxr_class class = insn->decoded.class;
    if (insn->index > 0 && leaves_something(insn - 1))
        qemu_plugin_register_vcpu_insn_exec_cb(from, on_result, QEMU_PLUGIN_CB_R_REGS, insn);
    if (leaves_something(insn)) vxr_want_look_behind(r, insn);
    if (vxr_is_plain_event(class))
        qemu_plugin_register_vcpu_insn_exec_cb(from, on_plain_event, QEMU_PLUGIN_CB_NO_REGS, (void *)place_of(insn));
    else if (class != VXR_PLAIN)
        qemu_plugin_register_vcpu_insn_exec_cb(from, on_privileged, QEMU_PLUGIN_CB_R_REGS, insn);
    else if (insn->decoded.is_far)
        qemu_plugin_register_vcpu_insn_exec_cb(from, on_far_transfer, QEMU_PLUGIN_CB_NO_REGS, insn);
    else if (is_compare(&insn->decoded))
        qemu_plugin_register_vcpu_insn_exec_cb(from, on_round, QEMU_PLUGIN_CB_NO_REGS, insn);
}

void vxr_watch_sparse_code(vxr_recorder *r, struct qemu_plugin_tb *tb, vxr_block *block)
{
    vxr_look_up(r, block);
    vxr_places_translated(&r->places, block->address);
    if (vxr_places_hold(&r->places, block->address))
        qemu_plugin_register_vcpu_tb_exec_cb(tb, on_looked_block, QEMU_PLUGIN_CB_R_REGS, block);
    if (r->max && !r->want_references)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, on_limited_block, QEMU_PLUGIN_CB_NO_REGS,
                                             (void *)(uintptr_t)block->count);
    vxr_mark mark = (vxr_mark)block;
    for (uint32_t i = 0; i < block->count; i++) {
        struct qemu_plugin_insn *from = qemu_plugin_tb_get_insn(tb, i);
        watch_instruction(r, from, &block->insn[i]);
        vxr_watch_references(r, from, &block->insn[i], mark);
    }
}
