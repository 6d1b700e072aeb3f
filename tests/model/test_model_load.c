/* Every model of the tree opens, bears its file's name, and says where each value comes from. */
#include "test_support.h"

#include <string.h>

#include "vx_model.h"

static bool count_model(void *context, const char *name, const char *title)
{
    (void)name;
    assert_true(title[0] != '\0');
    ++*(unsigned *)context;
    return true;
}

static bool open_listed(void *context, const char *name, const char *title)
{
    vx_model_kind kind = *(vx_model_kind *)context;
    vx_model *model = NULL;
    vx_msg msg = {""};
    (void)title;
    if (vx_model_open(&model, kind, name, &msg) != VX_OK) fail_msg("%s", msg.text);
    assert_int_equal(vx_model_check(model, &msg), VX_OK);
    vx_model_close(model);
    return true;
}

static void every_model_opens(void **state)
{
    static const unsigned least[VX_MODEL_KINDS] = {
        [VX_MODEL_CPU] = 13, [VX_MODEL_VMM] = 5, [VX_MODEL_VM] = 1, [VX_MODEL_CHIPSET] = 3, [VX_MODEL_NIC] = 3};
    (void)state;
    for (int i = 0; i < VX_MODEL_KINDS; i++) {
        vx_model_kind kind = (vx_model_kind)i;
        unsigned count = 0;
        vx_msg msg;
        assert_int_equal(vx_model_list(kind, count_model, &count, &msg), VX_OK);
        assert_true(count >= least[kind]);
        assert_int_equal(vx_model_list(kind, open_listed, &kind, &msg), VX_OK);
    }
}

static bool stop_at_once(void *context, const char *name, const char *title)
{
    (void)name, (void)title;
    ++*(unsigned *)context;
    return false;
}

static void a_list_stops_where_told(void **state)
{
    unsigned count = 0;
    vx_msg msg;
    (void)state;
    assert_int_equal(vx_model_list(VX_MODEL_CPU, stop_at_once, &count, &msg), VX_OK);
    assert_int_equal(count, 1);
}

/* The rule of the house: a stated cost, latency or geometry has a source or says assumed. */
static bool has_ground(void *context, const vx_model_value *value)
{
    (void)context;
    bool from_file = strstr(value->from, ".xml:") != NULL;
    assert_true(from_file || strcmp(value->from, "default") == 0);
    size_t length = strlen(value->path);
    bool is_ticks = length > 6 && strcmp(value->path + length - 6, "_ticks") == 0;
    if (is_ticks && !value->assumed && value->source[0] == '\0')
        fail_msg("%s has no ground, %s", value->path, value->from);
    return true;
}

static bool ticks_are_grounded(void *context, const char *name, const char *title)
{
    vx_model *model;
    vx_msg msg;
    (void)title;
    assert_int_equal(vx_model_open(&model, *(vx_model_kind *)context, name, &msg), VX_OK);
    vx_model_each(model, has_ground, NULL);
    vx_model_close(model);
    return true;
}

static void every_latency_has_a_source_or_is_assumed(void **state)
{
    (void)state;
    for (int i = 0; i < VX_MODEL_KINDS; i++) {
        vx_model_kind kind = (vx_model_kind)i;
        vx_msg msg;
        assert_int_equal(vx_model_list(kind, ticks_are_grounded, &kind, &msg), VX_OK);
    }
}

typedef struct wanted {
    const char *path;
    vx_model_value value; /* strings live with the model */
    bool found;
} wanted;

static bool pick(void *context, const vx_model_value *value)
{
    wanted *self = context;
    if (strcmp(value->path, self->path) != 0) return true;
    self->value = *value;
    self->found = true;
    return false;
}

static vx_model_value value_of(const vx_model *model, const char *path)
{
    wanted self = {.path = path};
    vx_model_each(model, pick, &self);
    if (!self.found) fail_msg("no leaf %s", path);
    return self.value;
}

static void a_value_knows_where_it_came_from(void **state)
{
    static const char text[] =
        "<cpu name=\"x\" title=\"X\" vendor=\"intel\">\n"
        "<tlb name=\"d\" class=\"l1d\" accesses=\"load store\" source=\"a dump\">\n"
        "<array entries=\"64\" ways=\"4\" pages=\"4k\"/>\n"
        "<array entries=\"32\" ways=\"4\" pages=\"2m\" assumed=\"yes\" source=\"nearest: y\"/></tlb>\n"
        "<tlb name=\"i\" class=\"l1i\" accesses=\"fetch\" assumed=\"yes\">\n"
        "<array entries=\"64\" ways=\"4\" pages=\"4k\"/></tlb>\n"
        "<cost vmexit_ticks=\"900\" source=\"a paper\"/>\n"
        "<cost vmread_ticks=\"50\" assumed=\"yes\"/>\n"
        "</cpu>";
    vx_model *model;
    vx_msg msg = {""};
    (void)state;
    assert_int_equal(vx_model_parse(&model, VX_MODEL_CPU, text, strlen(text), "folder/x.xml", &msg), VX_OK);

    vx_model_value value = value_of(model, "cpu.tlb.d.array.0.ways");
    assert_string_equal(value.value, "4");
    assert_string_equal(value.unit, "ways");
    assert_string_equal(value.from, "x.xml:3");
    assert_string_equal(value.source, "a dump"); /* of the element around it */
    assert_false(value.assumed);
    assert_true(value.numeric);

    value = value_of(model, "cpu.tlb.d.array.1.pages");
    assert_string_equal(value.value, "2m");
    assert_string_equal(value.source, "nearest: y");
    assert_true(value.assumed);
    assert_false(value.numeric);

    value = value_of(model, "cpu.cost.vmexit_ticks");
    assert_string_equal(value.from, "x.xml:7");
    assert_string_equal(value.source, "a paper");
    value = value_of(model, "cpu.cost.vmread_ticks");
    assert_string_equal(value.from, "x.xml:8");
    assert_true(value.assumed);

    value = value_of(model, "cpu.cost.vmwrite_ticks"); /* stated nowhere: a cost that is a guess */
    assert_string_equal(value.from, "default");
    assert_true(value.assumed);
    value = value_of(model, "cpu.vmx.ept"); /* stated nowhere: the processor lacks it, which is no guess */
    assert_string_equal(value.value, "no");
    assert_false(value.assumed);
    vx_model_close(model);
}

static void the_built_in_guest_is_all_defaults(void **state)
{
    vx_model *model;
    vx_msg msg;
    (void)state;
    assert_int_equal(vx_model_open(&model, VX_MODEL_VM, NULL, &msg), VX_OK);
    const vx_cfg_guest *guest = vx_model_guest(model);
    assert_string_equal(guest->name, "default");
    assert_int_equal(guest->page, VX_PAGE_4K);
    assert_int_equal(guest->levels, 4);
    assert_int_equal(guest->ram_bytes, 4ULL << 30);
    assert_null(vx_model_cpu(model));
    assert_null(vx_model_vmm(model));
    vx_model_close(model);
}

static void a_model_is_found_by_name_and_by_file(void **state)
{
    vx_model_kind kind = VX_MODEL_VM;
    vx_msg msg;
    (void)state;
    assert_int_equal(vx_model_kind_of(&kind, "nehalem", &msg), VX_OK);
    assert_int_equal(kind, VX_MODEL_CPU);
    assert_int_equal(vx_model_kind_of(&kind, "textbook", &msg), VX_OK);
    assert_int_equal(kind, VX_MODEL_VMM);
    assert_int_equal(vx_model_kind_of(&kind, VX_SOURCE_DIR "/models/vm/linux-thp.xml", &msg), VX_OK);
    assert_int_equal(kind, VX_MODEL_VM);
    vx_model *model;
    assert_int_equal(vx_model_open(&model, VX_MODEL_CPU, VX_SOURCE_DIR "/models/cpu/zen3.xml", &msg), VX_OK);
    assert_string_equal(vx_model_cpu(model)->name, "zen3");
    vx_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_opens),
        cmocka_unit_test(a_list_stops_where_told),
        cmocka_unit_test(every_latency_has_a_source_or_is_assumed),
        cmocka_unit_test(a_value_knows_where_it_came_from),
        cmocka_unit_test(the_built_in_guest_is_all_defaults),
        cmocka_unit_test(a_model_is_found_by_name_and_by_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
