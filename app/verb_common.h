/* What the verbs with actions share: their errors, their actions' names, a model with values set, a document's head. */
#ifndef VERB_COMMON_H
#define VERB_COMMON_H

#include <jansson.h>
#include <stdbool.h>

#include "vx_model.h"

enum { EXIT_USAGE = 2 };

/* Prints "vexit VERB: message" and returns the exit code of the status. */
int verb_failed(const char *verb, vx_status status, const vx_msg *msg);
/* The same for a command line that makes no sense. */
int verb_usage(const char *verb, const char *sentence);

/* Which of `names` the word is; -1 where it is none, which has been said with what is near or else with `all`. */
int verb_action(const char *verb, const char *word, const char *const *names, unsigned count, const char *all);

/* A model with --set applied and checked. NULL on failure. */
vx_status verb_model_open(vx_model **model, vx_model_kind kind, const char *name, const char *const *sets,
                          unsigned count, vx_msg *msg);

/* The head of a verb's document. New reference; NULL without memory. */
json_t *verb_document(const char *verb);

#endif
