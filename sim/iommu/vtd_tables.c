/* Formats: second-level tables as radix tables, texts of the fault reasons.
 *
 * VT-d specification, 3.7 (second-level translation), 9.8 (second-level entries), chapter 7 (fault conditions). */
#include "vx_vtd.h"

/* R and W make an entry present; execute rights of requests with PASID are the first level's. */
#define SECOND_LEVEL(levels)                                                                                           \
    {                                                                                                                  \
        .name = "second-level-" #levels, .top = (levels), .entry_bytes = 8, .bits = {0, 9, 9, 9, 9, 9},                \
        .shift = {0, 12, 21, 30, 39, 48}, .page = {-1, VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G, -1, -1},                    \
        .present = VX_VTD_SL_R | VX_VTD_SL_W, .large = VX_PTE_PS                                                       \
    }

const vx_radix *vx_vtd_second_level(unsigned levels)
{
    static const vx_radix formats[] = {SECOND_LEVEL(3), SECOND_LEVEL(4), SECOND_LEVEL(5)};
    return levels >= 3 && levels <= 5 ? &formats[levels - 3] : NULL;
}

const char *vx_vtd_fault_text(unsigned reason)
{
#define TEXT(number, name, text) [number] = (text),
    static const char *const texts[VX_VTD_FAULT_END] = {VX_VTD_FAULTS(TEXT)};
#undef TEXT
    return reason < VX_VTD_FAULT_END ? texts[reason] : NULL;
}
