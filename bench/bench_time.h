/* Measuring this program: processor time, medians, memory. */
#ifndef BENCH_TIME_H
#define BENCH_TIME_H

#include <stdint.h>

/* Processor time of this process in seconds: other programs on the machine disturb it little. */
double bench_seconds(void);

/* The middle one of `count` values, at least 1 (the lower of two); sorts them. */
double bench_median(double *values, unsigned count);

/* The most memory this process ever had resident, in MiB. */
double bench_peak_mib(void);

#endif
