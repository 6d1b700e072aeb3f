#include "tlb_knees_measured.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 256, COLUMNS = 3 };

/* One finite number that is not negative, up to `end`; moves *text behind that. */
static bool number(const char **text, char end, double *value)
{
    if (!isdigit((unsigned char)**text)) return false;
    char *behind;
    *value = strtod(*text, &behind);
    if (*behind != end || !isfinite(*value)) return false;
    *text = behind + (end != '\0');
    return true;
}

static bool parse_line(char *line, double *column)
{
    size_t length = strcspn(line, "\r\n");
    if (!line[length] && length == LINE_MAX_BYTES - 1) return false; /* longer than any */
    line[length] = '\0';
    const char *at = line;
    for (unsigned i = 0; i < COLUMNS; i++)
        if (!number(&at, i + 1 < COLUMNS ? ',' : '\0', &column[i])) return false;
    return true;
}

vx_status knees_measured_parse(FILE *in, const char *name, const unsigned *pages, unsigned points, double *curve,
                               vx_msg *msg)
{
    for (unsigned i = 0; i < points; i++) curve[i] = NAN;
    char line[LINE_MAX_BYTES];
    unsigned count = 0, taken = 0;
    while (fgets(line, sizeof line, in)) {
        double column[COLUMNS];
        if (++count == 1) continue; /* headings */
        if (!parse_line(line, column)) return vx_fail(msg, VX_ERR_INPUT, "%s:%u: not pages,ns,cycles", name, count);
        for (unsigned i = 0; i < points; i++) {
            if (column[0] < pages[i] || column[0] > pages[i]) continue;
            curve[i] = column[2];
            taken++;
        }
    }
    if (ferror(in)) return vx_fail(msg, VX_ERR_IO, "cannot read %s", name);
    return taken ? VX_OK : vx_fail(msg, VX_ERR_INPUT, "%s: no measured point", name);
}

vx_status knees_measured_read(const char *path, const unsigned *pages, unsigned points, double *curve, vx_msg *msg)
{
    FILE *in = fopen(path, "r");
    if (!in) return vx_fail(msg, VX_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    vx_status status = knees_measured_parse(in, path, pages, points, curve, msg);
    fclose(in);
    return status;
}
