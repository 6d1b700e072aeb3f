/* Which accesses to the local APIC exit: the APIC-access page, CR8 and the x2APIC's MSRs.
 *
 * SDM Vol. 3C: 29.1.2 TPR virtualization, 29.3 CR8, 29.4.2 reads and 29.4.3 writes of the APIC-access page, 29.5 MSRs;
 * Table 27-6 qualification. (Chapter numbers: see vx_vmcs.h.)
 *
 * NOT MODELLED: EOI virtualization's own exit, EOI_INDUCED, which depends on the interrupts in service (room apic); IPI
 * virtualization; accesses by fetches, event delivery and guest-physical addresses; an instruction with two accesses to
 * the page; a write of less than four bytes to the interrupt command register counts the other bytes as 0. */
#include "vmcs_apic_exits.h"

enum {
    APIC_TPR = 0x080,
    APIC_EOI = 0x0B0,
    APIC_ICR_LOW = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_SELF_IPI = 0x3F0,
    ACCESS_WRITE = 1U << 12, /* Table 27-6, access type; 0 is a read */
    MSR_TPR = 0x808,
    MSR_SELF_IPI = 0x83F,
};

/* Bit n: the 32-bit register at offset 16 n of the APIC page. */
#define REGISTERS(first, last) (((2ULL << ((last) - (first))) - 1) << (first))
/* What APIC-register virtualization lets a guest write: ID, TPR, EOI, LDR, DFR, SVR, ESR, ICR, LVT, timer. */
#define WRITABLE                                                                                                       \
    (REGISTERS(0x02, 0x02) | REGISTERS(0x08, 0x08) | REGISTERS(0x0B, 0x0B) | REGISTERS(0x0D, 0x0F) |                   \
     REGISTERS(0x28, 0x28) | REGISTERS(0x30, 0x38) | REGISTERS(0x3E, 0x3E))
/* To read: these, the version and the in-service, trigger-mode and request registers. */
#define READABLE (WRITABLE | REGISTERS(0x03, 0x03) | REGISTERS(0x10, 0x27))

typedef struct apic_access {
    const vx_vmcs *vmcs;
    uint32_t cpu2;
    uint32_t offset, bytes;
} apic_access;

static apic_access access_of(const vx_vmcs *vmcs, uint32_t cpu2, uint64_t offset, uint32_t bytes)
{
    return (apic_access){vmcs, cpu2, (uint32_t)offset & 0xFFF, bytes};
}

/* The conditions that reads and writes share, then the registers that the controls cover. */
static bool virtualized(const apic_access *a, uint64_t registers)
{
    if (!(a->vmcs->cpu & VX_CPU_TPR_SHADOW)) return false;
    if (a->bytes == 0 || a->offset % 16 + a->bytes > 4) return false; /* within the low 4 bytes of 16, so at most 4 */
    if (a->offset == APIC_TPR) return true;
    if ((a->cpu2 & VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY) && (a->offset == APIC_EOI || a->offset == APIC_ICR_LOW))
        return true;
    uint32_t slot = a->offset / 16;
    return (a->cpu2 & VX_CPU2_APIC_REGISTER_VIRTUALIZATION) && slot < 64 && (registers >> slot & 1);
}

bool vx_vmcs_apic_read_exits(const vx_vmcs *vmcs, uint32_t cpu2, uint64_t offset, uint32_t bytes, vx_exit *exit)
{
    apic_access access = access_of(vmcs, cpu2, offset, bytes);
    if (!(cpu2 & VX_CPU2_VIRTUALIZE_APIC_ACCESSES) || virtualized(&access, READABLE)) return false;
    *exit = (vx_exit){.reason = VX_EXIT_APIC_ACCESS, .qualification = access.offset};
    return true;
}

/* The interrupts that a processor sends to itself without software: fixed, edge, shorthand "self", vector from 16 up,
 * reserved bits and delivery status 0. */
static bool self_ipi(uint64_t icr)
{
    const uint32_t must_be_zero = 0xFFF00000 | 3U << 16 | 1U << 15 | 1U << 13 | 1U << 12 | 7U << 8;
    uint32_t low = (uint32_t)icr, shorthand = low >> 18 & 3;
    return !(low & must_be_zero) && shorthand == 1 && (low >> 4 & 0xF) != 0;
}

bool vx_vmcs_tpr_write_exits(const vx_vmcs *vmcs, uint32_t cpu2, uint32_t priority, vx_exit *exit)
{
    if (!(vmcs->cpu & VX_CPU_TPR_SHADOW) || (cpu2 & VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY)) return false;
    if (priority >= (vmcs->tpr_threshold & 0xF)) return false;
    *exit = (vx_exit){.reason = VX_EXIT_TPR_BELOW_THRESHOLD};
    return true;
}

/* APIC-write emulation (29.4.3.2): what follows a virtualized write. */
static bool emulation_exits(const apic_access *a, uint64_t value, vx_exit *exit)
{
    bool delivery = (a->cpu2 & VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY) != 0;
    if (a->offset == APIC_TPR) return vx_vmcs_tpr_write_exits(a->vmcs, a->cpu2, (uint32_t)value >> 4 & 0xF, exit);
    if (a->offset == APIC_EOI && delivery) return false;
    if (a->offset == APIC_ICR_LOW && delivery && self_ipi(value)) return false;
    if (a->offset / 16 == APIC_ICR_HIGH / 16) return false;
    *exit = (vx_exit){.reason = VX_EXIT_APIC_WRITE, .qualification = a->offset};
    return true;
}

bool vx_vmcs_apic_write_exits(const vx_vmcs *vmcs, uint32_t cpu2, uint64_t offset, uint32_t bytes, uint64_t value,
                              vx_exit *exit)
{
    apic_access access = access_of(vmcs, cpu2, offset, bytes);
    if (!(cpu2 & VX_CPU2_VIRTUALIZE_APIC_ACCESSES)) return false;
    if (virtualized(&access, WRITABLE)) return emulation_exits(&access, value, exit);
    *exit = (vx_exit){.reason = VX_EXIT_APIC_ACCESS, .qualification = access.offset | ACCESS_WRITE};
    return true;
}

bool vx_vmcs_x2apic_write_exits(const vx_vmcs *vmcs, uint32_t cpu2, uint64_t msr, uint64_t value, vx_exit *exit)
{
    if (!(cpu2 & VX_CPU2_VIRTUALIZE_X2APIC)) return false;
    uint32_t priority = (uint32_t)value >> 4 & 0xF; /* of the TPR, or of the vector that self-IPI sends */
    if (msr == MSR_TPR) return vx_vmcs_tpr_write_exits(vmcs, cpu2, priority, exit);
    if (msr != MSR_SELF_IPI || !(cpu2 & VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY) || priority != 0) return false;
    *exit = (vx_exit){.reason = VX_EXIT_APIC_WRITE, .qualification = APIC_SELF_IPI};
    return true;
}
