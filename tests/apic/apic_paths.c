#include "apic_paths.h"

const char *const path_names[PATHS] = {"software", "tpr-shadow",      "registers", "delivery", "posted",
                                       "x2apic",   "x2apic-delivery", "v-tpr",     "avic"};

enum { NOTIFICATION = 0xF2, SELF = 1 << 18 };

static const uint32_t controls[PATHS] = {
    [PATH_TPR_SHADOW] = VX_VAPIC_TPR_SHADOW | VX_VAPIC_ACCESSES,
    [PATH_REGISTERS] = VX_VAPIC_TPR_SHADOW | VX_VAPIC_ACCESSES | VX_VAPIC_REGISTERS,
    [PATH_DELIVERY] = VX_VAPIC_TPR_SHADOW | VX_VAPIC_ACCESSES | VX_VAPIC_REGISTERS | VX_VAPIC_DELIVERY,
    [PATH_POSTED] = VX_VAPIC_TPR_SHADOW | VX_VAPIC_ACCESSES | VX_VAPIC_REGISTERS | VX_VAPIC_DELIVERY,
    [PATH_X2APIC] = VX_VAPIC_TPR_SHADOW | VX_VAPIC_X2APIC,
    [PATH_X2APIC_DELIVERY] = VX_VAPIC_TPR_SHADOW | VX_VAPIC_X2APIC | VX_VAPIC_REGISTERS | VX_VAPIC_DELIVERY,
};

static bool is_x2apic(const apic_path *p) { return p->kind == PATH_X2APIC || p->kind == PATH_X2APIC_DELIVERY; }
static bool delivers(const apic_path *p) { return controls[p->kind] & VX_VAPIC_DELIVERY; }
static bool posts(const apic_path *p) { return p->kind == PATH_POSTED || p->kind == PATH_X2APIC_DELIVERY; }

static void log_event(apic_path *p, unsigned what)
{
    assert_true(p->logged < PATH_LOG);
    p->log[p->logged++] = (uint16_t)what;
}

static void broadcast(void *bus, uint8_t vector) { log_event(bus, PATH_LOG_EOI | vector); }

static void send(void *bus, const vx_interrupt_message *message)
{
    apic_path *p = bus;
    (void)vx_apic_accept(&p->apic, message);
}

static uint8_t *backing(void *context, uint64_t address)
{
    (void)address;
    return ((apic_path *)context)->page;
}

static void no_doorbell(void *context, uint32_t host_id)
{
    (void)context, (void)host_id;
    fail(); /* the only IPIs are to itself */
}

void path_init(apic_path *p, path_kind kind)
{
    static const uint64_t physical_table[1] = {VX_AVIC_VALID | VX_AVIC_RUNNING};
    memset(p, 0, sizeof *p);
    p->kind = kind;
    vx_apic_setup setup = {.page = p->page,
                           .x2apic = true,
                           .physical_bits = 40,
                           .timer_ticks = 1,
                           .send = send,
                           .end_of_interrupt = broadcast,
                           .bus = p};
    vx_apic_init(&p->apic, &setup);
    assert_int_equal(vx_apic_write(&p->apic, VX_APIC_SVR, 0x1FF, 0), VX_APIC_DONE);
    if (is_x2apic(p)) assert_int_equal(vx_apic_wrmsr(&p->apic, VX_MSR_APIC_BASE, 0xFEE00C00, 0), VX_APIC_DONE);
    p->vapic = (vx_virtual_apic){.page = p->page, .controls = controls[kind]};
    vx_posted_init(&p->posted, NOTIFICATION, 0);
    p->svm = (vx_svm_interrupt){.v_intr_masking = true};
    p->avic = (vx_avic){
        .page = p->page, .physical_table = physical_table, .backing = backing, .doorbell = no_doorbell, .context = p};
}

/* ---- VM entry: what a hypervisor does before it, and what the processor does at it ---- */

/* Without virtual-interrupt delivery: injects what can be taken, asks for a window for what IF alone holds back, and
 * sets the threshold to what the TPR holds back. */
static void enter_by_injection(apic_path *p)
{
    vx_apic_update_priority(&p->apic);
    while (p->interrupts_enabled && vx_apic_pending(&p->apic)) log_event(p, vx_apic_acknowledge(&p->apic));
    bool held_by_if = vx_apic_pending(&p->apic) != 0;
    unsigned request = vx_apic_vector_highest(p->page, VX_APIC_IRR) >> 4, task = vx_apic_cr8(&p->apic);
    bool held_by_tpr = request && request <= task;
    if (controls[p->kind]) p->vapic.controls = controls[p->kind] | (held_by_if ? VX_VAPIC_WINDOW : 0U);
    p->vapic.tpr_threshold = held_by_tpr ? (uint8_t)request : 0;
    p->svm.v_irq = held_by_if;
    p->svm.v_intr_prio = 15;
    p->svm.v_tpr = (uint8_t)task;
    p->cr8_intercept = held_by_tpr;
    if (p->vapic.controls) assert_int_equal(vx_virtual_apic_enter(&p->vapic).exit, VX_VAPIC_NO_EXIT);
}

static void enter(apic_path *p)
{
    if (!delivers(p)) {
        enter_by_injection(p);
        return;
    }
    p->vapic.rvi = vx_apic_vector_highest(p->page, VX_APIC_IRR);
    assert_int_equal(vx_virtual_apic_enter(&p->vapic).exit, VX_VAPIC_NO_EXIT);
}

static void exit_and_enter(apic_path *p)
{
    p->exits++;
    enter(p);
}

/* An instruction boundary: the processor delivers what it can by itself. */
static void boundary(apic_path *p)
{
    uint8_t vector;
    if (!p->interrupts_enabled) return;
    if (p->kind == PATH_V_TPR && vx_svm_virtual_interrupt(&p->svm, true)) { /* VINTR is intercepted */
        vx_apic_set_cr8(&p->apic, p->svm.v_tpr);
        exit_and_enter(p);
    }
    if (p->kind == PATH_SOFTWARE)
        while (vx_apic_pending(&p->apic) != 0) log_event(p, vx_apic_acknowledge(&p->apic));
    else if (p->kind == PATH_AVIC)
        while ((vector = vx_avic_deliver(&p->avic)) != 0) log_event(p, vector);
    else if (delivers(p))
        while ((vector = vx_virtual_apic_deliver(&p->vapic)) != 0) {
            log_event(p, vector);
            /* The next one is recognized at the handler's EOI; higher classes arrive later than this one. */
        }
}

/* ---- software's part of an operation that exits ---- */

static void emulate_write(apic_path *p, uint32_t offset, uint32_t value)
{
    vx_apic_result result = is_x2apic(p) ? vx_apic_wrmsr(&p->apic, vx_apic_msr(offset), value, 0)
                                         : vx_apic_write(&p->apic, offset, value, 0);
    assert_int_equal(result, VX_APIC_DONE);
}

static void handle(apic_path *p, vx_vapic_outcome outcome, uint32_t offset, uint32_t value)
{
    switch (outcome.exit) {
    case VX_VAPIC_NO_EXIT:
        if (outcome.virtualized) return;
        emulate_write(p, offset, value); /* an MSR that the bitmap intercepts */
        break;
    case VX_VAPIC_EXIT_BELOW_THRESHOLD:
        p->threshold_exits++;
        break;
    case VX_VAPIC_EXIT_EOI:
        p->eoi_exits++;
        log_event(p, PATH_LOG_EOI | outcome.qualification);
        break;
    default:
        emulate_write(p, offset, value);
        break;
    }
    exit_and_enter(p);
}

static void write_register(apic_path *p, uint32_t offset, uint32_t value)
{
    if (p->kind == PATH_SOFTWARE) {
        emulate_write(p, offset, value);
    } else if (p->kind == PATH_V_TPR) {
        vx_apic_set_cr8(&p->apic, p->svm.v_tpr); /* what V_TPR has become since */
        emulate_write(p, offset, value);
        exit_and_enter(p);
    } else if (p->kind == PATH_AVIC) {
        vx_avic_outcome outcome = vx_avic_write(&p->avic, offset, value);
        if (outcome.exit == VX_AVIC_NO_EXIT) return;
        p->exits++;
        p->eoi_exits += offset == VX_APIC_EOI;
        emulate_write(p, offset, value);
    } else if (is_x2apic(p)) {
        handle(p, vx_virtual_apic_wrmsr(&p->vapic, vx_apic_msr(offset), value), offset, value);
    } else {
        handle(p, vx_virtual_apic_write(&p->vapic, offset, 4, value), offset, value);
    }
}

/* ---- the guest's operations ---- */

void path_interrupt(apic_path *p, uint8_t vector, bool level)
{
    const vx_interrupt_message message = {.vector = vector, .level = level, .source = VX_APIC_NOBODY};
    if (posts(p)) { /* the hypervisor knows which vectors are level triggered; the rest is the processor's */
        if (level)
            vx_apic_vector_set(p->page, VX_APIC_TMR, vector);
        else
            vx_apic_vector_clear(p->page, VX_APIC_TMR, vector);
    }
    uint64_t bit = 1ULL << vector % 64, *word = &p->vapic.eoi_exit[vector / 64];
    *word = level ? *word | bit : *word & ~bit;
    if (posts(p)) {
        assert_true(vx_posted_post(&p->posted, vector));
        vx_virtual_apic_process_posted(&p->vapic, &p->posted);
    } else {
        if (p->kind == PATH_V_TPR) vx_apic_set_cr8(&p->apic, p->svm.v_tpr);
        assert_true(vx_apic_accept(&p->apic, &message));
        if (p->kind != PATH_SOFTWARE && p->kind != PATH_AVIC) exit_and_enter(p);
    }
    boundary(p);
}

static void set_cr8(apic_path *p, uint8_t priority)
{
    if (p->kind == PATH_SOFTWARE) {
        vx_apic_set_cr8(&p->apic, priority);
    } else if (p->kind == PATH_AVIC) {
        vx_avic_set_cr8(&p->avic, priority);
    } else if (p->kind == PATH_V_TPR) {
        assert_true(vx_svm_set_cr8(&p->svm, priority));
        if (!p->cr8_intercept) return;
        p->threshold_exits += vx_apic_vector_highest(p->page, VX_APIC_IRR) >> 4 > priority;
        vx_apic_set_cr8(&p->apic, priority);
        exit_and_enter(p);
    } else {
        handle(p, vx_virtual_apic_set_cr8(&p->vapic, priority), VX_APIC_TPR, 0);
    }
}

void path_set_tpr(apic_path *p, uint8_t tpr, bool cr8)
{
    /* V_TPR has no low half: KVM on AMD shows it as 0 after the next exit. */
    if (cr8)
        set_cr8(p, tpr >> 4);
    else
        write_register(p, VX_APIC_TPR, tpr);
    boundary(p);
}

void path_eoi(apic_path *p)
{
    write_register(p, VX_APIC_EOI, 0);
    boundary(p);
}

void path_self_ipi(apic_path *p, uint8_t vector)
{
    /* The hypervisor's list of level-triggered vectors: an IPI is an edge. */
    vx_apic_vector_clear(p->page, VX_APIC_TMR, vector);
    p->vapic.eoi_exit[vector / 64] &= ~(1ULL << vector % 64);
    if (is_x2apic(p))
        write_register(p, VX_APIC_SELF_IPI, vector);
    else
        write_register(p, VX_APIC_ICR_LOW, (uint32_t)SELF | vector);
    boundary(p);
}

void path_enable_interrupts(apic_path *p, bool enable)
{
    p->interrupts_enabled = enable;
    if (enable && (p->vapic.controls & VX_VAPIC_WINDOW)) exit_and_enter(p);
    boundary(p);
}

uint8_t path_tpr(apic_path *p)
{
    uint32_t value = 0;
    uint64_t wide = 0;
    if (p->kind == PATH_V_TPR) return (uint8_t)(p->svm.v_tpr << 4);
    if (p->kind == PATH_AVIC) {
        assert_int_equal(vx_avic_read(&p->avic, VX_APIC_TPR, &value).exit, VX_AVIC_NO_EXIT);
    } else if (p->kind == PATH_SOFTWARE) {
        assert_int_equal(vx_apic_read(&p->apic, VX_APIC_TPR, 0, &value), VX_APIC_DONE);
    } else if (is_x2apic(p)) {
        assert_true(vx_virtual_apic_rdmsr(&p->vapic, vx_apic_msr(VX_APIC_TPR), &wide).virtualized);
        value = (uint32_t)wide;
    } else {
        assert_true(vx_virtual_apic_read(&p->vapic, VX_APIC_TPR, 4, &value).virtualized);
    }
    return (uint8_t)value;
}

void path_settle(apic_path *p)
{
    if (p->kind == PATH_V_TPR)
        vx_apic_set_cr8(&p->apic, p->svm.v_tpr);
    else
        vx_apic_update_priority(&p->apic);
}
