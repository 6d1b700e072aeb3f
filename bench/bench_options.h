/* What every named experiment takes on its command line. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

typedef struct bench_options {
    const char *csv, *svg; /* files to write; NULL: none */
    const char *traces;    /* folder of the shipped traces */
    bool quick;            /* sizes that only show that the program works: its figures mean nothing */
} bench_options;

/* Parses a command line of these options alone; ends the program with 2 where it is wrong. `doc`: one line. */
void bench_options_parse(bench_options *options, int argc, char **argv, const char *doc);

/* The same, as a child of a program that has options of its own; its input is a bench_options with defaults set by
 * bench_options_default. */
extern const struct argp bench_options_argp;
void bench_options_default(bench_options *options);

#endif
