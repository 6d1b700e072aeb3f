/* io_paths: what the ways to virtualize a network card make of 1 Gbit/s, beside the chapter's chart; and how the
 * emulated one depends on what an emulated register access costs.
 *
 * No value is fitted to the chart. Exits a frame follow from the driver's register sequence and from what interrupts
 * the device model raises; an access costs what Adams and Agesen measured for a port access under VT-x (2006); wire,
 * rings and moderation are those of the card. Costs of stack, copies and back-end are assumed (`vexit model show
 * gbe-2008`), and only decide the processor's use where the wire limits. */
#include <stdio.h>
#include <string.h>

#include "bench_options.h"
#include "bench_time.h"
#include "vexit.h"

static const struct {
    vx_io_path path;
    double mbit; /* the chapter's chart, 1 Gbit/s Ethernet of about 2008 */
} chart[] = {
    {VX_IO_PATH_EMULATED, 151}, {VX_IO_PATH_PARA, 930}, {VX_IO_PATH_PASSTHROUGH, 934}, {VX_IO_PATH_NATIVE, 936}};
enum { ROWS = sizeof chart / sizeof *chart };

typedef struct figures {
    double mbit, guests, backend, exits_per_frame;
    bool wire_limited, failed;
} figures;

static double ratio(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(json_object_get(object, name), "value"));
}

static figures measure(vx_io_path path, const char *cpu, const char *nic, unsigned guests, unsigned ms,
                       const char *const *sets, unsigned set_count)
{
    const vx_io_path_options options = {.cpu = cpu,
                                        .chipset = "intel-5520",
                                        .nic = nic,
                                        .paths = &path,
                                        .path_count = 1,
                                        .guests = guests,
                                        .payload = 1448,
                                        .window = 45,
                                        .milliseconds = ms,
                                        .sets = sets,
                                        .set_count = set_count};
    vx_msg msg = {""};
    json_t *document = NULL;
    if (vx_io_paths_document(&document, &options, &msg)) {
        fprintf(stderr, "io_paths: %s\n", msg.text);
        return (figures){.failed = true};
    }
    const json_t *run = json_array_get(json_object_get(document, "runs"), 0), *use = json_object_get(run, "cpu_use");
    figures made = {.mbit = json_number_value(json_object_get(json_object_get(run, "throughput_mbit_s"), "value")),
                    .guests = ratio(use, "guests"),
                    .backend = ratio(use, "backend"),
                    .exits_per_frame = ratio(json_object_get(run, "derived"), "exits_per_frame"),
                    .wire_limited = json_is_true(json_object_get(run, "wire_limited")),
                    .failed = strcmp(json_string_value(json_object_get(run, "identities")), "ok") != 0};
    json_decref(document);
    return made;
}

static bool reproduce(unsigned ms)
{
    bool failed = false;
    printf("1 GBIT/S (penryn, intel-5520, gbe-2008; full frames, 941 Mbit/s at most)\n");
    printf("%-12s %10s %10s %8s  %-24s %8s %9s %12s\n", "path", "Mbit/s", "chart", "off", "verdict", "guest",
           "back-end", "exits/frame");
    for (unsigned i = 0; i < ROWS; i++) {
        figures made = measure(chart[i].path, "penryn", "gbe-2008", 1, ms, NULL, 0);
        double off = 100 * (made.mbit / chart[i].mbit - 1);
        const char *verdict = made.wire_limited       ? "wire-limited, as charted"
                              : off > -15 && off < 15 ? "within 15 %"
                                                      : "not within 15 %";
        failed |= made.failed;
        printf("%-12s %10.1f %10.0f %+7.1f%%  %-24s %7.1f%% %8.1f%% %12.2f\n", vx_io_path_name(chart[i].path),
               made.mbit, chart[i].mbit, off, verdict, 100 * made.guests, 100 * made.backend, made.exits_per_frame);
    }
    printf("Class D: the chart names neither processor nor hypervisor. The order holds; the emulated path is what "
           "decides.\n\n");
    return !failed;
}

static bool sensitivities(unsigned ms)
{
    static const struct {
        const char *what, *cpu, *set;
    } rows[] = {
        {"as above", "penryn", NULL},
        {"an access of 7800 cycles (Xen 2009, with emulation)", "penryn", "nic.hypervisor.access_ticks=7800"},
        {"an access of 6209 cycles (KVM and QEMU 2017)", "penryn", "nic.hypervisor.access_ticks=6209"},
        {"an access half as dear", "penryn", "nic.hypervisor.access_ticks=7913"},
        {"an access one and a half times as dear", "penryn", "nic.hypervisor.access_ticks=23739"},
        {"the processor at 2400 MHz", "penryn", "cpu.core.mhz=2400"},
        {"on a Pentium 4 (where the access was measured)", "prescott", NULL},
        {"the stack's cost doubled", "penryn", "nic.driver.send_ticks=18000"},
        {"the device model's cost doubled", "penryn", "nic.hypervisor.emulate_ticks=12000"},
        {"the host's card without moderation", "penryn", "nic.card.moderation_ns=0"},
    };
    bool failed = false;
    printf("EMULATED: what it is sensitive to%*s Mbit/s  exits/frame\n", 22, "");
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        figures made = measure(VX_IO_PATH_EMULATED, rows[i].cpu, "gbe-2008", 1, ms, &rows[i].set, rows[i].set != NULL);
        failed |= made.failed;
        printf("%-54s %7.1f %12.2f\n", rows[i].what, made.mbit, made.exits_per_frame);
    }
    putchar('\n');
    return !failed;
}

static bool ten_gigabit(unsigned ms)
{
    static const unsigned guests[] = {1, 4, 16};
    bool failed = false;
    printf("10 GBIT/S, GUESTS THAT SHARE A CARD (nehalem, intel-5520, 82598 class)\n%-12s", "path");
    for (unsigned g = 0; g < 3; g++) printf("  %2u guests: Mbit/s", guests[g]);
    putchar('\n');
    static const vx_io_path paths[] = {VX_IO_PATH_EMULATED, VX_IO_PATH_PARA, VX_IO_PATH_SRIOV};
    for (unsigned p = 0; p < 3; p++) {
        printf("%-12s", vx_io_path_name(paths[p]));
        for (unsigned g = 0; g < 3; g++) {
            figures made = measure(paths[p], "nehalem", "82598", guests[g], ms, NULL, 0);
            failed |= made.failed;
            printf("  %17.0f%s", made.mbit, made.wire_limited ? "*" : " ");
        }
        putchar('\n');
    }
    printf("* limited by the wire\n\n");
    return !failed;
}

static bool speed(unsigned ms)
{
    double start = bench_seconds();
    figures made = measure(VX_IO_PATH_SRIOV, "nehalem", "82598", 4, ms, NULL, 0);
    printf("SPEED: %u ms of saturated 10 Gbit/s in %.2f s of processor time\n", ms, bench_seconds() - start);
    return !made.failed;
}

int main(int argc, char **argv)
{
    bench_options options;
    bench_options_parse(&options, argc, argv, "Ways to virtualize a network card beside a published chart.");
    unsigned scale = options.quick ? 20 : 1;
    bool done = reproduce(400 / scale);
    done &= sensitivities(400 / scale);
    done &= ten_gigabit(200 / scale);
    done &= speed(1000 / scale);
    return done ? 0 : 1;
}
