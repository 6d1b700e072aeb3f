/* One AMD logical processor with a VMCB, a host save area and permission maps, for the tests of vx_svm. */
#ifndef SVM_WORLD_H
#define SVM_WORLD_H

#include "vx_mmu.h"
#include "vx_radix.h"
#include "vx_svm.h"

enum {
    SVM_VMCB = 0x1000,
    SVM_VMCB2 = 0x2000,
    SVM_HSAVE = 0x3000,
    SVM_IOPM = 0x4000,
    SVM_MSRPM = 0x8000,
    SVM_TABLES = 0x10000,
    SVM_RAM = 16 << 20
};

typedef struct svm_world {
    vx_cfg_cpu cpu; /* every SVM feature; 48 linear and 46 physical bits */
    vx_arena arena;
    vx_physmem memory;
    vx_ledger ledger;
    vx_mmu *mmu;
    vx_svm svm;
    vx_msg msg;
    uint64_t next_page;
} svm_world;

/* A host in long mode with SVM on, and at SVM_VMCB a guest in long mode that VMRUN accepts; rAX names it. With `mmu`,
 * there is one, and the host's CR3 names an empty table. */
void svm_world_open(svm_world *world, bool mmu);
void svm_world_close(svm_world *world);

/* The VMCB that VMRUN accepts, as an image. */
void svm_legal_vmcb(vx_vmcb_image *image);

static inline uint64_t svm_field(const svm_world *world, vx_vmcb_field field)
{
    return vx_vmcb_read(&world->memory, (vx_hpa){SVM_VMCB}, field);
}
static inline void svm_put(svm_world *world, vx_vmcb_field field, uint64_t value)
{
    vx_vmcb_write(&world->memory, (vx_hpa){SVM_VMCB}, field, value);
}

/* VMRUN that must enter. */
void svm_enter(svm_world *world);
/* The outcome must be this #VMEXIT, and the VMCB must say the same. */
void svm_expect_exit(const svm_world *world, vx_svm_outcome outcome, uint64_t code);
/* ... this fault. */
void svm_expect_fault(vx_svm_outcome outcome, uint8_t vector);

uint64_t svm_page(svm_world *world);

#endif
