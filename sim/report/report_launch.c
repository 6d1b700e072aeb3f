/* A measured launch: what was measured into which PCR, what the PCRs hold, and whether the image runs. */
#include "report_private.h"

static const char *const banks[] = {"sha1", "sha256"};
enum { BANKS = sizeof banks / sizeof *banks };

static void file_line(const json_t *launch, const char *key, FILE *out)
{
    const json_t *file = json_object_get(launch, key);
    const char *path = json_string_value(json_object_get(file, "path"));
    char number[REPORT_NUMBER];
    if (!json_is_object(file)) return;
    fprintf(out, "%-8s ", key);
    report_put(out, path ? path : "?");
    fprintf(out, ", %s bytes\n", report_figure(json_object_get(file, "bytes"), number));
}

static void digest_lines(const json_t *object, int indent, FILE *out)
{
    for (unsigned b = 0; b < BANKS; b++) {
        const char *digest = json_string_value(json_object_get(object, banks[b]));
        fprintf(out, "%*s%-6s ", indent, "", banks[b]);
        report_put(out, digest ? digest : "?");
        fputc('\n', out);
    }
}

static void event_lines(const json_t *launch, FILE *out)
{
    const json_t *events = json_object_get(launch, "events");
    report_heading(out, "EVENT LOG");
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        char step[REPORT_WORD], pcr[REPORT_NUMBER], locality[REPORT_NUMBER];
        fprintf(out, "PCR %s, locality %s: %s\n", report_figure(json_object_get(event, "pcr"), pcr),
                report_figure(json_object_get(event, "locality"), locality), report_word(event, "step", "?", step));
        digest_lines(event, 4, out);
    }
}

static void pcr_lines(const json_t *launch, FILE *out)
{
    const char *number;
    json_t *pcr;
    report_heading(out, "PCRS OF THE DYNAMIC ROOT OF TRUST");
    json_object_foreach(json_object_get(launch, "pcrs"), number, pcr)
    {
        char plain[REPORT_WORD];
        fprintf(out, "PCR %s\n", report_plain(number, plain));
        digest_lines(pcr, 4, out);
    }
}

void report_launch(const json_t *document, FILE *out)
{
    const json_t *launch = json_object_get(document, "launch");
    char verdict[REPORT_WORD];
    file_line(launch, "image", out);
    file_line(launch, "policy", out);
    file_line(launch, "module", out);
    fprintf(out, "verdict  %s\n", report_word(launch, "verdict", "?", verdict));
    event_lines(launch, out);
    pcr_lines(launch, out);
}
