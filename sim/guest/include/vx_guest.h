/* The modelled guest OS for user-level traces: page tables, demand paging, page size and placement, process switches,
 * timer tick.
 *
 * It is a producer of records and nothing else: what it wants of the machine (state, page-table stores, MOV to CR3,
 * INVLPG, interrupt and return) goes into the vCPU's queue, just as a recorded guest's events come from its trace, so
 * that each scheme sees the same guest. It keeps a private image of its tables (what the kernel knows of them; A and D
 * bits are the hardware's) and never reads or writes simulated memory. Same configuration, seed and calls: same
 * records.
 *
 * Every page it maps is user-accessible, writable and executable: a user-level trace does not say what a mapping
 * allows. That holds for addresses in the kernel's half too (x86-64 programs do fetch from the vsyscall page there).
 *
 * An OS of several CPUs is one vx_guest a CPU (vx_guest_add_cpu).
 *
 * NOT MODELLED: the kernel's own references and mappings, global ones included (its instructions are counted by
 * vx_cfg_guest.fault_instructions); swap; copy-on-write and memory shared between processes; threads that move between
 * CPUs; huge-page promotion by copying; recycling of PCIDs (each process has its own); presetting of A and D bits by
 * the fault handler. */
#ifndef VX_GUEST_H
#define VX_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_arena.h"
#include "vx_config.h"
#include "vx_paging.h"
#include "vx_queue.h"
#include "vx_stats.h"
#include "vx_status.h"
#include "vx_tick.h"

typedef struct vx_guest vx_guest;

enum {
    VX_GUEST_PROCESSES_MAX = 4095, /* 12-bit PCIDs without 0 (SDM Vol. 3A, 4.10.1) */
    VX_GUEST_CPUS_MAX = 64,
    VX_GUEST_NMI_VECTOR = 2,
    VX_GUEST_TIMER_VECTOR = 0xEC, /* Linux's LOCAL_TIMER_VECTOR */
    VX_GUEST_CALL_VECTOR = 0xFB   /* Linux's CALL_FUNCTION_VECTOR: a TLB shootdown */
};

/* `processes`: how many exist from the start (one a trace of `--trace A,B`); others are created when a PROCESS record
 * names them (at most VX_GUEST_PROCESSES_MAX in all). Memory from the arena, except the private table image, freed by
 * vx_guest_fini. VX_ERR_INPUT where the configuration contradicts itself: a page size that the paging mode lacks, PCIDs
 * outside 64-bit paging, RAM beyond 4 GiB with 32-bit paging or below 1 MiB, a slice or tick that the handler fills. */
vx_status vx_guest_init(vx_guest **guest, vx_arena *arena, const vx_cfg_guest *config, unsigned processes,
                        uint64_t seed, vx_msg *msg);
/* Another CPU of the same OS, with a vCPU, a queue and `processes` traces of its own; before any of them boots, the
 * first before the others. `threads`: its traces are threads of the first CPU's processes, in their order, and share
 * their memory; else processes of its own. Everything below is done to one CPU, and counted there.
 *
 * A page that a CPU unmaps is dropped by the others too: it sends VX_GUEST_CALL_VECTOR to those that run the same
 * process, whose handlers answer (INVLPG), and waits until all have (vx_guest_waits); only then is the frame free.
 * VX_ERR_INPUT: an OS without APICs (vm.priority.apic=none), or threads of processes that are not there. */
vx_status vx_guest_add_cpu(vx_guest **guest, vx_arena *arena, vx_guest *first, unsigned processes, bool threads,
                           vx_msg *msg);

/* Frees the OS where it is its first CPU. NULL is fine. */
void vx_guest_fini(vx_guest *guest);

/* What the OS reads as time-stamp counter, for its APIC's deadlines (vm.priority.timer=deadline): `now` must be given
 * before it boots where it uses them. */
void vx_guest_clock(vx_guest *guest, vx_tick (*now)(const void *context), const void *context);

/* The most that one call below adds to its queue, in records and payload words: a queue of this capacity, drained
 * between calls, never overflows. `cpus`: of the OS. */
void vx_guest_queue_bound(unsigned processes, unsigned cpus, size_t *records, size_t *words);

/* The OS after boot: queues the new tables of each initial process (PAE: with their page directories, as Linux does, so
 * that a PDPTE never changes while it is latched), then STATE (CR0, CR3, CR4, EFER, CPL 3; descriptor tables at 0).
 * Once, before anything else below. VX_ERR_INPUT: the RAM does not hold the tables. */
vx_status vx_guest_boot(vx_guest *guest, vx_queue *queue, vx_msg *msg);

/* A page fault reached the guest: maps what was touched and queues EXCEPTION, CPL 0, SKIPPED (the handler's
 * instructions), the unmapping that is due (PT_STORE, INVLPG), PT_STOREs (PT_PAGE_NEW before the store that links a new
 * table page), IRET, CPL 3. `error_code` as in vx_mmu_fault.
 * VX_ERR_INPUT: the address is not canonical or does not fit the paging mode, or the RAM is used up (the message says
 * what to set); nothing has changed then. VX_ERR_CHECK: the OS has mapped that page, so hardware and OS disagree. */
vx_status vx_guest_page_fault(vx_guest *guest, vx_gva gva, uint32_t error_code, vx_queue *queue, vx_msg *msg);

/* The trace's PROCESS record: switches to that process of the running trace (CPL 0, MOV to CR3, CPL 3; tables built on
 * first sight). A trace's initial process takes the first identity that the trace names, unless it has faulted before.
 * VX_ERR_INPUT: too many processes, or the RAM is used up. */
vx_status vx_guest_process(vx_guest *guest, uint64_t identity, vx_queue *queue, vx_msg *msg);

/* The next instruction count at which the OS wants to act by itself (tick, end of slice, unmapping); UINT64_MAX: never.
 * Ticks are due at the multiples of their period, slices end at the multiples of theirs, as long as several traces run,
 * and unmappings are due at the multiples of vm.unmap_instructions. */
uint64_t vx_guest_next_event(const vx_guest *guest);

/* Acts: queues INTERRUPT, CPL 0, SKIPPED, at the end of a slice MOV to CR3, then IRET, CPL 3. One interrupt serves what
 * is due at the same time, and what came due more than once (a pending interrupt is one bit). Its handler is as long
 * as that of a page fault. An unmapping that is due (the running process's oldest page: PT_STORE, INVLPG) goes into the
 * interrupt's handler, or is a system call of its own: CPL 0, SKIPPED, PT_STORE, INVLPG, CPL 3. A process that has no
 * more pages than it keeps unmaps nothing then. Call when `instructions` has reached vx_guest_next_event; earlier it
 * does nothing.
 * With a local APIC (vm.priority.apic) the interrupt is not queued: the answer says what happens to the APIC now, of
 * VX_GUEST_TICK and VX_GUEST_OVERFLOW. Raises and falls of the task priority are queued as CPL 0, the write, CPL 3. */
enum {
    VX_GUEST_TICK = 1 << 0,     /* VX_GUEST_TIMER_VECTOR arrives */
    VX_GUEST_OVERFLOW = 1 << 1, /* a performance counter overflows */
};
unsigned vx_guest_event(vx_guest *guest, uint64_t instructions, vx_queue *queue);

/* The interrupt of a vx_guest_event, or another one, was delivered: queues its handler, CPL 0, SKIPPED, MOV to CR3
 * where a slice has ended, TPR writes, EOI, IRET, CPL 3. Of VX_GUEST_NMI_VECTOR: CPL 0, SKIPPED, the write that unmasks
 * the APIC's entry for performance counters, IRET, CPL 3. */
void vx_guest_interrupt(vx_guest *guest, uint8_t vector, vx_queue *queue);

/* The CPU has unmapped a page and must not run on, but for interrupts, until the others have answered. */
bool vx_guest_waits(const vx_guest *guest);

/* The CPUs, as bits by number, whose shootdown this CPU has answered since the last call. */
uint64_t vx_guest_take_answered(vx_guest *guest);

/* May this CPU still use a translation of the address that another has unmapped? It may until it answers. */
bool vx_guest_may_be_stale(const vx_guest *guest, vx_gva gva);

/* Which of the initial processes runs (index of its trace). */
unsigned vx_guest_current(const vx_guest *guest);

/* The running trace has ended: its processes exit and another trace's runs (CPL 0, MOV to CR3, CPL 3); false where none
 * is left (then nothing is queued). Their data pages are freed without page-table stores and their table pages stay
 * (NOT MODELLED: teardown): no CR3 names them again. */
bool vx_guest_exit(vx_guest *guest, vx_queue *queue);

typedef struct vx_guest_counts {
    uint64_t faults;
    uint64_t pages_mapped[VX_PAGE_SIZES];
    uint64_t table_pages; /* made, roots included */
    uint64_t pt_stores;
    uint64_t switches; /* MOVs to CR3 */
    uint64_t ticks;    /* timer interrupts */
    uint64_t unmaps;
    uint64_t tpr_writes;
    uint64_t shootdowns, shootdown_ipis, shootdown_answers;
} vx_guest_counts;
/* Live counters of this CPU's part of the OS, valid as long as it. */
const vx_guest_counts *vx_guest_counts_now(const vx_guest *guest);

/* Zeroes the counters (end of warm-up). */
void vx_guest_counts_reset(vx_guest *guest);

/* Adds one guest's counters to a total (several VMs). Start from zero. */
void vx_guest_counts_add(vx_guest_counts *total, const vx_guest_counts *part);

/* Declares the counters, a guest's or a total, under "paging.os.". */
void vx_guest_counts_declare(vx_guest_counts *counts, vx_stats *stats);

#endif
