/* What a shadow page mirrors: the key of each level of a walk, and the entries that one guest store changes. */
#ifndef SHADOW_MIRROR_H
#define SHADOW_MIRROR_H

#include "shadow_hardware.h"
#include "shadow_pages.h"

/* The key of the shadow of `level` on the path of `gva`. 32-bit guests: a shadow table holds 512 entries, a guest table
 * 1024, so a directory has four shadows and a table two. Below a large guest page there is no table: the key is the
 * part of the page that the shadow covers, and the rights its leaves take from the page. */
shadow_key shadow_key_of(const vmm_vm *vm, const guest_walk *walk, vx_gva gva, unsigned level);

/* The same key for directory `index` of a guest on PAE shadows. */
shadow_key shadow_key_of_directory(const vmm_vm *vm, unsigned index);

/* Which entries of a shadow page mirror `count` guest entries from `index` on: *first to *past - 1. */
void shadow_mirrored_entries(const vmm_vm *vm, const shadow_key *key, unsigned index, unsigned count, unsigned *first,
                             unsigned *past);

/* The guest-physical address of the guest entry that entry `index` of a leaf shadow (not direct) mirrors. */
vx_gpa shadow_mirrored_gpa(const vmm_vm *vm, const shadow_key *key, unsigned index);

/* shadow_verify_tree over every root that there is a shadow of, not the current one's alone: a store to a table
 * concerns them all. But a PAE root that is not loaded has no PDPTEs. `root`: the current one, or NULL. */
vx_status shadow_verify_roots(vmm_vm *vm, shadow_pages *pages, const shadow_page *root, uint64_t *leaves,
                              uint64_t *stale, vx_msg *msg);

/* Performs a page-table store record in guest memory. */
void shadow_write_guest(vmm_vm *vm, const vx_record *record, const uint64_t *payload);

#endif
