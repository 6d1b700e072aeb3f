/* Figures as comma-separated values: a chart, or rows of a caller's own. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "vx_chart.h"

vx_status vx_csv_open(FILE **file, const char *path, vx_msg *msg)
{
    *file = NULL;
    if (!path) return VX_OK;
    *file = fopen(path, "w");
    return *file ? VX_OK : vx_fail(msg, VX_ERR_IO, "cannot write %s: %s", path, strerror(errno));
}

vx_status vx_csv_close(FILE *file, const char *path, vx_status status, vx_msg *msg)
{
    if (!file) return status;
    bool bad = ferror(file) != 0;
    bad |= fclose(file) != 0;
    return bad && status == VX_OK ? vx_fail(msg, VX_ERR_IO, "cannot write %s", path) : status;
}

static void cell(FILE *out, double value)
{
    fprintf(out, ",");
    if (!isnan(value)) fprintf(out, "%.6g", value);
}

vx_status vx_chart_csv(const vx_chart *chart, const char *path, const char *x_name, vx_msg *msg)
{
    FILE *out;
    vx_status status = vx_csv_open(&out, path, msg);
    if (status != VX_OK || !out) return status;
    fprintf(out, "%s", x_name);
    for (unsigned c = 0; c < chart->count; c++) {
        fprintf(out, ",%s", chart->curves[c].name);
        if (chart->curves[c].low) fprintf(out, ",%s low,%s high", chart->curves[c].name, chart->curves[c].name);
    }
    fprintf(out, "\n");
    for (unsigned i = 0; i < chart->points; i++) {
        fprintf(out, "%.6g", chart->at[i]);
        for (unsigned c = 0; c < chart->count; c++) {
            const vx_curve *curve = &chart->curves[c];
            cell(out, curve->y[i]);
            if (curve->low) cell(out, curve->low[i]);
            if (curve->low) cell(out, curve->high[i]);
        }
        fprintf(out, "\n");
    }
    return vx_csv_close(out, path, VX_OK, msg);
}
