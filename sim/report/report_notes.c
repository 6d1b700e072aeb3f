/* What the flags of a report mean, in words. */
#include "report_private.h"

#include <string.h>

/* What makes figures approximate, as docs/cycles.md has it under Flags. */
static const struct {
    const char *flag, *meaning;
} approximations[] = {
    {"latency", "each memory access has a fixed cost: counts are exact, cycles an estimate"},
    {"filter", "the trace lacks references that hit the first level: TLB figures are near"},
    {"events-only", "the trace holds no references: TLB and walk figures mean little"},
};

const char *report_approximation(const char *flag)
{
    for (size_t i = 0; i < sizeof approximations / sizeof *approximations; i++)
        if (strcmp(flag, approximations[i].flag) == 0) return approximations[i].meaning;
    return "see the documentation";
}
