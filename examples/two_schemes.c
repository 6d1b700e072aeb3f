/* What nested paging costs a program that touches memory at random: two runs through the facade, in 30 lines.
 *
 *     cc two_schemes.c $(pkg-config --cflags --libs vexit)      (VEXIT_MODELS=... where models are not installed) */
#include <inttypes.h>
#include <stdio.h>

#include "vexit.h"

static uint64_t cycles(const char *scheme, vx_msg *msg)
{
    const char *const traces[] = {"gen:random:bytes=256m,refs=1m"};
    vx_sim_options options = {.cpu = "nehalem", .scheme = scheme, .traces = traces, .trace_count = 1, .seed = 1};
    vx_sim *sim;
    uint64_t total = 0;
    if (vx_sim_open(&sim, &options, msg) != VX_OK) return 0;
    if (vx_sim_run(sim, msg) != VX_OK || !vx_sim_value(sim, "cycles.total", &total)) total = 0;
    vx_sim_close(sim);
    return total;
}

int main(void)
{
    vx_msg msg = {{0}};
    uint64_t native = cycles("native", &msg), ept = native ? cycles("ept+vpid", &msg) : 0;
    if (!ept) return fprintf(stderr, "%s\n", msg.text), 1;
    printf("native %" PRIu64 " cycles, ept+vpid %" PRIu64 " cycles\n", native, ept);
    return 0;
}
