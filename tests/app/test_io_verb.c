/* vexit io: the report of a DMA trace, as text and as JSON; what is refused. */
#include "test_support.h"

#include <string.h>

#include "cli.h"
#include "json_schema.h"

#define LOG CLI_TRACE("vtd-e1000.vxt")

static json_t *document_of(const char *words)
{
    json_t *document = cli_document("io %s", words);
    json_t *schema = json_load_file(VX_SOURCE_DIR "/docs/schema/vexit-io-1.json", 0, NULL);
    assert_non_null(schema);
    vx_schema_fault fault;
    if (!vx_json_schema_check(schema, document, &fault)) fail_msg("%s: %s", fault.where, fault.what);
    json_decref(schema);
    return document;
}

static void a_recorded_log(void **state)
{
    (void)state;
    json_t *document = document_of("--trace " LOG " --chipset cascade-lake");
    assert_int_equal(json_array_size(cli_at(document, "/runs")), 3);
    assert_string_equal(cli_text(document, "/runs/2/policy"), "strict");
    assert_int_equal(cli_count(document, "/trace/dmas"), 4025);
    assert_int_equal(cli_count(document, "/runs/2/iommu/iotlb/misses"), 1010);
    assert_int_equal(cli_count(document, "/runs/2/driver/invalidations"), 1008);
    assert_int_equal(cli_count(document, "/runs/0/iommu/iotlb/lookups"), 0);
    for (unsigned i = 0; i < 3; i++) {
        char path[40];
        snprintf(path, sizeof path, "/runs/%u/identities", i);
        assert_string_equal(cli_text(document, path), "ok");
    }
    json_decref(document);
    assert_int_equal(CLI("io", "--trace", LOG, "--chipset", "cascade-lake", "--iommu", "strict"), 0);
    assert_non_null(strstr(cli_out, "  misses                                 1010\n"));
}

/* More flows cost more reads a page; the same seed gives the same bytes. */
static void generated_rings(void **state)
{
    (void)state;
#define RING(flows) "--trace gen:nic:packets=20k,flows=" #flows " --chipset cascade-lake --iommu strict"
    json_t *few = document_of(RING(5)), *many = document_of(RING(40)), *again = document_of(RING(40));
    double m5 = json_number_value(cli_at(few, "/runs/0/derived/table_reads_per_page/value"));
    double m40 = json_number_value(cli_at(many, "/runs/0/derived/table_reads_per_page/value"));
    assert_true(m5 > 1 && m40 > 1.3 * m5);
    assert_true(json_equal(many, again));
    json_decref(few);
    json_decref(many);
    json_decref(again);
}

static void batches(void **state)
{
    (void)state;
    json_t *document =
        document_of("--trace gen:nic:packets=5k,deferred=1 --chipset cascade-lake --iommu deferred --batch 50 "
                    "--batch-us 1000000 --seed 3");
    uint64_t flushes = cli_count(document, "/runs/0/driver/flushes"),
             unmaps = cli_count(document, "/runs/0/driver/unmaps");
    assert_int_equal(flushes, unmaps / 50);
    json_decref(document);
}

/* Guests instead of a trace: the chapter's four paths, by their schema. */
static void guests_and_paths(void **state)
{
    (void)state;
    json_t *document = document_of("--nic gbe-2008 --cpu penryn --chipset intel-5520 --ms 20");
    static const char *const order[] = {"native", "emulated", "para", "passthrough"};
    assert_int_equal(json_array_size(cli_at(document, "/runs")), 4);
    for (unsigned i = 0; i < 4; i++) {
        const json_t *run = json_array_get(cli_at(document, "/runs"), i);
        assert_string_equal(json_string_value(json_object_get(run, "path")), order[i]);
        assert_string_equal(json_string_value(json_object_get(run, "identities")), "ok");
    }
    json_decref(document);
    assert_int_equal(CLI("io", "--nic", "gbe-2008", "--cpu", "penryn", "--chipset", "intel-5520", "--ms", "20"), 0);
    assert_non_null(strstr(cli_out, "native is limited by the wire"));
    assert_int_equal(CLI("list", "paths"), 0);
    assert_non_null(strstr(cli_out, "vmdq         para-virtual; the card sorts"));
}

/* Without --cpu and --chipset it is the server that the card's model names. */
static void a_card_has_a_server(void **state)
{
    (void)state;
    const char *line = "io --nic gbe-2008 --path emulated,para,passthrough,native --ms 20 --json -";
    assert_int_equal(cli_line("%s", line), 0);
    char *cards = strdup(cli_out);
    assert_int_equal(cli_line("%s --cpu penryn --chipset intel-5520", line), 0);
    assert_string_equal(cli_out, cards);
    free(cards);
    json_t *other = cli_document("io --nic gbe-2008 --path native --ms 20 --cpu nehalem");
    assert_string_equal(cli_text(other, "/runs/0/cpu"), "nehalem");
    assert_string_equal(cli_text(other, "/runs/0/chipset"), "intel-5520");
    json_decref(other);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
        int code;
    } rows[] = {
        {"io --trace " LOG, "no chipset given", 2},
        {"io --chipset cascade-lake", "one of --trace and --nic", 2},
        {"io --chipset intel-5520 --nic ./loose.xml", "no CPU given, and the card's model names none", 2},
        {"io --trace " LOG " --chipset cascade-lake --flows 3", "of guests need --nic", 2},
        {"io --nic ./elsewhere.xml", "elsewhere.xml:1: nic.server.cpu: '/dev/zero' is not", 2},
        {"io --nic gbe-2008 --set nic.server.cpu=nehalem", "a name cannot be set", 2},
        {"io --cpu penryn --nic ./loose.xml", "no chipset given, and the card's model names none", 2},
        {"io --chipset intel-5520 --nic gbe-2009 --cpu penryn", "did you mean 'gbe-2008'", 2},
        {"io --chipset intel-5520 --nic gbe-2008 --cpu penryn --iommu strict,deferred", "with --nic one policy", 2},
        {"io --chipset intel-5520 --nic gbe-2008 --cpu penryn --iommu strict", "a policy is of path native alone", 2},
        {"io --chipset intel-5520 --nic gbe-2008 --cpu penryn --workload streem", "did you mean 'stream'", 2},
        {"io --chipset intel-5520 --nic gbe-2008 --cpu penryn --path para,para", "para is named twice", 2},
        {"io --chipset intel-5520 --nic gbe-2008 --cpu penryn --path nativ", "did you mean 'native'", 2},
        {"io --chipset intel-5000 --nic gbe-2008 --cpu penryn --path passthrough", "needs VT-d", 2},
        {"io --chipset intel-5520 --nic gbe-2008 --cpu penryn --set vmm.apic.apicv=yes", "paths begin with", 2},
        {"io --trace " LOG " --chipset intel-5000", "the chipset has no VT-d", 2},
        {"io --trace " LOG " --chipset cascade-lakes", "did you mean 'cascade-lake'", 2},
        {"io --trace " LOG " --chipset cascade-lake --iommu stricd", "did you mean 'strict'", 2},
        {"io --trace " CLI_TRACE("sqlite.vxt") " --chipset cascade-lake", "vexit run replays it", 2},
        {"io --trace absent.vxt --chipset cascade-lake", "absent.vxt", 3},
        {"io --trace " LOG " --chipset cascade-lake --set chipset.iommu.iotlb.ways=3", "sets must be a power of two",
         2},
        {"io --trace " LOG " --chipset cascade-lake --set cpu.mmu.walkers=2", "no value of a chipset model", 2},
        {"io --trace " LOG " --chipset cascade-lake --batch 0", "--batch", 2},
        {"io more", "unexpected argument", 2},
    };
    static const char loose[] =
        "<nic name='loose' title='a card without a server'><wire mbit='1000' assumed='yes'/></nic>";
    static const char elsewhere[] = "<nic name='elsewhere' title='a path for a name'><server cpu='/dev/zero'/></nic>";
    cli_file("loose.xml", loose, strlen(loose));
    cli_file("elsewhere.xml", elsewhere, strlen(elsewhere));
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        int code = cli_line("%s", rows[i].line);
        if (code != rows[i].code || !strstr(cli_err, rows[i].says)) fail_msg("row %u: %d, %s", i, code, cli_err);
    }
    /* Without VT-d devices reach memory as they are: that may be replayed. */
    assert_int_equal(CLI("io", "--trace", LOG, "--chipset", "intel-5000", "--iommu", "off"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_log),   cmocka_unit_test(generated_rings),     cmocka_unit_test(batches),
        cmocka_unit_test(guests_and_paths), cmocka_unit_test(a_card_has_a_server), cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
