/* Rows of counts.txt: what a real KVM counted of one workload in one mode. */
#ifndef ORACLE_ROWS_H
#define ORACLE_ROWS_H

#include "oracle_guest.h"
#include "vexit.h"

enum { ORACLE_NAME = 32, ORACLE_COUNTS = 160 };

typedef struct oracle_row {
    char group[ORACLE_NAME], mode[ORACLE_NAME], name[ORACLE_NAME];
    workload work;
    char counts[ORACLE_COUNTS]; /* "reason=count ...", sorted by reason; "0": none */
} oracle_row;

typedef struct oracle_rows {
    oracle_row *rows;
    size_t count;
} oracle_rows;

/* How a mode of the oracle is set up here. */
typedef struct oracle_mode {
    const char *name, *cpu, *scheme;
    const char *sets[3]; /* up to the first NULL */
    const char *nested;  /* the hypervisor below: exits to it are what is counted; NULL: none */
} oracle_mode;

/* What comes from outside the guest is not compared: a trace has the guest's interrupts, not the host's. */
bool oracle_is_asynchronous(const char *reason);

/* NULL: no such mode. */
const oracle_mode *oracle_mode_find(const char *name);
const oracle_mode *oracle_mode_at(size_t index); /* NULL past the last */

/* The run of one trace in a mode. Both must outlive the options. */
vx_sim_options oracle_mode_options(const oracle_mode *mode, const char *const *trace);

/* Reads the table; the caller frees rows->rows. Errors name the line. */
vx_status oracle_rows_read(oracle_rows *rows, const char *path, vx_msg *msg);

#endif
