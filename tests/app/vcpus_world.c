#include "vcpus_world.h"

#define CODE 0x10000ULL
#define ICR_MSR 0x830

/* ---- programs: a trace from memory for each vCPU ---- */

typedef struct program_source {
    vx_source base;
    const vcpus_program *program;
    bool given;
} program_source;

vcpus_program vcpus_programs[VCPUS_MAX];

static vx_status give(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    (void)msg;
    program_source *s = (program_source *)source;
    const vcpus_program *p = s->program;
    *batch = (vx_batch){p->records, s->given ? 0 : p->count, p->payload, p->words};
    s->given = true;
    return VX_OK;
}

static void forget(vx_source *source) { free(source); }
static const vx_source_ops program_ops = {give, forget};

/* `trace` is the program's number. */
static vx_status open_program(void *context, vx_source **source, const char *trace, vx_msg *msg)
{
    (void)context;
    program_source *made = malloc(sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    *made = (program_source){.base = {&program_ops, {.tier = VX_TIER_FULL, .kind = VX_TRACE_USER}},
                             .program = &vcpus_programs[trace[0] - '0']};
    *source = &made->base;
    return VX_OK;
}

void vcpus_begin(unsigned vcpus)
{
    for (unsigned i = 0; i < vcpus; i++) vcpus_programs[i].count = vcpus_programs[i].words = 0;
}

void vcpus_add(unsigned vcpu, vx_record record) { vcpus_programs[vcpu].records[vcpus_programs[vcpu].count++] = record; }

/* Blocks of ten instructions. */
void vcpus_compute(unsigned vcpu, unsigned blocks)
{
    for (unsigned i = 0; i < blocks; i++)
        vcpus_add(vcpu, (vx_record){.kind = VX_REC_FETCH, .addr = CODE, .count = 10, .arg = 40});
}

void vcpus_send(unsigned vcpu, uint64_t icr)
{
    vcpus_program *p = &vcpus_programs[vcpu];
    p->payload[p->words] = icr;
    vcpus_add(vcpu, (vx_record){.kind = VX_REC_WRMSR, .addr = ICR_MSR, .count = 1, .arg = p->words++});
}

/* ---- runs ---- */

const vcpus_machine vcpus_machines[VCPUS_MACHINES] = {
    {"nehalem", "native", {NULL}, 0},
    {"nehalem", "ept", {NULL}, 1},
    {"nehalem", "ept+vpid", {NULL}, 1},
    {"penryn", "shadow-vtlb", {NULL}, 1},
    {"zen", "npt", {NULL}, 1},
    {"sapphire-rapids", "ept+vpid", {"vmm.apic.flexpriority=yes", "vmm.apic.apicv=yes"}, 0}, /* posted interrupts */
    {"nehalem", "shadow-kvm", {"vmm.shadow.flood_writes=3"}, 1},
    {"zen", "shadow-kvm+vpid", {NULL}, 1},
};

static const char *const names[] = {"0", "1", "2", "3"};
const unsigned vcpus_numbers[VCPUS_MAX] = {0, 1, 2, 3};

/* A trace a vCPU, from the vcpus_programs; more sets may follow. */
vcpus_setup vcpus_setup_of(const vcpus_machine *m, unsigned vcpus)
{
    vcpus_setup s = {.options = {.cpu = m->cpu,
                                 .scheme = m->scheme,
                                 .vcpus = vcpus,
                                 .traces = names,
                                 .trace_count = vcpus,
                                 .vm_of_trace = vcpus_numbers,
                                 .open_source = open_program,
                                 .check = true,
                                 .seed = 1}};
    for (unsigned i = 0; i < 3 && m->set[i]; i++) s.sets[s.options.set_count++] = m->set[i];
    return s;
}

void vcpus_set(vcpus_setup *s, const char *assignment) { s->sets[s->options.set_count++] = assignment; }

vx_sim *vcpus_run(vcpus_setup *s)
{
    vx_sim *sim = NULL;
    vx_msg msg = {{0}};
    s->options.sets = s->sets;
    if (vx_sim_open(&sim, &s->options, &msg) != VX_OK || vx_sim_run(sim, &msg) != VX_OK) fail_msg("%s", msg.text);
    return sim;
}

uint64_t vcpus_external_exits(const vx_sim *sim)
{
    return figure_or_0(sim, "exits.by_reason.EXTERNAL_INTERRUPT.count") +
           figure_or_0(sim, "exits.by_reason.interrupt.count");
}

/* One figure of one vCPU, 0 where it is not there. */
uint64_t vcpus_figure_of(const vx_sim *sim, unsigned vcpu, const char *object, const char *member)
{
    vx_msg msg;
    json_t *report = vx_sim_run_json(sim, &msg);
    const json_t *one = json_array_get(json_object_get(report, "vcpus"), vcpu);
    const json_t *got = object ? json_object_get(one, object) : one;
    uint64_t count = (uint64_t)json_integer_value(json_object_get(got, member));
    json_decref(report);
    return count;
}
