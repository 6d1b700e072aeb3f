/* The checks that a VM entry makes, as a list: each with its section of the manual and what its failure leads to.
 *
 * SDM Vol. 3C 26.2 (controls and host state: VM-instruction error 7 or 8), 26.3.1 (guest state: VM-entry failure, exit
 * reason 33) and 26.4 (MSR loading: reason 34). The list is in the manual's order and the first failure decides; the
 * manual lets processors check in any order, so that where two checks fail, hardware may report the other one. */
#ifndef VX_VMX_CHECK_H
#define VX_VMX_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_physmem.h"
#include "vx_vmcs_field.h"
#include "vx_vmx_caps.h"

/* VM-instruction errors (Table 30-1). */
typedef enum vx_vmx_error {
    VX_VMX_VMCALL_IN_ROOT = 1,
    VX_VMX_VMCLEAR_ADDRESS = 2,
    VX_VMX_VMCLEAR_VMXON_POINTER = 3,
    VX_VMX_VMLAUNCH_NOT_CLEAR = 4,
    VX_VMX_VMRESUME_NOT_LAUNCHED = 5,
    VX_VMX_VMRESUME_AFTER_VMXOFF = 6,
    VX_VMX_BAD_CONTROL = 7,
    VX_VMX_BAD_HOST = 8,
    VX_VMX_VMPTRLD_ADDRESS = 9,
    VX_VMX_VMPTRLD_VMXON_POINTER = 10,
    VX_VMX_VMPTRLD_REVISION = 11,
    VX_VMX_UNSUPPORTED_FIELD = 12,
    VX_VMX_READ_ONLY_FIELD = 13,
    VX_VMX_VMXON_IN_ROOT = 15,
    VX_VMX_BLOCKED_BY_MOV_SS = 26,
    VX_VMX_BAD_INVALIDATION = 28
} vx_vmx_error;
/* The manual's sentence; NULL for numbers that it does not use. */
const char *vx_vmx_error_text(unsigned number);
/* Can this simulator's processors report it? (Those of SMM's dual-monitor treatment they cannot.) */
bool vx_vmx_error_reachable(unsigned number);

/* What a failed check leads to. */
typedef enum vx_vmx_outcome {
    VX_CHECK_CONTROL, /* VMfailValid, error 7 */
    VX_CHECK_HOST,    /* VMfailValid, error 8 */
    VX_CHECK_GUEST,   /* VM-entry failure, reason 33 */
    VX_CHECK_MSR_LOAD /* VM-entry failure, reason 34 */
} vx_vmx_outcome;

/* What an entry is checked against. The caller fills the first part; vx_vmx_entry_init the second. */
typedef struct vx_vmx_entry {
    const vx_vmcs_image *vmcs;
    const vx_vmx_caps *caps;
    const vx_physmem *memory; /* of VTPR, the linked VMCS, PDPTEs and MSR areas; NULL: what lies there is not checked */
    uint64_t current;         /* the current-VMCS pointer */
    bool ia32e;               /* IA32_EFER.LMA at the time of the entry */
    bool tracing;             /* IA32_RTIT_CTL.TraceEn at the time of the entry */

    uint64_t word[VX_WORDS]; /* the controls in effect: 0 where the control that activates them is 0 */
} vx_vmx_entry;
/* Takes the controls from `vmcs`, which must stay as it is while checks are made. */
void vx_vmx_entry_init(vx_vmx_entry *entry);

typedef struct vx_vmx_check vx_vmx_check;
struct vx_vmx_check {
    const char *id;      /* unique, of lower-case words: "guest-cs-type" */
    const char *section; /* "26.3.1.2" */
    const char *text;    /* what must hold */
    vx_vmx_outcome outcome;
    uint8_t qualification; /* of reason 33 */
    vx_vmx_word when;      /* made only where all these controls are 1; VX_WORD_NONE: always */
    uint64_t when_bits;
    bool (*holds)(const vx_vmx_entry *entry, const vx_vmx_check *check);
    uint32_t field; /* what the predicate looks at: an encoding, a word of controls or a segment register */
    uint32_t bits;  /* a number of bits, or another parameter */
};

/* All checks but MSR loading's, in order; NULL past the last. */
const vx_vmx_check *vx_vmx_check_at(unsigned index);
const vx_vmx_check *vx_vmx_check_named(const char *id);
bool vx_vmx_check_holds(const vx_vmx_check *check, const vx_vmx_entry *entry);

/* The first check of an outcome between the two (inclusive) that fails; NULL: all hold. */
const vx_vmx_check *vx_vmx_check_first(const vx_vmx_entry *entry, vx_vmx_outcome from, vx_vmx_outcome to);

/* More of a failed check, for people: which control the processor lacks, which value the field has. Writes at most
 * `room` bytes with the terminating zero. */
void vx_vmx_check_explain(const vx_vmx_check *check, const vx_vmx_entry *entry, char *text, unsigned room);

/* A valid VMCS for the processor: a 64-bit host and a 64-bit guest, with
 * no more controls than it insists on. Every check holds for it; tests and examples change what they are about. */
void vx_vmcs_image_init(vx_vmcs_image *image, const vx_vmx_caps *caps);

#endif
