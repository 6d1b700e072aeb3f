/* "name=value,name=value": the arguments of generators. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gen_base.h"
#include "vx_number.h"

enum { WORD_MAX = 63, PARAMETERS_MAX = 16 };

static vx_status set_number(const char *generator, const gen_parameter *parameter, const char *word, vx_msg *msg)
{
    uint64_t number;
    if (!vx_number_scaled(word, parameter->bytes ? 1024 : 1000, &number))
        return vx_fail(msg, VX_ERR_INPUT, "gen:%s: %s=%s: not a number", generator, parameter->name, word);
    if (number < parameter->min || number > parameter->max)
        return vx_fail(msg, VX_ERR_INPUT, "gen:%s: %s=%s: not in %" PRIu64 " to %" PRIu64, generator, parameter->name,
                       word, parameter->min, parameter->max);
    *parameter->number = number;
    return VX_OK;
}

static vx_status set_real(const char *generator, const gen_parameter *parameter, const char *word, vx_msg *msg)
{
    char *end;
    double real = strtod(word, &end);
    if (end == word || *end || !isfinite(real))
        return vx_fail(msg, VX_ERR_INPUT, "gen:%s: %s=%s: not a number", generator, parameter->name, word);
    if (real < parameter->real_min || real > parameter->real_max)
        return vx_fail(msg, VX_ERR_INPUT, "gen:%s: %s=%s: not in %g to %g", generator, parameter->name, word,
                       parameter->real_min, parameter->real_max);
    *parameter->real = real;
    return VX_OK;
}

static vx_status unknown(const char *generator, const char *name, const gen_parameter *parameters, size_t count,
                         vx_msg *msg)
{
    const char *names[PARAMETERS_MAX];
    for (size_t i = 0; i < count && i < PARAMETERS_MAX; i++) names[i] = parameters[i].name;
    const char *near = vx_did_you_mean(name, names, count < PARAMETERS_MAX ? count : PARAMETERS_MAX);
    if (near)
        return vx_fail(msg, VX_ERR_INPUT, "gen:%s: no parameter \"%s\"; did you mean \"%s\"?", generator, name, near);
    return vx_fail(msg, VX_ERR_INPUT, "gen:%s: no parameter \"%s\"", generator, name);
}

/* Copies one word up to `end`; false where it is empty or too long. */
static bool copy_word(const char *from, const char *end, char word[WORD_MAX + 1])
{
    size_t length = (size_t)(end - from);
    if (length == 0 || length > WORD_MAX) return false;
    memcpy(word, from, length);
    word[length] = '\0';
    return true;
}

/* Sets one "name=value" that ends at `end`. */
static vx_status set_argument(const char *generator, const char *from, const char *end, const gen_parameter *parameters,
                              size_t count, vx_msg *msg)
{
    char name[WORD_MAX + 1], word[WORD_MAX + 1];
    const char *equal = memchr(from, '=', (size_t)(end - from));
    if (!equal || !copy_word(from, equal, name) || !copy_word(equal + 1, end, word))
        return vx_fail(msg, VX_ERR_INPUT, "gen:%s: \"%.*s\" is not name=value", generator, (int)(end - from), from);
    for (size_t i = 0; i < count; i++) {
        const gen_parameter *parameter = &parameters[i];
        if (strcmp(parameter->name, name) != 0) continue;
        return parameter->number ? set_number(generator, parameter, word, msg)
                                 : set_real(generator, parameter, word, msg);
    }
    return unknown(generator, name, parameters, count, msg);
}

static vx_status set_list(const char *generator, const char *list, const gen_parameter *parameters, size_t count,
                          vx_msg *msg)
{
    while (*list) {
        const char *end = strchrnul(list, ',');
        vx_status status = set_argument(generator, list, end, parameters, count, msg);
        if (status) return status;
        list = *end ? end + 1 : end;
    }
    return VX_OK;
}

vx_status vx_gen_arguments(const char *generator, const char *defaults, const char *arguments,
                           const gen_parameter *parameters, size_t count, vx_msg *msg)
{
    vx_status status = set_list(generator, defaults, parameters, count, msg);
    return status || !arguments ? status : set_list(generator, arguments, parameters, count, msg);
}
