/* One page walk, access by access: what `vexit walk` shows.
 *
 * The order of a nested walk is Bhargava's (ASPLOS 2008, Fig. 1b): for each guest level the nested tables translate the
 * guest entry's address, then the entry is read; at last the nested tables translate the address of the data. */
#include "report_private.h"

#include <inttypes.h>
#include <string.h>

/* Levels 5 to 0; level 0 is the data's row or the guest entry's column. */
enum { LEVELS = 6, CELL_WIDTH = 7 };

/* Who answers, by the words of vx_walk_hit_name; only those that a walk shows are explained. */
static const struct {
    const char *word, *meaning;
} answers[] = {
    {"fixed", "the memory, each access at the same cost"},
    {"l1", "the first-level data cache"},
    {"l2", "the second-level cache"},
    {"l3", "the third-level cache"},
    {"memory", "the memory, behind all data caches"},
    {"psc", "a paging-structure cache (AMD: page-walk cache): no access was made"},
    {"ntlb", "the nested TLB: no access was made"},
};
enum { ANSWERS = sizeof answers / sizeof *answers };

typedef struct walk_grid {
    char cell[LEVELS][LEVELS][16]; /* by guest level and nested level */
    bool guest_used[LEVELS], nested_used[LEVELS];
    unsigned behind[LEVELS]; /* nested entries that lead to a guest level's entry; 0: to the data */
    bool answered[ANSWERS];
    uint64_t made, saved, cycles;
} walk_grid;

static void level_name(char *text, size_t bytes, char dimension, unsigned level)
{
    snprintf(text, bytes, "%cL%u", dimension, level);
}

/* "nL3 of gL4", "gL4", "nL2 of data": which entry the access reads, and whose address that helps to translate. */
static void entry_name(unsigned guest, unsigned nested, char text[24])
{
    char of[8], level[8];
    level_name(of, sizeof of, 'g', guest);
    level_name(level, sizeof level, 'n', nested);
    if (nested == 0)
        snprintf(text, 24, "%s", of);
    else
        snprintf(text, 24, "%s of %s", level, guest ? of : "data");
}

static void take_access(walk_grid *grid, unsigned guest, unsigned nested, bool saved, uint64_t cycles)
{
    if (guest < LEVELS && nested < LEVELS) {
        grid->guest_used[guest] = grid->nested_used[nested] = true;
        char *cell = grid->cell[guest][nested];
        if (saved)
            snprintf(cell, 16, ".");
        else
            snprintf(cell, 16, "%" PRIu64, grid->made + 1);
        grid->behind[guest] += nested > 0;
    }
    grid->made += !saved;
    grid->saved += saved;
    grid->cycles += cycles;
}

static void access_line(const json_t *access, walk_grid *grid, FILE *out)
{
    unsigned guest = (unsigned)report_uint(access, "guest_level"),
             nested = (unsigned)report_uint(access, "nested_level");
    bool saved = json_is_true(json_object_get(access, "skipped"));
    uint64_t cycles = report_uint(access, "cycles");
    char number[REPORT_NUMBER] = "-", entry[24], address[REPORT_WORD], hit[REPORT_WORD], ticks[REPORT_NUMBER];
    take_access(grid, guest, nested, saved, cycles);
    if (!saved) report_grouped(grid->made, number);
    entry_name(guest, nested, entry);
    report_word(access, "address", "-", address);
    report_word(access, "hit", "-", hit);
    for (unsigned i = 0; i < ANSWERS; i++) grid->answered[i] |= strcmp(hit, answers[i].word) == 0;
    fprintf(out, "%4s  %-12s  %18s  %-8s %10s\n", number, entry, saved ? "-" : address, hit,
            report_grouped(cycles, ticks));
}

static const char *walk_cell(void *context, size_t row, size_t column, char text[REPORT_NUMBER])
{
    const walk_grid *grid = context;
    snprintf(text, REPORT_NUMBER, "%s", grid->cell[LEVELS - 1 - row][LEVELS - 1 - column]);
    return text;
}

/* The walk as the grid of the textbooks, each cell with its place in the order. */
static void order(walk_grid *grid, FILE *out)
{
    static const char *const row_names[LEVELS] = {"gL5", "gL4", "gL3", "gL2", "gL1", "data"};
    static const char *const column_names[LEVELS] = {"nL5", "nL4", "nL3", "nL2", "nL1", "guest"};
    bool row_shown[LEVELS], column_shown[LEVELS];
    const report_labels rows = {row_names, row_shown, LEVELS}, columns = {column_names, column_shown, LEVELS};
    grid->guest_used[0] = grid->nested_used[0] = true;
    snprintf(grid->cell[0][0], sizeof grid->cell[0][0], "%" PRIu64, grid->made + 1);
    for (unsigned i = 0; i < LEVELS; i++) {
        row_shown[i] = grid->guest_used[LEVELS - 1 - i];
        column_shown[i] = grid->nested_used[LEVELS - 1 - i];
    }
    fprintf(out, "\nORDER OF THE ACCESSES (guest levels in rows, nested levels in columns%s)\n",
            grid->saved ? "; . saved by a cache" : "");
    report_grid(out, &rows, &columns, CELL_WIDTH, walk_cell, grid);
}

static void explain_answers(const walk_grid *grid, FILE *out)
{
    const char *heading = "\nanswered";
    for (unsigned i = 0; i < ANSWERS; i++) {
        if (!grid->answered[i]) continue;
        fprintf(out, "%s  %s: %s\n", heading, answers[i].word, answers[i].meaning);
        heading = "        ";
    }
}

/* "24 = 4 x (4 + 1) + 4": why a nested walk has so many. Nothing where guest levels differ among themselves. */
static void closed_form(const walk_grid *grid, FILE *out)
{
    unsigned entries = 0, behind = 0;
    for (unsigned guest = 1; guest < LEVELS; guest++) {
        if (!grid->guest_used[guest]) continue;
        if (entries++ && grid->behind[guest] != behind) return;
        behind = grid->behind[guest];
    }
    unsigned all = entries * (behind + 1) + grid->behind[0];
    if (!entries || !behind || all != grid->made + grid->saved) return;
    fprintf(out, "%u = %u x (%u + 1) + %u: each of %u guest entries lies behind %u nested ones, the data behind %u\n",
            all, entries, behind, grid->behind[0], entries, behind, grid->behind[0]);
}

static void totals(const json_t *run, const walk_grid *grid, FILE *out)
{
    char made[REPORT_NUMBER], all[REPORT_NUMBER], other[REPORT_NUMBER];
    fprintf(out, "\n%s + 1 = %s memory accesses: %s to page-table entries, 1 to the data\n",
            report_grouped(grid->made, made), report_grouped(grid->made + 1, all), made);
    if (grid->saved) fprintf(out, "%s more were saved by the walker's caches\n", report_grouped(grid->saved, other));
    closed_form(grid, out);
    fprintf(out, "%s cycles\n", report_grouped(grid->cycles, other));
    fprintf(out, "A and D flags updated: %s (that counts as no access)\n",
            report_grouped(report_uint(run, "walks.ad_writes"), other));
}

void report_walk(const json_t *run, FILE *out)
{
    const json_t *accesses = json_object_get(run, "accesses");
    walk_grid grid = {.made = 0};
    fprintf(out, "\n%4s  %-12s  %18s  %-8s %10s\n", "n", "entry", "host address", "answered", "cycles");
    for (size_t i = 0; i < json_array_size(accesses); i++) access_line(json_array_get(accesses, i), &grid, out);
    explain_answers(&grid, out);
    totals(run, &grid, out);
    order(&grid, out);
}
