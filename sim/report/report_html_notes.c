/* What a reader must know before the figures: what is broken, cut short, approximate or warned of, and in which runs.
 */
#include "report_html.h"

#include <string.h>

typedef struct note {
    const char *key; /* of the run's list of notes */
    const json_t *text;
} note;

static bool run_has(const json_t *run, const void *context)
{
    const note *wanted = context;
    const json_t *list = json_object_get(run, wanted->key);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), wanted->text)) return true;
    return false;
}

static void put_note(const json_t *runs, const note *found, FILE *out)
{
    const char *text = json_string_value(found->text);
    if (strcmp(found->key, "identities") == 0) {
        fputs("<li class=\"bad\"><b>broken identity</b>: ", out);
        html_word(out, found->text, "name", "?");
    } else if (strcmp(found->key, "approximate") == 0) {
        fputs("<li><b>approximate (", out);
        html_put(out, text ? text : "?");
        fprintf(out, ")</b>: %s", report_approximation(text ? text : ""));
    } else {
        fputs("<li><b>warning</b>: ", out);
        html_put(out, text ? text : "?");
    }
    fputs(" <span class=\"soft\">[", out);
    html_runs(out, runs, run_has, found);
    fputs("]</span></li>\n", out);
}

/* Each note once, at the first run that has it. How many. */
static unsigned notes_of(const json_t *runs, const char *key, FILE *out)
{
    unsigned count = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *list = json_object_get(json_array_get(runs, i), key);
        for (size_t n = 0; n < json_array_size(list); n++) {
            const note found = {key, json_array_get(list, n)};
            bool said = false;
            for (size_t j = 0; j < i && !said; j++) said = run_has(json_array_get(runs, j), &found);
            if (said) continue;
            put_note(runs, &found, out);
            count++;
        }
    }
    return count;
}

static void seeds_note(const json_t *runs, FILE *out)
{
    uint64_t seeds = 0;
    for (size_t i = 0; i < json_array_size(runs); i++)
        if (report_uint(json_array_get(runs, i), "seeds") > seeds)
            seeds = report_uint(json_array_get(runs, i), "seeds");
    if (seeds)
        fprintf(
            out,
            "<li><b>%u seeds</b>: figures are means; where seeds differ, \u00b1 gives the 95%% interval of the mean "
            "(Student's t)</li>\n",
            (unsigned)seeds);
}

void html_notes(const json_t *document, const json_t *runs, FILE *out)
{
    unsigned count = 0;
    fputs("<h2>How far to trust these figures</h2>\n<ul class=\"notes\">\n", out);
    if (json_is_false(json_object_get(document, "complete"))) {
        fputs(
            "<li class=\"bad\"><b>partial</b>: the run was interrupted; figures are of what was done until then</li>\n",
            out);
        count++;
    }
    seeds_note(runs, out);
    count += notes_of(runs, "identities", out);
    count += notes_of(runs, "approximate", out);
    count += notes_of(runs, "warnings", out);
    if (count == 0) fputs("<li>All identities hold; nothing is approximate.</li>\n", out);
    fputs("</ul>\n", out);
}
