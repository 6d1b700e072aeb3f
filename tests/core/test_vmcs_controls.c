/* Every record kind under every pair of control bits: a record exits if and only if the manual's condition holds, and
 * no other bit matters (SDM Vol. 3C 25.1, 25.2; bit numbers from Tables 24-5 to 24-7). */
#include <string.h>

#include "exit_rows.h"
#include "test_support.h"
#include "vx_vmcs.h"

/* The sample exits where all bits of `set` are 1 and all of `clear` are 0. Several lines of a kind are alternatives; a
 * kind without a line never exits. `cpu2` is only in effect with bit 31 of `cpu`. */
typedef struct condition {
    vx_record_kind kind;
    uint32_t pin, cpu, cpu2, cpu_clear;
} condition;

static const condition conditions[] = {
    {.kind = VX_REC_CPUID},
    {.kind = VX_REC_INVD},
    {.kind = VX_REC_XSETBV},
    {.kind = VX_REC_VMCALL},
    {.kind = VX_REC_VMX},
    {.kind = VX_REC_INSTRUCTION}, /* sample: GETSEC */
    {.kind = VX_REC_SIGNAL},      /* sample: INIT */
    {.kind = VX_REC_RDMSR, .cpu_clear = B(28)},
    {.kind = VX_REC_WRMSR, .cpu_clear = B(28)},
    {.kind = VX_REC_EFER_LOAD, .cpu_clear = B(28)},
    {.kind = VX_REC_HLT, .cpu = B(7)},
    {.kind = VX_REC_INVLPG, .cpu = B(9)},
    {.kind = VX_REC_INVPCID, .cpu = B(9) | SECONDARY, .cpu2 = B(12)},
    {.kind = VX_REC_MWAIT, .cpu = B(10)},
    {.kind = VX_REC_RDPMC, .cpu = B(11)},
    {.kind = VX_REC_RDTSC, .cpu = B(12)},
    {.kind = VX_REC_RDTSCP, .cpu = B(12) | SECONDARY, .cpu2 = B(3)},
    {.kind = VX_REC_CR_WRITE, .cpu = B(15)}, /* sample: CR3 */
    {.kind = VX_REC_CR_READ, .cpu = B(16)},
    {.kind = VX_REC_DR_READ, .cpu = B(23)},
    {.kind = VX_REC_DR_WRITE, .cpu = B(23)},
    {.kind = VX_REC_IO_IN, .cpu = B(24), .cpu_clear = B(25)},
    {.kind = VX_REC_IO_OUT, .cpu = B(24), .cpu_clear = B(25)},
    {.kind = VX_REC_MONITOR, .cpu = B(29)},
    {.kind = VX_REC_PAUSE, .cpu = B(30)},
    {.kind = VX_REC_DESC_TABLE, .cpu = SECONDARY, .cpu2 = B(2)},
    {.kind = VX_REC_WBINVD, .cpu = SECONDARY, .cpu2 = B(6)},
    {.kind = VX_REC_EXCEPTION, .pin = B(3)}, /* sample: NMI */
    {.kind = VX_REC_INTERRUPT, .pin = B(0)},
    {.kind = VX_REC_APIC_READ, .cpu = SECONDARY, .cpu2 = B(0)}, /* sample: no register, never virtualized */
    {.kind = VX_REC_APIC_WRITE, .cpu = SECONDARY, .cpu2 = B(0)},
};
enum { CONDITIONS = sizeof conditions / sizeof conditions[0], BITS = 96 };

static bool expected(vx_record_kind kind, const vx_vmcs *vmcs)
{
    for (int i = 0; i < CONDITIONS; i++) {
        const condition *c = &conditions[i];
        if (c->kind == kind && (vmcs->pin & c->pin) == c->pin && (vmcs->cpu & c->cpu) == c->cpu &&
            (vmcs->cpu2 & c->cpu2) == c->cpu2 && !(vmcs->cpu & c->cpu_clear))
            return true;
    }
    return false;
}

static vx_record sample(vx_record_kind kind)
{
    vx_record record = {.kind = (uint8_t)kind};
    switch (kind) {
    case VX_REC_CR_READ:
    case VX_REC_CR_WRITE:
        record.size = 3;
        break;
    case VX_REC_VMX:
        record.size = 27;
        break;
    case VX_REC_EXCEPTION:
        record.size = 2;
        break;
    case VX_REC_IO_IN:
    case VX_REC_IO_OUT:
        record.size = 1;
        break;
    case VX_REC_APIC_READ:
    case VX_REC_APIC_WRITE:
        record.size = 4;
        record.addr = 0x4; /* in no register's low four bytes */
        break;
    default:
        break;
    }
    return record;
}

static void set_bit(vx_vmcs *vmcs, int bit)
{
    uint32_t *words[] = {&vmcs->pin, &vmcs->cpu, &vmcs->cpu2};
    *words[bit / 32] |= 1U << bit % 32;
}

static unsigned check_kind(vx_record_kind kind, bool secondary)
{
    const vx_exit_context context = {0};
    vx_record record = sample(kind);
    unsigned exits = 0;
    for (int first = 0; first < BITS; first++)
        for (int second = 0; second <= first; second++) {
            vx_vmcs vmcs = {.cpu = secondary ? SECONDARY : 0, .posted_interrupt_notification_vector = 0xF2};
            set_bit(&vmcs, first);
            set_bit(&vmcs, second);
            vx_exit exit;
            bool exited = vx_vmcs_exits(&vmcs, &context, &record, NULL, &exit);
            if (exited != expected(kind, &vmcs))
                fail_msg("%s: pin %#x cpu %#x cpu2 %#x: %d", vx_record_describe(kind)->name, vmcs.pin, vmcs.cpu,
                         vmcs.cpu2, exited);
            exits += exited;
        }
    return exits;
}

static void every_kind_under_every_pair_of_controls(void **state)
{
    (void)state;
    unsigned kinds = 0, exits = 0;
    for (unsigned kind = 0; kind < VX_REC_KINDS; kind++) {
        if (!vx_record_describe(kind)) continue;
        kinds++;
        exits += check_kind((vx_record_kind)kind, false);
        exits += check_kind((vx_record_kind)kind, true);
    }
    print_message("%u record kinds x %d settings: %u exits\n", kinds, BITS * (BITS + 1), exits);
    assert_true(exits > 0);
}

/* The table above names no kind twice by mistake, and none that does not exist. */
static void conditions_name_real_kinds_once(void **state)
{
    (void)state;
    for (int i = 0; i < CONDITIONS; i++) {
        assert_non_null(vx_record_describe(conditions[i].kind));
        for (int j = 0; j < i; j++) assert_int_not_equal(conditions[i].kind, conditions[j].kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_under_every_pair_of_controls),
        cmocka_unit_test(conditions_name_real_kinds_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
