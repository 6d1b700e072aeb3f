/* A system trace under construction: records in memory, then a file, then runs of it under every scheme. */
#ifndef HOSTILE_TRACE_H
#define HOSTILE_TRACE_H

#include "vexit.h"
#include "vx_radix.h"
#include "vx_trace.h"

enum { HOSTILE_RECORDS = 4096, HOSTILE_WORDS = 1 << 16 };

#define HOSTILE_RAM (64ULL << 20) /* of the guest */
#define HOSTILE_CR3 0x1000ULL     /* gpa of the top table that hostile_begin makes */

typedef struct hostile_trace {
    vx_record records[HOSTILE_RECORDS];
    uint64_t payload[HOSTILE_WORDS];
    size_t count, words;
    bool user;                     /* the header says user-level trace */
    uint64_t ram_start, ram_bytes; /* the guest's RAM as the header tells it */
} hostile_trace;

/* Appends a record; `words` payload words. What the record check refuses is left out: false. */
bool hostile_put(hostile_trace *trace, vx_record_kind kind, uint64_t addr, unsigned size, const uint64_t *payload,
                 unsigned words);
bool hostile_load(hostile_trace *trace, uint64_t gva);
bool hostile_store(hostile_trace *trace, uint64_t gva);
bool hostile_fetch(hostile_trace *trace, uint64_t gva, unsigned instructions);
bool hostile_state(hostile_trace *trace, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer);

/* Empties the trace, then 4-level tables that map 0 to 2 MiB page by page and 1 GiB to 1 GiB + 2 MiB by one large page,
 * and the state that uses them. The tables lie at gpa 0x1000 (top) to 0x4000 and are mapped themselves. */
void hostile_begin(hostile_trace *trace);

/* Writes the trace to a file. */
vx_status hostile_write(const hostile_trace *trace, const char *path, vx_msg *msg);

/* One machine to run on, NULL name ends the list. */
typedef struct hostile_machine {
    const char *cpu, *scheme, *vmm;
} hostile_machine;
extern const hostile_machine hostile_machines[];

/* Runs the file on one machine, with or without the check of the second translation. */
vx_status hostile_run(const char *path, const hostile_machine *machine, bool check, vx_msg *msg);

#endif
