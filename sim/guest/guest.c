/* Lifecycle and processes of the modelled guest OS. Demand paging is in demand_paging.c.
 *
 * Register values are what Linux 6.1 runs with, as far as translation depends on them (SDM Vol. 3A, 2.5, 2.2.1). */
#include "vx_guest.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "guest_state.h"
#include "paging_policy.h"
#include "priority_habits.h"
#include "shootdown.h"
#include "vx_vcpu.h"

enum { RAM_BYTES_MIN = 1 << 20, USER = 3 };
#define RAM_BYTES_32BIT (1ULL << 32)

/* ---- lifecycle ---- */

static vx_status check_config(const vx_cfg_guest *config, unsigned processes, vx_msg *msg)
{
    if (config->levels < 2 || config->levels > 5)
        return vx_fail(msg, VX_ERR_INPUT, "vm.levels=%u: must be 2 to 5", config->levels);
    if (processes == 0 || processes > VX_GUEST_PROCESSES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "a guest of %u processes: must be 1 to %d", processes,
                       VX_GUEST_PROCESSES_MAX);
    if (config->ram_bytes < RAM_BYTES_MIN)
        return vx_fail(msg, VX_ERR_INPUT, "guest RAM of %" PRIu64 " bytes: must be 1m or more", config->ram_bytes);
    if (config->levels == 2 && config->ram_bytes > RAM_BYTES_32BIT)
        return vx_fail(msg, VX_ERR_INPUT, "32-bit paging (vm.levels=2) reaches 4 GiB of RAM: give --ram 4g or less");
    const vx_cfg_priority *priority = &config->priority;
    if (priority->timer != VX_GUEST_TIMER_NONE && priority->apic == VX_APIC_ACCESS_NONE)
        return vx_fail(msg, VX_ERR_INPUT, "vm.priority.timer needs an APIC: set vm.priority.apic");
    if (priority->timer != VX_GUEST_TIMER_NONE && config->tick_instructions)
        return vx_fail(msg, VX_ERR_INPUT, "vm.priority.timer brings the tick: set vm.tick_instructions=0");
    if (config->priority.nmi_instructions && config->priority.apic == VX_APIC_ACCESS_NONE)
        return vx_fail(msg, VX_ERR_INPUT, "vm.priority.nmi_instructions needs an APIC: set vm.priority.apic");
    if (config->pcid && config->levels < 4)
        return vx_fail(msg, VX_ERR_INPUT, "vm.pcid needs vm.levels=4 or 5 (CR4.PCIDE is for 64-bit paging)");
    return vx_paging_policy_check(config->page, config->levels, msg);
}

/* NULL where *status says why. */
static vx_guest *new_cpu(vx_arena *arena, const vx_cfg_guest *config, unsigned processes, vx_status *status,
                         vx_msg *msg)
{
    vx_guest *made = vx_arena_alloc(arena, sizeof *made);
    unsigned *of_trace = vx_arena_array(arena, processes, sizeof *of_trace);
    if (!made || !of_trace) {
        *status = vx_fail_nomem(msg);
        return NULL;
    }
    made->config = *config;
    made->online = true;
    made->of_trace = of_trace;
    *status = vx_schedule_init(&made->schedule, arena, config, processes, msg);
    return *status == VX_OK ? made : NULL;
}

static vx_guest_kernel *new_kernel(vx_arena *arena, const vx_cfg_guest *config, unsigned processes, uint64_t seed,
                                   vx_status *status, vx_msg *msg)
{
    vx_guest_kernel *made = vx_arena_alloc(arena, sizeof *made);
    vx_address_space *spaces = vx_arena_array(arena, VX_GUEST_PROCESSES_MAX, sizeof *spaces);
    unsigned *threads = vx_arena_array(arena, processes, sizeof *threads);
    if (!made || !spaces || !threads) {
        *status = vx_fail_nomem(msg);
        return NULL;
    }
    made->faults_until_unmap = config->unmap_every;
    made->spaces = spaces;
    made->threads = threads;
    *status = vx_frame_pool_init(&made->pool, arena, config->ram_bytes, config->tables, seed, msg);
    if (*status == VX_OK)
        *status = vx_page_order_init(&made->order, arena, config->unmap_every || config->unmap_instructions,
                                     made->pool.frames, msg);
    if (*status == VX_OK)
        *status = vx_guest_tables_init(&made->tables, config->levels, config->ram_bytes, &made->pool, msg);
    return *status == VX_OK ? made : NULL;
}

vx_status vx_guest_init(vx_guest **guest, vx_arena *arena, const vx_cfg_guest *config, unsigned processes,
                        uint64_t seed, vx_msg *msg)
{
    vx_status status = check_config(config, processes, msg);
    if (status != VX_OK) return status;
    vx_guest *made = new_cpu(arena, config, processes, &status, msg);
    if (!made) return status;
    made->kernel = new_kernel(arena, config, processes, seed, &status, msg);
    if (!made->kernel) return status;
    made->kernel->cpu[made->kernel->cpus++] = made;
    *guest = made;
    return VX_OK;
}

vx_status vx_guest_add_cpu(vx_guest **guest, vx_arena *arena, vx_guest *first, unsigned processes, bool threads,
                           vx_msg *msg)
{
    vx_guest_kernel *kernel = first->kernel;
    assert(kernel->cpus < VX_GUEST_CPUS_MAX && kernel->space_count == 0);
    if (first->config.priority.apic == VX_APIC_ACCESS_NONE)
        return vx_fail(msg, VX_ERR_INPUT,
                       "vm.priority.apic=none: an OS of several CPUs needs local APICs (page, cr8 or x2apic)");
    if (threads && processes != first->schedule.traces)
        return vx_fail(msg, VX_ERR_INPUT,
                       "vm.vcpus=threads: CPU %u has %u traces, and the first CPU, whose threads they are, %u",
                       kernel->cpus, processes, first->schedule.traces);
    vx_status status = check_config(&first->config, processes, msg);
    if (status != VX_OK) return status;
    vx_guest *made = new_cpu(arena, &first->config, processes, &status, msg);
    if (!made) return status;
    made->kernel = kernel;
    made->number = kernel->cpus;
    made->owner = threads ? 0 : made->number;
    kernel->cpu[kernel->cpus++] = made;
    *guest = made;
    return VX_OK;
}

void vx_guest_clock(vx_guest *guest, vx_tick (*now)(const void *context), const void *context)
{
    guest->now = now;
    guest->clock = context;
}

void vx_guest_fini(vx_guest *guest)
{
    if (guest && guest->number == 0) vx_guest_tables_fini(&guest->kernel->tables);
}

void vx_guest_queue_bound(unsigned processes, unsigned cpus, size_t *records, size_t *words)
{
    /* A page fault of 5-level tables: EXCEPTION, CPL, SKIPPED, an unmapping of 2 records, 4 new tables of 2 records
     * each, the leaf, IRET, CPL: 16. An interrupt: CPL, SKIPPED, the switch to another process (CR_WRITE, PDPTE_LOAD),
     * what it does to its APIC, IRET, CPL. A new process and the switch to it are fewer: PAE tables, CPL, CR_WRITE,
     * PDPTE_LOAD, CPL. Only boot grows with the number of processes. */
    enum { FAULT_WORDS = 1 + 4 + 2 * 6, ROOT_WORDS = 2 * VX_GUEST_PDPTES, STATE_WORDS = 13 };
    enum { HANDLER = 6 + VX_PRIORITY_RECORDS, HANDLER_WORDS = 4 + VX_GUEST_PDPTES + VX_PRIORITY_WORDS };
    size_t boot = (size_t)processes * VX_GUEST_ROOT_PAGES + 1 + VX_PRIORITY_BOOT_RECORDS;
    size_t boot_words = (size_t)processes * ROOT_WORDS + STATE_WORDS + VX_PRIORITY_BOOT_WORDS;
    _Static_assert((int)HANDLER > 16 && (int)HANDLER_WORDS > (int)FAULT_WORDS, "an interrupt queues more than a fault");
    *records = (boot > HANDLER ? boot : HANDLER) + vx_shootdown_records(cpus);
    *words = (boot_words > HANDLER_WORDS ? boot_words : HANDLER_WORDS) + vx_shootdown_words(cpus);
}

/* ---- boot ---- */

static uint64_t cr4_of(const vx_cfg_guest *config)
{
    uint64_t cr4 = VX_CR4_PSE | VX_CR4_PGE;
    if (config->levels >= 3) cr4 |= VX_CR4_PAE;
    if (config->levels == 5) cr4 |= VX_CR4_LA57;
    if (config->pcid) cr4 |= VX_CR4_PCIDE;
    return cr4;
}

static uint64_t efer_of(const vx_cfg_guest *config)
{
    if (config->levels < 3) return 0;
    return config->levels == 3 ? VX_EFER_NXE : VX_EFER_NXE | VX_EFER_LME | VX_EFER_LMA;
}

static void queue_state(const vx_guest *guest, vx_queue *queue)
{
    const vx_address_space *space = vx_guest_space(guest);
    uint64_t state[13] = {VX_CR0_PE | VX_CR0_MP | VX_CR0_NE | VX_CR0_WP | VX_CR0_PG, 0, vx_address_space_cr3(space),
                          cr4_of(&guest->config), efer_of(&guest->config)};
    memcpy(&state[5], space->pdpte, sizeof space->pdpte);
    vx_queue_put(queue, VX_REC_STATE, USER, 0, state, 13);
}

/* Appends a process of this trace, with its tables. */
static vx_status new_space(vx_guest *guest, unsigned trace, vx_queue *queue, vx_msg *msg)
{
    vx_guest_kernel *kernel = guest->kernel;
    unsigned at = kernel->space_count;
    if (at == VX_GUEST_PROCESSES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "the guest OS has at most %d processes", VX_GUEST_PROCESSES_MAX);
    vx_address_space space = {
        .trace = trace, .owner = guest->owner, .pcid = (uint16_t)(guest->config.pcid ? at + 1 : 0)};
    vx_status status = vx_guest_tables_new_root(&kernel->tables, &guest->counts, &space.root, space.pdpte, queue, msg);
    if (status != VX_OK) return status;
    kernel->spaces[at] = space;
    kernel->space_count++;
    return VX_OK;
}

/* The initial process of a trace: the first CPU's where its threads run here. */
static vx_status initial_space(vx_guest *guest, unsigned trace, vx_queue *queue, vx_msg *msg)
{
    vx_guest_kernel *kernel = guest->kernel;
    if (guest->owner == 0) kernel->threads[trace]++;
    guest->of_trace[trace] = kernel->space_count;
    if (guest->owner == guest->number) return new_space(guest, trace, queue, msg);
    guest->of_trace[trace] = kernel->cpu[guest->owner]->of_trace[trace];
    return VX_OK;
}

vx_status vx_guest_boot(vx_guest *guest, vx_queue *queue, vx_msg *msg)
{
    for (unsigned trace = 0; trace < guest->schedule.traces; trace++) {
        vx_status status = initial_space(guest, trace, queue, msg);
        if (status != VX_OK) return status;
    }
    guest->current = guest->of_trace[0];
    queue_state(guest, queue);
    vx_priority_boot(guest, queue);
    return VX_OK;
}

/* ---- steps that several actions share ---- */

static void queue_cpl(vx_queue *queue, unsigned cpl) { vx_queue_put(queue, VX_REC_CPL, cpl, 0, NULL, 0); }

void vx_guest_enter_kernel(const vx_guest *guest, vx_queue *queue)
{
    queue_cpl(queue, 0);
    uint64_t left_out[4] = {guest->config.fault_instructions, 0, 0, 0};
    vx_queue_put(queue, VX_REC_SKIPPED, 0, 0, left_out, 4);
}

void vx_guest_leave_kernel(vx_queue *queue)
{
    vx_queue_put(queue, VX_REC_IRET, 0, 0, NULL, 0);
    queue_cpl(queue, USER);
}

static void switch_to(vx_guest *guest, unsigned space, vx_queue *queue)
{
    if (space == guest->current) return;
    guest->current = space;
    vx_address_space *next = vx_guest_space(guest);
    guest->of_trace[next->trace] = space;
    /* A PCID belongs to one process for good, so what is cached under it is never another's: keep it, but for what
     * another CPU has unmapped meanwhile. */
    bool stale = next->stale >> guest->number & 1;
    uint64_t keep = guest->config.pcid && !stale ? VX_CR3_NO_FLUSH : 0;
    next->stale &= ~(1ULL << guest->number);
    vx_queue_put(queue, VX_REC_CR_WRITE, 3, vx_address_space_cr3(next) | keep, NULL, 0);
    if (guest->config.levels == 3) vx_queue_put(queue, VX_REC_PDPTE_LOAD, 0, 0, next->pdpte, VX_GUEST_PDPTES);
    guest->counts.switches++;
}

/* ---- processes ---- */

static bool is_of_trace(const vx_guest *guest, const vx_address_space *space, unsigned trace)
{
    return space->trace == trace && space->owner == guest->owner;
}

/* The running trace's process of this identity, or VX_GUEST_PROCESSES_MAX. */
static unsigned find_space(const vx_guest *guest, uint64_t identity)
{
    for (unsigned i = 0; i < guest->kernel->space_count; i++) {
        const vx_address_space *space = &guest->kernel->spaces[i];
        if (space->named && space->identity == identity && is_of_trace(guest, space, guest->schedule.current)) return i;
    }
    return VX_GUEST_PROCESSES_MAX;
}

static vx_status create(vx_guest *guest, uint64_t identity, vx_queue *queue, vx_msg *msg)
{
    if (guest->kernel->space_count == VX_GUEST_PROCESSES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "process %" PRIu64 " is one too many: the guest OS has %d", identity,
                       VX_GUEST_PROCESSES_MAX);
    vx_status status = new_space(guest, guest->schedule.current, queue, msg);
    if (status != VX_OK) return status;
    vx_address_space *space = &guest->kernel->spaces[guest->kernel->space_count - 1];
    space->named = true;
    space->identity = identity;
    return VX_OK;
}

vx_status vx_guest_process(vx_guest *guest, uint64_t identity, vx_queue *queue, vx_msg *msg)
{
    vx_address_space *now = vx_guest_space(guest);
    unsigned space = find_space(guest, identity);
    bool unknown = space == VX_GUEST_PROCESSES_MAX;
    if (unknown && !now->named && !now->touched) {
        now->named = true;
        now->identity = identity;
        return VX_OK;
    }
    if (space == guest->current) return VX_OK;
    size_t before = queue->count;
    queue_cpl(queue, 0);
    if (unknown) {
        vx_status status = create(guest, identity, queue, msg);
        if (status != VX_OK) {
            queue->count = before;
            return status;
        }
        space = guest->kernel->space_count - 1;
    }
    switch_to(guest, space, queue);
    queue_cpl(queue, USER);
    return VX_OK;
}

unsigned vx_guest_current(const vx_guest *guest) { return guest->schedule.current; }

/* The processes of a trace exit, with their last thread. */
static void end_processes(vx_guest *guest, unsigned trace)
{
    vx_guest_kernel *kernel = guest->kernel;
    if (guest->owner == 0 && --kernel->threads[trace] != 0) return;
    for (unsigned i = 0; i < kernel->space_count; i++)
        if (is_of_trace(guest, &kernel->spaces[i], trace))
            vx_guest_tables_free_data(&kernel->tables, kernel->spaces[i].root);
}

bool vx_guest_exit(vx_guest *guest, vx_queue *queue)
{
    unsigned trace = guest->schedule.current;
    if (!guest->online) return false;
    end_processes(guest, trace);
    if (!vx_schedule_end_current(&guest->schedule)) {
        guest->online = false;
        return false;
    }
    queue_cpl(queue, 0);
    switch_to(guest, guest->of_trace[vx_schedule_rotate(&guest->schedule)], queue);
    queue_cpl(queue, USER);
    return true;
}

/* ---- time ---- */

uint64_t vx_guest_next_event(const vx_guest *guest) { return vx_schedule_next(&guest->schedule); }

static bool has_apic(const vx_guest *guest) { return guest->config.priority.apic != VX_APIC_ACCESS_NONE; }

static void switch_slice(vx_guest *guest, vx_queue *queue)
{
    switch_to(guest, guest->of_trace[vx_schedule_rotate(&guest->schedule)], queue);
}

/* Tick, end of slice and unmapping without an APIC: one interrupt, which is taken at once. */
static void act(vx_guest *guest, const vx_schedule_due *due, vx_queue *queue)
{
    bool interrupt = due->tick || due->slice, unmap = due->unmap && vx_guest_may_unmap(guest);
    if (!interrupt && !unmap) return;
    if (interrupt) vx_queue_put(queue, VX_REC_INTERRUPT, VX_GUEST_TIMER_VECTOR, 0, NULL, 0);
    vx_guest_enter_kernel(guest, queue);
    if (unmap) vx_guest_unmap_oldest(guest, queue);
    if (due->slice) switch_slice(guest, queue);
    if (interrupt)
        vx_guest_leave_kernel(queue);
    else
        queue_cpl(queue, USER); /* back from a system call such as munmap */
    if (interrupt) guest->counts.ticks++;
}

unsigned vx_guest_event(vx_guest *guest, uint64_t instructions, vx_queue *queue)
{
    vx_schedule_due due = vx_schedule_advance(&guest->schedule, instructions);
    if (!has_apic(guest)) {
        act(guest, &due, queue);
        return 0;
    }
    bool own_timer = guest->config.priority.timer != VX_GUEST_TIMER_NONE; /* a slice ends with its next interrupt */
    unsigned happens =
        (due.tick || (due.slice && !own_timer) ? VX_GUEST_TICK : 0U) | (due.nmi ? VX_GUEST_OVERFLOW : 0U);
    guest->slice_ended |= due.slice;
    due.tick = due.slice = false;
    act(guest, &due, queue);
    if (due.lower) vx_priority_lower(guest, queue);
    if (due.raise) vx_priority_raise(guest, queue);
    return happens;
}

void vx_guest_interrupt(vx_guest *guest, uint8_t vector, vx_queue *queue)
{
    vx_guest_enter_kernel(guest, queue);
    if (vector == VX_GUEST_NMI_VECTOR) {
        vx_priority_of_nmi(guest, queue);
        vx_guest_leave_kernel(queue);
        return;
    }
    bool call = vector == VX_GUEST_CALL_VECTOR;
    if (call) vx_shootdown_answer(guest, queue);
    if (!call && guest->slice_ended && guest->schedule.running_traces > 1) switch_slice(guest, queue);
    if (!call) guest->slice_ended = false;
    vx_priority_of_handler(guest, vector, queue);
    if (vector == VX_GUEST_TIMER_VECTOR) vx_timer_again(guest, queue);
    vx_guest_leave_kernel(queue);
    if (!call) guest->counts.ticks++;
}
