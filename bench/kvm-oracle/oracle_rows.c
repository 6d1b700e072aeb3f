#include "oracle_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The oracle's emulators have nested pages of 4 KiB, so that each page is touched for itself; _huge: 2 MiB. */
#define PAGES_4K "vmm.nested_page=4k"
/* The oracle's Intel processor has FlexPriority and no APICv; _flex: with a module that maps the APIC-access page. */
#define NO_APICV "vmm.apic.apicv=no"
#define NO_FLEX "vmm.apic.flexpriority=no"
#define PAGE_MAPPED "vmm.apic.page_mapped=yes"

/* The emulated processor does not virtualize VMLOAD and VMSAVE. */
#define NO_VLS "cpu.svm.virtual_vmload=no"

static const oracle_mode modes[] = {
    {"svm-npt", "zen2", "npt", {PAGES_4K}, NULL},
    {"svm-npt_legacy", "zen2", "npt", {PAGES_4K, "vmm.nested.prefetch=8"}, NULL},
    {"svm-npt_huge", "zen2", "npt", {"vmm.nested_page=2m"}, NULL},
    {"svm-shadow", "zen2", "shadow-kvm", {NULL}, NULL},
    {"svm-shadow_huge", "zen2", "shadow-kvm", {"vmm.nested_page=2m"}, NULL},
    {"svm-nested", "zen2", "npt", {PAGES_4K, NO_VLS}, "kvm-6.1"},
    {"svm-nested_huge", "zen2", "npt", {"vmm.nested_page=2m", NO_VLS}, "kvm-6.1"},
    {"vmx-ept", "haswell", "ept+vpid", {PAGES_4K, NO_APICV}, NULL},
    {"vmx-ept_novpid", "haswell", "ept", {PAGES_4K, NO_APICV}, NULL},
    {"vmx-ept_legacy", "haswell", "ept+vpid", {PAGES_4K, NO_APICV, "vmm.nested.prefetch=8"}, NULL},
    {"vmx-ept_flex", "haswell", "ept+vpid", {PAGES_4K, NO_APICV, PAGE_MAPPED}, NULL},
    {"vmx-ept_noflex", "haswell", "ept+vpid", {PAGES_4K, NO_APICV, NO_FLEX}, NULL},
    {"vmx-shadow", "haswell", "shadow-kvm+vpid", {NO_APICV}, NULL},
    {"vmx-shadow_novpid", "haswell", "shadow-kvm", {NO_APICV}, NULL},
    {"vmx-shadow_flex", "haswell", "shadow-kvm+vpid", {NO_APICV, PAGE_MAPPED}, NULL},
    {"vmx-shadow_noflex", "haswell", "shadow-kvm+vpid", {NO_APICV, NO_FLEX}, NULL},
};

bool oracle_is_asynchronous(const char *reason)
{
    static const char *const reasons[] = {"interrupt", "EXTERNAL_INTERRUPT", "vintr", "INTERRUPT_WINDOW"};
    for (unsigned i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(reason, reasons[i]) == 0) return true;
    return false;
}

const oracle_mode *oracle_mode_at(size_t index) { return index < sizeof modes / sizeof *modes ? &modes[index] : NULL; }

const oracle_mode *oracle_mode_find(const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, name) == 0) return &modes[i];
    return NULL;
}

vx_sim_options oracle_mode_options(const oracle_mode *mode, const char *const *trace)
{
    unsigned sets = 0;
    while (sets < sizeof mode->sets / sizeof *mode->sets && mode->sets[sets]) sets++;
    return (vx_sim_options){.cpu = mode->cpu,
                            .vmm = "kvm-6.1",
                            .scheme = mode->scheme,
                            .nested = mode->nested,
                            .traces = trace,
                            .trace_count = 1,
                            .sets = mode->sets,
                            .set_count = sets};
}

static bool parse(oracle_row *row, const char *line)
{
    char m[ORACLE_NAME];
    unsigned long long n, k;
    int end = 0;
    if (sscanf(line, "%31s %31s %31s %u %llu %31s %llu %u %n", row->group, row->mode, row->name, &row->work.number, &n,
               m, &k, &row->work.flags, &end) != 8 ||
        end == 0)
        return false;
    row->work.n = n;
    row->work.k = k;
    row->work.m = strtoull(m, NULL, 0); /* an MSR's number is in hexadecimal */
    snprintf(row->counts, sizeof row->counts, "%s", line + end);
    row->counts[strcspn(row->counts, "\r\n")] = '\0';
    return row->counts[0] != '\0';
}

static vx_status read_lines(oracle_rows *rows, FILE *file, const char *path, vx_msg *msg)
{
    char line[512];
    for (unsigned number = 1; fgets(line, sizeof line, file); number++) {
        oracle_row row = {0};
        if (line[0] == '#') continue;
        if (!parse(&row, line)) return vx_fail(msg, VX_ERR_INPUT, "%s:%u: not a row of the table", path, number);
        oracle_row *more = realloc(rows->rows, (rows->count + 1) * sizeof *more);
        if (!more) return vx_fail_nomem(msg);
        rows->rows = more;
        rows->rows[rows->count++] = row;
    }
    return VX_OK;
}

vx_status oracle_rows_read(oracle_rows *rows, const char *path, vx_msg *msg)
{
    FILE *file = fopen(path, "r");
    if (!file) return vx_fail(msg, VX_ERR_IO, "%s: cannot be opened", path);
    oracle_rows read = {0};
    vx_status status = read_lines(&read, file, path, msg);
    fclose(file);
    if (status == VX_OK)
        *rows = read;
    else
        free(read.rows);
    return status;
}
