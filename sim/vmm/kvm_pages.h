/* The shadow pages of KVM's shadow MMU: age, quota, leaf tables out of sync, flood counters.
 *
 * Rules: Linux 6.1, arch/x86/kvm/mmu/mmu.c and paging_tmpl.h. An upper table is write-tracked: each store to it exits
 * and is emulated. A leaf table may go out of sync: it becomes writable to the guest, and its shadow is brought in step
 * again when the guest flushes. */
#ifndef KVM_PAGES_H
#define KVM_PAGES_H

#include "shadow_mirror.h"

enum { KVM_PREVIOUS_ROOTS_MAX = 15 };

/* What KVM knows of a shadow page beyond shadow_page; same index. Links are index + 1, 0 ends. */
typedef struct kvm_page {
    uint32_t older, newer;                 /* in the order of making */
    uint32_t unsync_before, unsync_behind; /* in the list of those out of sync */
    bool unsync;
    uint8_t writes; /* emulated stores since the last use */
} kvm_page;

/* A root and the guest's CR3 it belongs to. */
typedef struct kvm_root {
    shadow_page *page; /* NULL: none */
    uint64_t cr3;
} kvm_root;

/* What is each vCPU's own. */
typedef struct kvm_vcpu {
    bool loaded; /* the guest's state has been: a root that goes is made again */
    kvm_root root, previous[KVM_PREVIOUS_ROOTS_MAX];
    bool retried; /* the store to `retried_gva` was retried after its page lost its shadows */
    vx_gva retried_gva;
} kvm_vcpu;

/* What all vCPUs of a VM share. */
typedef struct kvm_shadow {
    shadow_pages pages;
    kvm_page *more;
    uint32_t oldest, newest, first_unsync;
    uint64_t used, quota;
    bool flush;        /* the vCPU in this exit must drop cached translations */
    bool flush_others; /* shadow entries lost rights: all must */
    kvm_vcpu *vcpu;
} kvm_shadow;

static inline void kvm_lost_rights(kvm_shadow *kvm) { kvm->flush = kvm->flush_others = true; }

static inline kvm_vcpu *kvm_vcpu_of(const vmm_vm *vm)
{
    const kvm_shadow *kvm = vm->state;
    return &kvm->vcpu[vm->index % vm->vmm->vcpus];
}

vx_status kvm_pages_init(vmm_vm *vm, vx_arena *arena, vx_msg *msg);

/* The shadow page of a key: a known one (a leaf table out of sync is brought in step, but stays writable), or a new
 * one, from when on no leaf maps its guest table writable. NULL: no memory (the run ends). */
shadow_page *kvm_page_get(vmm_vm *vm, const shadow_key *key);

/* Makes room for a few pages where the quota is near: the oldest go, but for roots. */
void kvm_pages_make_room(vmm_vm *vm);

/* Throws a page away, with the tables out of sync below it. Returns how many went. */
unsigned kvm_page_zap(vmm_vm *vm, shadow_page *page);
/* All that mirror a guest frame. True: there were some. */
bool kvm_pages_zap_frame(vmm_vm *vm, uint64_t gfn);
void kvm_pages_zap_all(vmm_vm *vm);

/* An upper table's shadow mirrors this frame: stores to it are emulated. */
bool kvm_pages_tracked(vmm_vm *vm, uint64_t gfn);
/* Some shadow mirrors it and is in step: a store to it exits. */
bool kvm_pages_protected(vmm_vm *vm, uint64_t gfn);

/* May a leaf map this frame writable? `unsync`: leaf tables there may go out of sync for it. */
bool kvm_pages_writable(vmm_vm *vm, uint64_t gfn, bool unsync, bool prefetch);

/* Brings every table out of sync below `page` in step and protects it again. */
void kvm_pages_sync_below(vmm_vm *vm, shadow_page *page);

/* The page was walked for a fill. */
void kvm_page_used(vmm_vm *vm, const shadow_page *page);
/* One emulated store; true: too many, the page should go. */
bool kvm_page_flooded(vmm_vm *vm, const shadow_page *page);
bool kvm_page_is_unsync(const vmm_vm *vm, const shadow_page *page);

/* The shadow page that an upper shadow entry points to; the entry is present. */
shadow_page *kvm_page_child(vmm_vm *vm, uint64_t value);

/* kvm_leaf.c: maps entry `index` of a leaf page from the guest entry behind it, if that is present, well-formed and
 * accessed; clears it and returns false otherwise. */
bool kvm_leaf_prefetch(vmm_vm *vm, shadow_page *page, unsigned index);
/* Brings every present entry of a leaf page in step with the guest's. */
void kvm_leaf_sync(vmm_vm *vm, shadow_page *page);
/* What an INVLPG does to an entry of a table out of sync: the model's shadow.invlpg_maps. */
void kvm_leaf_invalidate(vmm_vm *vm, shadow_page *page, unsigned index);

/* kvm_roots.c: what MOV to CR3 does to the current root and the ones before it. */
void kvm_roots_load(vmm_vm *vm);
/* After a page went that was the current root, or the regime changed. */
void kvm_roots_reload(vmm_vm *vm);
void kvm_roots_forget(vmm_vm *vm, const shadow_page *page);
void kvm_roots_forget_all(vmm_vm *vm); /* of this vCPU; the others above are of all */
bool kvm_roots_holds(vmm_vm *vm, const shadow_page *page);

/* kvm_flush.c: the VM's other vCPUs drop what they hold of entries that lost rights. */
void kvm_flush_others(vmm_vm *vm);

#endif
