/* What the files of `vexit trace` share: its command line and its actions. */
#ifndef TRACE_ACTIONS_H
#define TRACE_ACTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vx_trace.h"

enum { TRACE_OPERANDS_MAX = 256, TRACE_ARGUMENTS_MAX = 1024 };

typedef struct trace_given {
    const char *operands[TRACE_OPERANDS_MAX]; /* behind the action */
    unsigned operand_count;
    const char *output;
    const char *from;                    /* --from as given: import's format, view's first record */
    const char *svg;                     /* NULL: none */
    const char *json;                    /* NULL: none; "-": standard output, and no human text there */
    char arguments[TRACE_ARGUMENTS_MAX]; /* --set, joined by commas */
    uint64_t options;                    /* which options are given, as bits of the command line's own */
    uint64_t skip, max, count, seed;
    uint32_t stream;
    int level;
    bool whole_chunks, has_stream;
    vx_tier tier; /* 0: none given */
    uint32_t filter_sets;
    uint64_t region, until; /* until: the mark that ends it; 0: the next one */
    bool has_region, with_gpa, translations;
    FILE *text;       /* where human text goes; NULL: nowhere, JSON has standard output */
    json_t *document; /* NULL: no JSON asked for. jansson takes NULL everywhere, so lack of memory shows at the end. */
} trace_given;

/* Each action returns a status; on a failure the message is set. */
vx_status vx_trace_action_info(trace_given *given, vx_msg *msg);
vx_status vx_trace_action_view(trace_given *given, vx_msg *msg);
vx_status vx_trace_action_check(trace_given *given, vx_msg *msg);
vx_status vx_trace_action_cut(trace_given *given, vx_msg *msg);
vx_status vx_trace_action_gen(trace_given *given, vx_msg *msg);
vx_status vx_trace_action_import(trace_given *given, vx_msg *msg);
vx_status vx_trace_action_pack(trace_given *given, vx_msg *msg);
vx_status vx_trace_action_reach(trace_given *given, vx_msg *msg);
vx_status vx_trace_action_record(trace_given *given, vx_msg *msg);

#endif
