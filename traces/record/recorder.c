/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder: a QEMU TCG plugin that tells `vexit trace record` what a guest does (docs/recording.md).
 *
 * QEMU calls back when it translates a block, and then where it was asked to: full_code.c and sparse_code.c say where.
 * Everything needs -icount: an access to a device is then always the only instruction of its block (QEMU translates it
 * again by itself), QEMU counts instructions, and the run can be repeated. */
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

vxr_recorder vxr_the_recorder = {.calm = LOOK, .round_of = UINT64_MAX};

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
        vxr_finish_block(r);
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

void vxr_begin(vxr_recorder *r)
{
    r->begun = true;
    r->armed = false;
    r->full = r->want_references;
    r->control.cr2 = vxr_register(REG_CR2);
    take_dump(r);
    r->stream.on = true;
    r->stream.at = r->stream.step;
    if (r->full)
        vxr_begin_full_code(r);
    else
        vxr_begin_sparse_code(r);
    put_state(r);
    vxr_tables_tell(&r->tables);
    if (r->by_region) vxr_stream_small_event(&r->stream, REC_MARK, r->region, 0);
}

bool vxr_is_over(vxr_recorder *r)
{
    bool left = r->leaving && vxr_is_shutting_down();
    r->leaving = false;
    return left || r->stream.broken;
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
    if (!r->want_references) {
        vxr_begin(r);
        return;
    }
    r->armed = true; /* begins with the next block, which then calls back for all references */
    vxr_retranslate();
}

/* ---- what QEMU calls ---- */

static void on_flush(qemu_plugin_id_t id)
{
    (void)id;
    vxr_the_recorder.fresh = vxr_the_recorder.gates.epoch;
    vxr_places_forget(&vxr_the_recorder.places);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    vxr_recorder *r = &vxr_the_recorder;
    if (r->ended) return;
    if (!r->attached) attach(r);
    if (!r->by_region && !r->begun) r->armed = true;
    if (!r->full) vxr_stand(r, 0);
    vxr_take_control(r);
    if (r->armed) vxr_begin(r);
    if (!r->full) vxr_see_gates(r);
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
    if (!r->full) vxr_stand(r, 0);
    if (!r->ended) vxr_finish_block(r);
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
