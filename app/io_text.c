/* The text of vexit io, rendered from its document (io_text.h). */
#include "io_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vexit.h"

static const json_t *at(const json_t *object, const char *path)
{
    char word[64];
    while (object && *path) {
        size_t length = strcspn(path, ".");
        snprintf(word, sizeof word, "%.*s", (int)length, path);
        object = json_object_get(object, word);
        path += length + (path[length] == '.');
    }
    return object;
}

static void print_row(const json_t *runs, const char *label, const char *path)
{
    printf("%-30s", label);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *value = at(json_array_get(runs, i), path);
        if (json_is_object(value)) value = json_object_get(value, "value"); /* a ratio */
        if (json_is_integer(value))
            printf(" %14" JSON_INTEGER_FORMAT, json_integer_value(value));
        else if (json_is_real(value))
            printf(" %14.3f", json_real_value(value));
        else
            printf(" %14s", "-");
    }
    putchar('\n');
}

static void print_faults(const json_t *runs)
{
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const char *reason;
        json_t *count;
        json_object_foreach((json_t *)at(run, "iommu.faults.by_reason"), reason, count)
            printf("%s: %" JSON_INTEGER_FORMAT " faults %s: %s\n", json_string_value(json_object_get(run, "policy")),
                   json_integer_value(count), reason, vx_vtd_fault_text((unsigned)strtoul(reason, NULL, 16)));
    }
}

typedef struct text_row {
    const char *label, *path;
} text_row;

static void print_heads(const json_t *runs, const char *key)
{
    printf("%-30s", "");
    for (size_t i = 0; i < json_array_size(runs); i++)
        printf(" %14s", json_string_value(json_object_get(json_array_get(runs, i), key)));
    putchar('\n');
}

void io_text_paths(const json_t *document)
{
    static const text_row rows[] = {{"throughput, Mbit/s", "throughput_mbit_s"},
                                    {"share of the wire", "wire_use"},
                                    {"loss", "loss"},
                                    {"latency, ns: 50 %", "latency_ns.p50"},
                                    {"  99 %", "latency_ns.p99"},
                                    {"processor use: guests", "cpu_use.guests"},
                                    {"  back-end", "cpu_use.backend"},
                                    {"  copy engine", "cpu_use.copy_engine"},
                                    {"messages a second", "messages.per_second"},
                                    {"frames with payload", "frames.sent"},
                                    {"  sent again", "frames.sent_again"},
                                    {"interrupts of guests", "interrupts.guests"},
                                    {"exits", "exits.total"},
                                    {"  a frame", "derived.exits_per_frame"},
                                    {"  EPT_MISCONFIG", "exits.by_reason.EPT_MISCONFIG"},
                                    {"  VMCALL", "exits.by_reason.VMCALL"},
                                    {"  EXTERNAL_INTERRUPT", "exits.by_reason.EXTERNAL_INTERRUPT"},
                                    {"  APIC_ACCESS", "exits.by_reason.APIC_ACCESS"},
                                    {"  HLT", "exits.by_reason.HLT"},
                                    {"table reads of the IOMMU", "dma.table_reads"}};
    const json_t *runs = json_object_get(document, "runs"), *first = json_array_get(runs, 0);
    printf("machine  %s, chipset %s, nic %s, %" JSON_INTEGER_FORMAT " guests, %" JSON_INTEGER_FORMAT
           " bytes a frame\n%s, %s: %" JSON_INTEGER_FORMAT " connections a guest, window %" JSON_INTEGER_FORMAT "\n\n",
           json_string_value(json_object_get(first, "cpu")), json_string_value(json_object_get(first, "chipset")),
           json_string_value(json_object_get(first, "nic")), json_integer_value(json_object_get(first, "guests")),
           json_integer_value(json_object_get(first, "payload")), json_string_value(at(first, "workload.name")),
           json_string_value(at(first, "workload.direction")), json_integer_value(at(first, "workload.flows")),
           json_integer_value(json_object_get(first, "window")));
    print_heads(runs, "path");
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) print_row(runs, rows[i].label, rows[i].path);
    for (size_t i = 0; i < json_array_size(runs); i++)
        if (json_is_true(json_object_get(json_array_get(runs, i), "wire_limited")))
            printf("%s is limited by the wire\n", json_string_value(json_object_get(json_array_get(runs, i), "path")));
    printf("\napproximate (latency): exits and frames have fixed costs; --json lists the assumed ones\n");
}

void io_text_trace(const json_t *document)
{
    static const text_row rows[] = {{"DMA requests", "iommu.requests"},
                                    {"  blocked", "iommu.blocked"},
                                    {"pages of data", "dma.pages"},
                                    {"IOTLB lookups", "iommu.iotlb.lookups"},
                                    {"  misses", "iommu.iotlb.misses"},
                                    {"  dropped by invalidations", "iommu.iotlb.dropped"},
                                    {"paging-structure lookups", "iommu.paging_structures.lookups"},
                                    {"  hits", "iommu.paging_structures.hits"},
                                    {"table reads", "dma.table_reads"},
                                    {"  a page (M)", "derived.table_reads_per_page"},
                                    {"unmaps", "driver.unmaps"},
                                    {"invalidations", "driver.invalidations"},
                                    {"  entries nobody named", "iommu.invalidation.over_invalidated"},
                                    {"  queue time, ns", "iommu.invalidation.ticks"},
                                    {"table pages held", "driver.table_pages"},
                                    {"device time a page, ns", "derived.ticks_per_page"}};
    const json_t *runs = json_object_get(document, "runs"), *trace = json_object_get(document, "trace");
    printf("trace    %s, %" JSON_INTEGER_FORMAT " DMAs, %" JSON_INTEGER_FORMAT " maps, %" JSON_INTEGER_FORMAT
           " unmaps\nchipset  %s\n\n",
           json_string_value(json_object_get(trace, "path")), json_integer_value(json_object_get(trace, "dmas")),
           json_integer_value(json_object_get(trace, "maps")), json_integer_value(json_object_get(trace, "unmaps")),
           json_string_value(json_object_get(json_array_get(runs, 0), "chipset")));
    print_heads(runs, "policy");
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) print_row(runs, rows[i].label, rows[i].path);
    print_faults(runs);
    printf("\napproximate (latency): fixed times for a DMA and a table read; counts are exact\n");
    if (!json_is_true(json_object_get(document, "complete"))) printf("interrupted: what was done until then\n");
}
