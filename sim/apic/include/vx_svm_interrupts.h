/* AMD's interrupt virtualization: virtual TPR and virtual interrupts of the VMCB, and AVIC.
 *
 * APM Vol. 2, 15.21 (V_INTR_MASKING, V_TPR, V_IRQ) and 15.29 (AVIC). The APM is not readable where this was written:
 * the bits, tables and exit codes are those of Linux 6.1 (arch/x86/include/asm/svm.h, arch/x86/kvm/svm/avic.c), and the
 * rules what KVM relies on.
 *
 * NOT MODELLED: V_GIF; x2AVIC; the guest's own relocation of its APIC; host interrupts' doorbell MSR (a doorbell is a
 * call here); backing pages beyond the physical table's. */
#ifndef VX_SVM_INTERRUPTS_H
#define VX_SVM_INTERRUPTS_H

#include "vx_apic_page.h"

/* VMCB offset 060h, bits 0 to 63. */
typedef struct vx_svm_interrupt {
    uint8_t v_tpr; /* 0 to 15 */
    bool v_irq;
    uint8_t v_intr_prio;
    bool v_ign_tpr;
    bool v_intr_masking; /* CR8 is V_TPR, and RFLAGS.IF masks virtual interrupts alone */
    uint8_t v_intr_vector;
    bool v_nmi_enable; /* vNMI (Linux asm/svm.h): V_NMI is delivered by the processor, which tracks blocking until IRET
                        */
    bool v_nmi_pending;
} vx_svm_interrupt;

/* CR8 of a guest: true where it is virtualized (V_INTR_MASKING); a write then never exits by itself. */
bool vx_svm_cr8(const vx_svm_interrupt *i, uint8_t *priority);
bool vx_svm_set_cr8(vx_svm_interrupt *i, uint8_t priority);

/* Whether the virtual interrupt may be taken: V_IRQ, IF, and V_INTR_PRIO above V_TPR or V_IGN_TPR (15.21.4). Where
 * VINTR is intercepted it exits then (VINTR, 64h), instead of being taken. */
bool vx_svm_virtual_interrupt(const vx_svm_interrupt *i, bool interrupts_enabled);
/* Takes it: returns the vector, V_IRQ is 0. */
uint8_t vx_svm_take_virtual_interrupt(vx_svm_interrupt *i);

/* ---- AVIC ---- */

/* Entries of the physical APIC ID table. */
#define VX_AVIC_VALID (1ULL << 63)
#define VX_AVIC_RUNNING (1ULL << 62)
#define VX_AVIC_BACKING_PAGE 0x000FFFFFFFFFF000ULL
#define VX_AVIC_HOST_ID 0xFFULL
/* Entries of the logical APIC ID table: bits 7:0 are the guest's physical ID. */
#define VX_AVIC_LOGICAL_VALID (1U << 31)

enum { VX_AVIC_IDS = 255 }; /* of a physical table: FFH is everyone */

typedef struct vx_avic {
    uint8_t *page; /* this vCPU's backing page */
    uint32_t id;   /* its guest physical APIC ID */
    const uint64_t *physical_table;
    uint32_t last_index;           /* highest valid index of the physical table, at most 254 */
    const uint32_t *logical_table; /* 256 entries: flat uses 0 to 7, cluster c uses 4 c to 4 c + 3 */
    /* The backing page at a host-physical address; and: rings that physical processor. */
    uint8_t *(*backing)(void *context, uint64_t address);
    void (*doorbell)(void *context, uint32_t host_id);
    void *context;
} vx_avic;

typedef enum vx_avic_exit {
    VX_AVIC_NO_EXIT,
    VX_AVIC_INCOMPLETE_IPI,     /* 401h, after the write */
    VX_AVIC_UNACCELERATED_TRAP, /* 402h, after the write */
    VX_AVIC_UNACCELERATED_FAULT /* 402h, instead of the access */
} vx_avic_exit;

/* Why an IPI is incomplete: EXITINFO2 bits 63:32. */
enum { VX_AVIC_IPI_TYPE = 0, VX_AVIC_IPI_NOT_RUNNING = 1, VX_AVIC_IPI_TARGET = 2, VX_AVIC_IPI_BACKING_PAGE = 3 };

typedef struct vx_avic_outcome {
    vx_avic_exit exit;
    uint64_t info1, info2; /* EXITINFO1, EXITINFO2 */
} vx_avic_outcome;

/* Accesses of the guest to its APIC page, 32 bits at `offset` (others are unaccelerated faults). */
vx_avic_outcome vx_avic_read(const vx_avic *avic, uint32_t offset, uint32_t *value);
vx_avic_outcome vx_avic_write(vx_avic *avic, uint32_t offset, uint32_t value);

/* MOV to CR8 under AVIC writes bits 7:4 of the backing page's TPR; `priority` is 0 to 15. */
void vx_avic_set_cr8(vx_avic *avic, uint8_t priority);

/* VMRUN or a doorbell: the processor looks at the backing page. The vector that IF lets in; 0 where there is none. */
uint8_t vx_avic_deliver(vx_avic *avic);

#endif
