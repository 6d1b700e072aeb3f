/* The indirect cost of exits: handlers have code and data of their own, which take the guest's places in TLBs and
 * caches and are missing there when the next exit comes (docs/rooms/vmm.md, Rules).
 *
 * A model's handler row says how many cache lines on how many pages the handler touches. They are touched at each exit,
 * through the same TLBs and caches, in VMX root operation: linear addresses of the host, VPID 0, host page tables in
 * host memory. What that takes is software time of the exit. Reasons without a row share the default handler's lines.
 *
 * Assumed, for no source says: lines go round the pages; pages hold code (fetched) and data (loaded) in turn; every
 * execution of a handler touches the same lines; host pages are of 4 KiB. Off where all rows say 0. */
#include "handler_touch.h"

#include "vx_radix.h"

#define HOST_BASE 0xFFFF800000000000ULL /* of the handlers in the host's address space: row n at n x ROW_BYTES */
enum { ROW_BYTES = 4 << 20 };

static unsigned pages_of(const handler_cost *cost) { return cost->pages ? cost->pages : (cost->lines ? 1 : 0); }

static uint64_t new_table(void *context, unsigned level)
{
    (void)level;
    return table_pages_take(context);
}

vx_status handler_touch_init(vx_vmm *vmm, uint64_t *next_frame, vx_msg *msg)
{
    const vx_cfg_vmm *config = vmm->config;
    uint64_t frame = *next_frame;
    for (unsigned row = 0; row < config->handler_count; row++) {
        handler_cost cost = {.lines = config->handler[row].lines, .pages = config->handler[row].pages};
        vmm->touch.frames += pages_of(&cost);
    }
    *next_frame = frame + vmm->touch.frames * VX_PAGE_BYTES;
    if (vmm->touch.frames == 0) return VX_OK;
    if (*next_frame >= vmm->layout->table_bytes)
        return vx_fail(msg, VX_ERR_INPUT, "hypervisor %s: its handlers' %llu pages do not fit its memory", config->name,
                       (unsigned long long)vmm->touch.frames);
    return VX_OK;
}

vx_status handler_touch_map(vx_vmm *vmm, uint64_t first_frame, vx_msg *msg)
{
    if (vmm->touch.frames == 0) return VX_OK;
    vx_radix_table host = {&vx_radix_4level, table_pages_take(&vmm->pages), vmm->memory, NULL, NULL};
    uint64_t leaf = VX_PTE_P | VX_PTE_W | VX_PTE_A | VX_PTE_D;
    vx_status status = host.root ? VX_OK : vx_fail_nomem(msg);
    for (unsigned row = 0; row < vmm->config->handler_count; row++) {
        handler_cost cost = {.lines = vmm->config->handler[row].lines, .pages = vmm->config->handler[row].pages};
        for (unsigned page = 0; page < pages_of(&cost) && status == VX_OK; page++, first_frame += VX_PAGE_BYTES) {
            uint64_t gva = HOST_BASE + (uint64_t)row * ROW_BYTES + (uint64_t)page * VX_PAGE_BYTES;
            status = vx_radix_map(&host, gva, first_frame, VX_PAGE_4K, leaf, leaf, new_table, NULL, &vmm->pages, msg);
        }
    }
    vmm->touch.host = (vx_mmu_control){.paging = VX_PAGING_4LEVEL, .root = host.root, .wp = true, .nxe = true};
    return status;
}

/* Line n lies on page n mod pages, where the rounds before it have left off: one 64-byte line after the other. */
static uint64_t line_address(const handler_cost *cost, unsigned line)
{
    unsigned pages = pages_of(cost), round = line / pages;
    return HOST_BASE + (uint64_t)cost->row * ROW_BYTES + (uint64_t)(line % pages) * VX_PAGE_BYTES +
           (uint64_t)round * VX_LINE_BYTES % VX_PAGE_BYTES;
}

void handler_touch(vmm_vm *vm, const handler_cost *cost, uint32_t reason)
{
    unsigned pages = pages_of(cost), lines = cost->lines > pages ? cost->lines : pages;
    if (lines == 0) return;
    vx_mmu *mmu = vx_vcpu_mmu(vm->vcpu);
    vx_vmm_counts *counts = &vm->vmm->counts;
    uint64_t walks = vx_mmu_counts_now(mmu)->walks;
    vx_vcpu_enter_root(vm->vcpu, &vm->vmm->touch.host);
    for (unsigned line = 0; line < lines; line++) {
        vx_access access = line % pages % 2 ? VX_ACCESS_LOAD : VX_ACCESS_FETCH;
        vx_mmu_translation translation;
        vx_mmu_fault fault;
        if (vx_mmu_access(mmu, (vx_gva){line_address(cost, line)}, access, &translation, &fault) == VX_MMU_DONE)
            vx_mmu_data(mmu, translation.hpa, access);
    }
    counts->indirect_ticks += vx_vcpu_leave_root(vm->vcpu, reason, lines);
    counts->indirect_fills += vx_mmu_counts_now(mmu)->walks - walks;
    counts->indirect_references += lines;
}
