/* A hypervisor's code on a simulated processor: its vmread(), vmwrite() and vmlaunch() are six lines each.
 *
 *     cc embedded_vmx.c $(pkg-config --cflags --libs vexit-hw)
 */
#include <inttypes.h>
#include <stdio.h>

#include "vx_vmx.h"

static vx_vmx cpu; /* the logical processor */

/* What a hypervisor has instead of the instructions: 0, or the VM-instruction error (-1: no current VMCS). */
static int ended(vx_vmx_result result)
{
    if (result.check) printf("  SDM %s: %s\n", result.check->section, result.check->text);
    return result.kind == VX_VMX_FAIL_VALID ? (int)result.number : result.kind == VX_VMX_FAIL_INVALID ? -1 : 0;
}
static int vmwrite(uint64_t field, uint64_t value) { return ended(vx_vmx_vmwrite(&cpu, field, value)); }
static uint64_t vmread(uint64_t field) { return vx_vmx_vmread(&cpu, field).value; }
static int vmlaunch(void) { return ended(vx_vmx_vmlaunch(&cpu)); }
static int vmresume(void) { return ended(vx_vmx_vmresume(&cpu)); }

/* The guest: one instruction of two bytes, whatever its operands. Does it exit? */
static void guest_runs(vx_guest_event_kind instruction)
{
    vx_guest_event event = {.kind = instruction, .length = 2};
    if (vx_vmx_guest_event(&cpu, &event).kind == VX_VMX_CONTINUES) cpu.state.rip += 2;
}

int main(void)
{
    enum { VMXON_REGION = 0x1000, VMCS = 0x2000 };
    vx_cfg_cpu model = {.name = "mine", .vmx = {.vmx = true, .true_controls = true}};
    model.paging = (vx_cfg_paging){.physical_bits = 36, .virtual_bits = 48, .long_mode = true, .nx = true};
    vx_physmem memory;
    vx_msg msg;
    if (vx_physmem_init(&memory, 1 << 20, &msg) != VX_OK) return 1;
    vx_vmx_init(&cpu, &model, &memory);
    vx_physmem_write32(&memory, (vx_hpa){VMXON_REGION}, (uint32_t)cpu.caps.basic); /* IA32_VMX_BASIC[30:0] */
    vx_physmem_write32(&memory, (vx_hpa){VMCS}, (uint32_t)cpu.caps.basic);
    if (ended(vx_vmx_vmxon(&cpu, VMXON_REGION)) || ended(vx_vmx_vmclear(&cpu, VMCS)) ||
        ended(vx_vmx_vmptrld(&cpu, VMCS)))
        return 1;

    vx_vmcs_image image; /* a hypervisor sets its fields one by one; here a valid VMCS is copied */
    vx_vmcs_image_init(&image, &cpu.caps);
    for (unsigned i = 0; i < vx_vmcs_field_count(); i++) {
        uint32_t field = vx_vmcs_field_at(i)->encoding;
        if (vx_vmcs_type_of(field) != VX_VMCS_INFORMATION && vx_vmcs_field_exists(vx_vmcs_field_at(i), &cpu.caps))
            vmwrite(field, vx_vmcs_get(&image, field));
    }
    vmwrite(VX_VMCS_CR3_TARGET_COUNT, 5);
    printf("five CR3 targets: error %d\n", vmlaunch());
    vmwrite(VX_VMCS_CR3_TARGET_COUNT, 0);

    printf("launch: %d\n", vmlaunch());
    guest_runs(VX_EVENT_RDTSC); /* "RDTSC exiting" is 0 */
    guest_runs(VX_EVENT_CPUID);
    printf("exit reason %" PRIu64 " at RIP 0x%" PRIx64 "\n", vmread(VX_VMCS_EXIT_REASON), vmread(VX_VMCS_GUEST_RIP));
    vmwrite(VX_VMCS_GUEST_RIP, vmread(VX_VMCS_GUEST_RIP) + vmread(VX_VMCS_EXIT_INSTRUCTION_LENGTH));
    printf("resume: %d\n", vmresume());
    vx_physmem_fini(&memory);
    return 0;
}
