/* Page faults that a trace records beside those that its page tables cause: where they differ, that is counted and the
 * first is named. Traces written by hand, and a recorded one that is damaged on purpose. */
#include <string.h>

#include "guest_script.h"
#include "sim_figures.h"
#include "vx_radix.h"

enum { UNMAPPED = 100 };

static guest_script script;

static const struct {
    const char *cpu, *scheme;
} machines[] = {{"nehalem", "native"},
                {"nehalem", "shadow-wp"},
                {"nehalem", "shadow-vtlb"},
                {"nehalem", "shadow-kvm+vpid"},
                {"nehalem", "shadow-xen-v2"},
                {"nehalem", "shadow-xen-v3+vpid"},
                {"nehalem", "ept"},
                {"nehalem", "ept+vpid"},
                {"nehalem", "trap"},
                {"zen2", "npt"},
                {"zen2", "shadow-xen-v3+vpid"},
                {"zen2", "bt"}};

static vx_sim *open_run(unsigned machine, const char *trace, bool check, vx_status *status, vx_msg *msg)
{
    vx_sim_options options = {.cpu = machines[machine].cpu,
                              .scheme = machines[machine].scheme,
                              .traces = &trace,
                              .trace_count = 1,
                              .seed = 1,
                              .check = check};
    vx_sim *sim = NULL;
    *status = vx_sim_open(&sim, &options, msg);
    if (*status == VX_OK) *status = vx_sim_run(sim, msg);
    return sim;
}

/* The warnings of a run; new reference. */
static json_t *warnings_of(const vx_sim *sim)
{
    vx_msg msg;
    json_t *run = vx_sim_run_json(sim, &msg);
    assert_non_null(run);
    json_t *warnings = json_incref(json_object_get(run, "warnings"));
    json_decref(run);
    return warnings;
}

typedef struct wanted {
    uint64_t unrecorded, unexplained, differing;
    const char *warning; /* behind the trace's name; NULL: none */
} wanted;

/* The same under every scheme; with --check an error where a reference is unexplained. */
static void check(const wanted *want)
{
    script_write(&script, VX_TIER_FULL);
    for (unsigned i = 0; i < sizeof machines / sizeof *machines; i++) {
        vx_msg msg = {{0}};
        vx_status status;
        vx_sim *sim = open_run(i, script_file, false, &status, &msg);
        if (status != VX_OK) fail_msg("%s: %s", machines[i].scheme, msg.text);
        assert_int_equal(figure(sim, "paging.unrecorded_faults"), want->unrecorded);
        assert_int_equal(figure(sim, "paging.unexplained_faults"), want->unexplained);
        assert_int_equal(figure(sim, "paging.differing_faults"), want->differing);
        json_t *warnings = warnings_of(sim);
        assert_int_equal(json_array_size(warnings), want->warning ? 1 : 0);
        if (want->warning) {
            const char *text = json_string_value(json_array_get(warnings, 0));
            assert_int_equal(strncmp(text, script_file, strlen(script_file)), 0);
            assert_string_equal(text + strlen(script_file), want->warning);
        }
        json_decref(warnings);
        vx_sim_close(sim);
        sim = open_run(i, script_file, true, &status, &msg);
        assert_int_equal(status, want->unrecorded ? VX_ERR_CHECK : VX_OK);
        if (want->unrecorded) assert_string_equal(msg.text + strlen(script_file), want->warning);
        vx_sim_close(sim);
    }
}

/* How many records stand before the next one of the script. */
static unsigned position(void) { return (unsigned)script.count; }

/* A reference that faults, its fault, the guest's handler, the reference again. */
static void faults_that_agree(void **state)
{
    (void)state;
    script_begin(&script);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t gva = script_gva(UNMAPPED + i);
        if (i % 2) script_load(&script, gva); /* recorders keep it, or not */
        script_page_fault(&script, gva, 0);
        script_pt_store(&script, 0, UNMAPPED + i, script_leaf(0, 0), 0);
        script_load(&script, gva);
    }
    check(&(wanted){0, 0, 0, NULL});
}

/* The handler's store is missing: the reference behind it has no table to explain it. */
static void a_lost_store(void **state)
{
    (void)state;
    script_begin(&script);
    script_page_fault(&script, script_gva(UNMAPPED), 0);
    unsigned at = position();
    char text[256];
    script_load(&script, script_gva(UNMAPPED));
    script_load(&script, script_gva(0));
    script_store(&script, script_gva(UNMAPPED + 1));
    snprintf(text, sizeof text,
             ": page faults of records and of page tables differ 2 times; first at record %u, instruction 0: its page "
             "tables do not explain the reference to 0x%llx (error code 0x0)",
             at, (unsigned long long)script_gva(UNMAPPED));
    check(&(wanted){2, 0, 0, text});
}

/* The trace ends, or another exception comes, before the fault is recorded. */
static void a_fault_nobody_recorded(void **state)
{
    (void)state;
    script_begin(&script);
    unsigned at = position();
    char text[256];
    script_store(&script, script_gva(UNMAPPED));
    script_add(&script, VX_REC_EXCEPTION, 3, 0, 1, (const uint64_t[]){0});
    script_page_fault(&script, script_gva(UNMAPPED), 2); /* too late for it, but the tables explain it */
    snprintf(text, sizeof text,
             ": page faults of records and of page tables differ 1 times; first at record %u, instruction 0: its page "
             "tables do not explain the reference to 0x%llx (error code 0x2)",
             at, (unsigned long long)script_gva(UNMAPPED));
    check(&(wanted){1, 0, 0, text});
}

/* Faults recorded where the tables let the access through, by each reason that there is. */
static void faults_without_a_cause(void **state)
{
    enum { P = 1, W = 2, U = 4, RSVD = 8, I = 16 };
    static const struct {
        uint64_t leaf; /* rights of the page */
        unsigned code;
        bool explained;
    } rows[] = {
        {VX_PTE_P | VX_PTE_W | VX_PTE_U, 0, false},
        {VX_PTE_P | VX_PTE_W | VX_PTE_U, P | W | U, false},
        {VX_PTE_P | VX_PTE_U, P | W, true},
        {VX_PTE_P | VX_PTE_U, P | U, false},
        {VX_PTE_P | VX_PTE_W, P | U, true},
        {VX_PTE_P | VX_PTE_W, P | W, false},
        {VX_PTE_P | VX_PTE_U | VX_PTE_NX, P | U | I, true},
        {VX_PTE_P | VX_PTE_U, P | U | I, false},
        {0, P | W, false},
        {0, W | U, true},
        {VX_PTE_P | VX_PTE_W, P | RSVD, true},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        script_begin(&script);
        script_load(&script, script_gva(1));
        uint64_t leaf = rows[i].leaf ? (script_leaf(0, 0) & ~0xFFFULL) | rows[i].leaf : 0;
        script_pt_store(&script, 0, UNMAPPED, leaf, 0);
        unsigned at = position();
        char text[256];
        script_page_fault(&script, script_gva(UNMAPPED), rows[i].code);
        snprintf(text, sizeof text,
                 ": page faults of records and of page tables differ 1 times; first at record %u, instruction 0: its "
                 "page tables do not explain the recorded page fault at 0x%llx (error code 0x%x)",
                 at, (unsigned long long)script_gva(UNMAPPED), rows[i].code);
        check(&(wanted){0, !rows[i].explained, 0, rows[i].explained ? NULL : text});
    }
}

static void another_error_code(void **state)
{
    (void)state;
    script_begin(&script);
    script_store(&script, script_gva(UNMAPPED));
    unsigned at = position();
    char text[256];
    script_page_fault(&script, script_gva(UNMAPPED), 6);
    snprintf(text, sizeof text,
             ": page faults of records and of page tables differ 1 times; first at record %u, instruction 0: its page "
             "tables give another error code than recorded for the page fault at 0x%llx (error code 0x6)",
             at, (unsigned long long)script_gva(UNMAPPED));
    check(&(wanted){0, 0, 1, text});
}

/* ---- recorded traces ---- */

#define TRACE(name) VX_SOURCE_DIR "/traces/" name

/* All that was recorded is what the tables explain, and nothing else faults. */
static void recorded_traces_agree(void **state)
{
    static const char *const traces[] = {TRACE("linux-boot.vxt"), TRACE("linux-fork.vxt"),
                                         TRACE("linux32-pae-fork.vxt"), TRACE("linux32-fork.vxt"),
                                         TRACE("tprstorm32.vxt")};
    enum { TRACES = sizeof traces / sizeof *traces };
    (void)state;
    for (unsigned i = 0; i < TRACES; i++) {
        vx_msg msg = {{0}};
        vx_status status;
        vx_sim *sim = open_run(0, traces[i], true, &status, &msg);
        if (status != VX_OK) fail_msg("%s: %s", traces[i], msg.text);
        assert_int_equal(figure(sim, "paging.unrecorded_faults"), 0);
        assert_int_equal(figure(sim, "paging.unexplained_faults"), 0);
        assert_int_equal(figure(sim, "paging.differing_faults"), 0);
        assert_true(figure(sim, "paging.guest_faults") > 0 || i == TRACES - 1);
        vx_sim_close(sim);
    }
}

/* Copies a trace without the first present entry stored behind its n-th page fault: what the handler did. Returns the
 * number of the record that is missing. */
static uint64_t copy_without_store(const char *from, unsigned nth)
{
    enum { ROOM = 1 << 16 };
    vx_msg msg;
    vx_source *source;
    vx_trace_writer *writer;
    assert_int_equal(vx_trace_open(&source, from, NULL, &msg), VX_OK);
    assert_int_equal(vx_trace_writer_open(&writer, script_file, &source->header, NULL, &msg), VX_OK);
    uint64_t number = 0, missing = 0;
    unsigned faults = 0;
    for (;;) {
        vx_batch batch;
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        if (batch.count == 0) break;
        size_t first = 0;
        for (size_t i = 0; i < batch.count; i++, number++) {
            const vx_record *record = &batch.records[i];
            faults += record->kind == VX_REC_EXCEPTION && record->size == 14;
            if (missing || faults < nth || record->kind != VX_REC_PT_STORE) continue;
            if (!(batch.payload[record->arg + 1] & VX_PTE_P)) continue;
            vx_batch before = batch;
            before.count = i;
            assert_int_equal(vx_trace_writer_put(writer, 0, &before, &msg), VX_OK);
            first = i + 1;
            missing = number;
        }
        vx_batch rest = batch;
        rest.records += first;
        rest.count -= first;
        assert_int_equal(vx_trace_writer_put(writer, 0, &rest, &msg), VX_OK);
    }
    source->ops->close(source);
    assert_int_equal(vx_trace_writer_finish(writer, &msg), VX_OK);
    assert_true(missing > 0);
    return missing;
}

/* The first reference that needed what the guest stored is named, behind the place of the damage. */
static void a_damaged_recording(void **state)
{
    (void)state;
    for (unsigned nth = 5; nth < 200; nth += 120) {
        uint64_t missing = copy_without_store(TRACE("linux-fork.vxt"), nth);
        uint64_t record[2];
        for (unsigned machine = 0; machine < 7; machine += 6) { /* native, ept */
            vx_msg msg = {{0}};
            vx_status status;
            vx_sim *sim = open_run(machine, script_file, true, &status, &msg);
            assert_int_equal(status, VX_ERR_CHECK);
            assert_true(figure(sim, "paging.unrecorded_faults") > 0);
            const char *at = strstr(msg.text, "first at record ");
            assert_non_null(at);
            record[machine > 0] = strtoull(at + strlen("first at record "), NULL, 10);
            vx_sim_close(sim);
        }
        assert_int_equal(record[0], record[1]);
        assert_true(record[0] >= missing && record[0] < missing + 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_that_agree),       cmocka_unit_test(a_lost_store),
        cmocka_unit_test(a_fault_nobody_recorded), cmocka_unit_test(faults_without_a_cause),
        cmocka_unit_test(another_error_code),      cmocka_unit_test(recorded_traces_agree),
        cmocka_unit_test(a_damaged_recording),
    };
    return cmocka_run_group_tests(tests, script_file_make, script_file_remove);
}
