/* vexit list statistics: every figure that a report can hold, by its path, with its unit and its meaning, as the rooms
 * declare them. No machine has all of them, so one of each kind is put together, and none is run.
 *
 * What a model, a vendor or a number of VMs names in a path stands in capitals: tlb.UNIT.misses. */
#include "list_statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vexit.h"

typedef struct figure {
    char path[sizeof((vx_stat *)0)->path + 64]; /* names are longer than what they stand for, by 8 at most */
    const char *unit, *doc;                     /* literals of the rooms */
} figure;

typedef struct figures {
    figure *all;
    size_t count, capacity;
} figures;

static const char *const reclaim[] = {"vmm.nested.reclaim_ticks=1000000"};

static const vx_sim_options machines[] = {
    {.cpu = "haswell", .scheme = "native"},
    {.cpu = "haswell", .vmm = "kvm-6.1", .scheme = "ept+vpid", .check = true, .sets = reclaim, .set_count = 1},
    {.cpu = "haswell", .scheme = "ept", .nested = "textbook"},
    {.cpu = "haswell", .scheme = "ept", .vms = 2},
    {.cpu = "haswell", .scheme = "ept", .vcpus = 2},
    {.cpu = "haswell", .scheme = "shadow-kvm"},
    {.cpu = "haswell", .scheme = "shadow-xen-v3"},
    {.cpu = "haswell", .scheme = "trap"},
    {.cpu = "zen2", .scheme = "npt"},
};

/* Behind `before` stands a name, or where `before` ends within a component, the rest of it. */
static const struct {
    const char *before, *name;
} names[] = {
    {".by_reason.", "REASON"},  {".l1_by_reason.", "REASON"}, {".by_page_size.", "SIZE"},
    {".pages_mapped.", "SIZE"}, {".flushes.", "OPERATION"},   {"vms.vm", "N"},
};

static void put_name(char *at, const char *name)
{
    const char *rest = at + strcspn(at, ".");
    size_t length = strlen(name);
    memmove(at + length, rest, strlen(rest) + 1);
    for (size_t i = 0; i < length; i++) at[i] = name[i];
}

/* "exits.by_reason.CPUID.count" to "exits.by_reason.REASON.count"; units of a TLB are all that lies in `tlb` but its
 * retries and flushes. */
static void generalize(char *path)
{
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char *at = strstr(path, names[i].before);
        if (at) put_name(at + strlen(names[i].before), names[i].name);
    }
    if (strncmp(path, "tlb.", 4) == 0 && strchr(path + 4, '.') && strncmp(path, "tlb.flushes.", 12) != 0)
        put_name(path + 4, "UNIT");
}

/* What stands behind the path in the document: labels of a table, values of a histogram. */
static const char *members(const vx_stat *stat)
{
    if (stat->kind == VX_STAT_HISTOGRAM) return ".VALUE";
    if (stat->kind == VX_STAT_TABLE) return stat->of.table.columns ? "[ROW][COLUMN]" : ".LABEL";
    return "";
}

static vx_status add(figures *f, const vx_stat *stat, vx_msg *msg)
{
    figure new = {.unit = stat->unit, .doc = stat->doc};
    memcpy(new.path, stat->path, sizeof stat->path);
    generalize(new.path);
    const char *behind = members(stat);
    memcpy(new.path + strlen(new.path), behind, strlen(behind) + 1);
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->all[i].path, new.path) == 0) return VX_OK;
    if (f->count == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 128;
        figure *all = realloc(f->all, capacity * sizeof *all);
        if (!all) return vx_fail_nomem(msg);
        f->all = all;
        f->capacity = capacity;
    }
    f->all[f->count++] = new;
    return VX_OK;
}

static vx_status add_machine(figures *f, const vx_sim_options *machine, vx_msg *msg)
{
    static const char *const traces[] = {"gen:random:bytes=1m,refs=1"};
    vx_sim_options options = *machine;
    options.traces = traces;
    options.trace_count = 1;
    options.seed = 1;
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    const vx_stats *stats = vx_sim_stats(sim);
    for (size_t i = 0; status == VX_OK && i < stats->count; i++) status = add(f, &stats->entries[i], msg);
    vx_sim_close(sim);
    return status;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const figure *)a)->path, ((const figure *)b)->path);
}

vx_status list_statistics(vx_msg *msg)
{
    figures f = {0};
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i < sizeof machines / sizeof *machines; i++)
        status = add_machine(&f, &machines[i], msg);
    if (status == VX_OK) {
        qsort(f.all, f.count, sizeof *f.all, by_path);
        for (size_t i = 0; i < f.count; i++)
            printf("%-50s %-13s %s\n", f.all[i].path, strcmp(f.all[i].unit, "1") == 0 ? "-" : f.all[i].unit,
                   f.all[i].doc);
    }
    free(f.all);
    return status;
}
