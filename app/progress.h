/* A line on standard error, where that is a terminal: how far the run is, references a second, time left. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <time.h>

#include "vexit.h"

typedef struct progress_meter {
    bool shown;
    struct timespec began, last;
} progress_meter;

/* Hooks the meter into the options where standard error is a terminal; it must outlive the run. */
void progress_begin(progress_meter *meter, vx_sim_options *options);
/* Clears the line. */
void progress_end(progress_meter *meter);

#endif
