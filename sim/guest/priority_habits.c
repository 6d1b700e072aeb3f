/* Interrupt priorities as guests use them. 64-bit Linux leaves the task priority alone and only dismisses its
 * interrupts. Windows raises and lowers IRQL around everything that an interrupt must not see half done, and a 32-bit
 * HAL writes the TPR each time: that is what FlexPriority was made for.
 *
 * The references of the program between a raise and its fall stand for the kernel code that runs at that priority.
 *
 * NOT MODELLED: reads of the TPR; the values of single IRQLs beyond one level; lazy IRQL, by which later HALs write the
 * TPR only when an interrupt comes. */
#include "priority_habits.h"

#include <assert.h>

#include "vx_apic_page.h"
#include "vx_interrupt_message.h"

enum { MSR_KVM_PV_EOI_EN = 0x4B564D04, PV_EOI_ENABLED = 1 };
enum { TIMER_DIVIDE_BY_1 = 0xB, TIMER_MODE_SHIFT = 17 };
enum { KERNEL = 0, USER = 3, SVR_ENABLED = 0x1FF, LVT_NMI = VX_DELIVERY_NMI << 8 };
#define APIC_GVA 0xFEE00000ULL
#define BASE_X2APIC 0xFEE00C00ULL

void vx_priority_write(const vx_guest *guest, uint32_t offset, uint64_t value, vx_queue *queue)
{
    if (guest->config.priority.apic == VX_APIC_ACCESS_X2APIC)
        vx_queue_put(queue, VX_REC_WRMSR, 0, vx_apic_msr(offset), (uint64_t[]){value}, 1);
    else
        vx_queue_put(queue, VX_REC_APIC_WRITE, 4, offset, (uint64_t[]){value, APIC_GVA | offset}, 2);
}

static void write_tpr(vx_guest *guest, uint8_t level, vx_queue *queue)
{
    guest->counts.tpr_writes++;
    if (guest->config.priority.apic == VX_APIC_ACCESS_CR8)
        vx_queue_put(queue, VX_REC_CR_WRITE, 8, level, NULL, 0);
    else
        vx_priority_write(guest, VX_APIC_TPR, (uint32_t)level << 4, queue);
}

static void write_msr(uint32_t msr, uint64_t value, vx_queue *queue)
{
    vx_queue_put(queue, VX_REC_WRMSR, 0, msr, &value, 1);
}

/* As Linux does (arch/x86/kernel/apic/apic.c: lapic_next_event, lapic_next_deadline). */
static void set_timer(vx_guest *guest, vx_queue *queue)
{
    uint32_t ticks = guest->config.priority.timer_period;
    if (guest->config.priority.timer != VX_GUEST_TIMER_DEADLINE) {
        vx_priority_write(guest, VX_APIC_INITIAL_COUNT, ticks, queue);
        return;
    }
    assert(guest->now);
    vx_queue_put(queue, VX_REC_RDTSC, 0, 1, NULL, 0);
    write_msr(VX_MSR_TSC_DEADLINE, guest->now(guest->clock) + ticks, queue);
}

static void boot_timer(vx_guest *guest, vx_queue *queue)
{
    static const uint32_t modes[VX_GUEST_TIMERS] = {
        [VX_GUEST_TIMER_ONE_SHOT] = 0, [VX_GUEST_TIMER_PERIODIC] = 1, [VX_GUEST_TIMER_DEADLINE] = 2};
    vx_guest_timer timer = guest->config.priority.timer;
    if (timer == VX_GUEST_TIMER_NONE) return;
    vx_priority_write(guest, VX_APIC_LVT_TIMER, modes[timer] << TIMER_MODE_SHIFT | VX_GUEST_TIMER_VECTOR, queue);
    vx_priority_write(guest, VX_APIC_DIVIDE, TIMER_DIVIDE_BY_1, queue);
    set_timer(guest, queue);
}

void vx_timer_again(vx_guest *guest, vx_queue *queue)
{
    vx_guest_timer timer = guest->config.priority.timer;
    if (timer == VX_GUEST_TIMER_ONE_SHOT || timer == VX_GUEST_TIMER_DEADLINE) set_timer(guest, queue);
}

void vx_priority_boot(vx_guest *guest, vx_queue *queue)
{
    if (guest->config.priority.apic == VX_APIC_ACCESS_NONE) return;
    vx_queue_put(queue, VX_REC_CPL, KERNEL, 0, NULL, 0);
    if (guest->config.priority.apic == VX_APIC_ACCESS_X2APIC)
        vx_queue_put(queue, VX_REC_WRMSR, 0, VX_MSR_APIC_BASE, (uint64_t[]){BASE_X2APIC}, 1);
    vx_priority_write(guest, VX_APIC_SVR, SVR_ENABLED, queue);
    if (guest->config.priority.nmi_instructions) vx_priority_write(guest, VX_APIC_LVT_PERFORMANCE, LVT_NMI, queue);
    if (guest->config.priority.pv_eoi) write_msr(MSR_KVM_PV_EOI_EN, PV_EOI_ENABLED, queue);
    boot_timer(guest, queue);
    vx_queue_put(queue, VX_REC_CPL, USER, 0, NULL, 0);
}

static void change(vx_guest *guest, uint8_t level, vx_queue *queue)
{
    guest->level = level;
    vx_queue_put(queue, VX_REC_CPL, KERNEL, 0, NULL, 0);
    write_tpr(guest, level, queue);
    vx_queue_put(queue, VX_REC_CPL, USER, 0, NULL, 0);
}

void vx_priority_raise(vx_guest *guest, vx_queue *queue) { change(guest, guest->config.priority.level, queue); }
void vx_priority_lower(vx_guest *guest, vx_queue *queue) { change(guest, 0, queue); }

void vx_priority_of_handler(vx_guest *guest, uint8_t vector, vx_queue *queue)
{
    for (unsigned left = guest->config.priority.per_interrupt; left > 0; left--)
        write_tpr(guest, left % 2 ? guest->level : vector >> 4, queue);
    vx_priority_write(guest, VX_APIC_EOI, 0, queue);
}

void vx_priority_of_nmi(vx_guest *guest, vx_queue *queue)
{
    vx_priority_write(guest, VX_APIC_LVT_PERFORMANCE, LVT_NMI, queue);
}
