/* The hypervisor: software. It owns the exit controls, the second translation and the handlers' cost; a scheme owns
 * the memory algorithm.
 *
 * One vx_vmm runs a number of VMs on one physical CPU, or one VM whose vCPUs have a physical CPU each. Each scheme is
 * one file and one line of a const table (name, ops). Where a guest's frames lie in host memory is a pure function of
 * guest-physical address and seed (vx_gpa_map), so that all schemes translate alike. */
#ifndef VX_VMM_H
#define VX_VMM_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_arena.h"
#include "vx_config.h"
#include "vx_physmem.h"
#include "vx_stats.h"
#include "vx_status.h"
#include "vx_vcpu.h"

typedef struct vx_vmm vx_vmm;

/* How host memory is divided: the hypervisor's own tables first, then each VM's RAM, then nothing. */
typedef struct vx_host_layout {
    uint64_t table_bytes; /* for EPT, NPT and shadow tables, from address 4096 on */
    uint64_t bytes;       /* all of host memory */
    vx_gpa_map ram[64];   /* of each VM */
    /* Under a hypervisor below: where the memory of the VM lies in which the other one runs, and how much of that, from
     * 4096 on, the other one has for its own tables. */
    vx_gpa_map l1;
    uint64_t l1_table_bytes;
} vx_host_layout;

enum { VX_VMM_VMS_MAX = 64 };

/* Lays out host memory for `vms` guests of `ram_bytes` each. Native: one guest at address 0, in order. Tables get what
 * mapping everything in 4 KiB pages needs. VX_ERR_INPUT where it exceeds 2^46 bytes. */
vx_status vx_host_layout_make(vx_host_layout *layout, vx_scheme scheme, const vx_cfg_vmm *vmm, uint64_t ram_bytes,
                              unsigned vms, uint64_t seed, vx_msg *msg);

/* Puts the machine of a layout into a VM of another hypervisor: all of its memory becomes that VM's RAM, placed as the
 * model `l0` says, behind l0's own tables. The maps of its guests lead on through layout->l1, so the layout must stay
 * where it is. VX_ERR_INPUT where it exceeds 2^46 bytes. */
vx_status vx_host_layout_nest(vx_host_layout *layout, const vx_cfg_vmm *l0, unsigned vms, uint64_t seed, vx_msg *msg);

/* The hypervisor, in an exit of vCPU `from`, has taken rights away that the VM's other vCPUs held: those that run the
 * guest are to exit (vx_vmm_flush), and `from` waits until they have. */
typedef struct vx_vmm_kick {
    void (*others)(void *context, unsigned from);
    void *context;
} vx_vmm_kick;

typedef struct vx_vmm_setup {
    const vx_cfg_cpu *cpu;
    const vx_cfg_vmm *vmm;
    const vx_cfg_vmm *l0; /* the hypervisor below, in whose VM this one runs; NULL: it runs on the processor */
    vx_scheme scheme;
    bool vpid; /* tag TLB entries; off on SVM: flush at each VMRUN */
    vx_physmem *memory;
    const vx_host_layout *layout;
    unsigned vms;
    unsigned vcpus;            /* of each VM, each on a physical CPU of its own where there are several; 0: one */
    vx_vmm_kick kick;          /* needed with several vCPUs */
    unsigned tpr_instructions; /* of each guest's that write the TPR and can be patched (vmm.apic.tpr_patching) */
    bool recorded_guests; /* their OSes may flush later than they store, which makes a virtual TLB's stale leaves legal:
                             system traces, and OSes of several CPUs until each has answered a shootdown */
} vx_vmm_setup;

/* Checks that the CPU and the vmm model can do the scheme: VX_ERR_INPUT, "penryn has no EPT", with what to use instead.
 */
vx_status vx_vmm_check(const vx_cfg_cpu *cpu, const vx_cfg_vmm *vmm, vx_scheme scheme, bool vpid, vx_msg *msg);

/* Checks that the scheme can run VMs of so many vCPUs (native too): VX_ERR_INPUT names those that can. */
vx_status vx_vmm_check_vcpus(vx_scheme scheme, unsigned vcpus, vx_msg *msg);

/* Not for VX_SCHEME_NATIVE: there is no hypervisor then. */
vx_status vx_vmm_init(vx_vmm **vmm, vx_arena *arena, const vx_vmm_setup *setup, vx_msg *msg);

/* Below, `vm` is a vCPU's number where a VM has several, counted over all VMs.
 *
 * The hooks to build VM number `vm`'s vCPU with (hypervisor part), and, once it is built, attaching it: VMCS or VMCB
 * are set up and non-root operation begins. */
void vx_vmm_hooks(vx_vmm *vmm, unsigned vm, vx_vcpu_hooks *hooks);
void vx_vmm_attach(vx_vmm *vmm, unsigned vm, vx_vcpu *vcpu);

/* The host's timer interrupt arrives while VM number `vm` runs: one exit, and its handler's cost. */
void vx_vmm_preempt(vx_vmm *vmm, unsigned vm);

/* The scheduler gives the processor to VM number `vm`: what VMPTRLD does, or an ASID that is still its own; loads the
 * vCPU's control state into the MMU. */
void vx_vmm_dispatch(vx_vmm *vmm, unsigned vm);

/* An interrupt arrives for a vCPU that has halted (0: its APIC's timer is due): the hypervisor, which has its
 * processor, enters it with the interrupt. No exit. */
void vx_vmm_wake(vx_vmm *vmm, unsigned vm, uint8_t vector);

/* The host's memory management (swapping, ballooning, page migration) takes the next mapped page of VM 0 away, in the
 * order of their addresses: its entry in the nested table goes, and comes back with a violation when it is touched.
 * Every vCPU must be told (vx_vmm_flush). False: nothing is mapped. */
bool vx_vmm_reclaim(vx_vmm *vmm);

/* The hypervisor has taken rights away in nested tables, and this vCPU's processor drops what it holds of them (INVEPT;
 * AMD: TLB_CONTROL). `kick`: it runs the guest, so that the host's interrupt makes it exit first. */
void vx_vmm_flush(vx_vmm *vmm, unsigned vm, bool kick);

/* A broken run (no table page left, an address beyond the processor's): the run must end with this status, whatever
 * else it ends with. VX_OK otherwise. */
vx_status vx_vmm_status(const vx_vmm *vmm, vx_msg *msg);

typedef struct vx_vmm_counts {
    uint64_t hidden_faults;     /* page faults the guest never saw */
    uint64_t first_touches;     /* EPT or NPT entries made, or frames first used */
    uint64_t table_pages;       /* of EPT, NPT or shadow, in use */
    uint64_t shadow_fills;      /* shadow leaves written */
    uint64_t emulated_stores;   /* page-table stores performed by the hypervisor */
    uint64_t ad_emulations;     /* guest A and D flags set by the hypervisor */
    uint64_t shadow_drops;      /* whole shadows thrown away */
    uint64_t injected_faults;   /* page faults handed to the guest */
    uint64_t unsyncs, resyncs;  /* leaf tables let go out of sync, and brought in step again (Xen) */
    uint64_t early_unshadows;   /* tables that rows of zero stores took the shadows from (Xen) */
    uint64_t stores_ahead;      /* page-table stores emulated behind another, without an exit (Xen) */
    uint64_t reclaims;          /* pages that the host took away */
    uint64_t remote_flushes;    /* times that all had to drop translations */
    uint64_t kicks, kick_ticks; /* exits of vCPUs that had to drop translations, and their whole cost */
    uint64_t vmreads, vmwrites;
    /* Of a deprivileged guest, by kind. */
    uint64_t traps_privileged, traps_ports, traps_syscalls, traps_events, traps_page_faults, traps_stores;
    uint64_t traps_missed; /* sensitive instructions that neither trap nor were translated */
    uint64_t indirect_references, indirect_fills, indirect_ticks; /* of handlers, on lines of their own */
    uint64_t stale_leaves; /* of a virtual TLB, found by the last vx_vmm_verify: the guest has not flushed yet */
} vx_vmm_counts;
/* Live counters, made current by the call; valid as long as the hypervisor. _reset zeroes them (end of warm-up). */
const vx_vmm_counts *vx_vmm_counts_now(const vx_vmm *vmm);
void vx_vmm_counts_reset(vx_vmm *vmm);

/* Declares its counters under "paging.". */
void vx_vmm_declare(vx_vmm *vmm, vx_stats *stats);

/* What must hold at the end of a run between what it counts and its vCPUs' exits: writes up to `room`, returns how
 * many.
 */
unsigned vx_vmm_identities(const vx_vmm *vmm, vx_identity *identities, unsigned room);

/* Every present leaf of the second translation agrees with guest tables and placement, with rights no wider. Returns
 * the number of leaves compared; VX_ERR_CHECK names the first that differs (see stale_leaves for the exception). */
vx_status vx_vmm_verify(vx_vmm *vmm, uint64_t *leaves, vx_msg *msg);

/* Names of schemes, with one sentence each: the table behind `vexit list schemes`. */
const char *vx_scheme_name(vx_scheme scheme);
const char *vx_scheme_doc(vx_scheme scheme);
/* The scheme of a name, or VX_SCHEMES. */
vx_scheme vx_scheme_parse(const char *name);

#endif
