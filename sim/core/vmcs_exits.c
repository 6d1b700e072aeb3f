/* Does a record make the VMCS exit? Each record kind is described as a guest event, which the exit table decides
 * (vmcs_decide.c); there is no other rule here.
 *
 * NOT MODELLED: what the traces do not hold, and is therefore 0 in what an exit reports: registers, lengths,
 * displacements and instruction information, register or memory form of LMSW, immediate form of IN and OUT, the bits of
 * a debug exception. Privilege faults come before exits in hardware; a recorded instruction did not fault. */
#include "vx_guest_event.h"

#define MSR_EFER 0xC0000080U

/* Kinds whose fields go over one by one: `which` from the record's size, `selector`, `value` or `linear` from its
 * address, `value` or `error_code` from its first payload word. */
typedef struct description {
    uint8_t event;  /* vx_guest_event_kind */
    uint8_t addr;   /* where the address goes */
    uint8_t word;   /* where the first payload word goes */
    uint8_t listed; /* the row exists */
} description;
enum { NOWHERE, SELECTOR, VALUE, LINEAR, ERROR_CODE };

#define ROW(event, addr, word)                                                                                         \
    {                                                                                                                  \
        event, addr, word, 1                                                                                           \
    }
#define NEVER ROW(VX_EVENT_NONE, NOWHERE, NOWHERE)

static const description descriptions[VX_REC_KINDS] = {
    [VX_REC_CR_READ] = ROW(VX_EVENT_CR_READ, VALUE, NOWHERE),
    [VX_REC_CR_WRITE] = ROW(VX_EVENT_CR_WRITE, VALUE, NOWHERE),
    [VX_REC_CLTS] = ROW(VX_EVENT_CLTS, NOWHERE, NOWHERE),
    [VX_REC_LMSW] = ROW(VX_EVENT_LMSW, VALUE, NOWHERE),
    [VX_REC_EFER_LOAD] = ROW(VX_EVENT_WRMSR, VALUE, NOWHERE), /* stands for the WRMSR */
    [VX_REC_INVLPG] = ROW(VX_EVENT_INVLPG, LINEAR, NOWHERE),
    [VX_REC_INVPCID] = ROW(VX_EVENT_INVPCID, LINEAR, NOWHERE),
    [VX_REC_EXCEPTION] = ROW(VX_EVENT_EXCEPTION, LINEAR, ERROR_CODE),
    [VX_REC_INTERRUPT] = ROW(VX_EVENT_INTERRUPT, NOWHERE, NOWHERE),
    [VX_REC_CPUID] = ROW(VX_EVENT_CPUID, SELECTOR, NOWHERE),
    [VX_REC_HLT] = ROW(VX_EVENT_HLT, NOWHERE, NOWHERE),
    [VX_REC_PAUSE] = ROW(VX_EVENT_PAUSE, NOWHERE, NOWHERE),
    [VX_REC_RDTSC] = ROW(VX_EVENT_RDTSC, NOWHERE, NOWHERE),
    [VX_REC_RDTSCP] = ROW(VX_EVENT_RDTSCP, NOWHERE, NOWHERE),
    [VX_REC_RDPMC] = ROW(VX_EVENT_RDPMC, SELECTOR, NOWHERE),
    [VX_REC_INVD] = ROW(VX_EVENT_INVD, NOWHERE, NOWHERE),
    [VX_REC_WBINVD] = ROW(VX_EVENT_WBINVD, NOWHERE, NOWHERE),
    [VX_REC_MONITOR] = ROW(VX_EVENT_MONITOR, LINEAR, NOWHERE),
    [VX_REC_MWAIT] = ROW(VX_EVENT_MWAIT, NOWHERE, NOWHERE),
    [VX_REC_XSETBV] = ROW(VX_EVENT_XSETBV, VALUE, NOWHERE),
    [VX_REC_DR_READ] = ROW(VX_EVENT_DR_READ, VALUE, NOWHERE),
    [VX_REC_DR_WRITE] = ROW(VX_EVENT_DR_WRITE, VALUE, NOWHERE),
    [VX_REC_DESC_TABLE] = ROW(VX_EVENT_DESC_TABLE, VALUE, NOWHERE),
    [VX_REC_RDMSR] = ROW(VX_EVENT_RDMSR, SELECTOR, VALUE),
    [VX_REC_WRMSR] = ROW(VX_EVENT_WRMSR, SELECTOR, VALUE),
    [VX_REC_IO_IN] = ROW(VX_EVENT_IN, SELECTOR, VALUE),
    [VX_REC_IO_OUT] = ROW(VX_EVENT_OUT, SELECTOR, VALUE),
    [VX_REC_APIC_READ] = ROW(VX_EVENT_APIC_READ, SELECTOR, VALUE),
    [VX_REC_APIC_WRITE] = ROW(VX_EVENT_APIC_WRITE, SELECTOR, VALUE),
    [VX_REC_VMCALL] = ROW(VX_EVENT_VMCALL, SELECTOR, NOWHERE),
    [VX_REC_VMX] = ROW(VX_EVENT_NONE, SELECTOR, NOWHERE),         /* the event: vmx_events */
    [VX_REC_INSTRUCTION] = ROW(VX_EVENT_NONE, SELECTOR, NOWHERE), /* the event: instruction_events */
    [VX_REC_SIGNAL] = ROW(VX_EVENT_NONE, SELECTOR, NOWHERE),      /* the event: signal_events */
    /* Never by themselves: references and MMIO exit out of translation (EPT violation or misconfiguration). */
    [VX_REC_FETCH] = NEVER,
    [VX_REC_LOAD] = NEVER,
    [VX_REC_STORE] = NEVER,
    [VX_REC_PT_STORE] = NEVER,
    [VX_REC_MMIO_READ] = NEVER,
    [VX_REC_MMIO_WRITE] = NEVER,
    /* Never: what the recorder notes about the trace, not done by the guest. */
    [VX_REC_PT_PAGE_NEW] = NEVER,
    [VX_REC_PT_PAGE_GONE] = NEVER,
    [VX_REC_STATE] = NEVER,
    [VX_REC_SKIPPED] = NEVER,
    [VX_REC_GPA] = NEVER,
    [VX_REC_PROCESS] = NEVER,
    [VX_REC_MARK] = NEVER,
    [VX_REC_CPL] = NEVER,
    /* Never: part of the CR3 load before it. */
    [VX_REC_PDPTE_LOAD] = NEVER,
    /* Never: no control is about them. A software interrupt exits only through an exception of its delivery. */
    [VX_REC_INT_N] = NEVER,
    [VX_REC_IRET] = NEVER,
    [VX_REC_SYSCALL] = NEVER,
    [VX_REC_SYSRET] = NEVER,
    [VX_REC_SYSENTER] = NEVER,
    [VX_REC_SYSEXIT] = NEVER,
    [VX_REC_CLI] = NEVER,
    [VX_REC_STI] = NEVER,
    [VX_REC_PUSHF] = NEVER,
    [VX_REC_POPF] = NEVER,
    [VX_REC_SWAPGS] = NEVER,
    /* Never by themselves: #UD on Intel, an EXCEPTION record of its own. */
    [VX_REC_VMMCALL] = NEVER,
    [VX_REC_SVM] = NEVER,
    /* Never: devices do not run on the vCPU. */
    [VX_REC_DMA] = NEVER,
    [VX_REC_DMA_MAP] = NEVER,
    [VX_REC_DMA_UNMAP] = NEVER,
    [VX_REC_MSI] = NEVER,
};

static const uint8_t instruction_events[VX_INSTRUCTIONS] = {
    [VX_INSTRUCTION_GETSEC] = VX_EVENT_GETSEC,       [VX_INSTRUCTION_RSM] = VX_EVENT_RSM,
    [VX_INSTRUCTION_RDRAND] = VX_EVENT_RDRAND,       [VX_INSTRUCTION_RDSEED] = VX_EVENT_RDSEED,
    [VX_INSTRUCTION_XSAVES] = VX_EVENT_XSAVES,       [VX_INSTRUCTION_XRSTORS] = VX_EVENT_XRSTORS,
    [VX_INSTRUCTION_ENCLS] = VX_EVENT_ENCLS,         [VX_INSTRUCTION_ENCLV] = VX_EVENT_ENCLV,
    [VX_INSTRUCTION_PCONFIG] = VX_EVENT_PCONFIG,     [VX_INSTRUCTION_UMONITOR] = VX_EVENT_UMONITOR,
    [VX_INSTRUCTION_UMWAIT] = VX_EVENT_UMWAIT,       [VX_INSTRUCTION_TPAUSE] = VX_EVENT_TPAUSE,
    [VX_INSTRUCTION_LOADIWKEY] = VX_EVENT_LOADIWKEY, [VX_INSTRUCTION_ENQCMD] = VX_EVENT_ENQCMD,
    [VX_INSTRUCTION_ENQCMDS] = VX_EVENT_ENQCMDS,     [VX_INSTRUCTION_WBNOINVD] = VX_EVENT_WBNOINVD,
    [VX_INSTRUCTION_RDPID] = VX_EVENT_RDPID,         [VX_INSTRUCTION_SEAMCALL] = VX_EVENT_SEAMCALL,
    [VX_INSTRUCTION_TDCALL] = VX_EVENT_TDCALL,
};

static const uint8_t signal_events[VX_SIGNALS] = {
    [VX_SIGNAL_INIT] = VX_EVENT_INIT,
    [VX_SIGNAL_SIPI] = VX_EVENT_SIPI,
    [VX_SIGNAL_SMI] = VX_EVENT_NONE, /* delivered: the dual-monitor treatment is nobody's in a trace */
    [VX_SIGNAL_NMI] = VX_EVENT_NMI,
    [VX_SIGNAL_TASK_SWITCH] = VX_EVENT_TASK_SWITCH,
    [VX_SIGNAL_TRIPLE_FAULT] = VX_EVENT_TRIPLE_FAULT,
    [VX_SIGNAL_BUS_LOCK] = VX_EVENT_BUS_LOCK,
};

/* A VMX record names its instruction by the basic exit reason. */
static vx_guest_event_kind vmx_event(unsigned reason)
{
    static const uint8_t from_19[] = {VX_EVENT_VMCLEAR, VX_EVENT_VMLAUNCH, VX_EVENT_VMPTRLD,
                                      VX_EVENT_VMPTRST, VX_EVENT_VMREAD,   VX_EVENT_VMRESUME,
                                      VX_EVENT_VMWRITE, VX_EVENT_VMXOFF,   VX_EVENT_VMXON};
    if (reason >= VX_EXIT_VMCLEAR && reason <= VX_EXIT_VMON)
        return (vx_guest_event_kind)from_19[reason - VX_EXIT_VMCLEAR];
    switch (reason) {
    case VX_EXIT_INVEPT:
        return VX_EVENT_INVEPT;
    case VX_EXIT_INVVPID:
        return VX_EVENT_INVVPID;
    case VX_EXIT_VMFUNC:
        return VX_EVENT_VMFUNC;
    default:
        return VX_EVENT_NONE;
    }
}

/* A word of the record's payload; 0 where the record has none (a hostile or shortened record). */
static uint64_t word(const vx_record *record, const uint64_t *payload, unsigned index)
{
    return payload && index < record->count ? payload[index] : 0;
}

static void put(vx_guest_event *event, unsigned where, uint64_t value)
{
    switch (where) {
    case SELECTOR:
        event->selector = value;
        break;
    case VALUE:
        event->value = value;
        break;
    case LINEAR:
        event->linear.v = value;
        break;
    case ERROR_CODE:
        event->error_code = (uint32_t)value;
        break;
    default:
        break;
    }
}

/* What one address and one word do not say. */
static void complete(vx_guest_event *event, const vx_record *record, const uint64_t *payload)
{
    switch (record->kind) {
    case VX_REC_EFER_LOAD:
        event->selector = MSR_EFER;
        break;
    case VX_REC_IO_IN:
    case VX_REC_IO_OUT:
        event->string = word(record, payload, 1) > 0;
        event->repeat = word(record, payload, 1) > 1; /* the trace holds the count, not the prefix */
        break;
    case VX_REC_VMX:
        event->kind = vmx_event(record->size);
        event->value = record->addr >> 32;
        break;
    case VX_REC_INSTRUCTION:
        if (record->size < VX_INSTRUCTIONS) event->kind = (vx_guest_event_kind)instruction_events[record->size];
        event->value = record->addr;
        break;
    case VX_REC_SIGNAL:
        if (record->size < VX_SIGNALS) event->kind = (vx_guest_event_kind)signal_events[record->size];
        event->which = (uint8_t)(record->size == VX_SIGNAL_TASK_SWITCH ? record->addr >> 30 & 3 : record->addr);
        break;
    default:
        break;
    }
}

bool vx_guest_event_of_record(const vx_record *record, const uint64_t *payload, vx_guest_event *event)
{
    if (record->kind >= VX_REC_KINDS || !descriptions[record->kind].listed) return false;
    const description *d = &descriptions[record->kind];
    *event = (vx_guest_event){
        .kind = (vx_guest_event_kind)d->event, .which = record->size, .bytes = record->size, .retired = true};
    put(event, d->addr, record->addr);
    put(event, d->word, word(record, payload, 0));
    complete(event, record, payload);
    return event->kind != VX_EVENT_NONE;
}

/* A trace tells neither the activity state nor a pending SIPI: one that it holds was taken. */
static vx_exit_context context_of(const vx_exit_context *context, const vx_guest_event *event, const vx_record *record,
                                  const uint64_t *payload)
{
    vx_exit_context all = *context;
    if (event->kind == VX_EVENT_SIPI) all.activity = VX_ACTIVITY_WAIT_FOR_SIPI;
    if (event->kind == VX_EVENT_XSAVES || event->kind == VX_EVENT_XRSTORS) all.xss = word(record, payload, 0);
    return all;
}

bool vx_vmcs_exits(const vx_vmcs *vmcs, const vx_exit_context *context, const vx_record *record,
                   const uint64_t *payload, vx_exit *exit)
{
    vx_guest_event event;
    if (!vx_guest_event_of_record(record, payload, &event)) return false;
    vx_exit_context all = context_of(context, &event, record, payload);
    return vx_vmcs_decide(vmcs, &all, &event, exit) == VX_OUTCOME_EXIT;
}
