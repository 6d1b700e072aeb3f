/* The validator itself, and that the contract refuses what is no report. */
#include <string.h>

#include "json_schema.h"
#include "test_support.h"

static json_t *load(const char *path)
{
    json_t *value = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    if (!value) fail_msg("cannot load %s", path);
    return value;
}

static void rules_accept_and_refuse(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *good, *bad, *where;
    } rules[] = {
        {"{'type':'integer'}", "3", "3.0", ""},
        {"{'type':'number'}", "3.5", "'3'", ""},
        {"{'type':['string','null']}", "null", "1", ""},
        {"{'type':'boolean'}", "false", "0", ""},
        {"{'const':'vexit/1'}", "'vexit/1'", "'vexit/2'", ""},
        {"{'enum':['a',null]}", "null", "'b'", ""},
        {"{'minimum':0}", "0", "-1", ""},
        {"{'maximum':5}", "5", "6", ""},
        {"{'pattern':'^[0-9]+$'}", "'12'", "'1x'", ""},
        {"{'required':['a']}", "{'a':1}", "{'b':1}", ""},
        {"{'properties':{'a':{'type':'null'}}}", "{'a':null,'b':1}", "{'a':1}", "/a"},
        {"{'properties':{'a':{}},'additionalProperties':false}", "{'a':1}", "{'a':1,'b':2}", "/b"},
        {"{'additionalProperties':{'type':'integer'}}", "{'x':1}", "{'x':[]}", "/x"},
        {"{'patternProperties':{'^n':{'type':'integer'}},'additionalProperties':false}", "{'n1':1}", "{'n1':''}",
         "/n1"},
        {"{'patternProperties':{'^n':{'type':'integer'}},'additionalProperties':false}", "{}", "{'m':1}", "/m"},
        {"{'items':{'items':{'minimum':1}}}", "[[1,2],[]]", "[[1],[2,0]]", "/1/1"},
        {"{'$ref':'#/$defs/a','$defs':{'a':{'const':1}}}", "1", "2", ""},
        {"{'properties':{'up':{'$ref':'#'}},'additionalProperties':false}", "{'up':{'up':{}}}", "{'up':{'on':1}}",
         "/up/on"},
        {"{'minimum':0,'items':{}}", "'text'", "-2", ""}, /* rules speak only of values that they fit */
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const char *const texts[] = {rules[i].schema, rules[i].good, rules[i].bad};
        json_t *values[3];
        for (unsigned t = 0; t < 3; t++) {
            char text[256];
            snprintf(text, sizeof text, "%s", texts[t]);
            for (char *at = text; *at; at++)
                if (*at == '\'') *at = '"';
            values[t] = json_loads(text, JSON_DECODE_ANY, NULL);
            assert_non_null(values[t]);
        }
        vx_schema_fault fault = {{0}, {0}};
        if (!vx_json_schema_check(values[0], values[1], &fault)) fail_msg("rule %zu: %s", i, fault.what);
        if (vx_json_schema_check(values[0], values[2], &fault)) fail_msg("rule %zu accepts %s", i, texts[2]);
        assert_string_equal(fault.where, rules[i].where);
        for (unsigned t = 0; t < 3; t++) json_decref(values[t]);
    }
}

static void a_schema_that_promises_too_much_is_refused(void **state)
{
    (void)state;
    static const char *const schemas[] = {"{\"uniqueItems\":true}", "{\"$ref\":\"#/$defs/none\"}",
                                          "{\"$ref\":\"other.json\"}", "{\"$ref\":\"#\"}"};
    json_t *value = json_integer(1);
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        json_t *schema = json_loads(schemas[i], 0, NULL);
        vx_schema_fault fault = {{0}, {0}};
        assert_false(vx_json_schema_check(schema, value, &fault));
        assert_non_null(strstr(fault.what, "schema"));
        json_decref(schema);
    }
    json_decref(value);
}

/* Each line breaks a valid document in one place. */
static void the_contract_refuses_what_is_no_report(void **state)
{
    (void)state;
    static const struct {
        const char *path;  /* of keys, with numbers for elements */
        const char *value; /* JSON; NULL: removed */
        const char *where;
    } breaks[] = {
        {"schema", "\"vexit/2\"", "/schema"},
        {"verb", "\"dance\"", "/verb"},
        {"complete", "1", "/complete"},
        {"tool", NULL, ""},
        {"extra", "1", "/extra"},
        {"trace/tier", "\"X\"", "/trace/tier"},
        {"trace/hash", "\"12\"", "/trace/hash"},
        {"trace/references", "-1", "/trace/references"},
        {"runs/0/identities", "\"fine\"", "/runs/0/identities"},
        {"runs/0/class", "\"E\"", "/runs/0/class"},
        {"runs/0/cycles/total", "1.5", "/runs/0/cycles/total"},
        {"runs/0/cycles/by_cause/guest", "1", "/runs/0/cycles/by_cause/guest"},
        {"runs/0/exits/by_reason/CR_ACCESS/count", NULL, "/runs/0/exits/by_reason/CR_ACCESS"},
        {"runs/0/tlb/stlb/class", "\"l3\"", "/runs/0/tlb/stlb/class"},
        {"runs/0/tlb/stlb/by_page_size/8k", "{}", "/runs/0/tlb/stlb/by_page_size/8k"},
        {"runs/0/walks/grid/accesses/2/3", "\"4\"", "/runs/0/walks/grid/accesses/2/3"},
        {"runs/0/walks/per_walk/64", "1", "/runs/0/walks/per_walk/64"},
        {"runs/0/derived/cycles_per_instruction/den", NULL, "/runs/0/derived/cycles_per_instruction"},
        {"runs/0/config/cpu.core.cpi/assumed", "\"yes\"", "/runs/0/config/cpu.core.cpi/assumed"},
        {"runs/0/window/max", "0.5", "/runs/0/window/max"},
        {"runs/0/seed", "\"1e3\"", "/runs/0/seed"},
    };
    json_t *schema = load(VX_SOURCE_DIR "/docs/schema/vexit-1.json");
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        json_t *document = load(VX_SOURCE_DIR "/tests/report/documents/run.json"), *at = document;
        vx_schema_fault fault = {{0}, {0}};
        assert_true(vx_json_schema_check(schema, document, &fault));
        char path[256], *key = path, *slash;
        snprintf(path, sizeof path, "%s", breaks[i].path);
        for (; (slash = strchr(key, '/')); key = slash + 1) {
            *slash = '\0';
            at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10)) : json_object_get(at, key);
            assert_non_null(at);
        }
        json_t *value = breaks[i].value ? json_loads(breaks[i].value, JSON_DECODE_ANY, NULL) : NULL;
        if (json_is_array(at))
            assert_int_equal(json_array_set_new(at, strtoul(key, NULL, 10), value), 0);
        else
            assert_int_equal(value ? json_object_set_new(at, key, value) : json_object_del(at, key), 0);
        if (vx_json_schema_check(schema, document, &fault)) fail_msg("%s was not seen", breaks[i].path);
        assert_string_equal(fault.where, breaks[i].where);
        json_decref(document);
    }
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_accept_and_refuse),
        cmocka_unit_test(a_schema_that_promises_too_much_is_refused),
        cmocka_unit_test(the_contract_refuses_what_is_no_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
