/* Would VMRUN enter with the controls that the hypervisor has made?
 *
 * The processor's own checks (vx_svm_checks) on a VMCB with these controls and the state that KVM starts a vCPU with
 * (arch/x86/kvm/svm/svm.c, init_vmcb). Hardware ignores a field of a feature that it lacks; a hypervisor that counts on
 * it is wrong all the same, and refused here. */
#include "vmm_private.h"
#include "vx_svm.h"

static void starting_state(vx_vmcb_image *image)
{
    static const struct {
        vx_vmcb_field field;
        uint64_t value;
    } state[] = {{VX_VMCB_EFER, 1ULL << 12}, /* SVME */
                 {VX_VMCB_CR0, 0x60000010},
                 {VX_VMCB_DR6, 0xFFFF0FF0},
                 {VX_VMCB_DR7, 0x400},
                 {VX_VMCB_RFLAGS, 2},
                 {VX_VMCB_G_PAT, 0x0007040600070406ULL}};
    for (unsigned i = 0; i < sizeof state / sizeof *state; i++) vx_vmcb_set(image, state[i].field, state[i].value);
}

static vx_status refuse_check(const char *hypervisor, const char *cpu, const vx_svm_check *check, vx_msg *msg)
{
    const vx_vmcb_info *field = vx_vmcb_describe(check->field);
    return vx_fail(msg, VX_ERR_INPUT, "hypervisor %s on %s: VMRUN would fail: %s (VMCB %03Xh, %s; %s)", hypervisor, cpu,
                   check->name, field->offset, field->name, check->source);
}

static vx_status refuse_field(const char *hypervisor, const char *cpu, vx_vmcb_field field, vx_msg *msg)
{
    const vx_vmcb_info *info = vx_vmcb_describe(field);
    return vx_fail(msg, VX_ERR_INPUT, "hypervisor %s on %s: the CPU does not look at VMCB %03Xh, %s", hypervisor, cpu,
                   info->offset, info->name);
}

vx_status svm_entry_check(const vx_cfg_vmm *config, const vx_cfg_cpu *cpu, const vx_vmcb *controls, vx_msg *msg)
{
    vx_vmcb_image image = {{0}};
    vx_vmcb_encode(controls, &image);
    starting_state(&image);
    const vx_svm_entry entry = {.cpu = cpu, .vmcb = &image, .host_cr0 = VX_CR0_PG | VX_CR0_PE};
    unsigned failed;
    if (vx_svm_checks(&entry, &failed, 1) > 0)
        return refuse_check(config->name, cpu->name, vx_svm_check_at(failed), msg);
    for (unsigned i = 0; i < VX_VMCB_SAVE_FIRST; i++)
        if (vx_vmcb_get(&image, (vx_vmcb_field)i) != 0 && !vx_vmcb_has(&cpu->svm, (vx_vmcb_field)i))
            return refuse_field(config->name, cpu->name, (vx_vmcb_field)i, msg);
    return VX_OK;
}
