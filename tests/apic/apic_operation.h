/* What a guest does with its APIC, at random: the same operations for the processor's help alone (tests/apic) and for
 * the hypervisor on the whole vCPU (tests/vmm). */
#ifndef APIC_OPERATION_H
#define APIC_OPERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "vx_random.h"

enum { APIC_OPERATIONS = 40 }; /* a sequence's */

typedef struct apic_operation {
    unsigned what; /* the test's own */
    uint8_t vector, tpr;
    bool flag;
} apic_operation;

/* One of `kinds`. Few vectors, so that they meet; TPR values without a low half, which AMD's V_TPR has not. */
static inline apic_operation apic_operation_draw(vx_random *random, unsigned kinds)
{
    static const uint8_t vectors[] = {0x31, 0x38, 0x41, 0x4F, 0x50, 0x5A, 0x81, 0xA3, 0xD1, 0xFD};
    apic_operation drawn; /* one by one: in an initializer the compiler chooses the order */
    drawn.what = (unsigned)vx_random_below(random, kinds);
    drawn.vector = vectors[vx_random_below(random, sizeof vectors)];
    drawn.tpr = (uint8_t)(vx_random_below(random, 16) << 4);
    drawn.flag = vx_random_below(random, 2);
    return drawn;
}

/* The environment's VX_APIC_SEQUENCES, else `usual`. */
static inline uint64_t apic_sequences(uint64_t usual)
{
    const char *text = getenv("VX_APIC_SEQUENCES");
    return text ? strtoull(text, NULL, 0) : usual;
}

#endif
