#include "bench_run.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void bench_sets_add(bench_sets *sets, const char *format, ...)
{
    assert(sets->count < BENCH_SETS);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sets->text[sets->count], BENCH_SET_TEXT, format, arguments);
    va_end(arguments);
    sets->count++;
}

static vx_status take(const vx_sim *sim, bench_figure *figures, unsigned count, vx_msg *msg)
{
    for (unsigned i = 0; i < count; i++)
        if (!vx_sim_value(sim, figures[i].path, &figures[i].value))
            return vx_fail(msg, VX_ERR_CHECK, "no statistic '%s'", figures[i].path);
    return VX_OK;
}

vx_status bench_run(const vx_sim_options *options, const bench_sets *sets, bench_figure *figures, unsigned count,
                    vx_ledger *ledger, vx_msg *msg)
{
    const char *list[BENCH_SETS];
    vx_sim_options given = *options;
    for (unsigned i = 0; sets && i < sets->count; i++) list[i] = sets->text[i];
    if (sets) given.sets = list;
    if (sets) given.set_count = sets->count;
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &given, msg);
    if (status != VX_OK) return status;
    status = vx_sim_run(sim, msg);
    if (status == VX_OK) status = take(sim, figures, count, msg);
    if (status == VX_OK && ledger) *ledger = *vx_sim_ledger(sim);
    vx_sim_close(sim);
    return status;
}

int bench_end(const char *program, vx_status status, const vx_msg *msg)
{
    if (status != VX_OK) fprintf(stderr, "%s: %s\n", program, msg->text);
    return vx_status_exit_code(status);
}
