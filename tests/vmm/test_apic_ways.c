/* Every way to give a guest a local APIC, with the real hypervisor on the real vCPU, against the processor's own:
 * random sequences of guest operations, NMIs among them. After each operation the same vectors have been delivered in
 * the same order, and at the end of each sequence the architectural state is the same (IRR, ISR, TPR, PPR).
 * VX_APIC_SEQUENCES of them (1 thousand; 1 million is the long tier), seed VX_SEED. (tests/apic/test_apic_paths.c has
 * the processor's help alone, with hypervisors of its own.) */
#include "apic_operation.h"
#include "test_support.h"
#include "vmm_world.h"

enum { SET_TPR = 2, UNMASK = 7, IRET = 9, EOI = 11 }; /* of perform */
enum { KINDS = 14, MSR_PV_EOI = 0x4B564D04 };

typedef struct way {
    const char *name;
    bool native, amd, x2apic, pv_eoi;
    unsigned tpr_instructions;
    vx_exit_policy exits;
    void (*adjust)(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor);
} way;

static void none(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    cpu->vmx.tpr_shadow = hypervisor->flexpriority = false;
    cpu->vmx.virtual_nmis = true;
}
static void flexpriority(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    none(cpu, hypervisor);
    cpu->vmx.tpr_shadow = cpu->vmx.virtualize_apic_accesses = cpu->vmx.virtualize_x2apic = true;
    hypervisor->flexpriority = true;
}
static void apicv(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    flexpriority(cpu, hypervisor);
    cpu->vmx.apic_register_virtualization = cpu->vmx.virtual_interrupt_delivery = hypervisor->apicv = true;
}
static void posted(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    apicv(cpu, hypervisor);
    cpu->vmx.posted_interrupts = true;
}
static void masked(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    (void)cpu;
    hypervisor->tpr_trap = VX_TPR_TRAP_MASKED;
}
static void v_nmi(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    masked(cpu, hypervisor);
    cpu->svm.vnmi = true;
}
static void avic(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    masked(cpu, hypervisor);
    cpu->svm.avic = hypervisor->avic = true;
}
static void paravirtual_intel(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    none(cpu, hypervisor);
    hypervisor->pv_eoi = hypervisor->tpr_patching = true;
}
static void paravirtual_flexpriority(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    flexpriority(cpu, hypervisor);
    hypervisor->pv_eoi = hypervisor->tpr_patching = true;
}
static void paravirtual_amd(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    masked(cpu, hypervisor);
    hypervisor->pv_eoi = hypervisor->tpr_patching = true;
}

static const way ways[] = {
    {.name = "native", .native = true},
    {.name = "no help", .adjust = none},
    {.name = "FlexPriority", .adjust = flexpriority},
    {.name = "APICv", .adjust = apicv},
    {.name = "APICv, posted", .adjust = posted},
    {.name = "KVM, FlexPriority", .exits = VX_EXITS_KVM, .adjust = flexpriority},
    {.name = "KVM, APICv", .exits = VX_EXITS_KVM, .adjust = posted},
    {.name = "V_TPR, all CR8 writes", .amd = true},
    {.name = "V_TPR", .amd = true, .adjust = masked},
    {.name = "V_NMI", .amd = true, .adjust = v_nmi},
    {.name = "AVIC", .amd = true, .adjust = avic},
    {.name = "KVM, AVIC", .amd = true, .exits = VX_EXITS_KVM, .adjust = avic},
    {.name = "para-virtual EOI", .pv_eoi = true, .adjust = paravirtual_intel},
    {.name = "patched TPR", .tpr_instructions = 1, .adjust = paravirtual_intel},
    {.name = "para-virtual, KVM",
     .pv_eoi = true,
     .tpr_instructions = 3,
     .exits = VX_EXITS_KVM,
     .adjust = paravirtual_flexpriority},
    {.name = "para-virtual, AMD", .pv_eoi = true, .tpr_instructions = 2, .amd = true, .adjust = paravirtual_amd},
    {.name = "x2APIC, native", .native = true, .x2apic = true},
    {.name = "x2APIC, KVM", .x2apic = true, .exits = VX_EXITS_KVM, .adjust = flexpriority},
    {.name = "x2APIC, KVM, para-virtual EOI",
     .x2apic = true,
     .pv_eoi = true,
     .exits = VX_EXITS_KVM,
     .adjust = paravirtual_flexpriority},
    {.name = "x2APIC, AMD", .x2apic = true, .amd = true, .exits = VX_EXITS_KVM, .adjust = avic},
};
enum { WAYS = sizeof ways / sizeof *ways };

static vmm_world worlds[WAYS];
static uint64_t exits[WAYS]; /* in sequences, not between them */

/* ---- the guest's operations ---- */

static void write_register(vmm_world *world, const way *w, uint32_t offset, uint32_t value)
{
    const uint64_t payload[] = {value, 0xFEE00000 | offset};
    bool fine = w->x2apic ? vmm_do(world, VX_REC_WRMSR, 0, vx_apic_msr(offset), payload, 1)
                          : vmm_do(world, VX_REC_APIC_WRITE, 4, offset, payload, 2);
    if (!fine) fail_msg("%s: %s", w->name, world->msg.text);
}

static void event(vmm_world *world, vx_record_kind kind) { assert_true(vmm_do(world, kind, 0, 0, NULL, 0)); }

static void unmask_counter(vmm_world *world, const way *w) { write_register(world, w, VX_APIC_LVT_PERFORMANCE, 0x400); }

static void open_way(vmm_world *world, const way *w)
{
    vmm_world_open(world, &(vmm_options){.amd = w->amd,
                                         .scheme = w->native ? VX_SCHEME_NATIVE
                                                   : w->amd  ? VX_SCHEME_NPT
                                                             : VX_SCHEME_EPT,
                                         .mode = VX_PAGING_NONE,
                                         .exits = w->exits,
                                         .apic = true,
                                         .tpr_instructions = w->tpr_instructions,
                                         .adjust = w->adjust});
    vmm_boot(world, 0);
    const uint64_t base = 0xFEE00C00, enable = 1;
    if (w->x2apic) assert_true(vmm_do(world, VX_REC_WRMSR, 0, VX_MSR_APIC_BASE, &base, 1));
    if (w->pv_eoi) assert_true(vmm_do(world, VX_REC_WRMSR, 0, MSR_PV_EOI, &enable, 1));
    unmask_counter(world, w);
}

static void self_ipi(vmm_world *world, const way *w, uint8_t vector)
{
    if (w->x2apic)
        write_register(world, w, VX_APIC_SELF_IPI, vector);
    else
        write_register(world, w, VX_APIC_ICR_LOW, 1U << 18 | vector);
}

/* CR8 and the page are one register; patched code writes the page alone. */
static void set_tpr(vmm_world *world, const way *w, apic_operation o)
{
    if (o.flag && !w->tpr_instructions)
        assert_true(vmm_do(world, VX_REC_CR_WRITE, 8, o.tpr >> 4, NULL, 0));
    else
        write_register(world, w, VX_APIC_TPR, o.tpr);
}

static void perform(vmm_world *world, const way *w, apic_operation o)
{
    switch (o.what) {
    case 0:
    case 1:
        vx_vcpu_interrupt(world->vcpu, o.vector);
        break;
    case SET_TPR:
    case 3:
        set_tpr(world, w, o);
        break;
    case 4:
        self_ipi(world, w, o.vector);
        break;
    case 5:
        event(world, o.flag ? VX_REC_STI : VX_REC_CLI);
        break;
    case 6:
        vx_vcpu_counter_overflow(world->vcpu);
        break;
    case UNMASK:
        unmask_counter(world, w);
        break;
    case 8:
        event(world, VX_REC_CPUID); /* an exit of something else */
        break;
    case IRET:
    case 10:
        event(world, VX_REC_IRET);
        break;
    default: /* EOI and more */
        write_register(world, w, VX_APIC_EOI, 0);
        break;
    }
    vmm_boundary(world);
}

/* ---- comparison ---- */

static bool same_vectors(const vmm_world *a, const vmm_world *b)
{
    unsigned kept = a->vector_count < sizeof a->vectors ? a->vector_count : (unsigned)sizeof a->vectors;
    return a->vector_count == b->vector_count && memcmp(a->vectors, b->vectors, kept) == 0;
}

static bool same_state(const vmm_world *a, const vmm_world *b)
{
    for (uint32_t at = 0; at < 0x80; at += 16)
        if (vx_apic_get(a->apic_page, VX_APIC_IRR + at) != vx_apic_get(b->apic_page, VX_APIC_IRR + at) ||
            vx_apic_get(a->apic_page, VX_APIC_ISR + at) != vx_apic_get(b->apic_page, VX_APIC_ISR + at))
            return false;
    return vx_apic_get(a->apic_page, VX_APIC_TPR) == vx_apic_get(b->apic_page, VX_APIC_TPR) &&
           vx_apic_get(a->apic_page, VX_APIC_PPR) == vx_apic_get(b->apic_page, VX_APIC_PPR);
}

static void differs(const char *what, unsigned w, uint64_t sequence, unsigned step, apic_operation o)
{
    fail_msg("%s: %s differ from native: sequence %llu, step %u, operation %u (vector %#x, TPR %#x, %d): %u vectors, "
             "last %#x; native %u, last %#x",
             ways[w].name, what, (unsigned long long)sequence, step, o.what, o.vector, o.tpr, o.flag,
             worlds[w].vector_count, worlds[w].vector_count ? worlds[w].vectors[worlds[w].vector_count - 1] : 0U,
             worlds[0].vector_count, worlds[0].vector_count ? worlds[0].vectors[worlds[0].vector_count - 1] : 0U);
}

static void settle(apic_operation o)
{
    for (unsigned w = 0; w < WAYS; w++) perform(&worlds[w], &ways[w], o);
}

static bool busy(const vmm_world *world)
{
    return vx_apic_vector_highest(world->apic_page, VX_APIC_IRR) ||
           vx_apic_vector_highest(world->apic_page, VX_APIC_ISR);
}

/* The same on every APIC: nothing in service, nothing requested, no NMI blocked, interrupts on. */
static void settle_all(void)
{
    settle((apic_operation){.what = SET_TPR});
    for (unsigned n = 0; n < 3 || busy(&worlds[0]); n++) {
        settle((apic_operation){.what = IRET});
        settle((apic_operation){.what = EOI});
    }
    settle((apic_operation){.what = UNMASK});
}

static void one_sequence(vx_random *random, uint64_t sequence)
{
    for (unsigned w = 0; w < WAYS; w++) {
        worlds[w].vector_count = 0;
        vmm_reset_counts(&worlds[w]);
    }
    for (unsigned step = 0; step < APIC_OPERATIONS; step++) {
        apic_operation o = apic_operation_draw(random, KINDS);
        for (unsigned w = 0; w < WAYS; w++) {
            perform(&worlds[w], &ways[w], o);
            if (w && !same_vectors(&worlds[w], &worlds[0])) differs("vectors", w, sequence, step, o);
        }
    }
    const apic_operation end = {.what = 99};
    for (unsigned w = 0; w < WAYS; w++) {
        event(&worlds[w], VX_REC_CPUID); /* software catches up with the processor */
        if (w && !same_state(&worlds[w], &worlds[0])) differs("registers", w, sequence, APIC_OPERATIONS, end);
    }
    for (unsigned w = 0; w < WAYS; w++) exits[w] += ways[w].native ? 0 : vmm_exits(&worlds[w]) - 1;
    settle_all();
}

static void every_way_ends_alike(void **state)
{
    (void)state;
    uint64_t count = apic_sequences(1000);
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "apic ways");
    for (unsigned w = 0; w < WAYS; w++) open_way(&worlds[w], &ways[w]);
    for (uint64_t n = 0; n < count; n++) one_sequence(&random, n);
    for (unsigned w = 0; w < WAYS; w++) {
        print_message("%-32s %8.2f exits a sequence\n", ways[w].name, (double)exits[w] / (double)count);
        vmm_world_close(&worlds[w]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_way_ends_alike)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
