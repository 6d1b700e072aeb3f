/* Life of a local APIC: power-up, INIT, and its modes by IA32_APIC_BASE.
 *
 * SDM Vol. 3A 10.4.3, 10.4.4 (global enable), 10.4.7 (states), 10.12.1 and 10.12.5 (x2APIC mode and its transitions).
 */
#include "apic_private.h"

#define BASE_BOOTSTRAP (1ULL << 8)
#define BASE_X2APIC (1ULL << 10)
#define BASE_ENABLED (1ULL << 11)
#define BASE_DEFAULT 0xFEE00000ULL

enum {
    VERSION = 0x14, /* an integrated APIC of the Pentium 4 and later: 14H or 15H */
    LVT_ENTRIES = 7,
    VERSION_EOI_SUPPRESSION = 1 << 24,
};

static void put_identity(vx_apic *apic)
{
    uint32_t id = apic->setup.id;
    if (vx_apic_mode_of(apic) != VX_APIC_X2APIC) {
        apic_put(apic, VX_APIC_ID, id << 24);
        apic_put(apic, VX_APIC_DFR, UINT32_MAX);
        return;
    }
    apic_put(apic, VX_APIC_ID, id);
    apic_put(apic, VX_APIC_LDR, (id & 0xFFFF0) << 12 | 1U << (id & 0xF)); /* 10.12.10.2 */
    apic_put(apic, VX_APIC_DFR, 0);
}

void vx_apic_reset(vx_apic *apic)
{
    uint32_t xapic_id = apic_get(apic, VX_APIC_ID);
    memset(apic->setup.page, 0, VX_APIC_PAGE_BYTES);
    apic->errors = 0;
    apic->events = 0;
    apic->timer.running = false;
    apic->timer.mode = 0;
    apic->timer.deadline = 0;
    apic_put(apic, VX_APIC_VERSION,
             VERSION | (LVT_ENTRIES - 1) << 16 | (apic->setup.eoi_suppression ? VERSION_EOI_SUPPRESSION : 0));
    apic_put(apic, VX_APIC_SVR, 0xFF);
    apic_mask_sources(apic);
    put_identity(apic);
    if (vx_apic_mode_of(apic) == VX_APIC_XAPIC) apic_put(apic, VX_APIC_ID, xapic_id);
}

void vx_apic_init(vx_apic *apic, const vx_apic_setup *setup)
{
    *apic = (vx_apic){.setup = *setup};
    apic->base = BASE_DEFAULT | BASE_ENABLED | (setup->bootstrap ? BASE_BOOTSTRAP : 0);
    apic_put(apic, VX_APIC_ID, setup->id << 24);
    vx_apic_reset(apic);
}

vx_apic_mode vx_apic_mode_of(const vx_apic *apic)
{
    if (!(apic->base & BASE_ENABLED)) return VX_APIC_DISABLED;
    return apic->base & BASE_X2APIC ? VX_APIC_X2APIC : VX_APIC_XAPIC;
}

/* Figure 10-27: from xAPIC mode everything but the invalid state; to x2APIC mode only from xAPIC mode, out of it only
 * to disabled. */
static bool legal_transition(const vx_apic *apic, uint64_t base)
{
    bool enabled = base & BASE_ENABLED, x2apic = base & BASE_X2APIC;
    if (x2apic && (!enabled || !apic->setup.x2apic)) return false;
    switch (vx_apic_mode_of(apic)) {
    case VX_APIC_DISABLED:
        return !x2apic;
    case VX_APIC_X2APIC:
        return x2apic || !enabled;
    default:
        return true;
    }
}

static vx_apic_result write_base(vx_apic *apic, uint64_t base)
{
    uint64_t reserved = 0x2FF; /* bits 9 and 7:0 */
    if (apic->setup.physical_bits < 64) reserved |= ~0ULL << apic->setup.physical_bits;
    if ((base & reserved) || !legal_transition(apic, base)) return VX_APIC_FAULT;
    vx_apic_mode before = vx_apic_mode_of(apic);
    apic->base = (base & ~BASE_BOOTSTRAP) | (apic->base & BASE_BOOTSTRAP);
    vx_apic_mode after = vx_apic_mode_of(apic);
    if (after == before) return VX_APIC_DONE;
    if (after == VX_APIC_DISABLED || before == VX_APIC_DISABLED) { /* 10.4.3: enabling is a power-up */
        apic_put(apic, VX_APIC_ID, apic->setup.id << 24);
        vx_apic_reset(apic);
        return VX_APIC_DONE;
    }
    put_identity(apic);
    apic_put(apic, VX_APIC_ICR_HIGH, 0);
    return VX_APIC_DONE;
}

vx_apic_result vx_apic_rdmsr(vx_apic *apic, uint32_t msr, vx_tick now, uint64_t *value)
{
    if (msr == VX_MSR_APIC_BASE) {
        *value = apic->base;
        return VX_APIC_DONE;
    }
    if (msr == VX_MSR_TSC_DEADLINE) {
        if (!apic->setup.tsc_deadline) return VX_APIC_FAULT;
        vx_apic_timer_advance(apic, now);
        *value = apic_timer_deadline(apic);
        return VX_APIC_DONE;
    }
    return apic_x2apic_read(apic, msr, now, value);
}

vx_apic_result vx_apic_wrmsr(vx_apic *apic, uint32_t msr, uint64_t value, vx_tick now)
{
    if (msr == VX_MSR_APIC_BASE) return write_base(apic, value);
    if (msr == VX_MSR_TSC_DEADLINE) {
        if (!apic->setup.tsc_deadline) return VX_APIC_FAULT;
        apic_timer_set_deadline(apic, value, now);
        return VX_APIC_DONE;
    }
    return apic_x2apic_write(apic, msr, value, now);
}
