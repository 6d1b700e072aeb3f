/* What the files of `vexit model` share: its command line and its actions. */
#ifndef MODEL_ACTIONS_H
#define MODEL_ACTIONS_H

#include <stdio.h>

#include "verb_common.h"

enum { MODEL_OPERANDS_MAX = 64 };

typedef struct model_given {
    bool effective, has_kind;
    vx_model_kind kind;
    const char *json; /* NULL: none; "-": standard output, and no human text there */
    const char *sets[MODEL_OPERANDS_MAX];
    unsigned set_count;
    const char *operands[MODEL_OPERANDS_MAX]; /* [0] is the action */
    unsigned operand_count;
} model_given;

/* One run of the verb. The document is built beside the text where JSON is asked for; every json_* call takes NULL, so
 * that lack of memory is found once, at the end. */
typedef struct model_run {
    const model_given *given;
    FILE *text; /* NULL: JSON has standard output */
    json_t *document;
} model_run;

/* False where the word is no kind. */
bool model_kind_of_word(const char *word, vx_model_kind *kind);
/* The model of that name, of the kind that is given or has it, with --set applied. */
vx_status model_open(const model_given *given, const char *name, vx_model **model, vx_model_kind *kind, vx_msg *msg);

/* Each action returns the exit code, and has said what was wrong. */
int model_list(model_run *run);
int model_show(model_run *run);
int model_check(model_run *run);
int model_diff(model_run *run);
int model_keys(model_run *run);

#endif
