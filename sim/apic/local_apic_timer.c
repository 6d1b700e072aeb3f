/* The APIC timer: one-shot, periodic, TSC-deadline.
 *
 * SDM Vol. 3A 10.5.4, 10.5.4.1. The count is never stored per tick: it is `count` at `since` and one less every period.
 * A masked timer counts on. The time-stamp counter of the deadline mode is the caller's `now`. */
#include "apic_private.h"

/* Divide configuration, bits 3, 1 and 0: 2, 4, 8, ... 128, then 1 (Figure 10-10). */
static unsigned divisor(uint32_t configuration)
{
    unsigned code = (configuration & 3) | (configuration >> 1 & 4);
    return code == 7 ? 1 : 2U << code;
}

static uint64_t period(const vx_apic *apic)
{
    return (uint64_t)divisor(apic_get(apic, VX_APIC_DIVIDE)) * apic->setup.timer_ticks;
}

static uint32_t mode(const vx_apic *apic) { return apic->timer.mode; }

static bool counts(const vx_apic *apic) { return apic->timer.running && mode(apic) != TIMER_TSC_DEADLINE; }

uint32_t apic_timer_count(const vx_apic *apic, vx_tick now)
{
    if (!counts(apic)) return 0;
    uint64_t passed = now > apic->timer.since ? (now - apic->timer.since) / period(apic) : 0;
    return passed < apic->timer.count ? apic->timer.count - (uint32_t)passed : 0;
}

void apic_timer_start(vx_apic *apic, uint32_t initial, vx_tick now)
{
    if (mode(apic) == TIMER_TSC_DEADLINE) { /* writes of the initial count are ignored */
        apic_put(apic, VX_APIC_INITIAL_COUNT, 0);
        return;
    }
    apic->timer.running = initial != 0;
    apic->timer.count = initial;
    apic->timer.since = now;
}

void apic_timer_divide(vx_apic *apic, uint32_t divide, vx_tick now)
{
    uint32_t count = apic_timer_count(apic, now);
    apic_put(apic, VX_APIC_DIVIDE, divide);
    if (!counts(apic)) return;
    apic->timer.count = count;
    apic->timer.since = now;
}

void apic_timer_mode_written(vx_apic *apic)
{
    bool was = mode(apic) == TIMER_TSC_DEADLINE;
    apic->timer.mode = apic_get(apic, VX_APIC_LVT_TIMER) & LVT_TIMER_MODE;
    bool is = mode(apic) == TIMER_TSC_DEADLINE;
    if (was == is) return;
    apic->timer.running = false;
    apic->timer.deadline = 0;
    apic_put(apic, VX_APIC_INITIAL_COUNT, 0);
}

void apic_timer_set_deadline(vx_apic *apic, uint64_t deadline, vx_tick now)
{
    if (mode(apic) == TIMER_TSC_DEADLINE) apic->timer.deadline = deadline;
    vx_apic_timer_advance(apic, now);
}

uint64_t apic_timer_deadline(const vx_apic *apic) { return apic->timer.deadline; }

/* The tick at which the count reaches 0, or the deadline; VX_TICK_NEVER where nothing runs. */
static vx_tick due(const vx_apic *apic)
{
    if (mode(apic) == TIMER_TSC_DEADLINE) return apic->timer.deadline ? apic->timer.deadline : VX_TICK_NEVER;
    if (!apic->timer.running) return VX_TICK_NEVER;
    uint64_t left = apic->timer.count * period(apic);
    return left < VX_TICK_NEVER - apic->timer.since ? apic->timer.since + left : VX_TICK_NEVER;
}

/* The next period of a periodic timer begins where the last one ended, however late that was noticed. */
static void reload(vx_apic *apic, vx_tick end, vx_tick now)
{
    uint64_t whole = apic_get(apic, VX_APIC_INITIAL_COUNT) * period(apic);
    apic->timer.count = apic_get(apic, VX_APIC_INITIAL_COUNT);
    apic->timer.since = whole ? end + (now - end) / whole * whole : now;
}

void vx_apic_timer_advance(vx_apic *apic, vx_tick now)
{
    vx_tick end = due(apic);
    if (end == VX_TICK_NEVER || now < end) return;
    if (mode(apic) == TIMER_PERIODIC)
        reload(apic, end, now);
    else
        apic->timer.running = false;
    apic->timer.deadline = 0;
    (void)vx_apic_raise(apic, VX_APIC_LVT_TIMER);
}

vx_tick vx_apic_timer_due(const vx_apic *apic)
{
    return apic_get(apic, VX_APIC_LVT_TIMER) & LVT_MASKED ? VX_TICK_NEVER : due(apic);
}
