/* The clock over SystemC 2.3.4: every process and timer has an sc_event in SystemC's queue, one SC_METHOD is sensitive
 * to all of them. SystemC decides which tick is next; what is due at that tick runs in our order inside one activation.
 *
 * No threads, so no second stack. Every call into SystemC is inside a try block of this file, and steps and callbacks
 * are C code, so no C++ exception ever crosses a C frame. SystemC has one simulation in the life of an OS process; a
 * second open is an error. One tick is one unit of SystemC's time resolution. */
#include <atomic>
#include <cstdlib>
#include <exception>
#include <new>

#include <systemc>

extern "C" {
#include "vx_clk_private.h"
}

/* The library refers to it; nothing calls it. */
int sc_main(int, char *[]) { return 0; }

namespace
{

vx_tick time_now() { return sc_core::sc_time_stamp().value(); }

class kernel : public sc_core::sc_module
{
  public:
    SC_HAS_PROCESS(kernel);

    /* By value, as SystemC asks of every module. NOLINTNEXTLINE(performance-unnecessary-value-param) */
    kernel(sc_core::sc_module_name name, vx_clk *clk) : sc_core::sc_module(name), clk_(clk) {}

    void before_end_of_elaboration() override
    {
        SC_METHOD(activate);
        dont_initialize();
        sensitive << resume_;
        for (size_t i = 0; i < clk_->count; i++) sensitive << event_of(clk_->all[i]);
    }

    void start_of_simulation() override
    {
        for (size_t i = 0; i < clk_->count; i++) notify(clk_->all[i]);
        resume_.notify(sc_core::SC_ZERO_TIME);
    }

    /* What is due at the current time needs no notification: the activation in progress, or the one that starts the
     * next run, looks for it. */
    void notify(vx_clk_entity *entity)
    {
        sc_core::sc_event &event = event_of(entity);
        event.cancel();
        vx_tick now = time_now();
        if (entity->due != VX_TICK_NEVER && entity->due > now)
            event.notify(sc_core::sc_time::from_value(entity->due - now));
    }

    /* SystemC does not evaluate processes at the end of a run (IEEE 1666, 4.3.4.2): what is due then, as what is due
     * now because it was armed between two runs, is the next run's first activation. */
    void run()
    {
        vx_tick now = time_now();
        if (sc_core::sc_get_status() != sc_core::SC_ELABORATION) resume_.notify(sc_core::SC_ZERO_TIME);
        sc_core::sc_start(sc_core::sc_time::from_value(clk_->limit - now), sc_core::SC_EXIT_ON_STARVATION);
    }

  private:
    vx_clk *clk_;
    sc_core::sc_event resume_;

    static sc_core::sc_event &event_of(vx_clk_entity *entity)
    {
        return *static_cast<sc_core::sc_event *>(entity->priv);
    }

    /* Timers first, then processes, each in order of creation. */
    vx_clk_entity *next_due(vx_tick now) const
    {
        vx_clk_entity *found = nullptr;
        for (size_t i = 0; i < clk_->count; i++) {
            vx_clk_entity *entity = clk_->all[i];
            if (entity->due > now) continue;
            if (entity->hard) return entity;
            if (!found) found = entity;
        }
        return found;
    }

    void activate()
    {
        vx_tick now = time_now();
        vx_clk_entity *entity;
        while (!vx_clk_ended(clk_) && (entity = next_due(now))) vx_clk_dispatch(clk_, entity);
        if (vx_clk_ended(clk_)) sc_core::sc_pause();
    }
};

std::atomic<bool> used{false};

kernel *kernel_of(const vx_clk *clk) { return static_cast<kernel *>(clk->backend); }

/* To be called in a catch block: what was thrown, as a status and a message. */
vx_status thrown(vx_msg *msg)
{
    try {
        throw;
    } catch (const std::bad_alloc &) {
        return vx_fail_nomem(msg);
    } catch (const std::exception &e) {
        return vx_fail(msg, VX_ERR_CHECK, "clock: SystemC: %s", e.what());
    } catch (...) {
        return vx_fail(msg, VX_ERR_CHECK, "clock: SystemC threw an unknown exception");
    }
}

void run_fails(vx_clk *clk)
{
    vx_msg msg;
    vx_status status = thrown(&msg);
    vx_clk_set_failure(clk, status, msg.text);
}

/* SystemC's own habits are to print, and to abort on a fatal report. */
void quiet_reports()
{
    using namespace sc_core;
    sc_report_handler::set_actions(SC_INFO, SC_DO_NOTHING);
    sc_report_handler::set_actions(SC_WARNING, SC_DO_NOTHING);
    sc_report_handler::set_actions(SC_ERROR, SC_THROW);
    sc_report_handler::set_actions(SC_FATAL, SC_THROW);
}

vx_status systemc_open(vx_clk *clk, vx_msg *msg)
{
    if (used.exchange(true))
        return vx_fail(msg, VX_ERR_INPUT, "clock: SystemC runs one simulation in an OS process, and has had it");
    try {
        quiet_reports();
        clk->backend = new kernel("vexit", clk);
        return VX_OK;
    } catch (...) {
        return thrown(msg);
    }
}

/* The module must go before its events. */
void systemc_close(vx_clk *clk)
{
    delete kernel_of(clk);
    for (size_t i = 0; i < clk->count; i++) delete static_cast<sc_core::sc_event *>(clk->all[i]->priv);
}

vx_status systemc_add(vx_clk *, vx_clk_entity *entity, vx_msg *msg)
{
    try {
        entity->priv = new sc_core::sc_event;
        return VX_OK;
    } catch (...) {
        return thrown(msg);
    }
}

void systemc_schedule(vx_clk *clk, vx_clk_entity *entity)
{
    if (!clk->started) return; /* start_of_simulation does it */
    try {
        kernel_of(clk)->notify(entity);
    } catch (...) {
        run_fails(clk);
    }
}

vx_tick systemc_next_hard(const vx_clk *clk)
{
    vx_tick earliest = VX_TICK_NEVER;
    for (size_t i = 0; i < clk->count; i++)
        if (clk->all[i]->hard && clk->all[i]->due < earliest) earliest = clk->all[i]->due;
    return earliest;
}

bool systemc_soft_armed(const vx_clk *clk)
{
    for (size_t i = 0; i < clk->count; i++)
        if (!clk->all[i]->hard && clk->all[i] != clk->running && clk->all[i]->due != VX_TICK_NEVER) return true;
    return false;
}

void systemc_run(vx_clk *clk)
{
    try {
        kernel_of(clk)->run();
    } catch (...) {
        run_fails(clk);
    }
}

} // namespace

extern "C" const vx_clk_ops vx_clk_systemc_ops = {
    "systemc",        systemc_open,      systemc_close,      systemc_add,
    systemc_schedule, systemc_next_hard, systemc_soft_armed, systemc_run,
};
