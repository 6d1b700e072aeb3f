/* AVIC: which registers the processor accelerates, and IPIs between vCPUs. See vx_svm_interrupts.h. */
#include "vx_interrupt_message.h"
#include "vx_svm_interrupts.h"

enum { PHYSICAL_BROADCAST = 0xFF, CLUSTER_MODEL = 0x0 };
#define WRITE_ACCESS (1ULL << 32)

/* What the processor does with a write, by register; a register without a row is an unaccelerated fault both ways. */
typedef enum how { FAULT, PLAIN, TRAP, TPR, EOI, COMMAND } how;

typedef struct avic_row {
    bool readable;
    how write;
} avic_row;

static const avic_row rows[64] = {
    [VX_APIC_ID / 16] = {true, TRAP},
    [VX_APIC_VERSION / 16] = {true, FAULT},
    [VX_APIC_TPR / 16] = {true, TPR},
    [VX_APIC_PPR / 16] = {true, FAULT},
    [VX_APIC_EOI / 16] = {true, EOI},
    [VX_APIC_RRD / 16] = {true, TRAP},
    [VX_APIC_LDR / 16] = {true, TRAP},
    [VX_APIC_DFR / 16] = {true, TRAP},
    [VX_APIC_SVR / 16] = {true, TRAP},
    [VX_APIC_ESR / 16] = {true, TRAP},
    [VX_APIC_ICR_LOW / 16] = {true, COMMAND},
    [VX_APIC_ICR_HIGH / 16] = {true, PLAIN},
    [VX_APIC_LVT_TIMER / 16] = {true, TRAP},
    [VX_APIC_LVT_THERMAL / 16] = {true, TRAP},
    [VX_APIC_LVT_PERFORMANCE / 16] = {true, TRAP},
    [VX_APIC_LVT_LINT0 / 16] = {true, TRAP},
    [VX_APIC_LVT_LINT1 / 16] = {true, TRAP},
    [VX_APIC_LVT_ERROR / 16] = {true, TRAP},
    [VX_APIC_INITIAL_COUNT / 16] = {true, TRAP},
    [VX_APIC_DIVIDE / 16] = {true, TRAP},
};
static const avic_row vector_row = {true, FAULT}, no_row = {false, FAULT};

static const avic_row *row_of(uint32_t offset)
{
    if (offset % 16 || offset >= 0x400) return &no_row;
    return offset >= VX_APIC_ISR && offset < VX_APIC_ESR ? &vector_row : &rows[offset / 16];
}

static vx_avic_outcome unaccelerated(vx_avic_exit exit, uint32_t offset, bool write, uint8_t vector)
{
    return (vx_avic_outcome){exit, (offset & 0xFF0) | (write ? WRITE_ACCESS : 0), vector};
}

/* ---- IPIs ---- */

/* A vCPU of the physical table gets the vector. False: it is not running, so that software must wake it. */
static bool post(vx_avic *avic, uint64_t entry, uint8_t vector)
{
    uint8_t *page = avic->backing(avic->context, entry & VX_AVIC_BACKING_PAGE);
    vx_apic_vector_set(page, VX_APIC_IRR, vector);
    vx_apic_vector_clear(page, VX_APIC_TMR, vector);
    if (!(entry & VX_AVIC_RUNNING)) return false;
    if (page != avic->page) avic->doorbell(avic->context, (uint32_t)(entry & VX_AVIC_HOST_ID));
    return true;
}

/* Of a shorthand, or a broadcast: is the vCPU with this index a destination? */
static bool addressed(const vx_avic *avic, const vx_interrupt_message *m, uint32_t index)
{
    switch (m->shorthand) {
    case VX_SHORTHAND_SELF:
        return index == avic->id;
    case VX_SHORTHAND_OTHERS:
        return index != avic->id;
    default:
        return true;
    }
}

/* One bit of a logical destination, through the logical table. False: no such entry. */
static bool logical_target(const vx_avic *avic, uint32_t destination, unsigned bit, uint32_t *index)
{
    bool cluster = vx_apic_get(avic->page, VX_APIC_DFR) >> 28 == CLUSTER_MODEL;
    uint32_t entry = avic->logical_table[cluster ? (destination >> 4) * 4 + bit : bit];
    *index = entry & 0xFF;
    return (entry & VX_AVIC_LOGICAL_VALID) && *index <= avic->last_index;
}

typedef struct ipi_fault {
    bool failed;
    uint32_t why, index;
} ipi_fault;

static void note(ipi_fault *fault, uint32_t why, uint32_t index)
{
    if (!fault->failed || why > fault->why) *fault = (ipi_fault){true, why, index};
}

static void send_to(vx_avic *avic, uint32_t index, uint8_t vector, bool must_exist, ipi_fault *fault)
{
    uint64_t entry = index <= avic->last_index ? avic->physical_table[index] : 0;
    if (!(entry & VX_AVIC_VALID)) {
        if (must_exist) note(fault, VX_AVIC_IPI_TARGET, index);
        return;
    }
    if (!post(avic, entry, vector)) note(fault, VX_AVIC_IPI_NOT_RUNNING, index);
}

static void send_logical(vx_avic *avic, const vx_interrupt_message *m, ipi_fault *fault)
{
    bool cluster = vx_apic_get(avic->page, VX_APIC_DFR) >> 28 == CLUSTER_MODEL;
    for (unsigned bit = 0; bit < (cluster ? 4U : 8U); bit++) {
        uint32_t index;
        if (!(m->destination >> bit & 1)) continue;
        if (logical_target(avic, m->destination, bit, &index))
            send_to(avic, index, m->vector, true, fault);
        else
            note(fault, VX_AVIC_IPI_TARGET, bit);
    }
}

static void send_physical(vx_avic *avic, const vx_interrupt_message *m, ipi_fault *fault)
{
    bool one = m->shorthand == VX_SHORTHAND_NONE && m->destination != PHYSICAL_BROADCAST;
    if (one) {
        send_to(avic, m->destination, m->vector, true, fault);
        return;
    }
    for (uint32_t index = 0; index <= avic->last_index; index++)
        if (addressed(avic, m, index)) send_to(avic, index, m->vector, false, fault);
}

/* Fixed, edge-triggered commands are the processor's; all others software's. */
static vx_avic_outcome send(vx_avic *avic, uint32_t low)
{
    uint32_t high = vx_apic_get(avic->page, VX_APIC_ICR_HIGH);
    vx_interrupt_message m;
    ipi_fault fault = {0};
    bool known = vx_interrupt_message_from_icr(&m, low, high >> 24, false, avic->id);
    if (!known || m.delivery != VX_DELIVERY_FIXED || m.vector < 16 || (low >> 15 & 1))
        note(&fault, VX_AVIC_IPI_TYPE, 0);
    else if (m.logical && m.shorthand == VX_SHORTHAND_NONE && m.destination != PHYSICAL_BROADCAST)
        send_logical(avic, &m, &fault);
    else
        send_physical(avic, &m, &fault);
    if (!fault.failed) return (vx_avic_outcome){0};
    return (vx_avic_outcome){VX_AVIC_INCOMPLETE_IPI, (uint64_t)high << 32 | low,
                             (uint64_t)fault.why << 32 | fault.index};
}

/* ---- accesses ---- */

vx_avic_outcome vx_avic_read(const vx_avic *avic, uint32_t offset, uint32_t *value)
{
    if (!row_of(offset)->readable) return unaccelerated(VX_AVIC_UNACCELERATED_FAULT, offset, false, 0);
    *value = vx_apic_get(avic->page, offset);
    return (vx_avic_outcome){0};
}

/* An edge-triggered interrupt is dismissed by the processor; the end of a level-triggered one is software's to tell. */
static vx_avic_outcome end_of_interrupt(vx_avic *avic)
{
    uint8_t vector = vx_apic_vector_highest(avic->page, VX_APIC_ISR);
    if (vector && vx_apic_vector_test(avic->page, VX_APIC_TMR, vector))
        return unaccelerated(VX_AVIC_UNACCELERATED_TRAP, VX_APIC_EOI, true, vector);
    (void)vx_apic_page_end(avic->page);
    return (vx_avic_outcome){0};
}

vx_avic_outcome vx_avic_write(vx_avic *avic, uint32_t offset, uint32_t value)
{
    how write = row_of(offset)->write;
    if (write == FAULT) return unaccelerated(VX_AVIC_UNACCELERATED_FAULT, offset, true, 0);
    if (write == EOI) return end_of_interrupt(avic);
    vx_apic_put(avic->page, offset, write == TPR ? value & 0xFF : value);
    if (write == TPR) vx_apic_page_update_priority(avic->page);
    if (write == COMMAND) return send(avic, value);
    return write == TRAP ? unaccelerated(VX_AVIC_UNACCELERATED_TRAP, offset, true, 0) : (vx_avic_outcome){0};
}

void vx_avic_set_cr8(vx_avic *avic, uint8_t priority)
{
    vx_apic_put(avic->page, VX_APIC_TPR, (priority & 0xFU) << 4);
    vx_apic_page_update_priority(avic->page);
}

uint8_t vx_avic_deliver(vx_avic *avic) { return vx_apic_page_take(avic->page); }
