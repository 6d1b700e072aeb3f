#include "ept_world.h"

enum { BYTES = 1 << 20 };

ept_world w;

void write_at(uint64_t at, uint64_t value) { vx_physmem_write64(&w.memory, (vx_hpa){at}, value); }
uint64_t read_at(uint64_t at) { return vx_physmem_read64(&w.memory, (vx_hpa){at}); }

void load(void)
{
    vx_mmu_load(w.mmu, &(vx_mmu_control){.paging = VX_PAGING_NONE});
    vx_mmu_load(w.mmu, &w.control);
    vx_mmu_invalidate(w.mmu, &(vx_mmu_invalidation){.op = VX_OP_INVEPT_ALL});
}

void open_ept(unsigned levels)
{
    w = (ept_world){.cpu = test_cpu_nehalem(), .pml = 511};
    w.cpu.paging.physical_bits = 40;
    w.cpu.vmx.ept_execute_only = false;
    w.cpu.vmx.ept_1g = true;
    vx_msg msg;
    vx_arena_init(&w.arena);
    assert_int_equal(vx_physmem_init(&w.memory, BYTES, &msg), VX_OK);
    assert_int_equal(vx_mmu_init(&w.mmu, &w.arena, &w.cpu, &w.memory, &w.ledger, &msg), VX_OK);
    w.control = (vx_mmu_control){.nested = VX_NESTED_EPT,
                                 .nested_levels = (uint8_t)levels,
                                 .nested_root = TABLE(levels),
                                 .wp = true,
                                 .nxe = true};
    write_at(TABLE(5), TABLE(4) | ALL);
    for (unsigned level = 4; level > 1; level--) write_at(entry_at(level), TABLE(level - 1) | ALL);
    write_at(entry_at(1), 0x7000 | ALL | WB);
    load();
}

void close_ept(void)
{
    vx_physmem_fini(&w.memory);
    vx_arena_fini(&w.arena);
}
