/* Remote TLB shootdown as Linux does it: arch/x86/mm/tlb.c (flush_tlb_mm_range, flush_tlb_func), kernel/smp.c
 * (smp_call_function_many_cond), arch/x86/kernel/apic/ipi.c (native_send_call_func_ipi).
 *
 *   - Told are the CPUs that run the process now. The others flush when they come to run it: a MOV to CR3 does so by
 *     itself, and with PCIDs the OS remembers who has to.
 *   - A CPU that has something to answer already gets no second interrupt.
 *   - One command with the shorthand "all but self" where every other CPU is to be interrupted, else one to each.
 *   - Who sent waits, with interrupts on, until all have answered. Then the frame is free.
 *
 * NOT MODELLED: changes of rights (mprotect), lazy TLB (a CPU that has gone idle is not told), flushes of everything
 * beyond 33 pages, batches of unmappings, the references to the call queues, and KVM's paravirtual flushes. */
#include "shootdown.h"

#include <assert.h>

#include "priority_habits.h"
#include "vx_apic_page.h"

enum { OTHERS = 3 << 18 }; /* ICR: destination shorthand, SDM Vol. 3A Figure 10-12 */

static uint64_t bit(unsigned cpu) { return 1ULL << cpu; }

size_t vx_shootdown_records(unsigned cpus) { return cpus > 1 ? 2 * (size_t)(cpus - 1) : 0; }
size_t vx_shootdown_words(unsigned cpus) { return 2 * vx_shootdown_records(cpus); }

/* ---- sending ---- */

static void send_to(vx_guest *guest, unsigned cpu, vx_queue *queue)
{
    if (guest->config.priority.apic == VX_APIC_ACCESS_X2APIC) {
        vx_priority_write(guest, VX_APIC_ICR_LOW, (uint64_t)cpu << 32 | VX_GUEST_CALL_VECTOR, queue);
        return;
    }
    vx_priority_write(guest, VX_APIC_ICR_HIGH, (uint64_t)cpu << 24, queue);
    vx_priority_write(guest, VX_APIC_ICR_LOW, VX_GUEST_CALL_VECTOR, queue);
}

static void interrupt(vx_guest *guest, uint64_t cpus, vx_queue *queue)
{
    const vx_guest_kernel *kernel = guest->kernel;
    unsigned count = 0;
    for (unsigned cpu = 0; cpu < kernel->cpus; cpu++) count += (unsigned)(cpus >> cpu & 1);
    guest->counts.shootdown_ipis += count;
    if (count == kernel->cpus - 1) {
        vx_priority_write(guest, VX_APIC_ICR_LOW, OTHERS | VX_GUEST_CALL_VECTOR, queue);
        return;
    }
    for (unsigned cpu = 0; cpu < kernel->cpus; cpu++)
        if (cpus >> cpu & 1) send_to(guest, cpu, queue);
}

bool vx_shootdown_begin(vx_guest *guest, const vx_guest_page *page, vx_queue *queue)
{
    vx_guest_kernel *kernel = guest->kernel;
    assert(guest->shootdown.unanswered == 0);
    uint64_t told = 0, interrupted = 0;
    for (unsigned cpu = 0; cpu < kernel->cpus; cpu++) {
        const vx_guest *other = kernel->cpu[cpu];
        if (other == guest) continue;
        if (!other->online || other->current != guest->current) {
            vx_guest_space(guest)->stale |= bit(cpu);
            continue;
        }
        told |= bit(cpu);
        if (kernel->calls[cpu] == 0) interrupted |= bit(cpu);
        kernel->calls[cpu] |= bit(guest->number);
    }
    if (told == 0) return false;
    guest->shootdown.unanswered = told;
    guest->shootdown.page = *page;
    guest->shootdown.space = guest->current;
    guest->counts.shootdowns++;
    if (interrupted) interrupt(guest, interrupted, queue);
    return true;
}

/* ---- answering ---- */

static void drop(vx_guest *guest, const vx_guest *sender, vx_queue *queue)
{
    /* It has gone to another process since: with PCIDs its translations are still there. */
    if (guest->current == sender->shootdown.space)
        vx_queue_put(queue, VX_REC_INVLPG, 0, sender->shootdown.page.gva.v, NULL, 0);
    else
        guest->kernel->spaces[sender->shootdown.space].stale |= bit(guest->number);
    guest->counts.shootdown_answers++;
}

void vx_shootdown_answer(vx_guest *guest, vx_queue *queue)
{
    vx_guest_kernel *kernel = guest->kernel;
    for (unsigned cpu = 0; cpu < kernel->cpus; cpu++) {
        if (!(kernel->calls[guest->number] & bit(cpu))) continue;
        vx_guest *sender = kernel->cpu[cpu];
        drop(guest, sender, queue);
        sender->shootdown.unanswered &= ~bit(guest->number);
        if (sender->shootdown.unanswered == 0)
            vx_frame_pool_give(&kernel->pool, sender->shootdown.page.frame, sender->shootdown.page.size);
    }
    guest->answered |= kernel->calls[guest->number];
    kernel->calls[guest->number] = 0;
}

bool vx_guest_waits(const vx_guest *guest) { return guest->shootdown.unanswered != 0; }

uint64_t vx_guest_take_answered(vx_guest *guest)
{
    uint64_t answered = guest->answered;
    guest->answered = 0;
    return answered;
}

bool vx_guest_may_be_stale(const vx_guest *guest, vx_gva gva)
{
    const vx_guest_kernel *kernel = guest->kernel;
    for (unsigned cpu = 0; cpu < kernel->cpus; cpu++) {
        const vx_guest *sender = kernel->cpu[cpu];
        uint64_t offset = gva.v - sender->shootdown.page.gva.v;
        if ((kernel->calls[guest->number] & bit(cpu)) && sender->shootdown.space == guest->current &&
            offset < vx_page_bytes(sender->shootdown.page.size))
            return true;
    }
    return false;
}
