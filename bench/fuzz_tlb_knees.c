/* Any bytes as bench/hostlat's output: an accepted file has a point, and no point is negative or without end. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tlb_knees_measured.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POINTS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned pages[POINTS] = {8, 64, 4096};
    if (size == 0) return 0;
    FILE *in = fmemopen((void *)(uintptr_t)data, size, "r");
    assert(in);
    double curve[POINTS];
    vx_msg msg = {{0}};
    vx_status status = knees_measured_parse(in, "measured", pages, POINTS, curve, &msg);
    fclose(in);
    unsigned taken = 0;
    for (unsigned i = 0; i < POINTS; i++) {
        assert(isnan(curve[i]) || (isfinite(curve[i]) && curve[i] >= 0));
        taken += !isnan(curve[i]) ? 1U : 0U;
    }
    if (status == VX_OK)
        assert(taken > 0);
    else
        assert(status == VX_ERR_INPUT && strncmp(msg.text, "measured:", 9) == 0);
    return 0;
}
