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

#include "qemu_interface.h"
#include "recorder.h"

VXR_EXPORT int qemu_plugin_version = VXR_API;

static vxr_recorder recorder;

/* ---- instructions ---- */

static void finish_block(vxr_recorder *r)
{
    if (r->block && !r->cut) vxr_run_to(r, r->block->count);
    r->cut = true;
}

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

void vxr_forget_frames(vxr_recorder *r) { memset(r->known, 0, sizeof r->known); }

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
    if (vxr_paging_of(&r->control) == PAGING_PAE)
        vxr_read_physical(r->control.cr3 & 0xFFFFFFE0U, r->control.pdpte, sizeof r->control.pdpte);
    take_dump(r);
    vxr_tables_restart(&r->tables);
}

static void begin(vxr_recorder *r, const vxr_block *block)
{
    r->begun = true;
    r->armed = false;
    r->control.cr2 = vxr_register(REG_CR2);
    take_dump(r);
    r->cpl = block->cpl;
    r->stream.on = true;
    put_state(r);
    vxr_tables_tell(&r->tables);
    if (r->by_region) vxr_stream_event(&r->stream, REC_MARK, r->region, 0, NULL, 0);
}

void vxr_end(vxr_recorder *r)
{
    if (r->ended) return;
    r->ended = true;
    vxr_stream_flush(&r->stream, true);
    r->stream.on = false;
    vxr_shut_down();
}

void vxr_marked(vxr_recorder *r, uint64_t mark)
{
    if (r->begun) {
        vxr_stream_event(&r->stream, REC_MARK, mark, 0, NULL, 0);
        if (r->by_region && (!r->until || mark == r->until)) vxr_end(r);
        return;
    }
    if (!r->by_region || mark != r->region || r->armed) return;
    r->armed = true;
    if (r->want_references) vxr_retranslate();
}

/* ---- callbacks while the guest runs ---- */

static void on_block(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &recorder;
    vxr_block *block = data;
    if (r->ended) return;
    if (r->changed) vxr_take_control(r);
    if (r->awaited) vxr_take_awaited(r);
    if (r->gates.stale) vxr_gates_refresh(&r->gates);
    if (block->epoch != r->gates.epoch) {
        block->epoch = r->gates.epoch;
        block->vector = vxr_gates_vector(&r->gates, block->address);
    }
    if (block->vector >= 0) vxr_arrived(r, block->vector);
    const vxr_insn *repeated = r->repeated;
    finish_block(r);
    if (r->armed && (block->full || !r->want_references)) begin(r, block);
    vxr_stream_breathe(&r->stream);
    if (r->stream.broken) {
        vxr_end(r);
        return;
    }
    if (r->max && r->stream.instructions >= r->max) {
        vxr_end(r);
        return;
    }
    if (block->cpl != r->cpl) {
        r->cpl = block->cpl;
        vxr_stream_event(&r->stream, REC_CPL, 0, r->cpl, NULL, 0);
    }
    r->block = block;
    r->cut = false;
    /* Each round of a REP instruction is a block's first instruction to QEMU; to the processor they are one. */
    bool again = repeated && repeated->address == block->address && block->insn[0].decoded.repeated;
    r->next = again ? 1 : 0;
    const vxr_insn *last = &block->insn[block->count - 1];
    r->repeated = last->decoded.repeated && (block->count > 1 || again || block->insn == last) ? last : NULL;
}

static void on_privileged(unsigned vcpu, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &recorder;
    const vxr_insn *insn = data;
    if (r->ended || insn->block != r->block) return;
    bool again = insn->index < r->next; /* a further round of INS or OUTS */
    vxr_run_to(r, insn->index + 1U);
    if (!again || !insn->decoded.repeated) vxr_privileged(r, insn);
}

/* The instruction behind one whose result is awaited is about to run. */
static void on_result(unsigned vcpu, void *data)
{
    (void)vcpu;
    (void)data;
    if (recorder.awaited) vxr_take_awaited(&recorder);
}

/* Tells the instructions up to and with the one that made a reference. QEMU makes an access to a device again in a
 * block of its own, whose beginning it does not tell: what is left of the block that it broke off will not run. */
static void run_to_reference(vxr_recorder *r, const vxr_insn *insn)
{
    if (!r->block) return;
    if (insn->block == r->block) {
        if (insn->index >= r->next) vxr_run_to(r, insn->index + 1U);
        return;
    }
    uint32_t i = r->next;
    while (i < r->block->count && r->block->insn[i].address != insn->address) i++;
    if (r->cut || i == r->block->count) return;
    vxr_run_to(r, i + 1);
    r->cut = true;
}

static uint64_t linear(const vxr_recorder *r, uint64_t address)
{
    return r->control.efer & EFER_LMA ? address : address & UINT32_MAX; /* QEMU adds the segment's base unmasked */
}

static void put_reference(vxr_recorder *r, uint64_t address, unsigned bytes, bool store, uint64_t gpa)
{
    if (r->with_gpa && gpa != UINT64_MAX && r->stream.references)
        vxr_stream_event(&r->stream, REC_GPA, gpa, 0, NULL, 0);
    vxr_stream_reference(&r->stream, store ? REC_STORE : REC_LOAD, address, bytes);
}

/* A reference that can meet neither a device nor a page table. QEMU 7.2 tells those who asked for loads of stores too
 * (and of loads, those who asked for stores): the kernel's stores are on_reference's. */
static void on_plain_reference(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &recorder;
    const vxr_insn *insn = data;
    bool store = qemu_plugin_mem_is_store(info);
    if (!r->stream.on || (store && insn->block->cpl < 3)) return;
    run_to_reference(r, insn);
    vxr_stream_reference(&r->stream, store ? REC_STORE : REC_LOAD, linear(r, address),
                         1U << qemu_plugin_mem_size_shift(info));
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

/* A store to RAM; what it means where it meets the tables or the gates. */
static bool take_store(vxr_recorder *r, uint64_t address, unsigned bytes, uint64_t gpa)
{
    vxr_gates_stored(&r->gates, gpa);
    if (!vxr_tables_hold(&r->tables, gpa)) return false;
    vxr_tables_stored(&r->tables, gpa, bytes, r->stream.references ? address : GVA_UNKNOWN);
    return true;
}

/* Where the page is known to be RAM, QEMU need not be asked about a reference. */
static bool take_known(vxr_recorder *r, const vxr_insn *insn, uint64_t address, unsigned bytes, bool store)
{
    uint64_t page = address >> 12;
    const vxr_known_frame *known = &r->known[page % FRAMES_KNOWN];
    if (known->page != page + 1 || r->with_gpa) return false;
    uint64_t gpa = known->frame << 12 | (address & 4095);
    bool noted = store && vxr_tables_hold(&r->tables, gpa);
    if (noted || r->stream.references) run_to_reference(r, insn);
    if (store && take_store(r, address, bytes, gpa)) return true;
    vxr_stream_reference(&r->stream, store ? REC_STORE : REC_LOAD, address, bytes);
    return true;
}

/* Reads and writes of the region below 1 MiB that firmware shadows may go to different places. */
static void know(vxr_recorder *r, uint64_t address, uint64_t gpa)
{
    if (gpa >= 0xA0000 && gpa < 0x100000) return;
    r->known[(address >> 12) % FRAMES_KNOWN] = (vxr_known_frame){(address >> 12) + 1, gpa >> 12};
}

static void on_reference(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)vcpu;
    vxr_recorder *r = &recorder;
    const vxr_insn *insn = data;
    if (r->ended || !r->attached) return;
    bool store = qemu_plugin_mem_is_store(info);
    unsigned bytes = 1U << qemu_plugin_mem_size_shift(info);
    uint64_t gva = linear(r, address);
    if (take_known(r, insn, gva, bytes, store)) return;
    const struct qemu_plugin_hwaddr *place = qemu_plugin_get_hwaddr(info, address);
    run_to_reference(r, insn);
    if (place && qemu_plugin_hwaddr_is_io(place)) {
        vxr_device_access(r, insn, gva, bytes, store);
        return;
    }
    uint64_t gpa = place ? ram_address(r, place) : UINT64_MAX;
    if (gpa != UINT64_MAX) know(r, gva, gpa);
    if (store && gpa != UINT64_MAX && take_store(r, gva, bytes, gpa)) return;
    put_reference(r, gva, bytes, store, gpa);
}

/* ---- translation ---- */

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

static vxr_block *make_block(vxr_recorder *r, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);
    vxr_block *block = count ? calloc(1, sizeof *block + count * sizeof(vxr_insn)) : NULL;
    if (!block) return NULL;
    uint16_t segment = (uint16_t)vxr_register(REG_CS);
    block->bits = code_bits(r, segment);
    block->cpl = privilege(r, segment);
    block->full = r->want_references && (!r->by_region || r->begun || r->armed);
    block->count = block->split = (uint32_t)count;
    block->vector = -1;
    uint64_t address = linear(r, qemu_plugin_tb_vaddr(tb));
    block->address = address;
    for (size_t i = 0; i < count; i++) {
        vxr_insn *insn = &block->insn[i];
        copy_insn(insn, qemu_plugin_tb_get_insn(tb, i));
        insn->block = block;
        insn->index = (uint16_t)i;
        insn->address = address;
        insn->decoded = vxr_classify(insn->bytes, insn->size, block->bits);
        if ((address ^ block->address) >> 12 && i < block->split) block->split = (uint32_t)i;
        address += insn->size;
    }
    return block;
}

/* Which references of an instruction call back, and to what. User code stores to no page table; nor do loads matter
 * where no reference is wanted. A block of one instruction may be one that QEMU made for an access to a device. */
static void watch_references(const vxr_recorder *r, struct qemu_plugin_insn *from, vxr_insn *insn)
{
    const vxr_block *block = insn->block;
    bool single = block->count == 1, every = single || (r->with_gpa && block->full);
    enum qemu_plugin_cb_flags registers = single ? QEMU_PLUGIN_CB_R_REGS : QEMU_PLUGIN_CB_NO_REGS;
    if (every) {
        qemu_plugin_register_vcpu_mem_cb(from, on_reference, registers, QEMU_PLUGIN_MEM_RW, insn);
        return;
    }
    bool kernel = block->cpl < 3;
    if (kernel) qemu_plugin_register_vcpu_mem_cb(from, on_reference, registers, QEMU_PLUGIN_MEM_W, insn);
    if (block->full)
        qemu_plugin_register_vcpu_mem_cb(from, on_plain_reference, registers,
                                         kernel ? QEMU_PLUGIN_MEM_R : QEMU_PLUGIN_MEM_RW, insn);
}

static bool leaves_a_result(const vxr_insn *insn)
{
    return insn->decoded.class == VXR_RDMSR || insn->decoded.class == VXR_IN || insn->decoded.class == VXR_DR_READ;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    vxr_recorder *r = &recorder;
    if (r->ended) return;
    if (!r->attached) attach(r);
    if (!r->by_region && !r->begun) r->armed = true;
    vxr_take_control(r);
    vxr_block *block = make_block(r, tb);
    if (!block) return;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_R_REGS, block);
    for (uint32_t i = 0; i < block->count; i++) {
        vxr_insn *insn = &block->insn[i];
        struct qemu_plugin_insn *from = qemu_plugin_tb_get_insn(tb, i);
        if (i > 0 && leaves_a_result(insn - 1))
            qemu_plugin_register_vcpu_insn_exec_cb(from, on_result, QEMU_PLUGIN_CB_R_REGS, insn);
        if (insn->decoded.class != VXR_PLAIN)
            qemu_plugin_register_vcpu_insn_exec_cb(from, on_privileged, QEMU_PLUGIN_CB_R_REGS, insn);
        watch_references(r, from, insn);
    }
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
    vxr_recorder *r = &recorder;
    if (!r->ended) finish_block(r);
    vxr_end(r);
}

/* ---- options ---- */

static bool take_option(vxr_recorder *r, const char *option)
{
    const char *value = strchr(option, '=');
    if (!value) return false;
    size_t length = (size_t)(value++ - option);
    char *end;
    uint64_t number = strtoull(value, &end, 0);
    const struct {
        const char *name;
        uint64_t *place;
    } numbers[] = {{"max", &r->max},
                   {"ram_low", &r->ram.low},
                   {"ram_high", &r->ram.high},
                   {"region", &r->region},
                   {"until", &r->until}};
    if (*end) return false;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strlen(numbers[i].name) != length || strncmp(option, numbers[i].name, length) != 0) continue;
        *numbers[i].place = number;
        r->by_region |= numbers[i].place == &r->region;
        return true;
    }
    if (strncmp(option, "fd", length) == 0)
        r->stream.fd = (int)number;
    else if (strncmp(option, "references", length) == 0)
        r->want_references = number != 0;
    else if (strncmp(option, "gpa", length) == 0)
        r->with_gpa = number != 0;
    else
        return false;
    return true;
}

static int refuse(const char *why, const char *what)
{
    fprintf(stderr, "vexit recorder: %s%s\n", why, what);
    return -1;
}

VXR_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

VXR_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    vxr_recorder *r = &recorder;
    const char *why = "";
    r->stream.fd = -1;
    r->software_vector = -1;
    for (int i = 0; i < argc; i++)
        if (!take_option(r, argv[i])) return refuse("no such option: ", argv[i]);
    bool x86 = strcmp(info->target_name, "x86_64") == 0 || strcmp(info->target_name, "i386") == 0;
    if (!x86 || !info->system_emulation) return refuse("this QEMU does not emulate an x86 system", "");
    if (info->system.smp_vcpus != 1) return refuse("a guest of one processor only (-smp 1)", "");
    if (r->stream.fd < 0 || !r->ram.low) return refuse("started by `vexit trace record` only", "");
    if (!vxr_guest_find(info->target_name, &why)) return refuse("this QEMU cannot be used: ", why);
    r->stream.references = r->want_references;
    vxr_gates_init(&r->gates, &r->control, &r->ram);
    if (!vxr_tables_init(&r->tables, &r->control, &r->ram, &r->stream)) return refuse("out of memory", "");
    qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
