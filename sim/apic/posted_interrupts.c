/* The posted-interrupt descriptor and its processing: SDM Vol. 3C 29.6, Table 29-1. The bits beside PIR and ON are
 * software's and other agents'; NV, NDST and SN are those of the VT-d specification, 9.10 (and of 29.1.6). */
#include "virtual_apic_private.h"

enum { CONTROL = 32, CONTROL_ON = 1, CONTROL_SN = 2, VECTOR = 34, DESTINATION = 36 };

void vx_posted_init(vx_posted *posted, uint8_t notification_vector, uint32_t destination)
{
    memset(posted, 0, sizeof *posted);
    posted->bytes[VECTOR] = notification_vector;
    memcpy(posted->bytes + DESTINATION, &destination, sizeof destination);
}

bool vx_posted_outstanding(const vx_posted *posted) { return posted->bytes[CONTROL] & CONTROL_ON; }

void vx_posted_suppress(vx_posted *posted, bool suppress)
{
    posted->bytes[CONTROL] = (uint8_t)((posted->bytes[CONTROL] & ~CONTROL_SN) | (suppress ? CONTROL_SN : 0));
}

uint8_t vx_posted_vector(const vx_posted *posted) { return posted->bytes[VECTOR]; }

uint32_t vx_posted_destination(const vx_posted *posted)
{
    uint32_t destination;
    memcpy(&destination, posted->bytes + DESTINATION, sizeof destination);
    return destination;
}

bool vx_posted_post(vx_posted *posted, uint8_t vector)
{
    posted->bytes[vector / 8] |= (uint8_t)(1U << vector % 8);
    if (posted->bytes[CONTROL] & (CONTROL_ON | CONTROL_SN)) return false;
    posted->bytes[CONTROL] |= CONTROL_ON;
    return true;
}

void vx_virtual_apic_process_posted(vx_virtual_apic *v, vx_posted *posted)
{
    posted->bytes[CONTROL] &= (uint8_t)~CONTROL_ON;
    for (unsigned word = 0; word < 8; word++) {
        uint32_t requests, at = VX_APIC_IRR + word * 16;
        memcpy(&requests, posted->bytes + word * 4, sizeof requests);
        if (!requests) continue;
        vx_apic_put(v->page, at, vx_apic_get(v->page, at) | requests);
        uint8_t highest = (uint8_t)(word * 32 + 31 - (unsigned)__builtin_clz(requests));
        if (highest > v->rvi) v->rvi = highest;
        memset(posted->bytes + word * 4, 0, sizeof requests);
    }
    vapic_evaluate(v);
}
