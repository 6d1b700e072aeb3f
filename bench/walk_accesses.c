/* walk_accesses: how many page-table accesses are left of a walk once the walker's caches have answered, native and
 * nested, on a mixed workload, beside what two studies published.
 *
 * Nothing here is fitted: sizes are the CPU models', the workload was chosen before the first run, and what comes out
 * is printed. It is another workload than the studies', and vendors document few of the sizes: class D, with the curve
 * over the sizes. */
#include <stdio.h>
#include <string.h>

#include "bench_options.h"
#include "bench_run.h"
#include "vx_chart.h"

/* Accesses a walk with page-walk caches. Bhargava et al., "Accelerating Two-Dimensional Page Walks for Virtualized
 * Systems", ASPLOS 2008, Fig. 8 (MiscServer); Park et al., "Every Walk's a Hit", ASPLOS 2022. */
static const double published_native = 1.5, published_nested_low = 4.4, published_nested_high = 4.53;

/* One vCPU under a guest OS with 4 KiB pages in both dimensions, four processes in turn, a slice each. */
enum { PROCESSES = 4, SLICE_INSTRUCTIONS = 250000, INSTRUCTIONS = 3400000, QUICK = 20 };

/* Each process runs INSTRUCTIONS; the first half of all warms up: tables, TLBs and caches are then as they stay. */
typedef struct workload {
    const char *name;
    const char *what;
    unsigned first, count; /* of the four processes */
} workload;

static const workload workloads[] = {
    {"compiler", "cc1 -O2, recorded", 0, 1},
    {"sqlite", "an in-memory database, recorded", 1, 1},
    {"zipf", "16384 pages, popular by Zipf's law, theta 0.99", 2, 1},
    {"random", "uniform over 512 MiB", 3, 1},
    {"mix", "all four, time-sliced", 0, PROCESSES},
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads, MIX = WORKLOADS - 1 };

static const struct {
    const char *cpu, *nested;
} machines[] = {{"barcelona", "npt+vpid"}, {"nehalem", "ept+vpid"}, {"skylake", "ept+vpid"}};
enum { MACHINES = sizeof machines / sizeof *machines };

typedef struct traces {
    char path[PROCESSES][512];
    const char *list[PROCESSES];
    unsigned instructions; /* of each */
} traces;

/* Which structures of the walker there are, and how big. */
typedef struct walker_sizes {
    bool psc, ntlb;
    unsigned num, den; /* times the model's entries */
} walker_sizes;
static const walker_sizes as_modelled = {true, true, 1, 1};

typedef struct walk_figures {
    uint64_t instructions, walks, accesses;
} walk_figures;

static void make_traces(traces *t, const bench_options *o)
{
    t->instructions = o->quick ? INSTRUCTIONS / QUICK : INSTRUCTIONS;
    snprintf(t->path[0], sizeof *t->path, "%s/compiler.vxt", o->traces);
    snprintf(t->path[1], sizeof *t->path, "%s/sqlite.vxt", o->traces);
    /* Two instructions and one load a turn; footprints that the warm-up touches nearly all of, so that first touches
     * (walks that end in faults and begin again) hardly count. */
    snprintf(t->path[2], sizeof *t->path, "gen:zipf:bytes=64m,item=4k,theta=0.99,body=2,refs=%u", t->instructions / 2);
    snprintf(t->path[3], sizeof *t->path, "gen:random:bytes=512m,body=2,refs=%u", t->instructions / 2);
    for (unsigned i = 0; i < PROCESSES; i++) t->list[i] = t->path[i];
}

static void scale(bench_sets *sets, const char *structure, const char *level, uint32_t entries, uint32_t ways,
                  const walker_sizes *sizes)
{
    uint32_t scaled = entries * sizes->num / sizes->den;
    if (entries == 0 || scaled == entries) return;
    if (scaled == 0) scaled = 1;
    bool full = ways == entries;
    bench_sets_add(sets, "cpu.%s%s.entries=%u", structure, level, scaled);
    bench_sets_add(sets, "cpu.%s%s.ways=%u", structure, level, full || ways > scaled ? scaled : ways);
}

static void size_walker(bench_sets *sets, const vx_cfg_cpu *cpu, const walker_sizes *sizes)
{
    static const char *const level[] = {"", "", "pde", "pdpte", "pml4e"};
    if (!sizes->psc) bench_sets_add(sets, "cpu.psc.kind=none");
    if (!sizes->ntlb) bench_sets_add(sets, "cpu.ntlb.entries=0");
    for (unsigned i = 2; sizes->psc && cpu->psc.kind == VX_PSC_PREFIX && i <= 4; i++) {
        scale(sets, "psc.guest.", level[i], cpu->psc.guest_entries[i], cpu->psc.guest_ways[i], sizes);
        scale(sets, "psc.nested.", level[i], cpu->psc.nested_entries[i], cpu->psc.nested_ways[i], sizes);
    }
    if (sizes->psc && cpu->psc.kind == VX_PSC_PHYSICAL)
        scale(sets, "psc.", "physical", cpu->psc.physical_entries, cpu->psc.physical_ways, sizes);
    if (sizes->ntlb) scale(sets, "ntlb", "", cpu->ntlb.entries, cpu->ntlb.ways, sizes);
}

static vx_status measure(const vx_cfg_cpu *cpu, const char *scheme, const workload *w, const traces *t,
                         const walker_sizes *sizes, walk_figures *figures, vx_msg *msg)
{
    bench_sets sets = {.count = 0};
    bench_sets_add(&sets, "vm.fault_instructions=0"); /* so that the warm-up's length is that of the traces */
    bench_sets_add(&sets, "vm.slice_instructions=%d", SLICE_INSTRUCTIONS);
    bench_sets_add(&sets, "vm.tables=interleaved");
    size_walker(&sets, cpu, sizes);
    uint64_t all = (uint64_t)t->instructions * w->count;
    vx_sim_options options = {.cpu = cpu->name,
                              .scheme = scheme,
                              .traces = t->list + w->first,
                              .trace_count = w->count,
                              .seed = 1,
                              .warmup = all / 2,
                              .max = all / 2};
    bench_figure f[] = {{"instructions", 0}, {"walks.count", 0}, {"walks.accesses", 0}};
    vx_status status = bench_run(&options, &sets, f, 3, NULL, msg);
    if (status == VX_OK) *figures = (walk_figures){f[0].value, f[1].value, f[2].value};
    return status;
}

static double per_walk(const walk_figures *f) { return f->walks ? (double)f->accesses / (double)f->walks : 0; }

static void row(FILE *csv, const char *cpu, const char *workload_name, const char *sizes, const walk_figures *native,
                const walk_figures *nested)
{
    printf("%-10s %-9s %-22s %12.2f %12.2f %12.2f %12.2f\n", cpu, workload_name, sizes,
           1000.0 * (double)native->walks / (double)native->instructions, per_walk(native),
           1000.0 * (double)nested->walks / (double)nested->instructions, per_walk(nested));
    if (!csv) return;
    fprintf(csv, "%s,%s,%s,%llu,%llu,%llu,%llu,%llu,%llu\n", cpu, workload_name, sizes,
            (unsigned long long)native->instructions, (unsigned long long)native->walks,
            (unsigned long long)native->accesses, (unsigned long long)nested->instructions,
            (unsigned long long)nested->walks, (unsigned long long)nested->accesses);
}

static vx_status compare(const vx_cfg_cpu *cpu, const char *nested_scheme, const workload *w, const traces *t,
                         const walker_sizes *sizes, const char *name, FILE *csv, vx_msg *msg)
{
    walk_figures native, nested;
    vx_status status = measure(cpu, "native", w, t, sizes, &native, msg);
    if (status == VX_OK) status = measure(cpu, nested_scheme, w, t, sizes, &nested, msg);
    if (status == VX_OK) row(csv, cpu->name, w->name, name, &native, &nested);
    return status;
}

/* The model's geometry, as the effective configuration has it. */
static vx_status read_cpu(const char *name, vx_cfg_cpu *cpu, vx_msg *msg)
{
    const char *trace = "gen:random";
    vx_sim_options options = {.cpu = name, .scheme = "native", .traces = &trace, .trace_count = 1};
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    *cpu = *vx_sim_cpu(sim);
    vx_sim_close(sim);
    return VX_OK;
}

static vx_status machine(unsigned index, const traces *t, FILE *csv, vx_msg *msg)
{
    static const struct {
        const char *name;
        walker_sizes sizes;
        bool needs_ntlb;
    } variants[] = {
        {"no walk caches", {false, false, 1, 1}, false}, {"nested TLB alone", {false, true, 1, 1}, true},
        {"no nested TLB", {true, false, 1, 1}, true},    {"sizes halved", {true, true, 1, 2}, false},
        {"sizes doubled", {true, true, 2, 1}, false},    {"sizes times 4", {true, true, 4, 1}, false},
    };
    vx_cfg_cpu cpu;
    vx_status status = read_cpu(machines[index].cpu, &cpu, msg);
    for (unsigned i = 0; status == VX_OK && i < WORKLOADS; i++)
        status = compare(&cpu, machines[index].nested, &workloads[i], t, &as_modelled, "as modelled", csv, msg);
    for (unsigned i = 0; status == VX_OK && i < sizeof variants / sizeof *variants; i++) {
        if (variants[i].needs_ntlb && cpu.ntlb.entries == 0) continue;
        status =
            compare(&cpu, machines[index].nested, &workloads[MIX], t, &variants[i].sizes, variants[i].name, csv, msg);
    }
    return status;
}

static vx_status run(const bench_options *o, vx_msg *msg)
{
    FILE *csv = NULL;
    vx_status status = vx_csv_open(&csv, o->csv, msg);
    if (status != VX_OK) return status;
    if (csv)
        fprintf(csv, "cpu,workload,walk caches,native instructions,native walks,native accesses,nested instructions,"
                     "nested walks,nested accesses\n");
    traces t;
    make_traces(&t, o);
    printf("Workload: four processes on one vCPU, slices of %d instructions, %u instructions each, second half "
           "counted;\n4 KiB pages in both dimensions, guest tables among the data:\n",
           SLICE_INSTRUCTIONS, t.instructions);
    for (unsigned i = 0; i < WORKLOADS; i++) printf("  %-9s %s\n", workloads[i].name, workloads[i].what);
    printf("\n%-10s %-9s %-22s %25s %25s\n", "", "", "", "native", "nested");
    printf("%-10s %-9s %-22s %12s %12s %12s %12s\n", "cpu", "workload", "walk caches", "walks/kinst", "acc./walk",
           "walks/kinst", "acc./walk");
    for (unsigned i = 0; status == VX_OK && i < MACHINES; i++) status = machine(i, &t, csv, msg);
    if (status == VX_OK)
        printf("%-43s %12s %12.2f %12s %7.1f-%.2f\n\n"
               "Class D: another workload than the studies', and assumed structure sizes; the rows below 'as modelled' "
               "say\nhow much the sizes matter. Walks that end in a fault count too.\n",
               "published, workloads of their own", "", published_native, "", published_nested_low,
               published_nested_high);
    return vx_csv_close(csv, o->csv, status, msg);
}

int main(int argc, char **argv)
{
    bench_options o;
    bench_options_parse(&o, argc, argv, "Accesses a page walk with the walker's caches, native and nested.");
    vx_msg msg = {{0}};
    return bench_end("walk_accesses", run(&o, &msg), &msg);
}
