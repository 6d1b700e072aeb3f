/* linux-regions: replays recorded Linux regions and sets the exits, reason by reason, beside those that a real KVM
 * counted of the same regions (linux-counts.txt).
 *
 *     linux_regions [--mode MODE] [--pti on|off] [--traces FOLDER] [--json FILE] [COUNTS]
 *
 * A count is within bounds where it differs by no more than 5 % or 16 exits. Not compared is what the time causes: host
 * interrupts, interrupt windows, and the accesses to the local APIC with which the guest's timer interrupt is served.
 * Last line: "N counts, N equal, N within bounds, N outside"; exit status 0 only without the last, 1 with, 2 on bad
 * usage, 3 where something cannot be read, written or run. */
#include "oracle_rows.h"

#include "vx_trace.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef LINUX_COUNTS_FILE
#define LINUX_COUNTS_FILE "bench/kvm-oracle/linux-counts.txt"
#define LINUX_TRACES_FOLDER "traces"
#endif

/* Region i lies between marks FIRST_MARK + 2 i and the next one: traces/recipes/guest/workload.c. */
enum { FIRST_MARK = 16, REGIONS_MAX = 16, BOUND_EXITS = 16, BOUND_PER_CENT = 5 };

typedef struct arguments {
    const char *mode, *pti, *traces, *json, *counts;
} arguments;

typedef struct row {
    char pti[4], mode[ORACLE_NAME], region[ORACLE_NAME], counts[ORACLE_COUNTS];
    unsigned mark;
} row;

/* Exits by reason, and those of them that are accesses to the local APIC. */
typedef struct counts {
    uint64_t exits[VX_EXIT_ROWS], apic;
} counts;

/* One replay: of each region what had been counted before, then what was counted in it. */
typedef struct replay {
    char pti[4], mode[ORACLE_NAME];
    vx_vendor vendor;
    counts region[REGIONS_MAX];
    bool done[REGIONS_MAX];
} replay;

typedef struct tally {
    unsigned counts, equal, within, outside;
    json_t *json;
} tally;

static uint64_t value(const vx_sim *sim, const char *path)
{
    uint64_t found = 0;
    (void)vx_sim_value(sim, path, &found);
    return found;
}

static counts take(const vx_sim *sim, vx_vendor vendor)
{
    counts now = {0};
    for (unsigned i = 0; i < vx_exit_reason_count(vendor); i++) {
        char path[96];
        snprintf(path, sizeof path, "exits.by_reason.%s.count", vx_exit_reason_at(vendor, i)->name);
        now.exits[i] = value(sim, path);
    }
    return now;
}

static bool region_of(uint16_t mark, unsigned *index)
{
    *index = (mark - FIRST_MARK) / 2U;
    return mark >= FIRST_MARK && *index < REGIONS_MAX;
}

static bool begins(uint16_t mark) { return (mark - FIRST_MARK) % 2 == 0; }

static void marked(void *context, const vx_sim *sim, uint16_t mark)
{
    replay *r = context;
    unsigned i;
    if (!region_of(mark, &i)) return;
    counts now = take(sim, r->vendor);
    counts *region = &r->region[i];
    for (unsigned reason = 0; reason < VX_EXIT_ROWS; reason++)
        region->exits[reason] = now.exits[reason] - (begins(mark) ? 0 : region->exits[reason]);
    r->done[i] = !begins(mark);
}

/* Accesses to the local APIC, which the trace knows for itself: each exits. */
static vx_status count_apic(replay *r, const char *path, vx_msg *msg)
{
    vx_source *source;
    vx_batch batch;
    uint64_t *region = NULL;
    unsigned i;
    vx_status status = vx_trace_open(&source, path, NULL, msg);
    if (status != VX_OK) return status;
    while ((status = vx_source_next(source, &batch, msg)) == VX_OK && batch.count)
        for (size_t n = 0; n < batch.count; n++) {
            const vx_record *record = &batch.records[n];
            uint16_t mark = (uint16_t)record->addr;
            if (record->kind == VX_REC_MARK)
                region = region_of(mark, &i) && begins(mark) ? &r->region[i].apic : NULL;
            else if (region && (record->kind == VX_REC_APIC_READ || record->kind == VX_REC_APIC_WRITE))
                ++*region;
        }
    vx_source_close(source);
    return status;
}

static vx_status simulate(replay *r, const row *of, const char *folder, vx_msg *msg)
{
    const oracle_mode *mode = oracle_mode_find(of->mode);
    if (!mode) return vx_fail(msg, VX_ERR_INPUT, "%s: no such mode", of->mode);
    char path[4096];
    snprintf(path, sizeof path, "%s/linux-regions%s.vxt", folder, strcmp(of->pti, "on") == 0 ? "-pti" : "");
    const char *trace = path;
    *r = (replay){.vendor = VX_VENDOR_AMD};
    vx_sim_options options = oracle_mode_options(mode, &trace);
    options.marked = marked;
    options.marked_context = r;
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    r->vendor = vx_sim_cpu(sim)->vendor;
    status = vx_sim_run(sim, msg);
    vx_sim_close(sim);
    if (status == VX_OK) status = count_apic(r, path, msg);
    snprintf(r->pti, sizeof r->pti, "%s", of->pti);
    snprintf(r->mode, sizeof r->mode, "%s", of->mode);
    return status;
}

/* ---- comparison ---- */

static uint64_t real_count(const row *of, const char *reason)
{
    size_t length = strlen(reason);
    for (const char *word = of->counts; *word; word += strcspn(word, " "), word += strspn(word, " "))
        if (strncmp(word, reason, length) == 0 && word[length] == '=') return strtoull(word + length + 1, NULL, 10);
    return 0;
}

/* What an access to the local APIC's page exits with, where nothing virtualizes it. */
static bool is_fault(const char *reason)
{
    static const char *const faults[] = {"npf", "PF_excp", "EPT_VIOLATION", "EPT_MISCONFIG", "EXCEPTION_NMI"};
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
        if (strcmp(reason, faults[i]) == 0) return true;
    return false;
}

static const char *judge(tally *t, uint64_t real, uint64_t simulated)
{
    uint64_t difference = real > simulated ? real - simulated : simulated - real;
    t->counts++;
    if (difference == 0) {
        t->equal++;
        return "equal";
    }
    if (difference <= BOUND_EXITS || difference * 100 <= real * BOUND_PER_CENT) {
        t->within++;
        return "within";
    }
    t->outside++;
    return "OUTSIDE";
}

static void report(tally *t, const row *of, const char *reason, uint64_t real, uint64_t simulated, const char *verdict)
{
    printf("%-4s %-11s %-9s %-15s %8llu %9llu %+7lld  %s\n", of->pti, of->mode, of->region, reason,
           (unsigned long long)real, (unsigned long long)simulated, (long long)(simulated - real), verdict);
    if (!t->json) return;
    json_array_append_new(t->json, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:s}", "pti", of->pti, "mode", of->mode,
                                             "region", of->region, "reason", reason, "real", (json_int_t)real,
                                             "simulated", (json_int_t)simulated, "verdict", verdict));
}

static vx_status compare(tally *t, const row *of, const replay *r, vx_msg *msg)
{
    unsigned index;
    if (!region_of((uint16_t)of->mark, &index) || !r->done[index])
        return vx_fail(msg, VX_ERR_INPUT, "%s: the trace has no region of mark %u", of->region, of->mark);
    const counts *simulated = &r->region[index];
    uint64_t apic = real_count(of, "apic"), rest = apic, simulated_rest = simulated->apic;
    for (unsigned i = 0; i < vx_exit_reason_count(r->vendor); i++) {
        const char *name = vx_exit_reason_at(r->vendor, i)->name;
        uint64_t real = real_count(of, name), ours = simulated->exits[i];
        if (oracle_is_asynchronous(name) || (real == 0 && ours == 0)) continue;
        if (is_fault(name)) { /* one reason has them all */
            real -= real < rest ? real : rest;
            ours -= ours < simulated_rest ? ours : simulated_rest;
            rest = simulated_rest = 0;
        }
        report(t, of, name, real, ours, judge(t, real, ours));
    }
    if (apic || simulated->apic) report(t, of, "(local APIC)", apic, simulated->apic, "not compared");
    return VX_OK;
}

/* ---- the table ---- */

static vx_status run(tally *t, const arguments *a, vx_msg *msg)
{
    static replay r;
    char line[512];
    FILE *file = fopen(a->counts, "r");
    if (!file) return vx_fail(msg, VX_ERR_IO, "%s: cannot be opened", a->counts);
    vx_status status = VX_OK;
    for (unsigned number = 1; status == VX_OK && fgets(line, sizeof line, file); number++) {
        row of;
        int end = 0;
        if (line[0] == '#') continue;
        line[strcspn(line, "\r\n")] = '\0';
        if (sscanf(line, "%3s %25s %31s %u %n", of.pti, of.mode, of.region, &of.mark, &end) != 4 || !end ||
            !line[end]) {
            status = vx_fail(msg, VX_ERR_INPUT, "%s:%u: not a row of the table", a->counts, number);
            break;
        }
        snprintf(of.counts, sizeof of.counts, "%s", line + end);
        if ((a->mode && strcmp(a->mode, of.mode) != 0) || (a->pti && strcmp(a->pti, of.pti) != 0)) continue;
        if (strcmp(r.pti, of.pti) != 0 || strcmp(r.mode, of.mode) != 0) status = simulate(&r, &of, a->traces, msg);
        if (status == VX_OK) status = compare(t, &of, &r, msg);
    }
    fclose(file);
    return status;
}

static vx_status write_json(const tally *t, const char *path, vx_msg *msg)
{
    json_t *document = json_pack("{s:i,s:i,s:i,s:i,s:O}", "counts", (int)t->counts, "equal", (int)t->equal, "within",
                                 (int)t->within, "outside", (int)t->outside, "rows", t->json);
    bool written = document && json_dump_file(document, path, JSON_INDENT(1)) == 0;
    json_decref(document);
    return written ? VX_OK : vx_fail(msg, VX_ERR_IO, "%s: cannot be written", path);
}

static bool parse(arguments *a, int argc, char **argv)
{
    const struct {
        const char *name;
        const char **place;
    } options[] = {{"--mode", &a->mode}, {"--pti", &a->pti}, {"--traces", &a->traces}, {"--json", &a->json}};
    for (int i = 1; i < argc; i++) {
        size_t option = 0;
        while (option < 4 && strcmp(argv[i], options[option].name) != 0) option++;
        if (option < 4 && i + 1 < argc)
            *options[option].place = argv[++i];
        else if (argv[i][0] == '-')
            return false;
        else
            a->counts = argv[i];
    }
    return true;
}

int main(int argc, char **argv)
{
    arguments a = {.traces = LINUX_TRACES_FOLDER, .counts = LINUX_COUNTS_FILE};
    if (!parse(&a, argc, argv)) {
        fprintf(stderr, "usage: linux_regions [--mode MODE] [--pti on|off] [--traces FOLDER] [--json FILE] [COUNTS]\n");
        return 2;
    }
    vx_msg msg = {0};
    tally t = {.json = a.json ? json_array() : NULL};
    printf("%-4s %-11s %-9s %-15s %8s %9s %7s  %s\n", "pti", "mode", "region", "reason", "real", "simulated", "diff",
           "verdict");
    vx_status status = run(&t, &a, &msg);
    if (status == VX_OK && a.json) status = write_json(&t, a.json, &msg);
    json_decref(t.json);
    if (status != VX_OK) {
        fprintf(stderr, "linux_regions: %s\n", msg.text);
        return 3;
    }
    printf("%u counts, %u equal, %u within bounds, %u outside\n", t.counts, t.equal, t.within, t.outside);
    return t.outside ? 1 : 0;
}
