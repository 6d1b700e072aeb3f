/* Write-protected shadow paging as a part of other schemes: those without VT-x use it too. */
#ifndef SHADOW_WP_H
#define SHADOW_WP_H

#include "shadow_pages.h"

typedef struct shadow_wp_state {
    shadow_pages pages;
    shadow_page *root;
} shadow_wp_state;

vx_status shadow_wp_init(vmm_vm *vm, vx_arena *arena, vx_msg *msg);
void shadow_wp_load_state(vmm_vm *vm, const vx_registers *guest);
bool shadow_wp_on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                       vx_resume *resume);
bool shadow_wp_write_protected(vmm_vm *vm, vx_gpa gpa);
void shadow_wp_on_notice(vmm_vm *vm, const vx_record *record, const uint64_t *payload);
vx_status shadow_wp_verify(vmm_vm *vm, uint64_t *leaves, vx_msg *msg);

/* All operations but what is intercepted and what an exit costs. */
#define SHADOW_WP_OPERATIONS                                                                                           \
    .shadow_tables = true, .state_bytes = sizeof(shadow_wp_state), .init = shadow_wp_init,                             \
    .load_state = shadow_wp_load_state, .on_notice = shadow_wp_on_notice,                                              \
    .write_protected = shadow_wp_write_protected, .verify = shadow_wp_verify

#endif
