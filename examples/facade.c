/* Replays one trace natively and under EPT and prints what each costs.
 *
 *     cc facade.c $(pkg-config --cflags --libs libvexit) -o facade && ./facade trace.vxt */
#include <inttypes.h>
#include <stdio.h>

#include <vexit.h>

static vx_status replay(const char *trace, const char *scheme, vx_msg *msg)
{
    vx_sim_options options = {
        .cpu = "nehalem", .scheme = scheme, .traces = &trace, .trace_count = 1, .seed = 1, .max = 1000000};
    vx_sim *sim = NULL;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status == VX_OK) status = vx_sim_run(sim, msg);
    uint64_t cycles = 0, exits = 0;
    if (status == VX_OK && vx_sim_value(sim, "cycles.total", &cycles) && vx_sim_value(sim, "exits.total", &exits))
        printf("%-7s %" PRIu64 " cycles, %" PRIu64 " exits\n", scheme, cycles, exits);
    vx_sim_close(sim);
    return status;
}

int main(int argc, char **argv)
{
    vx_msg msg = {{0}};
    const char *trace = argc > 1 ? argv[1] : "gen:random:refs=1m";
    if (replay(trace, "native", &msg) == VX_OK && replay(trace, "ept", &msg) == VX_OK) return 0;
    fprintf(stderr, "%s\n", msg.text);
    return 2;
}
