/* How far an overhead moves with the two inputs that decide it and are known least: how much of a walk's time is
 * exposed, and what an exit costs (docs/cycles.md, The band). */
#include "report_private.h"

#include <math.h>

#include "vx_ledger.h"

static const double factors[] = {0.5, 1.5};

/* A run's cycles were its exposed walks and its exits so many times as dear. */
static double scaled_cycles(const json_t *run, double walks, double exits)
{
    static const vx_cause walk_causes[] = {VX_CAUSE_WALK_GUEST, VX_CAUSE_WALK_NESTED, VX_CAUSE_WALK_SHADOW};
    static const vx_cause exit_causes[] = {VX_CAUSE_EXIT_HARDWARE, VX_CAUSE_EXIT_SOFTWARE};
    double cycles = report_real(run, "cycles.total");
    for (unsigned i = 0; i < 3; i++) cycles += (walks - 1.0) * (double)report_cause_cycles(run, walk_causes[i]);
    for (unsigned i = 0; i < 2; i++) cycles += (exits - 1.0) * (double)report_cause_cycles(run, exit_causes[i]);
    return cycles;
}

bool report_overhead_band(const json_t *run, const json_t *native, double *low, double *high)
{
    double least = INFINITY, most = -INFINITY;
    /* The overhead is monotonic in either factor, so that its extremes lie in the corners. */
    for (unsigned corner = 0; corner < 4; corner++) {
        double walks = factors[corner & 1], exits = factors[corner >> 1];
        double base = scaled_cycles(native, walks, exits);
        if (!(base > 0.0)) return false;
        double overhead = scaled_cycles(run, walks, exits) / base - 1.0;
        least = fmin(least, overhead);
        most = fmax(most, overhead);
    }
    *low = least;
    *high = most;
    return true;
}
