/* Every allocation of this room fails in turn. What libxml2 allocates inside its shared library is out of reach, and
 * has to be: parsers up to 2.9 crash when some of their own allocations fail. */
#include "test_support.h"

#include <string.h>

#include "failing_malloc.h"
#include "vx_model.h"

static void opening(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        vx_model *model = NULL;
        vx_msg msg = {""};
        vx_fail_allocation(n);
        vx_status status = vx_model_open(&model, VX_MODEL_CPU, "penryn", &msg); /* two files */
        if (!vx_fail_allocation_end()) {
            assert_int_equal(status, VX_OK);
            assert_true(n > 4);
            vx_model_close(model);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
        assert_null(model);
        assert_string_equal(msg.text, "out of memory");
    }
}

static bool take(void *context, const vx_model_value *value)
{
    if (strcmp(value->path, "cpu.core.cpi") == 0) snprintf(context, 64, "%s from %s", value->value, value->from);
    return true;
}

static void setting(void **state)
{
    vx_model *model;
    vx_msg msg;
    char before[64] = "", after[64] = "";
    (void)state;
    assert_int_equal(vx_model_open(&model, VX_MODEL_CPU, "nehalem", &msg), VX_OK);
    vx_model_each(model, take, before);
    for (uint64_t n = 1;; n++) {
        vx_fail_allocation(n);
        vx_status status = vx_model_set(model, "cpu.core.cpi=2", &msg);
        if (!vx_fail_allocation_end()) {
            assert_int_equal(status, VX_OK);
            assert_true(n > 1);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
        assert_int_equal(vx_model_cpu(model)->core.cpi_milli, 700);
        vx_model_each(model, take, after);
        assert_string_equal(after, before);
    }
    vx_model_each(model, take, after);
    assert_string_equal(after, "2 from --set");
    vx_model_close(model);
}

static bool ignore(void *context, const char *name, const char *title)
{
    (void)context, (void)name, (void)title;
    return true;
}

static void listing_and_misspelling(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        vx_model *model;
        vx_msg msg;
        vx_fail_allocation(n);
        vx_status status = vx_model_open(&model, VX_MODEL_CPU, "nehalam", &msg);
        if (!vx_fail_allocation_end()) {
            assert_int_equal(status, VX_ERR_INPUT);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
    }
    vx_msg msg;
    vx_fail_allocation(1);
    assert_int_equal(vx_model_list(VX_MODEL_CPU, ignore, NULL, &msg), VX_ERR_NOMEM);
    assert_true(vx_fail_allocation_end());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening),
        cmocka_unit_test(setting),
        cmocka_unit_test(listing_and_misspelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
