/* The hardware alone, without files, models or hypervisor: one walk in two dimensions, with libvexit-hw and libc.
 *
 *     cc bare_walk.c $(pkg-config --cflags --libs vexit-hw)
 *
 * A guest-physical address is its host-physical one here; nested tables lie from 4 KiB on, the guest's from 1 MiB on.
 */
#include <inttypes.h>
#include <stdio.h>

#include "vx_mmu.h"
#include "vx_radix.h"

enum { ALL_RIGHTS = VX_EPT_R | VX_EPT_W | VX_EPT_X, USER = VX_PTE_W | VX_PTE_U };

typedef struct machine {
    vx_arena arena;
    vx_physmem memory;
    vx_radix_table nested, guest;
    uint64_t next_nested, next_guest;
    vx_msg msg;
} machine;

static uint64_t nested_page(void *context, unsigned level)
{
    (void)level;
    return ((machine *)context)->next_nested += VX_PAGE_BYTES;
}

static vx_status map_nested(machine *m, uint64_t gpa)
{
    if (vx_radix_lookup(&m->nested, gpa, 1).present) return VX_OK;
    return vx_radix_map(&m->nested, gpa, gpa, VX_PAGE_4K, ALL_RIGHTS | 6 << 3 /* write-back */, ALL_RIGHTS, nested_page,
                        NULL, m, &m->msg);
}

static uint64_t guest_page(void *context, unsigned level)
{
    (void)level;
    machine *m = context;
    m->next_guest += VX_PAGE_BYTES;
    return map_nested(m, m->next_guest) == VX_OK ? m->next_guest : 0;
}

static void print_access(void *context, const vx_walk_access *access)
{
    unsigned *accesses = context;
    printf("%2u  gL%u nL%u  0x%" PRIx64 "\n", ++*accesses, access->guest_level, access->nested_level, access->at.v);
}

/* Processors are plain structs: two first-level TLBs of 64 entries and nothing that remembers a walk. */
static vx_cfg_cpu small_cpu(void)
{
    vx_cfg_cpu cpu = {.name = "small",
                      .vendor = VX_VENDOR_INTEL,
                      .tlb_count = 2,
                      .core = {.cpi_milli = 1000, .walkers = 1, .walk_exposure_milli = 1000}};
    for (unsigned i = 0; i < 2; i++) {
        cpu.tlb[i].level = i ? VX_TLB_L1I : VX_TLB_L1D;
        cpu.tlb[i].accesses = (uint8_t)(i ? 1 << VX_ACCESS_FETCH : 1 << VX_ACCESS_LOAD | 1 << VX_ACCESS_STORE);
        cpu.tlb[i].array[cpu.tlb[i].array_count++] =
            (vx_cfg_tlb_array){.entries = 64, .ways = 4, .pages = 1 << VX_PAGE_4K};
    }
    cpu.paging.physical_bits = 40;
    cpu.paging.virtual_bits = 48;
    cpu.memory.walk_access_ticks = 9;
    return cpu;
}

static vx_status build(machine *m, uint64_t gva, uint64_t gpa)
{
    vx_status status = vx_physmem_init(&m->memory, 16 << 20, &m->msg);
    if (status != VX_OK) return status;
    m->next_guest = 1 << 20;
    m->nested = (vx_radix_table){.format = &vx_radix_ept4, .root = nested_page(m, 4), .memory = &m->memory};
    m->guest = (vx_radix_table){.format = &vx_radix_4level, .root = guest_page(m, 4), .memory = &m->memory};
    status = vx_radix_map(&m->guest, gva, gpa, VX_PAGE_4K, USER, USER, guest_page, NULL, m, &m->msg);
    return status == VX_OK ? map_nested(m, gpa) : status;
}

static int walk(machine *m, uint64_t gva)
{
    vx_cfg_cpu cpu = small_cpu();
    vx_ledger ledger = {{0}};
    vx_mmu *mmu;
    if (vx_mmu_init(&mmu, &m->arena, &cpu, &m->memory, &ledger, &m->msg) != VX_OK) return 1;
    vx_mmu_control control = {.paging = VX_PAGING_4LEVEL,
                              .root = m->guest.root,
                              .cpl = 3,
                              .vpid = 1,
                              .nested = VX_NESTED_EPT,
                              .nested_root = m->nested.root,
                              .nested_levels = 4};
    vx_mmu_load(mmu, &control);
    unsigned accesses = 0;
    vx_mmu_observe(mmu, print_access, &accesses);
    vx_mmu_translation translation;
    vx_mmu_fault fault;
    if (vx_mmu_access(mmu, (vx_gva){gva}, VX_ACCESS_LOAD, &translation, &fault) != VX_MMU_DONE) return 1;
    printf("%u accesses, %" PRIu64 " cycles: host-physical 0x%" PRIx64 "\n", accesses, vx_ledger_total(&ledger),
           translation.hpa.v);
    return 0;
}

int main(void)
{
    machine m = {.next_nested = 0};
    vx_arena_init(&m.arena);
    const uint64_t gva = 0x7f0012345678, gpa = 0x800000;
    int code = build(&m, gva, gpa) == VX_OK ? walk(&m, gva) : 1;
    if (code) fprintf(stderr, "%s\n", m.msg.text);
    vx_physmem_fini(&m.memory);
    vx_arena_fini(&m.arena);
    return code;
}
