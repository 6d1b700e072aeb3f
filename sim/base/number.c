#include "vx_number.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool vx_number_begin(const char *text, const char **end, uint64_t *value)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = hex ? text + 2 : text;
    /* strtoull takes blanks and signs before them, and a second 0x */
    if (!(hex ? isxdigit((unsigned char)*digits) : isdigit((unsigned char)*digits))) return false;
    if (hex && digits[0] == '0' && (digits[1] | 0x20) == 'x') return false;
    char *after;
    errno = 0;
    unsigned long long number = strtoull(digits, &after, hex ? 16 : 10);
    if (errno != 0) return false;
    *end = after;
    *value = number;
    return true;
}

bool vx_number_whole(const char *text, uint64_t *value)
{
    const char *end;
    uint64_t number;
    if (!vx_number_begin(text, &end, &number) || *end) return false;
    *value = number;
    return true;
}

bool vx_number_scaled(const char *text, uint64_t unit, uint64_t *value)
{
    static const char suffixes[] = "kmgt";
    const char *end;
    uint64_t number;
    if (!vx_number_begin(text, &end, &number)) return false;
    const char *suffix = *end ? strchr(suffixes, tolower((unsigned char)*end)) : NULL;
    if (*end && (!suffix || end[1])) return false;
    for (const char *step = suffixes; suffix && step <= suffix; step++) {
        if (number > UINT64_MAX / unit) return false;
        number *= unit;
    }
    *value = number;
    return true;
}
