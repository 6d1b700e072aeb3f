/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder: a QEMU TCG plugin that tells `vexit trace record` what a guest does (docs/recording.md).
 *
 * QEMU calls back when it translates a block, when a block begins, before each instruction that is not plain, and
 * after each load and store. Everything needs -icount: an access to a device is then always the only instruction of its
 * block (QEMU translates it again by itself), and the run can be repeated.
 *
 * How far a block has run is learned as it goes: a reference or a privileged instruction says that all before it in
 * the block have run, the next block's beginning that the whole block has; after an exception the stack says it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "qemu_interface.h"
#include "recorder.h"

VXR_EXPORT int qemu_plugin_version = VXR_API;

/* Before the first block. */
static const vxr_block nothing_ran;

vxr_recorder vxr_the_recorder = {.calm = LOOK};

/* ---- instructions ---- */

static void finish_block(vxr_recorder *r) { vxr_run_to(r, vxr_running_count(r)); }

/* ---- control state ---- */

static void put_state(vxr_recorder *r)
{
    const vxr_control *c = &r->control;
    const uint64_t words[13] = {c->cr0,      c->cr2,      c->cr3, c->cr4,        c->efer, c->pdpte[0], c->pdpte[1],
                                c->pdpte[2], c->pdpte[3], r->gdt, r->gates.base, r->ldt,  r->tss};
    vxr_stream_event(&r->stream, REC_STATE, 0, r->cpl, words, 13);
}

/* What QEMU's dump knows beside the registers. */
static void take_dump(vxr_recorder *r)
{
    vxr_dump dump;
    if (!vxr_read_dump(&dump)) return;
    r->gdt = dump.gdt;
    r->ldt = dump.ldt;
    r->tss = dump.tss;
    r->cpl = dump.cpl & 3;
    vxr_gates_set(&r->gates, dump.idt, dump.idt_limit);
}

static void read_control(vxr_control *control)
{
    control->cr0 = vxr_register(REG_CR0);
    control->cr3 = vxr_register(REG_CR3);
    control->cr4 = vxr_register(REG_CR4);
    control->efer = vxr_register(REG_EFER);
}

void vxr_take_control(vxr_recorder *r)
{
    enum { CR0_TS = 8 };
    vxr_control before = r->control;
    vxr_paging paging = vxr_paging_of(&before);
    bool caused = r->caused;
    r->caused = r->changed = false;
    read_control(&r->control);
    const vxr_control *now = &r->control;
    bool same = !((before.cr0 ^ now->cr0) & ~(uint64_t)CR0_TS) && before.cr3 == now->cr3 && before.cr4 == now->cr4 &&
                before.efer == now->efer;
    if (same) return;
    vxr_forget_frames(r);
    bool mode_changed = paging != vxr_paging_of(now) || (before.cr4 ^ now->cr4) & CR4_PSE;
    if (mode_changed || before.cr0 != now->cr0 || before.efer != now->efer) {
        r->gates.stale = true;
        r->bits_known = 0;
    }
    /* QEMU adds the segment's base unmasked. */
    r->linear_mask = now->efer & EFER_LMA ? UINT64_MAX : UINT32_MAX;
    bool latches = mode_changed && vxr_paging_of(now) == PAGING_PAE;
    if (latches) vxr_read_physical(now->cr3 & 0xFFFFFFE0U, r->control.pdpte, sizeof r->control.pdpte);
    if (!caused) {
        finish_block(r);
        take_dump(r); /* system management mode or a reset: nothing that the guest executed */
        put_state(r);
    }
    if (mode_changed)
        vxr_tables_restart(&r->tables);
    else if (before.cr3 != now->cr3)
        vxr_tables_load(&r->tables, now->cr3);
    if (latches && caused) vxr_stream_event(&r->stream, REC_PDPTE_LOAD, 0, 0, r->control.pdpte, 4);
}

/* ---- beginning and end ---- */

static void attach(vxr_recorder *r)
{
    r->attached = true;
    read_control(&r->control);
    r->linear_mask = r->control.efer & EFER_LMA ? UINT64_MAX : UINT32_MAX;
    if (vxr_paging_of(&r->control) == PAGING_PAE)
        vxr_read_physical(r->control.cr3 & 0xFFFFFFE0U, r->control.pdpte, sizeof r->control.pdpte);
    take_dump(r);
    vxr_tables_restart(&r->tables);
}

/* Instructions are counted so that the count's sign goes when there are as many as asked for: adding to it tells. */
static uint64_t first_count(uint64_t max) { return max && max < 1ULL << 63 ? 0 - max : 1ULL << 63; }

static bool is_at_limit(const vxr_recorder *r) { return !(r->stream.instructions >> 63); }

static void begin(vxr_recorder *r, const vxr_block *block)
{
    r->begun = true;
    r->armed = false;
    r->control.cr2 = vxr_register(REG_CR2);
    take_dump(r);
    r->cpl = block->cpl;
    r->stream.on = true;
    r->stream.at = r->stream.step;
    r->stream.instructions = r->stream.told = first_count(r->max);
    r->stream.ran = r->stream.ahead = 0;
    put_state(r);
    vxr_tables_tell(&r->tables);
    if (r->by_region) vxr_stream_small_event(&r->stream, REC_MARK, r->region, 0);
}

void vxr_end(vxr_recorder *r)
{
    if (r->ended) return;
    r->ended = true;
    vxr_stream_flush(&r->stream, true);
    r->stream.on = false;
    vxr_look(r);
    vxr_shut_down();
}

void vxr_marked(vxr_recorder *r, uint64_t mark)
{
    if (r->begun) {
        vxr_stream_small_event(&r->stream, REC_MARK, mark, 0);
        if (r->by_region && (!r->until || mark == r->until)) vxr_end(r);
        return;
    }
    if (!r->by_region || mark != r->region || r->armed) return;
    r->armed = true;
    vxr_look(r);
    if (r->want_references) vxr_retranslate();
}

/* ---- callbacks while the guest runs ---- */

/* Few bits for the epoch: where it has come so far that one returns, the old blocks must go first. */
static bool is_fresh(const vxr_recorder *r) { return r->gates.epoch - r->fresh < CALM_EPOCHS; }

unsigned vxr_calm_of(const vxr_recorder *r, const vxr_block *block)
{
    bool user = block->cpl == 3, special = block->vector >= 0 || block->repeats;
    if (special || (block->cpl != 0 && !user) || !is_fresh(r)) return CALM_NEVER;
    return 1 + r->gates.epoch % CALM_EPOCHS * 2 + user;
}

vxr_mark vxr_mark_of(const vxr_recorder *r, const vxr_block *block)
{
    vxr_mark low = block->told ? (vxr_mark)block->number << 1 | 1 : (vxr_mark)block;
    return low | (vxr_mark)block->count << MARK_COUNT | (vxr_mark)vxr_calm_of(r, block) << MARK_CALM;
}

bool vxr_tell_of_block(vxr_recorder *r, vxr_block *block)
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
    block->told = true;
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

static void on_flush(qemu_plugin_id_t id)
{
    (void)id;
    vxr_the_recorder.fresh = vxr_the_recorder.gates.epoch;
}

static bool is_over(const vxr_recorder *r) { return r->stream.broken || (r->begun && is_at_limit(r)); }

__attribute__((noinline)) static void look_at_block(vxr_recorder *r, vxr_mark mark, vxr_block *block)
{
    if (r->ended) return;
    if (r->changed) vxr_take_control(r);
    if (r->awaited) vxr_take_awaited(r);
    vxr_look_up(r, block);
    if (block->vector >= 0) vxr_arrived(r, block->vector);
    const vxr_insn *repeated = r->repeated;
    finish_block(r);
    if (r->armed && (block->full || !r->want_references)) begin(r, block);
    vxr_stream_breathe(&r->stream);
    if (is_over(r)) {
        vxr_end(r);
        return;
    }
    if (block->cpl != r->cpl) {
        r->cpl = block->cpl;
        vxr_stream_small_event(&r->stream, REC_CPL, 0, r->cpl);
    }
    if (r->stream.on && r->want_references && !block->told && !vxr_tell_of_block(r, block)) {
        vxr_end(r);
        return;
    }
    /* Each round of a REP instruction is a block's first instruction to QEMU; to the processor they are one. */
    bool again = repeated && repeated->address == block->address && block->insn[0].decoded.repeated;
    vxr_mark now = vxr_mark_of(r, block);
    r->next = again ? 1 : 0;
    r->running = now;
    r->stream.instructions += block->count - r->next;
    r->stream.ran = 0;
    if (block->told)
        vxr_stream_block(&r->stream, (uint64_t)block->number << STEP_OPERAND | (again ? STEP_AGAIN : STEP_BLOCK));
    r->repeated = block->repeats ? &block->insn[block->count - 1] : NULL;
    r->rounds = r->repeated && block->count == 1 ? mark : 0;
    bool calm = !(r->armed || r->repeated || r->gates.stale || is_at_limit(r)) && now >> MARK_CALM != CALM_NEVER;
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

/* A block of a recording without references. */
void vxr_on_counted_block(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    vxr_mark mark = (vxr_mark)data;
    if (!begin_calmly(r, mark)) begin_slowly(r, mark);
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

/* A block that the stream has been told of. */
void vxr_on_told_block(unsigned vcpu, void *data)
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
void vxr_on_repeating_block(unsigned vcpu, void *mark)
{
    (void)vcpu;
    begin_slowly(&vxr_the_recorder, (vxr_mark)mark);
}

/* A block that the stream had not been told of when QEMU translated it. */
void vxr_on_untold_block(unsigned vcpu, void *data)
{
    vxr_recorder *r = &vxr_the_recorder;
    vxr_mark mark = (vxr_mark)data;
    if (!r->stream.on)
        vxr_on_counted_block(vcpu, data);
    else
        begin_slowly(r, mark);
}

void vxr_on_privileged(unsigned vcpu, void *data)
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

void vxr_on_plain_event(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &vxr_the_recorder;
    vxr_event_place left = (vxr_event_place)data ^ r->running << SITE_BLOCK;
    if (r->ended || left >> SITE_BLOCK) return;
    vxr_run_to(r, (uint32_t)(left >> PLACE_INDEX) + 1);
    vxr_stream_breathe(&r->stream);
    vxr_plain_event(r, (vxr_class)(left & PLACE_CLASS));
}

/* The instruction behind one whose result is awaited is about to run. */
void vxr_on_result(unsigned vcpu, void *data)
{
    (void)vcpu;
    (void)data;
    if (vxr_the_recorder.awaited) vxr_take_awaited(&vxr_the_recorder);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    vxr_recorder *r = &vxr_the_recorder;
    if (r->ended) return;
    if (!r->attached) attach(r);
    if (!r->by_region && !r->begun) r->armed = true;
    vxr_take_control(r);
    vxr_translate(r, tb);
    vxr_look(r);
}

static void on_vcpu(qemu_plugin_id_t id, unsigned vcpu)
{
    (void)id;
    if (vcpu == 0) vxr_guest_attach();
}

static void on_end(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    vxr_recorder *r = &vxr_the_recorder;
    if (!r->ended) finish_block(r);
    vxr_end(r);
}

/* ---- as QEMU loads it ---- */

static bool share_memory(vxr_recorder *r)
{
    struct stat info;
    size_t bytes = r->slots * STREAM_STEPS * sizeof(uint64_t);
    if (r->slots == 0 || r->slots > UINT8_MAX || fstat(r->memory, &info) != 0 || (uint64_t)info.st_size != bytes)
        return false;
    void *slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory, 0);
    if (slots == MAP_FAILED) return false;
    vxr_stream_share(&r->stream, slots, (uint32_t)r->slots, r->credit);
    return !r->stream.broken;
}

static int refuse(const char *why, const char *what)
{
    fprintf(stderr, "vexit recorder: %s%s\n", why, what);
    return -1;
}

VXR_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

VXR_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    vxr_recorder *r = &vxr_the_recorder;
    const char *why = "";
    r->fd = r->memory = r->credit = -1;
    r->running = (vxr_mark)&nothing_ran;
    r->software_vector = -1;
    for (int i = 0; i < argc; i++)
        if (!vxr_take_option(r, argv[i])) return refuse("no such option: ", argv[i]);
    bool x86 = strcmp(info->target_name, "x86_64") == 0 || strcmp(info->target_name, "i386") == 0;
    if (!x86 || !info->system_emulation) return refuse("this QEMU does not emulate an x86 system", "");
    if (info->system.smp_vcpus != 1) return refuse("a guest of one processor only (-smp 1)", "");
    if (r->fd < 0 || !r->ram.low) return refuse("started by `vexit trace record` only", "");
    if (!vxr_guest_find(info->target_name, &why)) return refuse("this QEMU cannot be used: ", why);
    vxr_stream_init(&r->stream, r->fd, r->want_references);
    if (r->memory >= 0 && !share_memory(r)) return refuse("cannot share memory with `vexit`", "");
    r->stream.instructions = r->stream.told = first_count(0);
    vxr_forget_frames(r);
    vxr_forget_kinds(r);
    vxr_gates_init(&r->gates, &r->control, &r->ram);
    if (!vxr_tables_init(&r->tables, &r->control, &r->ram, &r->stream)) return refuse("out of memory", "");
    qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_flush_cb(id, on_flush);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
