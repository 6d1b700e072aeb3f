/* "KIND,n,m,k,flags": a workload's parameters as the command line gives them, from anybody. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "oracle_guest.h"

enum { REPETITIONS_MAX = 1000000 }; /* a trace of a few hundred MiB */

/* One number of at most `most`, decimal or 0x..., up to `end`; moves *text behind that. */
static bool number(const char **text, char end, unsigned long long most, uint64_t *value)
{
    if (!isdigit((unsigned char)**text)) return false; /* strtoull takes signs and blanks */
    char *behind;
    errno = 0;
    unsigned long long read = strtoull(*text, &behind, 0);
    if (errno || *behind != end || read > most) return false;
    *value = read;
    *text = behind + (end != '\0');
    return true;
}

bool oracle_workload_parse(workload *work, const char *text)
{
    uint64_t kind, n, m, k, flags;
    if (!number(&text, ',', WL_MAX - 1, &kind) || !number(&text, ',', REPETITIONS_MAX, &n) ||
        !number(&text, ',', ULLONG_MAX, &m) || !number(&text, ',', ULLONG_MAX, &k) ||
        !number(&text, '\0', UINT_MAX, &flags))
        return false;
    *work = (workload){.number = (unsigned)kind, .flags = (unsigned)flags, .n = n, .m = m, .k = k};
    return true;
}
