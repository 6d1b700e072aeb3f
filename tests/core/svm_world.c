#include "svm_world.h"

#include <string.h>

#include "test_cpu.h"
#include "test_support.h"

/* Attributes in the VMCB's format: present, S, type; CS.L. */
enum { CODE64 = 0x29B, DATA = 0x093 };

void svm_legal_vmcb(vx_vmcb_image *image)
{
    static const struct {
        vx_vmcb_field field;
        uint64_t value;
    } start[] = {
        {VX_VMCB_INTERCEPTS2, 1}, /* VMRUN */
        {VX_VMCB_IOPM_BASE_PA, SVM_IOPM},
        {VX_VMCB_MSRPM_BASE_PA, SVM_MSRPM},
        {VX_VMCB_GUEST_ASID, 1},
        {VX_VMCB_CS_SELECTOR, 8},
        {VX_VMCB_CS_ATTRIBUTES, CODE64},
        {VX_VMCB_CS_LIMIT, 0xFFFFFFFF},
        {VX_VMCB_SS_SELECTOR, 0x10},
        {VX_VMCB_SS_ATTRIBUTES, DATA},
        {VX_VMCB_GDTR_LIMIT, 0x7F},
        {VX_VMCB_IDTR_LIMIT, 0xFFF},
        {VX_VMCB_EFER, 0x1D01}, /* SCE, LME, LMA, NXE, SVME */
        {VX_VMCB_CR0, 0x80010033},
        {VX_VMCB_CR3, SVM_TABLES},
        {VX_VMCB_CR4, 0x20},
        {VX_VMCB_DR6, 0xFFFF0FF0},
        {VX_VMCB_DR7, 0x400},
        {VX_VMCB_RFLAGS, 0x202},
        {VX_VMCB_RIP, 0x401000},
        {VX_VMCB_RSP, 0x7FF000},
        {VX_VMCB_G_PAT, 0x0007040600070406},
    };
    memset(image, 0, sizeof *image);
    for (size_t i = 0; i < sizeof start / sizeof *start; i++) vx_vmcb_set(image, start[i].field, start[i].value);
}

static vx_cfg_svm all_features(void)
{
    return (vx_cfg_svm){.svm = true,
                        .npt = true,
                        .npt_1g = true,
                        .npt_5level = true,
                        .flush_by_asid = true,
                        .decode_assists = true,
                        .nrips = true,
                        .vmcb_clean = true,
                        .pause_filter = true,
                        .pause_threshold = true,
                        .avic = true,
                        .vgif = true,
                        .vnmi = true,
                        .virtual_vmload = true,
                        .lbr_virtualization = true,
                        .svm_lock = true,
                        .tsc_ratio = true,
                        .spec_ctrl = true,
                        .bus_lock_threshold = true,
                        .asids = 64};
}

void svm_world_open(svm_world *world, bool mmu)
{
    memset(world, 0, sizeof *world);
    world->next_page = SVM_TABLES + VX_PAGE_BYTES; /* the first is the guest's root */
    world->cpu = test_cpu_barcelona();
    world->cpu.paging.virtual_bits = 48;
    world->cpu.svm = all_features();
    vx_arena_init(&world->arena);
    assert_int_equal(vx_physmem_init(&world->memory, SVM_RAM, &world->msg), VX_OK);
    if (mmu)
        assert_int_equal(
            vx_mmu_init(&world->mmu, &world->arena, &world->cpu, &world->memory, &world->ledger, &world->msg), VX_OK);
    vx_vmcb_image image;
    svm_legal_vmcb(&image);
    vx_vmcb_store(&image, &world->memory, (vx_hpa){SVM_VMCB});
    const vx_svm_setup setup = {
        .cpu = &world->cpu, .memory = &world->memory, .mmu = world->mmu, .key = 0x1122334455667788};
    vx_svm_init(&world->svm, &setup);
    assert_int_equal(vx_svm_wrmsr(&world->svm, 0xC0000080, 0x1D00, NULL).result, VX_SVM_DONE);
    assert_int_equal(vx_svm_wrmsr(&world->svm, 0xC0010117, SVM_HSAVE, NULL).result, VX_SVM_DONE);
    vx_svm_set_register(&world->svm, VX_VMCB_RAX, SVM_VMCB);
    vx_svm_set_register(&world->svm, VX_VMCB_CR3, svm_page(world));
    vx_svm_set_register(&world->svm, VX_VMCB_RIP, 0xFFFFFFFF81000000);
}

void svm_world_close(svm_world *world)
{
    vx_physmem_fini(&world->memory);
    vx_arena_fini(&world->arena);
}

uint64_t svm_page(svm_world *world)
{
    uint64_t page = world->next_page;
    world->next_page += VX_PAGE_BYTES;
    assert_true(world->next_page <= SVM_RAM);
    return page;
}

void svm_enter(svm_world *world)
{
    vx_svm_outcome outcome = vx_svm_vmrun(&world->svm, &(vx_svm_bytes){.length = 3});
    if (outcome.result != VX_SVM_ENTERED)
        fail_msg("VMRUN: result %d, exit 0x%llx, check '%s'", outcome.result, (unsigned long long)outcome.exitcode,
                 vx_svm_check_at(outcome.check)->name);
    assert_true(world->svm.guest && world->svm.gif);
}

void svm_expect_exit(const svm_world *world, vx_svm_outcome outcome, uint64_t code)
{
    assert_int_equal(outcome.result, VX_SVM_EXITED);
    assert_true(outcome.exitcode == code);
    assert_true(svm_field(world, VX_VMCB_EXITCODE) == code);
    assert_false(world->svm.guest || world->svm.gif);
    assert_int_equal(vx_svm_register(&world->svm, VX_VMCB_CPL), 0);
}

void svm_expect_fault(vx_svm_outcome outcome, uint8_t vector)
{
    assert_int_equal(outcome.result, VX_SVM_FAULT);
    assert_int_equal(outcome.event & 0xFF, vector);
}
