/* Where a system trace's page faults and those of its page tables differ: counted by the vCPUs, told as a warning that
 * names the first, and with --check an error where the tables do not explain a reference. (A recorded fault that the
 * tables do not explain is no error: the recorded processor may have held a stale translation, SDM Vol. 3A 4.10.4.3.)
 */
#include "sim_private.h"

#include <inttypes.h>

static const char *path_of(const sim_vcpu *v) { return v->feed[0].path; }

static void describe(const sim_vcpu *v, const vx_fault_difference *first, uint64_t count, char text[SIM_WARNING])
{
    static const char *const kinds[VX_FAULT_DIFFERENCES] = {
        [VX_FAULT_UNRECORDED] = "its page tables do not explain the reference to",
        [VX_FAULT_UNEXPLAINED] = "its page tables do not explain the recorded page fault at",
        [VX_FAULT_OTHER_CODE] = "its page tables give another error code than recorded for the page fault at",
    };
    snprintf(text, SIM_WARNING,
             "%s: page faults of records and of page tables differ %" PRIu64 " times; first at record %" PRIu64
             ", instruction %" PRIu64 ": %s 0x%" PRIx64 " (error code 0x%x)",
             path_of(v), count, first->record, first->instruction, kinds[first->kind], first->gva.v, first->error_code);
}

static uint64_t differences(const vx_vcpu *vcpu)
{
    const vx_vcpu_counts *c = vx_vcpu_counts_now(vcpu);
    return c->unrecorded_faults + c->unexplained_faults + c->differing_faults;
}

vx_status sim_faults_end(vx_sim *sim, vx_msg *msg)
{
    vx_status status = VX_OK;
    for (unsigned i = 0; i < sim->trace_groups; i++) {
        const sim_vcpu *v = &sim->vcpu[i];
        const vx_fault_difference *first = vx_vcpu_first_difference(v->vcpu);
        if (!first) continue;
        describe(v, first, differences(v->vcpu), sim->fault_warning);
        sim_warn(sim, sim->fault_warning);
        if (sim->options.check && vx_vcpu_counts_now(v->vcpu)->unrecorded_faults)
            status = vx_fail(msg, VX_ERR_CHECK, "%s", sim->fault_warning);
        break; /* of several vCPUs the first that has one */
    }
    return status;
}
