/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupts and exceptions. QEMU tells plugins of none: a block that begins at a gate's address has been reached by
 * one. What it interrupted, and the error code, are on the stack (SDM Vol. 3A, 6.12.1, 6.13). */
#include <string.h>

#include "recorder.h"

enum { PAGE_FAULT = 14, EXCEPTIONS = 32 };

/* Vectors with an error code: 8, 10-14, 17, 21, 29, 30 (SDM Vol. 3A, table 6-1; APM Vol. 2, 8.2). */
static bool has_error_code(int vector)
{
    const uint32_t with = 1U << 8 | 0x1FU << 10 | 1U << 17 | 1U << 21 | 1U << 29 | 1U << 30;
    return vector < EXCEPTIONS && with >> vector & 1;
}

/* What delivery has pushed; RIP UINT64_MAX where the stack cannot be read. */
typedef struct pushed_frame {
    uint64_t error, rip;
    unsigned cpl; /* of what was interrupted */
} pushed_frame;

static pushed_frame read_frame(const vxr_recorder *r, int vector)
{
    enum { RIP, CS, FLAGS, WORDS };
    bool long_mode = r->control.efer & EFER_LMA, coded = has_error_code(vector);
    size_t width = long_mode ? 8 : 4;
    uint64_t stack = vxr_register(REG_GPR + 4), words[WORDS + 1] = {0};
    uint8_t bytes[sizeof words];
    if (!long_mode) stack &= UINT32_MAX;
    if (!vxr_read_linear(&r->control, &r->ram, stack, bytes, (WORDS + coded) * width))
        return (pushed_frame){0, UINT64_MAX, r->cpl};
    for (size_t i = 0; i < WORDS + (size_t)coded; i++) memcpy(&words[i], bytes + i * width, width);
    const uint64_t *pushed = words + coded;
    bool virtual_8086 = !long_mode && pushed[FLAGS] & FLAGS_VM;
    return (pushed_frame){coded ? words[0] : 0, pushed[RIP], virtual_8086 ? 3 : pushed[CS] & 3};
}

/* The number of the instruction at `rip` among those of the running block not yet told; the block's count: none. */
static uint32_t find_ahead(const vxr_recorder *r, uint64_t rip)
{
    const vxr_block *block = vxr_running(r);
    uint32_t i = r->next;
    while (i < block->count && block->insn[i].address != rip) i++;
    return i;
}

void vxr_arrived(vxr_recorder *r, int vector)
{
    bool real_mode = !(r->control.cr0 & CR0_PE);
    bool by_software = r->software_vector == vector;
    r->software_vector = -1;
    if (by_software) return;
    pushed_frame frame = real_mode ? (pushed_frame){0, UINT64_MAX, 0} : read_frame(r, vector);
    bool is_interrupt = vector >= EXCEPTIONS || (real_mode && vector >= 8);
    if (r->full) {
        /* A fault leaves what is behind RIP undone; an interrupt comes between blocks. */
        vxr_run_to(r, is_interrupt ? vxr_running_count(r) : find_ahead(r, frame.rip));
        vxr_cut(r);
    } else {
        vxr_round_broken_off(r, frame.rip);
        vxr_see_privilege(r, frame.cpl);
    }
    r->cpl = 0;
    if (is_interrupt) {
        vxr_stream_small_event(&r->stream, REC_INTERRUPT, 0, (unsigned)vector);
        return;
    }
    uint64_t cr2 = vector == PAGE_FAULT ? vxr_register(REG_CR2) : 0;
    vxr_stream_event(&r->stream, REC_EXCEPTION, cr2, (unsigned)vector, &frame.error, 1);
}
