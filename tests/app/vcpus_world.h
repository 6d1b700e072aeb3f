/* Programs for the vCPUs of one VM, from memory, and the machines that run them. */
#ifndef TESTS_APP_VCPUS_WORLD_H
#define TESTS_APP_VCPUS_WORLD_H

#include "sim_figures.h"
#include "vx_trace.h"

enum { VCPUS_MAX = 4, VCPUS_SETS_MAX = 12, VCPUS_VECTOR = 0x41, VCPUS_IPI_TICKS = 1000 };
#define VCPUS_ALL_BUT_SELF (3U << 18) /* shorthand of an interrupt command */

/* ---- programs ---- */

typedef struct vcpus_program {
    vx_record records[20000];
    uint64_t payload[400];
    size_t count;
    uint32_t words;
} vcpus_program;

extern vcpus_program vcpus_programs[VCPUS_MAX];

void vcpus_begin(unsigned vcpus); /* empties them */
void vcpus_add(unsigned vcpu, vx_record record);
void vcpus_compute(unsigned vcpu, unsigned blocks); /* of ten instructions */
void vcpus_send(unsigned vcpu, uint64_t icr);       /* writes the x2APIC's interrupt command register */

/* ---- runs ---- */

typedef struct vcpus_machine {
    const char *cpu, *scheme;
    const char *set[3];
    unsigned external; /* exits of a vCPU that is interrupted while it runs */
} vcpus_machine;

/* The last two have shared shadow pages: of these the hypervisor tells the others too, and who waits for it is in no
 * guest that could exit. */
enum { VCPUS_MACHINES = 8, VCPUS_PLAIN_MACHINES = VCPUS_MACHINES - 2 };
extern const vcpus_machine vcpus_machines[VCPUS_MACHINES];
extern const unsigned vcpus_numbers[VCPUS_MAX]; /* 0, 1, ... */

typedef struct vcpus_setup {
    vx_sim_options options;
    const char *sets[VCPUS_SETS_MAX];
} vcpus_setup;

/* A trace a vCPU, from the programs, with --check; more assignments may follow. */
vcpus_setup vcpus_setup_of(const vcpus_machine *machine, unsigned vcpus);
void vcpus_set(vcpus_setup *setup, const char *assignment);
/* Opens and runs; fails the test where that fails. */
vx_sim *vcpus_run(vcpus_setup *setup);

uint64_t vcpus_external_exits(const vx_sim *sim); /* of either vendor's name */
/* One figure of one vCPU (object NULL: of no object), 0 where it is not there. */
uint64_t vcpus_figure_of(const vx_sim *sim, unsigned vcpu, const char *object, const char *member);

#endif
