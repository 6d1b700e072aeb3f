/* The HTML page: strictly well-formed, needs nothing else, and lets nothing of the document out of its text. */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#include "golden_file.h"
#include "test_support.h"
#include "vx_report.h"

/* Parses the page as XML; fails the test where it is not well-formed. The caller frees it. */
static xmlDoc *parse(const char *page)
{
    xmlDoc *tree = xmlReadMemory(page, (int)strlen(page), "page.html", NULL,
                                 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!tree) fail_msg("not well-formed: %s", xmlGetLastError() ? xmlGetLastError()->message : "?");
    return tree;
}

static void check_page(const json_t *document)
{
    char *page = golden_render(document, vx_report_write_html);
    xmlFreeDoc(parse(page));
    free(page);
}

static unsigned elements(const xmlNode *node, const char *name)
{
    unsigned count = 0;
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE) continue;
        count += strcmp((const char *)node->name, name) == 0;
        count += elements(node->children, name);
    }
    return count;
}

static bool holds_text(xmlDoc *tree, const char *text)
{
    xmlChar *content = xmlNodeGetContent(xmlDocGetRootElement(tree));
    bool found = strstr((const char *)content, text) != NULL;
    xmlFree(content);
    return found;
}

static void a_comparison(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json");
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    golden_schema(document);
    golden_check(document, vx_report_write_html, "compare.html");
    check_page(document);
    json_decref(document);
}

static void every_section_is_there_and_none_is_empty(void **state)
{
    (void)state;
    static const char *const wanted[] = {"traces/gcc.vxt",
                                         "Where the cycles went",
                                         "Overhead against native",
                                         "Side by side",
                                         "Page walks",
                                         "VM exits",
                                         "TLBs",
                                         "Derived figures",
                                         "Assumed values",
                                         "cpu.core.cpi",
                                         "nehalem.xml:4",
                                         "approximate (latency)",
                                         "EPT_VIOLATION"};
    json_t *document = golden_document("compare.json");
    char *page = golden_render(document, vx_report_write_html);
    xmlDoc *tree = parse(page);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!holds_text(tree, wanted[i])) fail_msg("the page lacks %s", wanted[i]);
    const xmlNode *root = xmlDocGetRootElement(tree);
    assert_true(elements(root, "svg") > 5);
    assert_true(elements(root, "rect") > 20);
    assert_int_equal(elements(root, "details"), 1);
    xmlFreeDoc(tree);
    free(page);
    json_decref(document);
}

/* Nothing is loaded and nothing runs: no element that could, no address but the name space's. */
static void the_page_needs_nothing_else(void **state)
{
    (void)state;
    static const char *const strangers[] = {"script", "link", "img", "iframe", "object", "embed", "a", "form", "use"};
    json_t *document = golden_document("compare.json");
    char *page = golden_render(document, vx_report_write_html);
    xmlDoc *tree = parse(page);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        assert_int_equal(elements(xmlDocGetRootElement(tree), strangers[i]), 0);
    unsigned addresses = 0;
    for (const char *at = page; (at = strstr(at, "://")); at++) addresses++;
    assert_int_equal(addresses, 1);
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, "@import"));
    xmlFreeDoc(tree);
    free(page);
    json_decref(document);
}

#define HOSTILE "</text></style></title><script>\"'&amp;&#60;\x1b[2J\xe2\x80\xae]]>-->\xef\xbf\xbf\xc2\x85"

/* Puts the hostile text at every string of the document, but where it decides what is shown at all. */
static void poison(json_t *value)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;
    json_object_foreach_safe(value, next, key, member)
    {
        if (!json_is_string(member))
            poison(member);
        else if (strcmp(key, "scheme") != 0)
            json_object_set_new(value, key, json_string(HOSTILE));
    }
    json_array_foreach(value, i, member)
    {
        if (json_is_string(member))
            json_array_set_new(value, i, json_string(HOSTILE));
        else
            poison(member);
    }
}

static void add_hostile_keys(json_t *run)
{
    static const char *const at[] = {"config", "tlb", "derived"};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        json_t *object = json_object_get(run, at[i]);
        if (!object) {
            object = json_object();
            json_object_set_new(run, at[i], object);
        }
        json_object_set_new(object, HOSTILE,
                            json_pack("{s:s,s:b,s:i,s:i}", "value", HOSTILE, "assumed", 1, "lookups", 3, "count", 4));
    }
    json_object_set_new(json_object_get(json_object_get(run, "exits"), "by_reason"), HOSTILE,
                        json_pack("{s:i}", "count", 5));
}

static void hostile_text_stays_text(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json"), *run;
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    size_t i;
    poison(document);
    json_array_foreach(json_object_get(document, "runs"), i, run) add_hostile_keys(run);
    char *page = golden_render(document, vx_report_write_html);
    xmlDoc *tree = parse(page);
    const xmlNode *root = xmlDocGetRootElement(tree);
    assert_int_equal(elements(root, "script"), 0);
    assert_int_equal(elements(root, "title") > 1, 1);
    assert_int_equal(elements(root, "style"), 1);
    assert_true(holds_text(tree, "</text></style></title><script>\"'&amp;&#60;?[2J?]]>-->??"));
    assert_null(strchr(page, 0x1b));
    assert_null(strstr(page, "\xe2\x80\xae"));
    xmlFreeDoc(tree);
    free(page);
    json_decref(document);
}

static void long_names_are_cut_between_characters(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json"), *run;
    size_t i;
    json_array_foreach(json_object_get(document, "runs"), i, run)
        json_object_set_new(run, "name",
                            json_sprintf("%zu\u00e4\u00f6\u00fc-\u00e4\u00f6\u00fc-\u00e4\u00f6\u00fc-"
                                         "\u00e4\u00f6\u00fc-\u00e4\u00f6\u00fc-\u00e4\u00f6\u00fc",
                                         i));
    char *page = golden_render(document, vx_report_write_html);
    xmlDoc *tree = parse(page);
    assert_true(holds_text(tree, "0\u00e4\u00f6\u00fc-\u00e4\u00f6\u00fc-\u00e4\u00f6\u00fc-\u00e4\u00f6\u00fc-"
                                 "\u00e4\u00f6\u00fc..."));
    xmlFreeDoc(tree);
    free(page);
    json_decref(document);
}

static void a_run_and_an_interrupted_one(void **state)
{
    (void)state;
    json_t *document = golden_document("run.json");
    check_page(document);
    json_decref(document);
    document = golden_document("partial.json");
    char *page = golden_render(document, vx_report_write_html);
    xmlDoc *tree = parse(page);
    assert_true(holds_text(tree, "partial: the run was interrupted"));
    assert_true(holds_text(tree, "broken identity: "));
    xmlFreeDoc(tree);
    free(page);
    json_decref(document);
}

static void a_nested_guest_has_two_tables_of_exits(void **state)
{
    (void)state;
    static const char *const shown[] = {"ept: L2 EXIT, to L1", "ept: EXIT, to L0",
                                        "100 exits of L2 that L0 mended in EPT02"};
    json_t *document = golden_document("nested.json");
    char *page = golden_render(document, vx_report_write_html);
    xmlDoc *tree = parse(page);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) assert_true(holds_text(tree, shown[i]));
    xmlFreeDoc(tree);
    free(page);
    json_decref(document);
}

static void nothing_at_all_is_a_page_too(void **state)
{
    (void)state;
    static const char *const documents[] = {"{}",
                                            "{\"runs\":[]}",
                                            "{\"runs\":[{}]}",
                                            "{\"runs\":[{},{}]}",
                                            "{\"runs\":[1,null]}",
                                            "{\"runs\":3,\"trace\":[{},{}]}"};
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        json_t *document = json_loads(documents[i], 0, NULL);
        assert_non_null(document);
        check_page(document);
        json_decref(document);
    }
}

static void equal_documents_give_equal_bytes(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json"), *copy = json_deep_copy(document);
    char *one = golden_render(document, vx_report_write_html), *two = golden_render(copy, vx_report_write_html);
    assert_string_equal(one, two);
    free(one);
    free(two);
    json_decref(document);
    json_decref(copy);
}

/* The greatest counts and overheads that a document can hold stay within their places. */
static void extreme_figures_are_drawn(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json"), *run;
    size_t i;
    json_array_foreach(json_object_get(document, "runs"), i, run)
    {
        json_t *cycles = json_object_get(run, "cycles"), *derived = json_object_get(run, "derived");
        json_object_set_new(cycles, "total", json_integer(INT64_MAX));
        json_object_set_new(json_object_get(cycles, "by_cause"), "guest.fault", json_integer(INT64_MAX));
        json_object_set_new(derived, "overhead_vs_native", json_pack("{s:f}", "value", i % 2 ? 1e300 : -1e300));
        json_object_set_new(derived, "overhead_band", json_pack("{s:f,s:f}", "low", -1e308, "high", 1e308));
    }
    check_page(document);
    json_decref(document);
}

/* Documents come from files, too: whatever stands in for a value, the page stays well-formed. */
static void mangled_documents_are_well_formed(void **state)
{
    (void)state;
    static const char *const names[] = {"run.json", "compare.json", "partial.json", "nested.json"};
    uint64_t seed = vx_test_seed();
    srand((unsigned)seed);
    for (unsigned round = 0; round < 150; round++) {
        json_t *document = golden_document(names[round % 4]);
        for (unsigned cuts = 0; cuts < 6; cuts++) {
            json_t *at, *inner = document;
            for (int depth = rand() % 8; depth >= 0 && inner; depth--) {
                at = inner;
                size_t size = json_object_size(at) + json_array_size(at), chosen = size ? (size_t)rand() % size : 0;
                void *member = json_object_iter(at);
                for (size_t i = 0; member && i < chosen; i++) member = json_object_iter_next(at, member);
                inner = member ? json_object_iter_value(member) : json_array_get(at, chosen);
                if (depth > 0 || size == 0) continue;
                json_t *other = rand() % 2 ? json_integer(-5) : json_pack("{s:[s,n,f]}", "<a>", HOSTILE, 1e300);
                if (member)
                    json_object_iter_set_new(at, member, other);
                else
                    json_array_set_new(at, chosen, other);
            }
        }
        check_page(document);
        json_decref(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_comparison),
        cmocka_unit_test(every_section_is_there_and_none_is_empty),
        cmocka_unit_test(the_page_needs_nothing_else),
        cmocka_unit_test(hostile_text_stays_text),
        cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(a_run_and_an_interrupted_one),
        cmocka_unit_test(a_nested_guest_has_two_tables_of_exits),
        cmocka_unit_test(nothing_at_all_is_a_page_too),
        cmocka_unit_test(equal_documents_give_equal_bytes),
        cmocka_unit_test(extreme_figures_are_drawn),
        cmocka_unit_test(mangled_documents_are_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
