/* One guest's local APIC, run in every way that processors and hypervisors run it: the same operations, and what the
 * guest gets to see. Each path but the first has a small hypervisor of its own, written from the manual (and from what
 * Linux's KVM does, where the manual leaves a choice), and counts its exits. */
#ifndef APIC_PATHS_H
#define APIC_PATHS_H

#include "test_support.h"
#include "vx_apic.h"
#include "vx_svm_interrupts.h"
#include "vx_virtual_apic.h"

typedef enum path_kind {
    PATH_SOFTWARE,        /* no hypervisor: a plain local APIC */
    PATH_TPR_SHADOW,      /* FlexPriority: TPR shadow and APIC-access page */
    PATH_REGISTERS,       /* and APIC-register virtualization */
    PATH_DELIVERY,        /* and virtual-interrupt delivery */
    PATH_POSTED,          /* and posted interrupts */
    PATH_X2APIC,          /* x2APIC mode, TPR shadow */
    PATH_X2APIC_DELIVERY, /* x2APIC mode, register virtualization, virtual-interrupt delivery, posted interrupts */
    PATH_V_TPR,           /* AMD: V_TPR, V_IRQ for the window */
    PATH_AVIC,            /* AMD: AVIC */
    PATHS
} path_kind;

extern const char *const path_names[PATHS];

enum { PATH_LOG = 1024 };
#define PATH_LOG_EOI 0x100U /* log entries: a delivered vector, or this plus the vector of an EOI broadcast */

typedef struct apic_path {
    path_kind kind;
    uint8_t page[VX_APIC_PAGE_BYTES];
    vx_apic apic; /* the software APIC, on the same page */
    bool interrupts_enabled;
    /* the processor's help */
    vx_virtual_apic vapic;
    vx_posted posted;
    vx_svm_interrupt svm;
    bool cr8_intercept; /* AMD: CR8 writes exit */
    vx_avic avic;
    /* what the guest saw, in order; and the price */
    uint16_t log[PATH_LOG];
    unsigned logged;
    unsigned exits, threshold_exits, eoi_exits;
} apic_path;

void path_init(apic_path *path, path_kind kind);

/* The guest's operations. TPR writes go through the page or MSR, or through CR8 where `cr8` is set (the low half of the
 * TPR is then 0). */
void path_interrupt(apic_path *path, uint8_t vector, bool level); /* from outside */
void path_set_tpr(apic_path *path, uint8_t tpr, bool cr8);
void path_eoi(apic_path *path);
void path_self_ipi(apic_path *path, uint8_t vector);
void path_enable_interrupts(apic_path *path, bool enable);
uint8_t path_tpr(apic_path *path);

/* The architectural registers as a guest would read them. */
void path_settle(apic_path *path);

#endif
