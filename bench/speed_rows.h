/* The rows of `speed`: a figure, what it is set against, and whether it reaches what was asked. */
#ifndef SPEED_ROWS_H
#define SPEED_ROWS_H

#include <stdbool.h>
#include <stdio.h>

#include "vx_status.h"

/* How a figure is judged. */
typedef enum speed_reach {
    SPEED_NO_REACH, /* not at all */
    SPEED_AT_LEAST, /* as a speed: on a slower machine in proportion to the bare loop's */
    SPEED_AT_MOST   /* as it is */
} speed_reach;

typedef struct speed_row {
    const char *name, *unit;
    double value;
    speed_reach kind;
    double asked; /* on a machine whose bare loop makes SPEED_LOOP_ASKED million references a second */
} speed_row;

enum { SPEED_ROWS = 96, SPEED_NAME = 64, SPEED_LOOP_ASKED = 530 };

typedef struct speed_rows {
    struct {
        speed_row row;
        char name[SPEED_NAME];
    } at[SPEED_ROWS];
    unsigned count;
    double loop; /* million references a second of the bare loop; 0: not measured yet */
    bool quiet;  /* nothing to standard output until the end */
} speed_rows;

/* Adds a row and, unless quiet, prints it. */
void speed_rows_add(speed_rows *rows, const speed_row *row);

/* Prints a line of explanation, unless quiet. */
void speed_rows_say(const speed_rows *rows, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All rows as CSV, or as JSON ("-": standard output). */
void speed_rows_csv(const speed_rows *rows, FILE *out);
vx_status speed_rows_json(const speed_rows *rows, const char *path, bool quick, vx_msg *msg);

#endif
