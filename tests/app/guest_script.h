/* A guest written by hand: a system trace of a few records, so that a test knows every exit it must cause.
 *
 * 64-bit guest of 64 MiB, supervisor mode. Address space n (0 or 1) has tables of its own: PML4, PDPT, PD and PT at
 * script_table(n, level). Its PT maps SCRIPT_PAGES data pages from SCRIPT_GVA on, and, as its last entry, itself. */
#ifndef TESTS_APP_GUEST_SCRIPT_H
#define TESTS_APP_GUEST_SCRIPT_H

#include <stdint.h>

#include "vx_trace.h"

#define SCRIPT_GVA 0x400000ULL
#define SCRIPT_RAM (64ULL << 20)

enum { SCRIPT_PAGES = 16, SCRIPT_RECORDS = 4096, SCRIPT_WORDS = 16384 };

typedef struct guest_script {
    vx_record records[SCRIPT_RECORDS];
    uint64_t payload[SCRIPT_WORDS];
    size_t count, words;
} guest_script;

uint64_t script_table(unsigned space, unsigned level); /* gpa */
uint64_t script_page(unsigned space, unsigned page);   /* gpa of a data page */
uint64_t script_gva(unsigned page);                    /* gva of a data page, in either space */
uint64_t script_table_gva(void);                       /* gva of the current space's PT */
uint64_t script_leaf(unsigned space, unsigned page);   /* the PT's entry of the page: present, writable, user */

/* Begins with both spaces' tables and a STATE record in space 0. */
void script_begin(guest_script *script);

void script_add(guest_script *script, vx_record_kind kind, unsigned size, uint64_t addr, unsigned words,
                const uint64_t *payload);
void script_load(guest_script *script, uint64_t gva);
void script_store(guest_script *script, uint64_t gva);
void script_cr3(guest_script *script, unsigned space);
void script_invlpg(guest_script *script, uint64_t gva);
/* Stores an entry of space's PT; gva 0: the recorder did not keep it. */
void script_pt_store(guest_script *script, unsigned space, unsigned index, uint64_t value, uint64_t gva);
/* The page fault that the reference before ran into, as the recorder saw it. */
void script_page_fault(guest_script *script, uint64_t gva, uint64_t error_code);

/* The file of the trace: made for a group of tests, and removed after it (CMocka's group fixtures). */
extern char script_file[];
int script_file_make(void **state);
int script_file_remove(void **state);

/* Writes the trace to script_file; fails the test where that fails. */
void script_write(const guest_script *script, vx_tier tier);

#endif
