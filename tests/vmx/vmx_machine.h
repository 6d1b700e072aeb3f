/* A processor with memory for the tests of VMX instructions and transitions, and where things lie in that memory. */
#ifndef VMX_MACHINE_H
#define VMX_MACHINE_H

#include "vmx_world.h"
#include "vx_vmx.h"

enum {
    MACHINE_BYTES = 1 << 20,
    VMXON_REGION = 0x10000,
    VMCS_A = 0x11000,
    VMCS_B = 0x12000,
    SHADOW_REGION = 0x13000,
    FOREIGN_REGION = 0x14000, /* of another revision */
    MSR_ENTRY_LOAD = 0x15000,
    MSR_EXIT_STORE = 0x16000,
    MSR_EXIT_LOAD = 0x17000,
    BITMAP_A = 0x18000,
    BITMAP_B = 0x19000,
    VIRTUAL_APIC = 0x1A000,
    EPTP_LIST = 0x1B000,
    HOST_PDPTES = 0x1C000
};

typedef struct machine {
    vx_physmem memory;
    vx_vmx vmx;
} machine;

/* CMocka's group fixtures: *state is the machine, whose processor has every feature. */
int machine_open(void **state);
int machine_close(void **state);
/* Back to the start: memory as at first, processor outside VMX operation. */
void machine_reset(machine *m);
/* In VMX root operation with VMCS_A current, clear and filled with the valid image. */
void machine_ready(machine *m);
/* ... and launched: in non-root operation. */
void machine_launched(machine *m);
void machine_write(machine *m, uint32_t encoding, uint64_t value); /* VMWRITE that must succeed */
uint64_t machine_read(machine *m, uint32_t encoding);              /* VMREAD that must succeed */
void machine_or(machine *m, uint32_t encoding, uint64_t bits);
void machine_msr(machine *m, uint64_t area, unsigned entry, uint64_t index, uint64_t value);
/* A VM exit for a reason that needs nothing else (CPUID). */
vx_vmx_result machine_cpuid(machine *m);

#endif
