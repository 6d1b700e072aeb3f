#include "progress.h"

#include <stdio.h>
#include <unistd.h>

static double seconds_since(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) + 1e-9 * (double)(to->tv_nsec - from->tv_nsec);
}

static void show(void *context, const vx_sim_progress *p)
{
    progress_meter *meter = context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (seconds_since(&meter->last, &now) < 0.2) return;
    meter->last = now;
    double spent = seconds_since(&meter->began, &now);
    fprintf(stderr, "\r\033[K%.1f M instructions, %.1f M references/s", 1e-6 * (double)p->instructions,
            1e-6 * (double)p->references / spent);
    if (p->expected_instructions > p->instructions && p->instructions) {
        double left = spent * (double)(p->expected_instructions - p->instructions) / (double)p->instructions;
        fprintf(stderr, ", %.0f %%, %.0f s left", 100.0 * (double)p->instructions / (double)p->expected_instructions,
                left);
    }
    fflush(stderr);
    meter->shown = true;
}

void progress_begin(progress_meter *meter, vx_sim_options *options)
{
    *meter = (progress_meter){0};
    if (!isatty(STDERR_FILENO)) return;
    clock_gettime(CLOCK_MONOTONIC, &meter->began);
    meter->last = meter->began;
    options->progress = show;
    options->progress_context = meter;
}

void progress_end(progress_meter *meter)
{
    if (meter->shown) fprintf(stderr, "\r\033[K");
    meter->shown = false;
}
