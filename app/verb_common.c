#include "verb_common.h"

#include <stdio.h>
#include <string.h>

#ifndef VEXIT_VERSION
#error "the build says which version this is"
#endif

int verb_failed(const char *verb, vx_status status, const vx_msg *msg)
{
    fprintf(stderr, "vexit %s: %s\n", verb, msg->text);
    return vx_status_exit_code(status);
}

int verb_usage(const char *verb, const char *sentence)
{
    fprintf(stderr, "vexit %s: %s\n", verb, sentence);
    return EXIT_USAGE;
}

int verb_action(const char *verb, const char *word, const char *const *names, unsigned count, const char *all)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(names[i], word) == 0) return (int)i;
    const char *near = vx_did_you_mean(word, names, count);
    fprintf(stderr, "vexit %s: no action '%s'%s%s%s\n", verb, word, near ? ", did you mean '" : ": ", near ? near : all,
            near ? "'?" : "");
    return -1;
}

vx_status verb_model_open(vx_model **model, vx_model_kind kind, const char *name, const char *const *sets,
                          unsigned count, vx_msg *msg)
{
    *model = NULL;
    vx_status status = vx_model_open(model, kind, name, msg);
    if (status != VX_OK) return status;
    for (unsigned i = 0; i < count && status == VX_OK; i++) status = vx_model_set(*model, sets[i], msg);
    if (status == VX_OK) status = vx_model_check(*model, msg);
    if (status == VX_OK) return VX_OK;
    vx_model_close(*model);
    *model = NULL;
    return status;
}

json_t *verb_document(const char *verb)
{
    return json_pack("{s:s,s:s,s:b,s:{s:s}}", "schema", "vexit/1", "verb", verb, "complete", 1, "tool", "version",
                     VEXIT_VERSION);
}
