/* A measured host's exits: what `perf kvm stat report` or `perf kvm stat live` prints, read and set beside the model.
 *
 * Source of the layout: Linux, tools/perf/builtin-kvm.c (print_result). Names are Linux's strings for exit reasons, of
 * Intel's and AMD's processors, with blanks as `_`; perf cuts them after 19 characters. */
#ifndef VX_MEASURED_H
#define VX_MEASURED_H

#include <jansson.h>
#include <stddef.h>

#include "vx_status.h"

/* Reads a file: {"path", "tables", "total", "time_us", "by_reason": {NAME: {"count", "share", "time_us", "min_us",
 * "max_us"}}}, most frequent first. Several tables (live prints one each interval) are added up. New reference.
 * VX_ERR_INPUT names file and line; VX_ERR_IO where it cannot be read. */
vx_status vx_measured_read(json_t **measured, const char *path, vx_msg *msg);

/* The same of `size` bytes; `name` is what messages call them. */
vx_status vx_measured_parse(json_t **measured, const char *text, size_t size, const char *name, vx_msg *msg);

/* Sets it beside the runs of a document, as its member "measured", with "share_difference" of each run: half the sum
 * over all reasons of the absolute differences of shares, 0 (alike) to 1 (nothing in common). Shares, since the guest
 * that was measured need not have run for as long as the trace. Steals `measured`, on errors too. */
vx_status vx_measured_compare(json_t *document, json_t *measured, vx_msg *msg);

#endif
