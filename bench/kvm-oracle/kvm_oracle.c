/* kvm-oracle: runs the oracle's guest workloads through the simulator and sets the exits beside those that a real KVM
 * counted (counts.txt), row by row.
 *
 *     kvm_oracle [--group mmu|exits|apic|nested] [--workload KIND,n,m,k,flags] [--mode MODE] [--json FILE] [COUNTS]
 *
 * The last line is "N rows, N equal"; exit status 0 only where all are equal, 1 where some are not, 2 on bad usage.
 * With
 * --workload there is nothing to compare with but rows of the same parameters: what the simulator counts is printed. */
#include "oracle_rows.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef ORACLE_COUNTS_FILE
#define ORACLE_COUNTS_FILE "bench/kvm-oracle/counts.txt"
#endif

typedef struct arguments {
    const char *group, *mode, *json, *counts;
    bool one;
    workload work;
} arguments;

typedef struct tally {
    unsigned rows, equal, not_built;
    json_t *json;
    char trace[256];
    vx_status failed; /* of the first thing that went wrong */
} tally;

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Nested page faults of L1, of which the table has none: counts.py says why. */
static uint64_t npf_of_l1(const vx_sim *sim)
{
    const vx_stat *kinds = vx_stats_find(vx_sim_stats(sim), "nested.l0_exits.by_kind");
    uint64_t sum = 0;
    for (unsigned i = 0; kinds && i < kinds->of.table.row_count; i++) {
        const char *kind = kinds->of.table.rows[i];
        if (strcmp(kind, "npt01_fill") == 0 || strcmp(kind, "npt12_store") == 0) sum += kinds->of.table.cells[i];
    }
    return sum;
}

/* Exits of one reason; of a nested guest those to the hypervisor below. */
static uint64_t exits_of(const vx_sim *sim, const char *reason, bool nested)
{
    char path[96];
    uint64_t exits = 0;
    snprintf(path, sizeof path, "%s.by_reason.%s.count", nested ? "nested.l0_exits" : "exits", reason);
    if (!vx_sim_value(sim, path, &exits)) return 0;
    return nested && strcmp(reason, "npf") == 0 ? exits - npf_of_l1(sim) : exits;
}

/* As the table spells them: sorted by name, "0" where there are none. */
static void describe(const vx_sim *sim, bool nested, char *text, size_t room)
{
    vx_vendor vendor = vx_sim_cpu(sim)->vendor;
    const char *names[VX_EXIT_ROWS];
    unsigned count = 0;
    for (unsigned i = 0; i < vx_exit_reason_count(vendor); i++) names[count++] = vx_exit_reason_at(vendor, i)->name;
    qsort(names, count, sizeof *names, by_name);
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        uint64_t exits = exits_of(sim, names[i], nested);
        if (oracle_is_asynchronous(names[i]) || exits == 0 || used >= room) continue;
        used += (size_t)snprintf(text + used, room - used, "%s%s=%llu", used ? " " : "", names[i],
                                 (unsigned long long)exits);
    }
    if (used == 0) snprintf(text, room, "0");
}

static vx_status simulate(const oracle_mode *mode, const char *trace, char *text, size_t room, vx_msg *msg)
{
    vx_sim_options options = oracle_mode_options(mode, &trace);
    options.by_region = true;
    options.region = 1;
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    status = vx_sim_run(sim, msg);
    if (status == VX_OK) describe(sim, mode->nested != NULL, text, room);
    vx_sim_close(sim);
    return status;
}

static void report(tally *t, const oracle_row *row, const char *simulated, const char *verdict)
{
    printf("%-5s %-17s %-22s %-40s %-40s %s\n", row->group, row->mode, row->name, row->counts, simulated, verdict);
    if (!t->json) return;
    json_array_append_new(t->json,
                          json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "group", row->group, "mode", row->mode, "workload",
                                    row->name, "real", row->counts, "simulated", simulated, "verdict", verdict));
}

/* The other vendor's hypercall instruction: at its first #UD KVM patches the guest's code, which no trace shows. */
static bool is_patched(const oracle_row *row)
{
    bool amd = strncmp(row->mode, "svm-", 4) == 0;
    return row->work.number == WL_INSN && row->work.m == (amd ? INSN_VMCALL : INSN_VMMCALL);
}

static void run_row(tally *t, const oracle_row *row)
{
    const oracle_mode *mode = oracle_mode_find(row->mode);
    char simulated[256] = "-";
    vx_msg msg = {0};
    if (!mode || !oracle_guest_expresses(&row->work) || is_patched(row)) {
        t->not_built++;
        report(t, row, simulated, "not built");
        return;
    }
    vx_status status = simulate(mode, t->trace, simulated, sizeof simulated, &msg);
    bool known = row->counts[0] != '?', equal = status == VX_OK && strcmp(simulated, row->counts) == 0;
    if (status != VX_OK) fprintf(stderr, "kvm_oracle: %s %s: %s\n", row->mode, row->name, msg.text);
    if (t->failed == VX_OK) t->failed = status;
    t->rows += known;
    t->equal += known && equal;
    report(t, row, simulated, !known ? "no count" : equal ? "equal" : "DIFFERS");
}

static bool same_workload(const workload *a, const workload *b)
{
    return a->number == b->number && a->flags == b->flags && a->n == b->n && a->m == b->m && a->k == b->k;
}

static bool wanted(const arguments *a, const oracle_row *row)
{
    return (!a->group || strcmp(a->group, row->group) == 0) && (!a->mode || strcmp(a->mode, row->mode) == 0) &&
           (!a->one || same_workload(&a->work, &row->work));
}

static void write_trace(tally *t, const workload *work)
{
    vx_msg msg = {0};
    if (!oracle_guest_expresses(work)) return;
    t->failed = oracle_guest_write(work, t->trace, &msg);
    if (t->failed != VX_OK) fprintf(stderr, "kvm_oracle: %s\n", msg.text);
}

/* Workload by workload, so that its trace is written once. */
static void run_rows(tally *t, const arguments *a, const oracle_rows *all)
{
    bool *done = calloc(all->count + 1, sizeof *done);
    if (!done) t->failed = VX_ERR_NOMEM;
    for (size_t i = 0; done && i < all->count; i++) {
        if (done[i] || !wanted(a, &all->rows[i])) continue;
        write_trace(t, &all->rows[i].work);
        for (size_t j = i; j < all->count && !t->failed; j++) {
            if (done[j] || !wanted(a, &all->rows[j]) || !same_workload(&all->rows[i].work, &all->rows[j].work))
                continue;
            done[j] = true;
            run_row(t, &all->rows[j]);
        }
        unlink(t->trace);
    }
    free(done);
}

/* Parameters that the table has no row of: all modes, nothing to compare with. */
static void run_one(tally *t, const arguments *a)
{
    write_trace(t, &a->work);
    const oracle_mode *mode;
    for (size_t i = 0; (mode = oracle_mode_at(i)) != NULL && !t->failed; i++) {
        oracle_row row = {.group = "-", .work = a->work, .counts = "?"};
        if (a->mode && strcmp(a->mode, mode->name) != 0) continue;
        snprintf(row.mode, sizeof row.mode, "%s", mode->name);
        snprintf(row.name, sizeof row.name, "workload %u", a->work.number);
        run_row(t, &row);
    }
    unlink(t->trace);
}

static int usage(void)
{
    fprintf(stderr, "usage: kvm_oracle [--group mmu|exits|apic|nested] [--workload KIND,n,m,k,flags] [--mode MODE] "
                    "[--json FILE] [COUNTS]\n");
    return 2;
}

static bool parse(arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] != '-') {
            a->counts = argv[i];
            continue;
        }
        if (!value) return false;
        if (strcmp(argv[i], "--group") == 0)
            a->group = value;
        else if (strcmp(argv[i], "--mode") == 0)
            a->mode = value;
        else if (strcmp(argv[i], "--json") == 0)
            a->json = value;
        else if (strcmp(argv[i], "--workload") != 0 || !oracle_workload_parse(&a->work, value))
            return false;
        a->one |= strcmp(argv[i], "--workload") == 0;
        i++;
    }
    return true;
}

static bool any_wanted(const arguments *a, const oracle_rows *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (wanted(a, &all->rows[i])) return true;
    return false;
}

static int finish(tally *t, const arguments *a)
{
    if (t->not_built) printf("%u rows not built\n", t->not_built);
    printf("%u rows, %u equal\n", t->rows, t->equal);
    if (a->json) {
        json_t *document = json_pack("{s:i,s:i,s:i,s:o}", "rows_compared", (int)t->rows, "equal", (int)t->equal,
                                     "not_built", (int)t->not_built, "rows", t->json);
        if (!document || json_dump_file(document, a->json, JSON_INDENT(1)) != 0) {
            fprintf(stderr, "kvm_oracle: %s: cannot be written\n", a->json);
            t->failed = VX_ERR_IO;
        }
        json_decref(document);
    }
    if (t->failed != VX_OK) return vx_status_exit_code(t->failed);
    return t->equal == t->rows ? 0 : 1;
}

int main(int argc, char **argv)
{
    arguments a = {.counts = ORACLE_COUNTS_FILE};
    if (!parse(&a, argc, argv)) return usage();
    oracle_rows all;
    vx_msg msg = {0};
    vx_status status = oracle_rows_read(&all, a.counts, &msg);
    if (status != VX_OK) {
        fprintf(stderr, "kvm_oracle: %s\n", msg.text);
        return vx_status_exit_code(status);
    }
    tally t = {.json = a.json ? json_array() : NULL};
    const char *folder = getenv("TMPDIR");
    snprintf(t.trace, sizeof t.trace, "%s/kvm_oracle.XXXXXX", folder ? folder : P_tmpdir);
    int file = mkstemp(t.trace);
    if (file < 0) {
        fprintf(stderr, "kvm_oracle: no temporary file\n");
        free(all.rows);
        return 3;
    }
    close(file);
    printf("%-5s %-17s %-22s %-40s %-40s %s\n", "group", "mode", "workload", "real", "simulated", "verdict");
    if (a.one && !any_wanted(&a, &all))
        run_one(&t, &a);
    else
        run_rows(&t, &a, &all);
    free(all.rows);
    return finish(&t, &a);
}
