#include "clk_log.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static clk_log *log_new(void)
{
    void *memory = mmap(NULL, sizeof(clk_log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory; /* zeroed */
}

void clk_log_free(clk_log *log)
{
    if (log) munmap(log, sizeof *log);
}

clk_log *clk_log_here(const char *kind, clk_scenario scenario, const void *self)
{
    clk_log *log = log_new();
    if (!log) return NULL;
    scenario(kind, log, self);
    log->finished = true;
    return log;
}

clk_log *clk_log_in_child(const char *kind, clk_scenario scenario, const void *self)
{
    clk_log *log = log_new();
    pid_t child = log ? fork() : -1;
    if (child == 0) {
        scenario(kind, log, self);
        log->finished = true;
        _exit(0);
    }
    int status = -1;
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0) return log;
    clk_log_free(log);
    return NULL;
}

static void append(clk_log *log, clk_log_kind kind, uint32_t order, vx_tick now, vx_tick horizon)
{
    if (log->count < CLK_LOG_ENTRIES) log->at[log->count] = (clk_log_entry){kind, order, now, horizon};
    log->count++;
}

void clk_log_event(void *log, const vx_clk_event *event)
{
    append(log, event->hard ? CLK_LOG_TIMER : CLK_LOG_STEP, event->order, event->now, event->horizon);
}

vx_status clk_log_run(vx_clk *clk, vx_tick until, clk_log *log)
{
    vx_clk_end end = VX_CLK_REACHED;
    vx_status status = vx_clk_run(clk, until, &end, &log->msg);
    append(log, CLK_LOG_END, end, vx_clk_now(clk), status);
    log->counts = vx_clk_counted(clk);
    return status;
}

void clk_log_note(clk_log *log, uint64_t value)
{
    if (log->notes < CLK_LOG_NOTES) log->note[log->notes] = value;
    log->notes++;
}

static bool same(const clk_log_entry *a, const clk_log_entry *b)
{
    return a->kind == b->kind && a->order == b->order && a->now == b->now && a->horizon == b->horizon;
}

int clk_log_difference(const clk_log *a, const clk_log *b)
{
    uint32_t kept = a->count < CLK_LOG_ENTRIES ? a->count : CLK_LOG_ENTRIES;
    for (uint32_t i = 0; i < kept; i++)
        if (i >= b->count || !same(&a->at[i], &b->at[i])) return (int)i;
    return a->count == b->count ? -1 : (int)kept;
}
