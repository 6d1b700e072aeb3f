/* vpid: several VMs on one CPU, and what tagging TLB entries with VPIDs saves: misses and flushes against the
 * scheduler's slice and the number of VMs, VPID on and off.
 *
 * Each VM runs the recorded compiler under EPT; the second half of the instructions is counted. Counts are results of
 * the model (class A for the flushes, which the architecture fixes; D for the misses, which the workload decides). */
#include <stdio.h>

#include "bench_options.h"
#include "bench_run.h"
#include "vx_chart.h"

enum { INSTRUCTIONS = 3400000, QUICK = 40 };

static const double slices[] = {8192, 32768, 131072, 524288, 1048576};
static const unsigned vm_counts[] = {2, 4, 8};
enum { SLICES = sizeof slices / sizeof *slices, COUNTS = sizeof vm_counts / sizeof *vm_counts, CURVES = 2 * COUNTS };

typedef struct vpid_point {
    uint64_t instructions, misses, switches, flushes, flushed_entries;
} vpid_point;

static vx_status measure(const bench_options *o, unsigned vms, double slice, bool vpid, vpid_point *point, vx_msg *msg)
{
    char path[512];
    snprintf(path, sizeof path, "%s/compiler.vxt", o->traces);
    const char *trace = path;
    bench_sets sets = {.count = 0};
    bench_sets_add(&sets, "vmm.scheduler.slice_ticks=%.0f", slice);
    bench_sets_add(&sets, "vm.fault_instructions=0"); /* so that the warm-up's length is that of the traces */
    uint64_t half = (uint64_t)(o->quick ? INSTRUCTIONS / QUICK : INSTRUCTIONS) * vms / 2;
    vx_sim_options options = {.cpu = "nehalem",
                              .scheme = "ept",
                              .vpid = vpid,
                              .traces = &trace,
                              .trace_count = 1,
                              .vms = vms,
                              .seed = 1,
                              .warmup = half,
                              .max = half};
    bench_figure f[] = {{"instructions", 0},
                        {"walks.count", 0},
                        {"vms.switches", 0},
                        {"tlb.flushes.vm_transition.count", 0},
                        {"tlb.flushes.vm_transition.entries", 0}};
    vx_status status = bench_run(&options, &sets, f, 5, NULL, msg);
    if (status == VX_OK) *point = (vpid_point){f[0].value, f[1].value, f[2].value, f[3].value, f[4].value};
    return status;
}

static double per_kilo(uint64_t events, const vpid_point *p)
{
    return 1000.0 * (double)events / (double)p->instructions;
}

static void row(unsigned vms, double slice, bool vpid, const vpid_point *p)
{
    printf("%4u %12.0f %5s %10llu %12llu %14llu %12llu %14.3f\n", vms, slice, vpid ? "on" : "off",
           (unsigned long long)p->switches, (unsigned long long)p->flushes, (unsigned long long)p->flushed_entries,
           (unsigned long long)p->misses, per_kilo(p->misses, p));
}

static vx_status sweep(const bench_options *o, double misses[CURVES][SLICES], vx_msg *msg)
{
    for (unsigned v = 0; v < COUNTS; v++)
        for (unsigned s = 0; s < SLICES; s++)
            for (unsigned vpid = 0; vpid < 2; vpid++) {
                vpid_point point;
                vx_status status = measure(o, vm_counts[v], slices[s], vpid, &point, msg);
                if (status != VX_OK) return status;
                row(vm_counts[v], slices[s], vpid, &point);
                misses[2 * v + vpid][s] = per_kilo(point.misses, &point);
            }
    return VX_OK;
}

static vx_status write_files(const bench_options *o, double misses[CURVES][SLICES], vx_msg *msg)
{
    char names[CURVES][24];
    vx_curve curves[CURVES] = {0};
    for (unsigned c = 0; c < CURVES; c++) {
        snprintf(names[c], sizeof *names, "%u VMs, VPID %s", vm_counts[c / 2], c % 2 ? "on" : "off");
        curves[c] = (vx_curve){.name = names[c], .y = misses[c]};
    }
    vx_chart chart = {.title = "TLB misses when VMs share a CPU (nehalem, EPT, the recorded compiler)",
                      .x = {.label = "scheduler's slice, cycles", .logarithmic = true},
                      .y = {.label = "page walks per 1000 instructions"},
                      .at = slices,
                      .points = SLICES,
                      .curves = curves,
                      .count = CURVES};
    vx_status status = vx_chart_csv(&chart, o->csv, "slice_ticks", msg);
    return status == VX_OK ? vx_chart_svg(&chart, o->svg, msg) : status;
}

int main(int argc, char **argv)
{
    bench_options o;
    bench_options_parse(&o, argc, argv, "TLB misses and flushes of several VMs on one CPU, VPID on and off.");
    printf("nehalem, EPT, each VM runs the recorded compiler; without VPID every VM entry and exit flushes\n\n");
    printf("%4s %12s %5s %10s %12s %14s %12s %14s\n", "VMs", "slice ticks", "VPID", "switches", "flushes",
           "entries lost", "walks", "walks/kinst");
    static double misses[CURVES][SLICES];
    vx_msg msg = {{0}};
    vx_status status = sweep(&o, misses, &msg);
    if (status == VX_OK) status = write_files(&o, misses, &msg);
    return bench_end("vpid", status, &msg);
}
