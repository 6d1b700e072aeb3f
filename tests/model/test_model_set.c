/* --set: one value by its path. */
#include "test_support.h"

#include <string.h>

#include "vx_model.h"

static int open_nehalem(void **state)
{
    vx_msg msg;
    return vx_model_open((vx_model **)state, VX_MODEL_CPU, "nehalem", &msg) == VX_OK ? 0 : -1;
}

static int close_model(void **state)
{
    vx_model_close(*state);
    return 0;
}

static void set(vx_model *model, const char *assignment)
{
    vx_msg msg = {""};
    if (vx_model_set(model, assignment, &msg) != VX_OK) fail_msg("%s", msg.text);
}

static void refuses(vx_model *model, const char *assignment, const char *message)
{
    vx_msg msg = {""};
    assert_int_equal(vx_model_set(model, assignment, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, message);
}

static void each_type_is_set(void **state)
{
    vx_model *model = *state;
    const vx_cfg_cpu *cpu = vx_model_cpu(model);
    set(model, "cpu.tlb.l2.hit_ticks=9");
    assert_int_equal(cpu->tlb[2].hit_ticks, 9);
    set(model, "cpu.tlb.l1d.array.0.pages=4k 2m");
    assert_int_equal(cpu->tlb[0].array[0].pages, 3);
    set(model, "cpu.tlb.l1d.array.0.replacement=plru");
    assert_int_equal(cpu->tlb[0].array[0].replacement, VX_REPLACE_PLRU);
    set(model, "cpu.core.cpi=0.29");
    assert_int_equal(cpu->core.cpi_milli, 290);
    set(model, "cpu.core.cpi=12");
    assert_int_equal(cpu->core.cpi_milli, 12000);
    set(model, "cpu.memory.l3.bytes=12m");
    assert_int_equal(cpu->memory.level[2].bytes, 12 << 20);
    set(model, "cpu.memory.caches=all");
    assert_int_equal(cpu->memory.caches, VX_CACHES_ALL);
    set(model, "cpu.vmx.ept=no");
    assert_false(cpu->vmx.ept);
    set(model, "cpu.signature=0x106a5");
    assert_int_equal(cpu->signature, 0x106a5);
    set(model, "cpu.title=another one");
    assert_string_equal(cpu->title, "another one");
}

static bool find_hit_ticks(void *context, const vx_model_value *value)
{
    if (strcmp(value->path, "cpu.tlb.l2.hit_ticks") != 0) return true;
    *(vx_model_value *)context = *value;
    return false;
}

static void a_set_value_says_so(void **state)
{
    vx_model_value value = {0};
    set(*state, "cpu.tlb.l2.hit_ticks=9");
    vx_model_each(*state, find_hit_ticks, &value);
    assert_string_equal(value.value, "9");
    assert_string_equal(value.from, "--set");
    assert_string_equal(value.source, "");
    assert_false(value.assumed);
}

static void what_is_wrong_is_refused_with_a_reason(void **state)
{
    vx_model *model = *state;
    refuses(model, "cpu.tlb.l2.hit_ticks", "--set cpu.tlb.l2.hit_ticks: not of the form path=value");
    refuses(model, "cpu.tlb.l2.hit_tics=9",
            "--set cpu.tlb.l2.hit_tics: no such value, did you mean 'cpu.tlb.l2.hit_ticks'?");
    refuses(model, "cpu.zzz=9", "--set cpu.zzz: no such value");
    refuses(model, "vmm.memory.vpid=yes",
            "--set vmm.memory.vpid: is no value of a cpu model, whose paths begin with 'cpu.'");
    refuses(model, "cpu.name=x", "--set cpu.name: a name cannot be set");
    refuses(model, "cpu.tlb.l2.hit_ticks=1001",
            "--set cpu.tlb.l2.hit_ticks: '1001' is not a number from 0 to 1000 (ticks)");
    refuses(model, "cpu.tlb.l2.hit_ticks=-1",
            "--set cpu.tlb.l2.hit_ticks: '-1' is not a number from 0 to 1000 (ticks)");
    refuses(model, "cpu.tlb.l2.hit_ticks=9x",
            "--set cpu.tlb.l2.hit_ticks: '9x' is not a number from 0 to 1000 (ticks)");
    refuses(model, "cpu.tlb.l2.hit_ticks=", "--set cpu.tlb.l2.hit_ticks: '' is not a number from 0 to 1000 (ticks)");
    refuses(model, "cpu.tlb.l2.hit_ticks=99999999999999999999",
            "--set cpu.tlb.l2.hit_ticks: '99999999999999999999' is not a number from 0 to 1000 (ticks)");
    refuses(model, "cpu.core.cpi=0.0001",
            "--set cpu.core.cpi: '0.0001' is not a decimal number from 0.05 to 100 (cycles per instruction)");
    refuses(model, "cpu.memory.l3.bytes=99999999999g",
            "--set cpu.memory.l3.bytes: '99999999999g' is not a number from 0 to 68719476736 (bytes)");
    refuses(model, "cpu.vmx.ept=on", "--set cpu.vmx.ept: 'on' is not yes or no");
    refuses(model, "cpu.memory.caches=some", "--set cpu.memory.caches: 'some' is not one of: fixed walks all");
    refuses(model,
            "cpu.tlb.l1d.array.0.pages=", "--set cpu.tlb.l1d.array.0.pages: '' is not one or more of: 4k 2m 4m 1g");
    refuses(model, "cpu.tlb.l1d.array.0.pages=4k 8k",
            "--set cpu.tlb.l1d.array.0.pages: '4k 8k' is not one or more of: 4k 2m 4m 1g");
}

static void a_refused_value_changes_nothing(void **state)
{
    vx_model *model = *state;
    vx_cfg_cpu before = *vx_model_cpu(model);
    vx_msg msg;
    assert_int_equal(vx_model_set(model, "cpu.core.cpi=1000", &msg), VX_ERR_INPUT);
    assert_memory_equal(&before, vx_model_cpu(model), sizeof before);
}

static void rules_between_values_are_checked_afterwards(void **state)
{
    vx_model *model = *state;
    vx_msg msg = {""};
    set(model, "cpu.tlb.l2.array.0.ways=5");
    assert_int_equal(vx_model_check(model, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "--set: cpu.tlb.l2.array.0.ways 5 does not divide cpu.tlb.l2.array.0.entries 512");
    set(model, "cpu.tlb.l2.array.0.ways=8");
    assert_int_equal(vx_model_check(model, &msg), VX_OK);
}

static void a_path_tells_its_kind(void **state)
{
    (void)state;
    assert_true(vx_model_takes(VX_MODEL_CPU, "cpu.core.cpi=1"));
    assert_false(vx_model_takes(VX_MODEL_CPU, "cpux.core.cpi=1"));
    assert_false(vx_model_takes(VX_MODEL_VM, "vmm.memory.vpid=yes"));
    assert_true(vx_model_takes(VX_MODEL_VMM, "vmm.memory.vpid=yes"));
}

int main(void)
{
#define WITH_NEHALEM(test) cmocka_unit_test_setup_teardown(test, open_nehalem, close_model)
    const struct CMUnitTest tests[] = {
        WITH_NEHALEM(each_type_is_set),
        WITH_NEHALEM(a_set_value_says_so),
        WITH_NEHALEM(what_is_wrong_is_refused_with_a_reason),
        WITH_NEHALEM(a_refused_value_changes_nothing),
        WITH_NEHALEM(rules_between_values_are_checked_afterwards),
        cmocka_unit_test(a_path_tells_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
