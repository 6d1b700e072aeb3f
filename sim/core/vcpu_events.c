/* What each event record does to the machine when nothing intercepts it.
 *
 * One table, record kind to effect. Kinds without a row change nothing that this simulator models; they are counted
 * all the same. Sources: SDM Vol. 2 (instructions), Vol. 3A 4.10.4.1 (what invalidates cached translations). */
#include "vcpu_private.h"

#include <string.h>

static void invalidate(vx_vcpu *v, vx_mmu_op op) { vx_mmu_invalidate(v->mmu, &(vx_mmu_invalidation){.op = op}); }

static uint16_t pcid_of(const vx_registers *r) { return (uint16_t)(r->cr4 & VX_CR4_PCIDE ? r->cr3 & 0xFFF : 0); }

/* PAE: MOV to CR3 loads the four PDPTEs from memory (SDM Vol. 3A, 4.4.1). Registers that name composed tables are
 * loaded by the software that composed them. */
static void latch_pdptes(const vx_vcpu *v, vx_registers *r)
{
    if (vx_registers_paging(r) != VX_PAGING_PAE) return;
    for (unsigned i = 0; i < 4; i++) {
        vx_gpa at = {(r->cr3 & 0xFFFFFFE0ULL) + 8ULL * i};
        r->pdpte[i] = vx_physmem_read64(v->memory, vx_gpa_map_hpa(v->ram, at));
    }
}

static void load_pdptes(vx_vcpu *v)
{
    if (!v->shadow_tables) latch_pdptes(v, &v->registers);
}

static void write_cr0(vx_vcpu *v, uint64_t value)
{
    vx_registers *r = &v->registers;
    bool leaves_paging = (r->cr0 & VX_CR0_PG) && !(value & VX_CR0_PG);
    bool enters_paging = !(r->cr0 & VX_CR0_PG) && (value & VX_CR0_PG);
    r->cr0 = value;
    if (enters_paging) {
        if (r->efer & VX_EFER_LME) r->efer |= VX_EFER_LMA;
        load_pdptes(v);
    }
    if (leaves_paging) r->efer &= ~VX_EFER_LMA;
    /* 1 to 0 by the manual. 0 to 1: under nested paging linear addresses that were guest-physical ones are cached by
     * then (SDM Vol. 3C, 28.2.3.3 with 28.3.2), and no processor may take them for paged ones. */
    if (leaves_paging || enters_paging) invalidate(v, VX_OP_CR4_FLUSH);
    vx_vcpu_load(v);
}

static void write_cr3(vx_vcpu *v, uint64_t value)
{
    vx_registers *r = &v->registers;
    bool keep = (r->cr4 & VX_CR4_PCIDE) && (value & VX_CR3_NO_FLUSH);
    r->cr3 = value & ~VX_CR3_NO_FLUSH;
    load_pdptes(v);
    vx_vcpu_load(v);
    if (!keep) vx_mmu_invalidate(v->mmu, &(vx_mmu_invalidation){.op = VX_OP_CR3_LOAD, .pcid = pcid_of(r)});
}

static void write_cr4(vx_vcpu *v, uint64_t value)
{
    vx_registers *r = &v->registers;
    uint64_t changed = r->cr4 ^ value;
    /* SDM Vol. 3A 4.10.4.1: PGE either way, PCIDE 1 to 0, SMEP 0 to 1; PAE, PSE and LA57 reload the paging mode. */
    bool flush = (changed & (VX_CR4_PGE | VX_CR4_PSE | VX_CR4_PAE | VX_CR4_LA57)) ||
                 ((changed & VX_CR4_PCIDE) && !(value & VX_CR4_PCIDE)) ||
                 ((changed & VX_CR4_SMEP) && (value & VX_CR4_SMEP));
    r->cr4 = value;
    if (changed & (VX_CR4_PAE | VX_CR4_PGE | VX_CR4_PSE | VX_CR4_SMEP)) load_pdptes(v);
    if (flush) invalidate(v, VX_OP_CR4_FLUSH);
    vx_vcpu_load(v);
}

static void effect_cr_write(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)payload;
    switch (record->size) {
    case 0:
        write_cr0(v, record->addr);
        break;
    case 2:
        v->registers.cr2 = record->addr;
        break;
    case 3:
        write_cr3(v, record->addr);
        break;
    case 4:
        write_cr4(v, record->addr);
        break;
    case 8:
        vcpu_set_cr8(v, record->addr & 0xF);
        break;
    default:
        break;
    }
}

static void effect_clts(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record, (void)payload;
    v->registers.cr0 &= ~VX_CR0_TS;
}

/* LMSW loads PE, MP, EM and TS; it cannot clear PE (SDM Vol. 2, LMSW). */
static uint64_t after_lmsw(uint64_t cr0, uint64_t source) { return (cr0 & ~0xEULL) | (source & 0xF); }

static void effect_lmsw(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)payload;
    write_cr0(v, after_lmsw(v->registers.cr0, record->addr));
}

static void effect_efer(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)payload;
    v->registers.efer = record->addr;
    vx_vcpu_load(v);
}

static void notice(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    if (v->shadow_tables && v->hooks.on_notice) v->hooks.on_notice(v->hooks.hypervisor, v, record, payload);
}

static void effect_pdpte(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    if (v->shadow_tables) {
        notice(v, record, payload);
        return;
    }
    memcpy(v->registers.pdpte, payload, sizeof v->registers.pdpte);
    vx_vcpu_load(v);
}

static void effect_invlpg(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)payload;
    vx_mmu_invalidate(v->mmu, &(vx_mmu_invalidation){.op = VX_OP_INVLPG, .gva = {record->addr}});
}

static void effect_invpcid(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    if (v->shadow_tables) { /* composed tables run without PCIDs: all of the guest's are one context */
        invalidate(v, VX_OP_CR4_FLUSH);
        notice(v, record, payload);
        return;
    }
    static const vx_mmu_op by_type[4] = {VX_OP_INVPCID_ADDRESS, VX_OP_INVPCID_CONTEXT, VX_OP_INVPCID_ALL_GLOBAL,
                                         VX_OP_INVPCID_ALL};
    vx_mmu_invalidate(v->mmu, &(vx_mmu_invalidation){.op = by_type[record->size & 3],
                                                     .gva = {record->addr},
                                                     .pcid = (uint16_t)(payload[0] & 0xFFF)});
}

static void set_cpl(vx_vcpu *v, uint8_t cpl)
{
    if (v->registers.cpl == cpl) return;
    v->registers.cpl = cpl;
    vx_vcpu_load(v);
}

void vcpu_enter_kernel(vx_vcpu *v) { set_cpl(v, 0); }

static void effect_cpl(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)payload;
    set_cpl(v, record->size & 3);
}

static void effect_to_kernel(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record, (void)payload;
    set_cpl(v, 0);
}

static void effect_to_user(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record, (void)payload;
    set_cpl(v, 3);
}

static void effect_exception(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)payload;
    v->counts.exceptions++;
    if (record->size == 14) {
        v->registers.cr2 = record->addr;
        v->counts.guest_faults++;
        vx_ledger_charge(v->ledger, VX_CAUSE_GUEST_FAULT, v->cpu->cost.interrupt_ticks);
    } else {
        vx_ledger_charge(v->ledger, VX_CAUSE_INTERRUPT, v->cpu->cost.interrupt_ticks);
    }
    set_cpl(v, 0);
}

static void effect_interrupt(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record, (void)payload;
    v->counts.interrupts++;
    vx_ledger_charge(v->ledger, VX_CAUSE_INTERRUPT, v->cpu->cost.interrupt_ticks);
    set_cpl(v, 0);
}

/* An NMI goes through the IDT; the other signals change nothing that is modelled (a task switch's CR3 load has a record
 * of its own). */
static void effect_signal(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)payload;
    if (record->size != VX_SIGNAL_NMI) return;
    vcpu_nmi_begins(v);
    vx_ledger_charge(v->ledger, VX_CAUSE_INTERRUPT, v->cpu->cost.interrupt_ticks);
    set_cpl(v, 0);
}

static void effect_interrupts_off(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record, (void)payload;
    v->interrupts_off = true;
}

static void effect_interrupts_on(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record, (void)payload;
    v->interrupts_off = false;
}

/* Returns to where interrupts were taken, but out of the handler of an NMI that came where they were not. */
static void effect_iret(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record, (void)payload;
    vcpu_iret(v);
}

static void effect_state(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    vx_registers guest = {.cr0 = payload[0],
                          .cr2 = payload[1],
                          .cr3 = payload[2],
                          .cr4 = payload[3],
                          .efer = payload[4],
                          .pdpte = {payload[5], payload[6], payload[7], payload[8]},
                          .cpl = record->size & 3,
                          .ac = true}; /* no record tells of STAC: SMAP is to deny nothing that the guest did */
    vx_vcpu_end_of_trace(v);           /* what was before is another guest */
    if (vcpu_virtualized(v))
        v->hooks.on_state(v->hooks.hypervisor, v, &guest);
    else
        vx_vcpu_set_registers(v, &guest);
    invalidate(v, VX_OP_CR4_FLUSH);
}

/* What memory holds when a page becomes a table: not a store of the guest's, so nothing traps. */
static void effect_pt_page_new(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    unsigned bytes = vx_registers_paging(&v->view) == VX_PAGING_32BIT ? 4 : 8;
    vx_gpa page = {record->addr & ~0xFFFULL};
    vx_physmem_clear_page(v->memory, vx_gpa_map_hpa(v->ram, page));
    for (unsigned i = 0; i + 1 < record->count; i += 2) {
        if (payload[i] >= VX_PAGE_BYTES / bytes) continue;
        vx_hpa at = vx_gpa_map_hpa(v->ram, (vx_gpa){page.v + payload[i] * bytes});
        if (bytes == 8)
            vx_physmem_write64(v->memory, at, payload[i + 1]);
        else
            vx_physmem_write32(v->memory, at, (uint32_t)payload[i + 1]);
    }
    notice(v, record, payload);
}

static void effect_skipped(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record;
    v->instructions += payload[0];
    v->fetches += payload[1];
    v->loads += payload[2];
    v->stores += payload[3];
    v->counts.skipped_references += payload[1] + payload[2] + payload[3];
}

static void effect_monitor(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record, (void)payload;
    v->monitor_armed = true;
}

static void effect_mwait(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    (void)record, (void)payload;
    v->monitor_armed = false;
}

static void effect_apic_write(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    vcpu_apic_write(v, (uint32_t)record->addr & 0xFFF, record->size, (uint32_t)payload[0]);
}

static void effect_wrmsr(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    vcpu_apic_wrmsr(v, record->addr, payload[0]);
}

typedef void (*effect_fn)(vx_vcpu *v, const vx_record *record, const uint64_t *payload);

static const effect_fn effects[VX_REC_KINDS] = {
    [VX_REC_PT_PAGE_NEW] = effect_pt_page_new,
    [VX_REC_STATE] = effect_state,
    [VX_REC_SKIPPED] = effect_skipped,
    [VX_REC_CR_WRITE] = effect_cr_write,
    [VX_REC_CLTS] = effect_clts,
    [VX_REC_LMSW] = effect_lmsw,
    [VX_REC_EFER_LOAD] = effect_efer,
    [VX_REC_PDPTE_LOAD] = effect_pdpte,
    [VX_REC_INVLPG] = effect_invlpg,
    [VX_REC_INVPCID] = effect_invpcid,
    [VX_REC_EXCEPTION] = effect_exception,
    [VX_REC_INTERRUPT] = effect_interrupt,
    [VX_REC_SIGNAL] = effect_signal,
    [VX_REC_CLI] = effect_interrupts_off,
    [VX_REC_STI] = effect_interrupts_on,
    [VX_REC_IRET] = effect_iret,
    [VX_REC_INT_N] = effect_to_kernel,
    [VX_REC_SYSCALL] = effect_to_kernel,
    [VX_REC_SYSRET] = effect_to_user,
    [VX_REC_SYSENTER] = effect_to_kernel,
    [VX_REC_SYSEXIT] = effect_to_user,
    [VX_REC_CPL] = effect_cpl,
    [VX_REC_WRMSR] = effect_wrmsr,
    [VX_REC_APIC_WRITE] = effect_apic_write,
    [VX_REC_MONITOR] = effect_monitor,
    [VX_REC_MWAIT] = effect_mwait,
};

void vcpu_effect(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    effect_fn effect = effects[record->kind];
    if (effect) effect(v, record, payload);
}

/* SDM Vol. 3C 25.3: MOV to CR0 and CR4, CLTS and LMSW leave the bits alone that the guest/host masks give to the host.
 */
void vcpu_effect_unexited(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    if (!v->vmcs) {
        vcpu_effect(v, record, payload);
        return;
    }
    uint64_t mask0 = v->vmcs->cr0_mask, mask4 = v->vmcs->cr4_mask, now0 = v->registers.cr0, now4 = v->registers.cr4;
    switch (record->kind) {
    case VX_REC_CR_WRITE:
        if (record->size == 0)
            write_cr0(v, (now0 & mask0) | (record->addr & ~mask0));
        else if (record->size == 4)
            write_cr4(v, (now4 & mask4) | (record->addr & ~mask4));
        else
            effect_cr_write(v, record, payload);
        break;
    case VX_REC_LMSW:
        write_cr0(v, (now0 & mask0) | (after_lmsw(now0, record->addr) & ~mask0));
        break;
    case VX_REC_CLTS:
        v->registers.cr0 &= ~(VX_CR0_TS & ~mask0);
        break;
    default:
        vcpu_effect(v, record, payload);
        break;
    }
}

static void view_cr_write(vx_vcpu *v, unsigned number, uint64_t value)
{
    vx_registers *view = &v->view;
    uint64_t *const registers[] = {[0] = &view->cr0, [2] = &view->cr2, [3] = &view->cr3, [4] = &view->cr4};
    if (number > 4 || !registers[number]) return;
    *registers[number] = number == 3 ? value & ~VX_CR3_NO_FLUSH : value;
    if (number != 2) latch_pdptes(v, view);
}

void vcpu_note_view(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    vx_registers *view = &v->view;
    switch (record->kind) {
    case VX_REC_CR_WRITE:
        view_cr_write(v, record->size, record->addr);
        break;
    case VX_REC_LMSW:
        view_cr_write(v, 0, after_lmsw(view->cr0, record->addr));
        break;
    case VX_REC_CLTS:
        view->cr0 &= ~VX_CR0_TS;
        break;
    case VX_REC_EFER_LOAD:
        view->efer = record->addr;
        break;
    case VX_REC_PDPTE_LOAD:
        memcpy(view->pdpte, payload, sizeof view->pdpte);
        break;
    case VX_REC_STATE:
        *view = (vx_registers){.cr0 = payload[0], .cr2 = payload[1], .cr3 = payload[2], .cr4 = payload[3]};
        view->efer = payload[4];
        memcpy(view->pdpte, payload + 5, sizeof view->pdpte);
        break;
    default:
        break;
    }
}
