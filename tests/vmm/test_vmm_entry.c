/* A hypervisor that asks for more than the processor has: VM entry refuses it as hardware does. */
#include <string.h>

#include "test_support.h"
#include "vmm_world.h"

static vx_status start(vmm_world *world, vx_scheme scheme, vx_vmm **vmm, vx_msg *msg)
{
    vx_vmm_setup setup = {.cpu = &world->cpu,
                          .vmm = &world->config,
                          .scheme = scheme,
                          .memory = &world->memory,
                          .layout = &world->layout,
                          .vms = 1};
    return vx_vmm_init(vmm, &world->arena, &setup, msg);
}

static void missing_controls(void **state)
{
    static const struct {
        size_t flag; /* that the processor lacks */
        const char *said;
    } rows[] = {{offsetof(vx_cfg_vmx, msr_bitmaps), "bit 28, 'use MSR bitmaps': the processor does not have it"},
                {offsetof(vx_cfg_vmx, wbinvd_exiting), "bit 6, 'WBINVD exiting': the processor does not have it"}};
    (void)state;
    vmm_world world;
    vmm_world_open(&world, &(vmm_options){.scheme = VX_SCHEME_EPT});
    const vx_cfg_vmx all = world.cpu.vmx;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_vmm *vmm = NULL;
        vx_msg msg;
        world.cpu.vmx = all;
        assert_int_equal(start(&world, VX_SCHEME_EPT, &vmm, &msg), VX_OK);
        ((bool *)&world.cpu.vmx)[rows[i].flag] = false;
        assert_int_equal(start(&world, VX_SCHEME_EPT, &vmm, &msg), VX_ERR_INPUT);
        if (!strstr(msg.text, rows[i].said) || !strstr(msg.text, "VM-instruction error 7: ") ||
            !strstr(msg.text, "(SDM Vol. 3C 26.2.1.1)"))
            fail_msg("%s", msg.text);
    }
    vmm_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(missing_controls)};
    return cmocka_run_group_tests_name("vmm_entry", tests, NULL, NULL);
}
