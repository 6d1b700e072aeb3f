/* Priorities and the way of a fixed interrupt: requested, in service, dismissed.
 *
 * SDM Vol. 3A 10.8.3 (priorities), 10.8.4 (acceptance: IRR and ISR), 10.8.5 (EOI), 10.6.2.4 (arbitration), 10.9
 * (spurious interrupts), 10.12.9 with 10.8.5 (EOI-broadcast suppression). */
#include "apic_private.h"

enum { SVR_SUPPRESS_BROADCAST = 1 << 12 };

void vx_apic_page_update_priority(uint8_t *page)
{
    uint8_t tpr = (uint8_t)vx_apic_get(page, VX_APIC_TPR);
    vx_apic_put(page, VX_APIC_PPR, vx_apic_processor_priority(tpr, vx_apic_vector_highest(page, VX_APIC_ISR)));
}

static uint8_t pending(const uint8_t *page)
{
    uint8_t request = vx_apic_vector_highest(page, VX_APIC_IRR);
    return request >> 4 > (uint8_t)vx_apic_get(page, VX_APIC_PPR) >> 4 ? request : 0;
}

uint8_t vx_apic_page_take(uint8_t *page)
{
    uint8_t vector = pending(page);
    if (!vector) return 0;
    vx_apic_vector_clear(page, VX_APIC_IRR, vector);
    vx_apic_vector_set(page, VX_APIC_ISR, vector);
    vx_apic_page_update_priority(page);
    return vector;
}

uint8_t vx_apic_page_end(uint8_t *page)
{
    uint8_t vector = vx_apic_vector_highest(page, VX_APIC_ISR);
    if (!vector) return 0;
    vx_apic_vector_clear(page, VX_APIC_ISR, vector);
    vx_apic_page_update_priority(page);
    return vector;
}

void vx_apic_update_priority(vx_apic *apic) { vx_apic_page_update_priority(apic->setup.page); }

uint8_t vx_apic_cr8(const vx_apic *apic) { return (uint8_t)(apic_get(apic, VX_APIC_TPR) >> 4 & 0xF); }

void vx_apic_set_cr8(vx_apic *apic, uint8_t priority)
{
    apic_put(apic, VX_APIC_TPR, (priority & 0xFU) << 4);
    vx_apic_update_priority(apic);
}

uint8_t vx_apic_arbitration_priority(const vx_apic *apic)
{
    uint8_t tpr = (uint8_t)apic_get(apic, VX_APIC_TPR), task = tpr >> 4;
    uint8_t service = vx_apic_vector_highest(apic->setup.page, VX_APIC_ISR) >> 4;
    uint8_t request = vx_apic_vector_highest(apic->setup.page, VX_APIC_IRR) >> 4;
    if (task >= request && task > service) return tpr;
    uint8_t common = task & service;
    return (uint8_t)((common > request ? common : request) << 4);
}

uint8_t vx_apic_pending(const vx_apic *apic) { return pending(apic->setup.page); }

uint8_t vx_apic_acknowledge(vx_apic *apic)
{
    uint8_t vector = vx_apic_page_take(apic->setup.page);
    return vector ? vector : (uint8_t)apic_get(apic, VX_APIC_SVR);
}

uint8_t vx_apic_end_of_interrupt(vx_apic *apic)
{
    uint8_t vector = vx_apic_page_end(apic->setup.page);
    bool broadcast = vector && vx_apic_vector_test(apic->setup.page, VX_APIC_TMR, vector) &&
                     !(apic_get(apic, VX_APIC_SVR) & SVR_SUPPRESS_BROADCAST);
    if (broadcast && apic->setup.end_of_interrupt) apic->setup.end_of_interrupt(apic->setup.bus, vector);
    return vector;
}

static bool accept_fixed(vx_apic *apic, const vx_interrupt_message *message)
{
    if (message->vector < 16) {
        vx_apic_error(apic, VX_APIC_ERROR_RECEIVE_VECTOR);
        return false;
    }
    if (!vx_apic_software_enabled(apic)) return false;
    vx_apic_vector_set(apic->setup.page, VX_APIC_IRR, message->vector);
    if (message->level)
        vx_apic_vector_set(apic->setup.page, VX_APIC_TMR, message->vector);
    else
        vx_apic_vector_clear(apic->setup.page, VX_APIC_TMR, message->vector);
    return true;
}

bool vx_apic_accept(vx_apic *apic, const vx_interrupt_message *message)
{
    static const uint8_t events[8] = {[VX_DELIVERY_SMI] = VX_APIC_EVENT_SMI,
                                      [VX_DELIVERY_NMI] = VX_APIC_EVENT_NMI,
                                      [VX_DELIVERY_INIT] = VX_APIC_EVENT_INIT,
                                      [VX_DELIVERY_STARTUP] = VX_APIC_EVENT_STARTUP,
                                      [VX_DELIVERY_EXTINT] = VX_APIC_EVENT_EXTINT};
    if (vx_apic_mode_of(apic) == VX_APIC_DISABLED) return false;
    if (message->delivery == VX_DELIVERY_FIXED || message->delivery == VX_DELIVERY_LOWEST_PRIORITY)
        return accept_fixed(apic, message);
    uint8_t event = events[message->delivery & 7];
    apic->events |= event;
    if (event == VX_APIC_EVENT_STARTUP) apic->startup_vector = message->vector;
    return event != 0;
}
