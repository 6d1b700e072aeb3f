/* Text for humans, from documents made by hand. */
#include <string.h>

#include "golden_file.h"
#include "test_support.h"
#include "vx_report.h"

static void one_run(void **state)
{
    (void)state;
    json_t *document = golden_document("run.json");
    golden_schema(document);
    golden_check(document, vx_report_write_text, "run.txt");
    json_decref(document);
}

/* Exits to both hypervisors, apart. */
static void a_nested_guest(void **state)
{
    (void)state;
    json_t *document = golden_document("nested.json");
    golden_schema(document);
    golden_check(document, vx_report_write_text, "nested.txt");
    json_decref(document);
    document = golden_document("nested-npt.json");
    golden_schema(document);
    golden_check(document, vx_report_write_text, "nested-npt.txt");
    json_decref(document);
}

static void an_interrupted_run_with_a_broken_identity(void **state)
{
    (void)state;
    json_t *document = golden_document("partial.json");
    golden_schema(document);
    golden_check(document, vx_report_write_text, "partial.txt");
    json_decref(document);
}

static void several_runs_side_by_side(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json");
    golden_schema(document);
    golden_check(document, vx_report_write_text, "compare.txt");
    golden_check(document, vx_report_write_bars, "bars.txt");
    json_decref(document);
}

static void a_walk_access_by_access(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"walk.json", "walk.txt"}, {"walk_native.json", "walk_native.txt"}};
    for (unsigned i = 0; i < 2; i++) {
        json_t *document = golden_document(names[i][0]);
        golden_schema(document);
        golden_check(document, vx_report_write_text, names[i][1]);
        json_decref(document);
    }
}

static void lines_are_ascii_and_fit(void **state)
{
    (void)state;
    static const char *const names[] = {"run.json",     "nested.json", "nested-npt.json", "partial.json",
                                        "compare.json", "walk.json",   "walk_native.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *document = golden_document(names[i]);
        char *text = golden_render(document, vx_report_write_text);
        size_t column = 0;
        for (const char *at = text; *at; at++) {
            column = *at == '\n' ? 0 : column + 1;
            assert_true(*at == '\n' || (*at >= 0x20 && *at < 0x7f));
            assert_true(column <= 100);
        }
        free(text);
        json_decref(document);
    }
}

/* Twelve runs do not fit beside each other: they come in blocks, none is lost. */
static void many_runs_come_in_blocks(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json"), *runs = json_object_get(document, "runs");
    json_t *model = json_deep_copy(json_array_get(runs, 0));
    json_array_clear(runs);
    for (unsigned i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "run-%02u", i);
        json_t *run = json_deep_copy(model);
        json_object_set_new(run, "name", json_string(name));
        json_array_append_new(runs, run);
    }
    char *text = golden_render(document, vx_report_write_text);
    for (unsigned i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, " run-%02u", i);
        assert_non_null(strstr(text, name));
    }
    unsigned tables = 0;
    for (const char *at = text; (at = strstr(at, "\nTLB misses\n")); at++) tables++;
    assert_int_equal(tables, 3); /* 100 columns hold a label of 30 and 5 cells */
    free(text);
    json_decref(model);
    json_decref(document);
}

/* Documents come from files, too: whatever is missing or of another type, renderers survive and say less. */
static void mangled_documents_are_survived(void **state)
{
    (void)state;
    static const char *const names[] = {"run.json", "compare.json", "walk.json", "partial.json"};
    static const golden_writer writers[] = {vx_report_write_text, vx_report_write_csv, vx_report_write_bars,
                                            vx_report_write_json, vx_report_write_html};
    uint64_t seed = vx_test_seed();
    srand((unsigned)seed);
    for (unsigned round = 0; round < 400; round++) {
        json_t *document = golden_document(names[round % 4]);
        for (unsigned cuts = 0; cuts < 4; cuts++) {
            json_t *at = document;
            for (unsigned depth = 0; depth < 12; depth++) {
                size_t size = json_is_object(at) ? json_object_size(at) : json_array_size(at);
                if (size == 0) break;
                size_t chosen = (size_t)rand() % size;
                json_t *replacement = rand() % 2 ? json_integer(-5) : json_pack("[s,n]", "\x1b[2J");
                if (json_is_array(at)) {
                    if (rand() % 3 == 0) {
                        json_array_set(at, chosen, replacement);
                        json_decref(replacement);
                        break;
                    }
                    at = json_array_get(at, chosen);
                } else {
                    void *iterator = json_object_iter(at);
                    while (chosen-- > 0) iterator = json_object_iter_next(at, iterator);
                    if (rand() % 3 == 0) {
                        json_object_iter_set(at, iterator, replacement);
                        json_decref(replacement);
                        break;
                    }
                    at = json_object_iter_value(iterator);
                }
                json_decref(replacement);
            }
        }
        for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
            char *text = golden_render(document, writers[i]);
            /* No escape sequence reaches a terminal; CSV is data, and keeps what it is given. */
            if (writers[i] != vx_report_write_csv) assert_null(strchr(text, 0x1b));
            free(text);
        }
        (void)vx_report_identities(document, NULL);
        json_decref(document);
    }
}

static void nothing_at_all_is_survived(void **state)
{
    (void)state;
    json_t *document = json_object();
    free(golden_render(document, vx_report_write_text));
    free(golden_render(document, vx_report_write_csv));
    free(golden_render(document, vx_report_write_bars));
    json_decref(document);
}

static void a_full_device_is_an_error(void **state)
{
    (void)state;
    static const golden_writer writers[] = {vx_report_write_text, vx_report_write_csv, vx_report_write_bars,
                                            vx_report_write_json, vx_report_write_html};
    json_t *document = golden_document("compare.json");
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        FILE *full = fopen("/dev/full", "w");
        assert_non_null(full);
        vx_msg msg = {{0}};
        assert_int_equal(writers[i](document, full, &msg), VX_ERR_IO);
        assert_non_null(strstr(msg.text, "cannot write the report"));
        fclose(full);
    }
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_run),
        cmocka_unit_test(a_nested_guest),
        cmocka_unit_test(an_interrupted_run_with_a_broken_identity),
        cmocka_unit_test(several_runs_side_by_side),
        cmocka_unit_test(a_walk_access_by_access),
        cmocka_unit_test(lines_are_ascii_and_fit),
        cmocka_unit_test(many_runs_come_in_blocks),
        cmocka_unit_test(mangled_documents_are_survived),
        cmocka_unit_test(nothing_at_all_is_survived),
        cmocka_unit_test(a_full_device_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
