/* The oracle's guest on the host: the same workloads as oracle/guest/flat_guest.c, emitted as the records that a
 * recorder would write of it. It keeps the guest's page tables itself, walks them for each reference, sets A and D as a
 * processor does, and runs the guest's own fault handler where they do not allow the access. It knows nothing of any
 * hypervisor. */
#ifndef ORACLE_GUEST_H
#define ORACLE_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_trace.h"

/* As in oracle/guest/guest.h and oracle/vmm/vx.c. */
#define GUEST_RAM (16ULL << 20)
#define GUEST_BOOT 0x10000ULL
#define GUEST_TEXT 0x200000ULL
#define GUEST_STACK 0x300000ULL
#define GUEST_POOL 0x400000ULL
#define GUEST_AREA 0x8000000000ULL /* PML4 slot 1: the workload's own */

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_G = 0x100 };

enum {
    F_WRITE = 1,   /* touches are stores */
    F_AD = 2,      /* guest PTEs have A and D preset */
    F_WARM = 4,    /* touch everything once before the measured region */
    F_TOUCH = 8,   /* touch after each PTE update */
    F_NOINV = 16,  /* leave the INVLPG out */
    F_GLOBAL = 32, /* */
    F_SHARE = 64,  /* address spaces share the same data frames */
    F_PERPT = 128, /* one page per page table (2 MiB stride) */
    F_KTOUCH = 256 /* reload CR3 after each PTE update */
};

/* Numbers of workloads. */
enum {
    WL_NOP,
    WL_CPUID,
    WL_OUT,
    WL_IN,
    WL_MSR,
    WL_HLT,
    WL_CR8W,
    WL_CR8R,
    WL_TPRW,
    WL_TPRR,
    WL_CR3,
    WL_PTEINV,
    WL_TOUCH,
    WL_DEMAND,
    WL_COW,
    WL_PROC,
    WL_AD,
    WL_CR0,
    WL_CR4PGE,
    WL_EXC,
    WL_INSN,
    WL_IPI,
    WL_X2TPR,
    WL_X2IPI,
    WL_CR3SAME,
    WL_PTEONLY,
    WL_AGE,
    WL_PDE,
    WL_ZERO,
    WL_MAX
};

/* Of WL_INSN: the hypercall instructions' m. */
enum { INSN_VMCALL = 4, INSN_VMMCALL = 5 };

typedef struct workload {
    unsigned number, flags;
    uint64_t n, m, k;
} workload;

/* Reads "KIND,n,m,k,flags", n at most a million; false, and *work as it was, where it is something else. */
bool oracle_workload_parse(workload *work, const char *text);

/* What the guest's page-fault handler does. */
typedef enum fault_mode { FAULT_DIE, FAULT_DEMAND, FAULT_COW, FAULT_SKIP } fault_mode;

enum { BATCH_RECORDS = 4096, BATCH_WORDS = 16384 };

typedef struct oracle_guest {
    vx_trace_writer *writer;
    vx_status status; /* of the writer: what follows a failure is not written */
    vx_msg *msg;
    vx_record records[BATCH_RECORDS];
    uint64_t words[BATCH_WORDS];
    size_t record_count, word_count;
    uint64_t *ram; /* GUEST_RAM bytes; only tables hold anything */
    uint64_t cr0, cr3, cr4, boot_cr3;
    uint64_t pool; /* next free page */
    workload work;
    fault_mode mode;
    uint64_t fault_pt, frames; /* the handler's: first PT of the area, next frame */
    bool skipped, died, x2apic;
} oracle_guest;

/* ---- oracle_guest.c: one instruction each ---- */

void guest_record(oracle_guest *g, vx_record_kind kind, unsigned size, uint64_t addr, unsigned words,
                  const uint64_t *payload);
/* The fetch of an instruction whose record follows. */
void guest_at(oracle_guest *g);
/* An instruction that is one record. */
void guest_instruction(oracle_guest *g, vx_record_kind kind, unsigned size, uint64_t addr);
/* CALL and RET of a function: the stack is stored to and loaded from. */
void guest_call(oracle_guest *g);
void guest_leave(oracle_guest *g);
void guest_load(oracle_guest *g, uint64_t gva);
void guest_store(oracle_guest *g, uint64_t gva);
/* Stores to a page table, through the identity map: MOV, and a read-modify-write. */
void guest_set(oracle_guest *g, uint64_t gpa, uint64_t value);
void guest_change(oracle_guest *g, uint64_t gpa, uint64_t set, uint64_t clear);
uint64_t guest_get(const oracle_guest *g, uint64_t gpa);
/* Zeroes a page by REP STOSQ. */
void guest_zero(oracle_guest *g, uint64_t gpa);
uint64_t guest_page(oracle_guest *g);
uint64_t guest_zero_page(oracle_guest *g);
void guest_cr3(oracle_guest *g, uint64_t value);
void guest_invlpg(oracle_guest *g, uint64_t gva);
/* Delivery of an exception or interrupt, and the end of its handler. */
void guest_exception(oracle_guest *g, unsigned vector, uint64_t error_code, uint64_t cr2);
void guest_interrupt(oracle_guest *g, unsigned vector);
void guest_return(oracle_guest *g);

/* Writes the trace of one workload, measured between marks 1 and 2. */
vx_status oracle_guest_write(const workload *work, const char *path, vx_msg *msg);

/* ---- oracle_workloads.c ---- */

/* Is the workload expressed as a trace? Some need records that there are not. */
bool oracle_guest_expresses(const workload *work);
/* The workload's C code, of one that is expressed. */
void guest_run(oracle_guest *g);
void guest_begin(oracle_guest *g);
void guest_end(oracle_guest *g);
/* An address space with one page, read-only or not mapped at all; returns its CR3. */
uint64_t guest_one_page_space(oracle_guest *g, bool mapped);
/* The page-fault handler's code. */
void guest_handle_fault(oracle_guest *g, uint64_t gva, uint32_t error_code);

/* ---- oracle_apic.c ---- */

bool guest_uses_apic(const workload *work);
void guest_run_apic(oracle_guest *g);

/* ---- oracle_exits.c ---- */

/* Is it a loop of one instruction, exception or nothing? */
bool guest_loops(const workload *work);
void guest_run_loop(oracle_guest *g);

#endif
