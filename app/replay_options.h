/* Options of the verbs that replay a trace: which trace, which part of it, under which guest. */
#ifndef REPLAY_OPTIONS_H
#define REPLAY_OPTIONS_H

#include "options.h"

typedef struct replay_options {
    machine_options machine; /* filled by the child parser */
    vx_sim_options sim;      /* without scheme, progress and stop */
    const char *traces[OPTIONS_TRACES_MAX];
    unsigned vm_of_trace[OPTIONS_TRACES_MAX];
    unsigned trace_options; /* how often --trace was given: each one is a VM of its own */
    char ram[64];
} replay_options;

extern const struct argp replay_argp;

/* Ends the help of a verb that takes these options. */
#define REPLAY_NUMBERS "\vNumbers may be hexadecimal with 0x and end in k, m or g: thousands; of sizes, powers of 1024."

/* Defaults: seed 1, the SystemC clock. */
void replay_options_init(replay_options *options);

/* Copies what the machine parser collected into options->sim. Call after argp_parse. */
void replay_options_settle(replay_options *options);

#endif
