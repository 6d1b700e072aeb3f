/* What --trace names: a .vxt file, or "gen:NAME[:arguments]". */
#include <string.h>

#include "source_skip.h"

enum { NAME_MAX_LENGTH = 31, GENERATORS_MAX = 32 };

static vx_status unknown_generator(const char *name, vx_msg *msg)
{
    const char *names[GENERATORS_MAX], *near;
    size_t count = 0;
    while (count < GENERATORS_MAX && vx_generators[count].name) {
        names[count] = vx_generators[count].name;
        count++;
    }
    near = vx_did_you_mean(name, names, count);
    if (near) return vx_fail(msg, VX_ERR_INPUT, "no generator \"%s\"; did you mean \"%s\"?", name, near);
    return vx_fail(msg, VX_ERR_INPUT, "no generator \"%s\"; see vexit list generators", name);
}

/* `what` is what follows "gen:". */
static vx_status open_generator(vx_source **source, const char *what, uint64_t seed, vx_msg *msg)
{
    char name[NAME_MAX_LENGTH + 1];
    size_t length = strcspn(what, ":");
    if (length > NAME_MAX_LENGTH) length = NAME_MAX_LENGTH; /* no generator's name is as long: not found, then */
    memcpy(name, what, length);
    name[length] = '\0';
    for (const vx_generator *generator = vx_generators; generator->name; generator++) {
        if (strcmp(generator->name, name) != 0) continue;
        return generator->open(source, what[length] ? what + length + 1 : "", seed, msg);
    }
    return unknown_generator(name, msg);
}

vx_status vx_source_open(vx_source **source, const char *what, const vx_trace_options *options, uint64_t seed,
                         vx_msg *msg)
{
    if (strncmp(what, "gen:", 4) != 0) return vx_trace_open(source, what, options, msg);
    if (options && options->stream > 0)
        return vx_fail(msg, VX_ERR_INPUT, "%s: no stream %u: a generator has one", what, options->stream);
    vx_source *opened = NULL;
    vx_status status = open_generator(&opened, what + 4, seed, msg);
    if (status) return status;
    return vx_source_skip(source, opened, options ? options->skip_instructions : 0, msg);
}
