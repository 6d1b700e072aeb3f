/* One vCPU on one MMU for the tests of the step: memory with hand-made tables, and a hypervisor that does what the test
 * tells it. */
#ifndef VCPU_WORLD_H
#define VCPU_WORLD_H

#include "vx_mmu.h"
#include "vx_radix.h"
#include "vx_vcpu.h"

enum { VCPU_EXITS_KEPT = 64, VCPU_VECTORS_KEPT = 16 };

typedef struct vcpu_world {
    vx_arena arena;
    vx_physmem memory;
    vx_ledger ledger;
    vx_cfg_cpu cpu;
    vx_mmu *mmu;
    vx_queue queue;
    vx_gpa_map ram;
    vx_vcpu *vcpu;
    vx_msg msg;
    uint64_t next_page;
    uint64_t root;

    /* The hypervisor: what it was told, and what it answers. */
    vx_vmcs vmcs;
    vx_exit exits[VCPU_EXITS_KEPT];
    vx_registers at_exit; /* registers when the last exit came */
    unsigned exit_count;
    vx_resume resume;
    uint64_t handler_ticks;
    bool inject; /* the next page-fault exit is injected back */

    /* The guest OS: maps what is missing and queues its events. */
    bool os;
    unsigned faults;
    unsigned flood; /* records more than the queue holds */

    /* The guest's APIC, and the vectors that were delivered. Handlers queue nothing: the test says when IRET comes. */
    vx_apic apic;
    uint8_t apic_page[VX_APIC_PAGE_BYTES];
    uint8_t vectors[VCPU_VECTORS_KEPT];
    unsigned vector_count;

    /* --check: translations told of; the one of this number is refused (0: none). */
    unsigned told, refused;
    vx_hpa last;
} vcpu_world;

typedef struct vcpu_world_options {
    bool hypervisor; /* VMX operation with world->vmcs, which the test sets up */
    vx_resume (*on_exit)(void *world, vx_vcpu *vcpu, const vx_exit *exit, const vx_record *record,
                         const uint64_t *payload); /* NULL: keeps the exit and answers world->resume */
    bool os;
    bool apic; /* ID 0, enabled by software */
    bool checker;
    vx_cache_mode caches;
    uint32_t cpi_milli; /* 0: 1000 */
} vcpu_world_options;

void vcpu_world_open(vcpu_world *world, const vcpu_world_options *options);
void vcpu_world_close(vcpu_world *world);

/* CPL 3, 4-level paging on, root as given. */
void vcpu_world_boot(vcpu_world *world);
uint64_t vcpu_page(vcpu_world *world);
/* Maps a page for everybody; returns its frame. */
uint64_t vcpu_map(vcpu_world *world, uint64_t gva);
/* EPT of one 4K page at `gpa`, with this leaf entry; returns its EPTP (write-back, 4 levels). */
uint64_t vcpu_ept(vcpu_world *world, uint64_t gpa, uint64_t leaf);

/* Runs a batch from `position`, without limits. */
vx_stop vcpu_run_all(vcpu_world *world, const vx_record *records, size_t count, const uint64_t *payload, size_t words);
/* One record that must not stop with an error. */
void vcpu_do(vcpu_world *world, vx_record_kind kind, unsigned size, uint64_t addr, const uint64_t *payload,
             unsigned words);

static inline vx_record vcpu_fetch(uint64_t gva, unsigned count, unsigned bytes)
{
    return (vx_record){.kind = VX_REC_FETCH, .addr = gva, .count = (uint16_t)count, .arg = bytes};
}
static inline vx_record vcpu_load(uint64_t gva, unsigned bytes)
{
    return (vx_record){.kind = VX_REC_LOAD, .addr = gva, .count = 1, .size = (uint8_t)bytes};
}
static inline vx_record vcpu_store(uint64_t gva, unsigned bytes)
{
    return (vx_record){.kind = VX_REC_STORE, .addr = gva, .count = 1, .size = (uint8_t)bytes};
}

const vx_vcpu_counts *vcpu_counts(const vcpu_world *world);
/* Lookups of all first-level TLBs. */
uint64_t vcpu_lookups(vcpu_world *world);
uint64_t vcpu_flushes(vcpu_world *world, vx_mmu_op op);

#endif
