/* Predicates that several lists of entry checks share. */
#ifndef VMX_CHECK_H
#define VMX_CHECK_H

#include "vx_addr.h"
#include "vx_control_registers.h"
#include "vx_vmcs.h"
#include "vx_vmx_check.h"

/* The lists, in the manual's order. */
extern const vx_vmx_check vmx_control_checks[], vmx_host_checks[], vmx_register_checks[], vmx_segment_checks[],
    vmx_nonregister_checks[];
extern const unsigned vmx_control_check_count, vmx_host_check_count, vmx_register_check_count, vmx_segment_check_count,
    vmx_nonregister_check_count;

static inline uint64_t field(const vx_vmx_entry *e, uint32_t encoding) { return vx_vmcs_get(e->vmcs, encoding); }

static inline bool has(const vx_vmx_entry *e, vx_vmx_word word, uint64_t bits)
{
    return (e->word[word] & bits) == bits;
}

/* The bits from the physical-address width on. */
static inline uint64_t beyond_width(const vx_vmx_entry *e) { return ~((1ULL << e->caps->physical_bits) - 1); }

static inline bool bits_clear(uint64_t value, unsigned high, unsigned low)
{
    return (value >> low & ((2ULL << (high - low)) - 1)) == 0;
}

/* The unrestricted-guest control counts only where secondary controls are active: e->word has seen to that. */
static inline bool unrestricted(const vx_vmx_entry *e) { return has(e, VX_WORD_CPU2, VX_CPU2_UNRESTRICTED_GUEST); }
static inline bool guest_ia32e(const vx_vmx_entry *e) { return has(e, VX_WORD_ENTRY, VX_ENTRY_CONTROL_IA32E); }
static inline bool host_64(const vx_vmx_entry *e) { return has(e, VX_WORD_EXIT, VX_EXIT_CONTROL_HOST_64); }

bool vmx_word_allowed(const vx_vmx_entry *e, const vx_vmx_check *check);   /* the word `field` has no reserved bit */
bool vmx_low_bits_clear(const vx_vmx_entry *e, const vx_vmx_check *check); /* of `field`, the lowest `bits` */
bool vmx_within_width(const vx_vmx_entry *e, const vx_vmx_check *check);   /* `field` fits the physical address */
bool vmx_is_canonical(const vx_vmx_entry *e, const vx_vmx_check *check);   /* `field` as a linear address */
bool vmx_fits_bits(const vx_vmx_entry *e, const vx_vmx_check *check);      /* `field` has no bit from `bits` on */
bool vmx_fits_linear(const vx_vmx_entry *e, const vx_vmx_check *check);    /* bits 63:N of `field` are equal */
bool vmx_pat_valid(const vx_vmx_entry *e, const vx_vmx_check *check);      /* `field` as IA32_PAT */
bool vmx_perf_global_valid(const vx_vmx_entry *e, const vx_vmx_check *check);
bool vmx_s_cet_reserved(const vx_vmx_entry *e, const vx_vmx_check *check);
bool vmx_s_cet_tracker(const vx_vmx_entry *e, const vx_vmx_check *check);
bool vmx_efer_reserved(const vx_vmx_entry *e, const vx_vmx_check *check);
bool vmx_cr0_fixed(const vx_vmx_entry *e, const vx_vmx_check *check); /* bits fixed in VMX operation (A.7) */
bool vmx_cr4_fixed(const vx_vmx_entry *e, const vx_vmx_check *check); /* A.8 */
/* CR0 has the bits that are fixed in VMX operation, those of `free` or not. */
bool vmx_cr0_allowed(const vx_vmx_entry *e, uint64_t cr0, uint64_t free);

/* Values that WRMSR would accept. */
bool vmx_pat_legal(uint64_t pat);
bool vmx_perf_global_legal(uint64_t value);

/* PDPTEs as MOV to CR3 checks them (Vol. 3A, 4.4.1): reserved bits of a present entry are 0. */
bool vmx_pdpte_valid(const vx_vmx_caps *caps, uint64_t pdpte);
/* The four entries that a CR3 with PAE paging names. */
void vmx_pdptes_read(const vx_physmem *memory, uint64_t cr3, uint64_t pdpte[4]);

enum { CHECK_RFLAGS_TF = 1 << 8, CHECK_RFLAGS_IF = 1 << 9, CHECK_RFLAGS_VM = 1 << 17 };
#define CHECK_INFO_VALID (1ULL << 31)
enum { TYPE_EXTERNAL = 0, TYPE_NMI = 2, TYPE_HARDWARE = 3, TYPE_SOFTWARE = 4, TYPE_PRIVILEGED = 5, TYPE_OTHER = 7 };

static inline bool injects(const vx_vmx_entry *e)
{
    return (field(e, VX_VMCS_ENTRY_INTERRUPTION_INFO) & CHECK_INFO_VALID) != 0;
}
static inline unsigned injected_type(const vx_vmx_entry *e)
{
    return field(e, VX_VMCS_ENTRY_INTERRUPTION_INFO) >> 8 & 7;
}
static inline unsigned injected_vector(const vx_vmx_entry *e)
{
    return field(e, VX_VMCS_ENTRY_INTERRUPTION_INFO) & 0xFF;
}

#endif
