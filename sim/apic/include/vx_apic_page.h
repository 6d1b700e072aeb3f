/* The register file of a local APIC as a page: where each register lies, and the 256-bit registers in it.
 *
 * SDM Vol. 3A, Table 10-1 (register address map) and Figure 10-20 (IRR, ISR, TMR): every register is the low 4 bytes of
 * 16, a 256-bit register is eight of them. The same layout serves a physical local APIC, the virtual-APIC page of a
 * VMCS (Vol. 3C 29.1.1) and AVIC's backing page (APM Vol. 2, 15.29.3), so a hypervisor's software APIC can live in the
 * page that the processor looks at. An x2APIC register's MSR is 800H + offset / 16 (10.12.1.2). */
#ifndef VX_APIC_PAGE_H
#define VX_APIC_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { VX_APIC_PAGE_BYTES = 4096 };

/* Offsets in the page, in bytes. */
enum {
    VX_APIC_ID = 0x020,
    VX_APIC_VERSION = 0x030,
    VX_APIC_TPR = 0x080,
    VX_APIC_APR = 0x090,
    VX_APIC_PPR = 0x0A0,
    VX_APIC_EOI = 0x0B0,
    VX_APIC_RRD = 0x0C0, /* remote read */
    VX_APIC_LDR = 0x0D0,
    VX_APIC_DFR = 0x0E0,
    VX_APIC_SVR = 0x0F0,
    VX_APIC_ISR = 0x100, /* 256 bits: up to 170H */
    VX_APIC_TMR = 0x180,
    VX_APIC_IRR = 0x200,
    VX_APIC_ESR = 0x280,
    VX_APIC_LVT_CMCI = 0x2F0,
    VX_APIC_ICR_LOW = 0x300,
    VX_APIC_ICR_HIGH = 0x310,        /* xAPIC */
    VX_APIC_ICR_HIGH_X2APIC = 0x304, /* x2APIC: the MSR's upper half lies behind its lower */
    VX_APIC_LVT_TIMER = 0x320,
    VX_APIC_LVT_THERMAL = 0x330,
    VX_APIC_LVT_PERFORMANCE = 0x340,
    VX_APIC_LVT_LINT0 = 0x350,
    VX_APIC_LVT_LINT1 = 0x360,
    VX_APIC_LVT_ERROR = 0x370,
    VX_APIC_INITIAL_COUNT = 0x380,
    VX_APIC_CURRENT_COUNT = 0x390,
    VX_APIC_DIVIDE = 0x3E0,
    VX_APIC_SELF_IPI = 0x3F0, /* x2APIC only */
};

enum {
    VX_MSR_APIC_BASE = 0x01B,
    VX_MSR_TSC_DEADLINE = 0x6E0,
    VX_MSR_X2APIC_FIRST = 0x800,
    VX_MSR_X2APIC_LAST = 0x8FF,
};

/* Between a register's byte offset in the page (a multiple of 16) and its MSR in x2APIC mode (SDM Vol. 3A, 10.12.1.2).
 */
static inline uint32_t vx_apic_msr(uint32_t offset) { return VX_MSR_X2APIC_FIRST + offset / 16; }
static inline uint32_t vx_apic_offset(uint64_t msr) { return ((uint32_t)msr & 0xFF) << 4; }

/* The 32-bit register at a byte offset (at most FFCH). */
static inline uint32_t vx_apic_get(const uint8_t *page, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, page + offset, sizeof value);
    return value;
}

/* Writes it. */
static inline void vx_apic_put(uint8_t *page, uint32_t offset, uint32_t value)
{
    memcpy(page + offset, &value, sizeof value);
}

/* Where vector v's bit lies: bit (v & 1FH) at offset base | ((v & E0H) >> 1). */
static inline uint32_t vx_apic_vector_offset(uint32_t base, uint8_t vector) { return base + ((vector & 0xE0U) >> 1); }

/* A vector's bit of ISR, TMR or IRR, whose first register is at `base`: read, set, cleared (10.8.4). */
static inline bool vx_apic_vector_test(const uint8_t *page, uint32_t base, uint8_t vector)
{
    return vx_apic_get(page, vx_apic_vector_offset(base, vector)) >> (vector & 0x1F) & 1;
}

static inline void vx_apic_vector_set(uint8_t *page, uint32_t base, uint8_t vector)
{
    uint32_t at = vx_apic_vector_offset(base, vector);
    vx_apic_put(page, at, vx_apic_get(page, at) | 1U << (vector & 0x1F));
}

static inline void vx_apic_vector_clear(uint8_t *page, uint32_t base, uint8_t vector)
{
    uint32_t at = vx_apic_vector_offset(base, vector);
    vx_apic_put(page, at, vx_apic_get(page, at) & ~(1U << (vector & 0x1F)));
}

/* The highest vector whose bit is set, or 0 where none is: vectors below 16 are illegal, so 0 is none's. */
static inline uint8_t vx_apic_vector_highest(const uint8_t *page, uint32_t base)
{
    for (unsigned word = 8; word-- > 0;) {
        uint32_t bits = vx_apic_get(page, base + word * 16);
        if (bits) return (uint8_t)(word * 32 + 31 - (unsigned)__builtin_clz(bits));
    }
    return 0;
}

/* Processor priority from a task priority and the highest vector in service (SDM Vol. 3A 10.8.3.1). */
static inline uint8_t vx_apic_processor_priority(uint8_t tpr, uint8_t in_service)
{
    return (tpr >> 4) >= (in_service >> 4) ? tpr : in_service & 0xF0;
}

/* The way of a fixed interrupt through the page, for an APIC whose registers it holds: local_apic_priority.c. */

/* PPR from TPR and ISR. */
void vx_apic_page_update_priority(uint8_t *page);
/* The pending vector, the highest requested one if its class is above PPR's, goes from IRR to ISR and PPR follows.
 * Returns it, or 0 where none is pending. */
uint8_t vx_apic_page_take(uint8_t *page);
/* The highest vector leaves ISR and PPR follows. Returns it, or 0. */
uint8_t vx_apic_page_end(uint8_t *page);

#endif
