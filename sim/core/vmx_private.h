/* What the files of the VMX state machine share. */
#ifndef VMX_PRIVATE_H
#define VMX_PRIVATE_H

#include "vx_control_registers.h"
#include "vx_exception.h"
#include "vx_vmx.h"

enum {
    RFLAGS_ZF = 1 << 6,
    RFLAGS_CF = 1 << 0,
    RFLAGS_ARITHMETIC = 0x8D5, /* CF, PF, AF, ZF, SF, OF */
    RFLAGS_IF = 1 << 9,
    RFLAGS_RF = 1 << 16,
    RFLAGS_VM = 1 << 17,
    RIGHTS_L = 1 << 13,
    RIGHTS_DB = 1 << 14,
    RIGHTS_UNUSABLE = 1 << 16,
    DEBUGCTL_BTF = 2
};

static inline uint64_t vmcs_field(const vx_vmx *vmx, uint32_t encoding) { return vx_vmcs_get(&vmx->vmcs, encoding); }
static inline void vmcs_put(vx_vmx *vmx, uint32_t encoding, uint64_t value)
{
    vx_vmcs_set(&vmx->vmcs, encoding, value);
}
static inline bool vmx_effective(const vx_vmx *vmx, vx_vmx_word word, uint64_t bits)
{
    return (vmx->entry.word[word] & bits) == bits;
}
static inline bool state_pae(const vx_vmx_state *s)
{
    return (s->cr0 & VX_CR0_PG) && (s->cr4 & VX_CR4_PAE) && !(s->efer & VX_EFER_LMA);
}
static inline unsigned state_cpl(const vx_vmx_state *s) { return s->segment[VX_SS].rights >> 5 & 3; }
static inline bool state_64bit(const vx_vmx_state *s)
{
    return (s->efer & VX_EFER_LMA) && (s->segment[VX_CS].rights & RIGHTS_L);
}

/* vmx_region.c: the data of a VMCS in memory. */
enum { REGION_ABORT = 4 };
uint32_t vmx_region_launched(const vx_vmx *vmx, uint64_t region);
void vmx_region_set_launched(vx_vmx *vmx, uint64_t region, uint32_t launched);
/* Writes the current VMCS back to its region. */
void vmx_region_flush(vx_vmx *vmx);
/* VMREAD and VMWRITE of a shadow VMCS touch memory alone. */
uint64_t vmx_region_get(const vx_physmem *memory, uint64_t region, uint32_t encoding, bool wide);
void vmx_region_put(vx_physmem *memory, uint64_t region, uint32_t encoding, uint64_t value, bool wide);

/* vmx_instructions.c */
vx_vmx_result vmx_fail(vx_vmx *vmx, vx_vmx_error number); /* Valid or Invalid, as there is a current VMCS */
vx_vmx_result vmx_fail_invalid(vx_vmx *vmx);
vx_vmx_result vmx_fault(uint32_t vector);
/* The guards that all instructions begin with. False: *result is the operation's end. */
bool vmx_may_execute(vx_vmx *vmx, vx_guest_event_kind kind, uint64_t selector, vx_vmx_result *result);

/* vmx_state.c: state and VMCS fields. */
void vmx_load_guest(vx_vmx *vmx);
void vmx_save_guest(vx_vmx *vmx);
void vmx_load_host(vx_vmx *vmx);

/* vmx_msr_area.c: 0, or the number (from 1) of the entry that cannot be processed. */
uint32_t vmx_msr_area_load(vx_vmx *vmx, uint64_t address, uint32_t count);
uint32_t vmx_msr_area_store(vx_vmx *vmx, uint64_t address, uint32_t count);

/* vmx_exit.c: from loading the host's state on, which failed entries share. `host_loaded` 0: VMX abort. */
vx_vmx_result vmx_enter_host(vx_vmx *vmx, bool was_ia32e);

#endif
