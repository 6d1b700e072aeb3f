#include "vx_status.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

vx_status vx_fail(vx_msg *msg, vx_status status, const char *format, ...)
{
    if (!msg) return status;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(msg->text, sizeof msg->text, format, arguments);
    va_end(arguments);
    if (length < 0) msg->text[0] = '\0'; /* an encoding error leaves the buffer unspecified */
    /* A name out of a hostile file is not to steer the terminal, nor to make two lines of a message. */
    for (unsigned char *c = (unsigned char *)msg->text; *c; c++)
        if (*c < ' ' || *c == 0x7F) *c = '?';
    return status;
}

int vx_status_exit_code(vx_status status)
{
    switch (status) {
    case VX_OK:
        return 0;
    case VX_ERR_CHECK:
        return 1;
    case VX_ERR_INPUT:
        return 2;
    case VX_ERR_IO:
    case VX_ERR_NOMEM:
        return 3;
    case VX_ERR_INTERRUPTED:
        return 128 + 2; /* SIGINT; whoever caught another signal knows its number */
    }
    return 3;
}

/* ---- "did you mean" ---- */

enum { WORD_MAX = 63 }; /* longer words are no slips of the finger for an option, and need no allocation here */

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

static int lower(char c) { return tolower((unsigned char)c); }

/* Edits that turn a into b: insert, delete, change, or swap two neighbours (the optimal string alignment distance);
 * upper and lower case are the same letter. Both at most WORD_MAX long. */
static unsigned edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned row[3][WORD_MAX + 1]; /* the current row and the two before it, in turn */
    for (unsigned j = 0; j <= b_length; j++) row[0][j] = j;
    for (unsigned i = 1; i <= a_length; i++) {
        unsigned *now = row[i % 3], *before = row[(i + 2) % 3], *before_that = row[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b_length; j++) {
            unsigned changed = lower(a[i - 1]) != lower(b[j - 1]);
            now[j] = least(before[j - 1] + changed, least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                now[j] = least(now[j], before_that[j - 2] + 1);
        }
    }
    return row[a_length % 3][b_length];
}

const char *vx_did_you_mean(const char *word, const char *const *names, size_t count)
{
    size_t word_length = strlen(word);
    if (word_length > WORD_MAX) return NULL;
    const char *nearest = NULL;
    size_t nearest_distance = WORD_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        size_t name_length = strlen(names[i]);
        if (name_length > WORD_MAX) continue;
        size_t distance = edit_distance(word, word_length, names[i], name_length);
        size_t letters = word_length > name_length ? word_length : name_length;
        if (distance * 3 > letters || distance >= nearest_distance) continue;
        nearest = names[i];
        nearest_distance = distance;
    }
    return nearest;
}
