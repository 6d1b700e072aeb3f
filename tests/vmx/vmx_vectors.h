/* For every VM-entry check a state that must fail it, and its neighbour that must pass: written from SDM Vol. 3C 26.2
 * and 26.3.1, with numbers where the manual has numbers. Each row: changes of the valid image that bring the check into
 * play, the change that breaks it, the change that does not. */
#ifndef VMX_VECTORS_H
#define VMX_VECTORS_H

#include "vmx_world.h"

typedef struct vmx_vector {
    const char *id;
    mutation bad, good;
    mutation setup[26];
} vmx_vector;

extern const vmx_vector vmx_control_vectors[], vmx_host_vectors[], vmx_guest_vectors[];
extern const unsigned vmx_control_vector_count, vmx_host_vector_count, vmx_guest_vector_count;

/* The same rule for several segment registers is one template; `index` counts rules times registers. `id` has 64 bytes.
 */
unsigned vmx_segment_vector_count(void);
void vmx_segment_vector(unsigned index, vmx_vector *vector, char *id);

#define PIN(bits) O(PIN_CONTROLS, bits)
#define CPU(bits) O(CPU_CONTROLS, bits)
#define CPU2(bits) CPU(1U << 31), O(CPU2_CONTROLS, bits)
#define CPU3(bits) CPU(1U << 17), O(CPU3_CONTROLS, bits)
#define EXIT(bits) O(EXIT_CONTROLS, bits)
#define ENTRY(bits) O(ENTRY_CONTROLS, bits)
#define B(n) (1ULL << (n))
#define BEYOND (1ULL << 40) /* the first bit beyond the physical-address width */
#define LAST_PAGE (BEYOND - 0x1000)
#define NOT_CANONICAL (1ULL << 56)
#define CANONICAL (UINT64_MAX << 56)

#endif
