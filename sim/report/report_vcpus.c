/* The vCPUs of a run that has several, a row each: what they did, what their exits were, how they interrupted each
 * other. */
#include "report_private.h"

static void row(const json_t *vcpu, FILE *out)
{
    static const char *const paths[] = {"instructions", "cycles.total", "cycles.by_cause.idle", "exits.total",
                                        "walks.count",  "ipis.sent",    "ipis.received"};
    char number[REPORT_NUMBER];
    fprintf(out, "%4s", report_figure(json_object_get(vcpu, "apic_id"), number));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        fprintf(out, " %15s", report_figure(report_at(vcpu, paths[i]), number));
    fputc('\n', out);
}

void report_vcpus(const json_t *run, FILE *out)
{
    const json_t *vcpus = json_object_get(run, "vcpus");
    if (json_array_size(vcpus) == 0) return;
    fprintf(out, "\n%4s %15s %15s %15s %15s %15s %15s %15s\n", "VCPU", "instructions", "cycles", "idle", "exits",
            "walks", "IPIs sent", "received");
    for (size_t i = 0; i < json_array_size(vcpus); i++) row(json_array_get(vcpus, i), out);
    char number[REPORT_NUMBER];
    fprintf(out, "from the first to the last of them %s cycles\n",
            report_grouped(report_uint(run, "smp.elapsed"), number));
}
