/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the recorder reads of the guest: registers, physical memory, and linear memory by its own walk. */
#ifndef GUEST_ACCESS_H
#define GUEST_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REG_GPR = 0, /* RAX RCX RDX RBX RSP RBP RSI RDI R8 to R15, by their numbers in ModRM */
    REG_CS = 16,
    REG_FS_BASE,
    REG_GS_BASE,
    REG_CR0,
    REG_CR2,
    REG_CR3,
    REG_CR4,
    REG_CR8,
    REG_EFER,
    REG_FLAGS,
    REG_COUNT
};

#define CR0_PE 0x1U
#define CR0_PG 0x80000000U
#define CR4_PSE 0x10U
#define CR4_PAE 0x20U
#define CR4_LA57 0x1000U
#define EFER_LMA 0x400U
#define FLAGS_VM 0x20000U

typedef enum vxr_paging {
    PAGING_NONE = 0,
    PAGING_32BIT = 2,
    PAGING_PAE = 3,
    PAGING_4LEVEL = 4,
    PAGING_5LEVEL = 5
} vxr_paging;

/* The control state that decides how addresses are translated, as last read. */
typedef struct vxr_control {
    uint64_t cr0, cr2, cr3, cr4, efer;
    uint64_t pdpte[4]; /* as the CR3 load latched them */
} vxr_control;

/* The guest's RAM: from 0, and from 4 GiB on. */
typedef struct vxr_ram {
    uint64_t low, high;
} vxr_ram;

/* State that registers do not give, from QEMU's own dump of the processor. */
typedef struct vxr_dump {
    uint64_t gdt, idt, ldt, tss;
    uint32_t idt_limit;
    unsigned cpl, code_bits; /* 16, 32 or 64 */
    uint64_t code_base;
} vxr_dump;

/* Finds QEMU's entry points; false, with the reason, where one is missing. */
bool vxr_guest_find(const char *target, const char **why);
/* At the start of the one vCPU. */
void vxr_guest_attach(void);

uint64_t vxr_register(unsigned number);
void vxr_read_gprs(uint64_t gpr[16]);
bool vxr_read_dump(vxr_dump *dump);
void vxr_read_physical(uint64_t gpa, void *to, size_t bytes);
/* All translations begin anew, before the next block runs. */
void vxr_retranslate(void);
/* The instructions that QEMU has counted since its start (-icount): all of the running block among them, and each round
 * of a REP instruction; what a fault has cut off is taken off again. */
uint64_t vxr_guest_instructions(void);
/* QEMU ends soon, as if told to quit; where it cannot be asked, whoever started it ends it. */
void vxr_shut_down(void);
/* QEMU is about to end. What the guest runs until then depends on the host. */
bool vxr_is_shutting_down(void);

vxr_paging vxr_paging_of(const vxr_control *control);
/* Whether all of these bytes are RAM. */
bool vxr_is_ram(const vxr_ram *ram, uint64_t gpa, uint64_t bytes);
/* The address in RAM that QEMU 7.2 numbers `offset` in its RAM; false where it is no guest RAM. */
bool vxr_ram_gpa(const vxr_ram *ram, uint64_t offset, uint64_t *gpa);

/* Walks the guest's tables in memory; false where not mapped or the tables lie outside RAM. */
bool vxr_walk(const vxr_control *control, const vxr_ram *ram, uint64_t gva, uint64_t *gpa);
/* Linear memory; false where some of it is not mapped RAM. */
bool vxr_read_linear(const vxr_control *control, const vxr_ram *ram, uint64_t gva, void *to, size_t bytes);

#endif
