/* vexit trace info|view|check|cut|gen|import|pack|reach|record: the command line. */
#include "verb_trace.h"

#include <argp.h>
#include <errno.h>
#include <string.h>

#include "interrupt.h"
#include "output_files.h"
#include "trace_actions.h"
#include "verb_common.h"
#include "vx_number.h"

enum {
    EXIT_IO = 3,
    OPTION_FIRST = 256,
    OPTION_JSON = OPTION_FIRST,
    OPTION_SET,
    OPTION_SKIP,
    OPTION_MAX,
    OPTION_FROM,
    OPTION_COUNT,
    OPTION_SEED,
    OPTION_STREAM,
    OPTION_LEVEL,
    OPTION_WHOLE_CHUNKS,
    OPTION_TIER,
    OPTION_FILTER_SETS,
    OPTION_WITH_GPA,
    OPTION_REGION,
    OPTION_TRANSLATIONS,
    OPTION_SVG,
    OPTION_LAST = OPTION_SVG
};

/* Options as bits, so that an action can say which it takes. */
#define BIT(key) (1ULL << ((key) == 'o' ? 0 : (key)-OPTION_FIRST + 1))
#define READS (BIT(OPTION_STREAM) | BIT(OPTION_WHOLE_CHUNKS))
#define WRITES (BIT('o') | BIT(OPTION_LEVEL) | BIT(OPTION_TIER) | BIT(OPTION_FILTER_SETS))

static const struct action {
    const char *name;
    unsigned operands_min, operands_max;
    uint64_t options; /* those that it heeds: with 'o' it needs that one */
    const char *operands;
    vx_status (*perform)(trace_given *given, vx_msg *msg);
} actions[] = {
    {"info", 1, 1, READS | BIT(OPTION_JSON), "FILE", vx_trace_action_info},
    {"view", 1, 1, READS | BIT(OPTION_SKIP) | BIT(OPTION_FROM) | BIT(OPTION_COUNT) | BIT(OPTION_SEED), "FILE|gen:NAME",
     vx_trace_action_view},
    {"check", 1, TRACE_OPERANDS_MAX, BIT(OPTION_TRANSLATIONS) | BIT(OPTION_JSON), "FILE...", vx_trace_action_check},
    {"cut", 1, 1, WRITES | BIT(OPTION_SKIP) | BIT(OPTION_MAX) | BIT(OPTION_WHOLE_CHUNKS), "FILE", vx_trace_action_cut},
    {"gen", 1, 1, WRITES | BIT(OPTION_SKIP) | BIT(OPTION_MAX) | BIT(OPTION_SET) | BIT(OPTION_SEED), "NAME[:ARGUMENTS]",
     vx_trace_action_gen},
    {"import", 1, 1, WRITES | BIT(OPTION_SKIP) | BIT(OPTION_MAX) | BIT(OPTION_FROM), "FILE", vx_trace_action_import},
    {"pack", 1, 1, WRITES | BIT(OPTION_WHOLE_CHUNKS), "FILE", vx_trace_action_pack},
    {"reach", 1, 1, READS | BIT(OPTION_SKIP) | BIT(OPTION_SEED) | BIT(OPTION_JSON) | BIT(OPTION_SVG), "FILE|gen:NAME",
     vx_trace_action_reach},
    {"record", 1, TRACE_OPERANDS_MAX, WRITES | BIT(OPTION_MAX) | BIT(OPTION_WITH_GPA) | BIT(OPTION_REGION),
     "-- QEMU's options", vx_trace_action_record},
};

enum { ACTIONS = sizeof actions / sizeof *actions };

/* Digits, and k, m or g for thousands, millions, milliards. */
static uint64_t parse_number(const char *option, const char *word, struct argp_state *state)
{
    uint64_t number = 0;
    if (!vx_number_scaled(word, 1000, &number)) argp_error(state, "%s %s: not a number", option, word);
    return number;
}

static uint64_t parse_bounded(const char *option, const char *word, uint64_t max, struct argp_state *state)
{
    uint64_t number = parse_number(option, word, state);
    if (number > max) argp_error(state, "%s %s: more than %llu", option, word, (unsigned long long)max);
    return number;
}

static void add_argument(trace_given *given, const char *argument, struct argp_state *state)
{
    size_t used = strlen(given->arguments), room = sizeof given->arguments - used;
    int length = snprintf(given->arguments + used, room, "%s%s", used ? "," : "", argument);
    if (length < 0 || (size_t)length >= room) argp_error(state, "too many --set");
}

static vx_tier parse_tier(const char *word, struct argp_state *state)
{
    if (strlen(word) != 1 || !strchr("FSE", *word)) argp_error(state, "--tier %s: F, S or E", word);
    return (vx_tier)*word;
}

/* K, or K-L. */
static void take_region(trace_given *given, char *argument, struct argp_state *state)
{
    char *end = strchr(argument, '-');
    if (end) {
        *end++ = '\0';
        given->until = parse_bounded("--region", end, UINT16_MAX, state);
        if (given->until == 0) argp_error(state, "--region: a region does not end with mark 0");
    }
    given->region = parse_bounded("--region", argument, UINT16_MAX, state);
    given->has_region = true;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    trace_given *given = state->input;
    if (key == 'o' || (key >= OPTION_FIRST && key <= OPTION_LAST)) given->options |= BIT(key);
    switch (key) {
    case 'o':
        given->output = argument;
        return 0;
    case OPTION_JSON:
        given->json = argument;
        return 0;
    case OPTION_SET:
        add_argument(given, argument, state);
        return 0;
    case OPTION_SKIP:
        given->skip = parse_number("--skip", argument, state);
        return 0;
    case OPTION_MAX:
        given->max = parse_number("--max", argument, state);
        return 0;
    case OPTION_FROM:
        given->from = argument;
        return 0;
    case OPTION_COUNT:
        given->count = parse_number("--count", argument, state);
        return 0;
    case OPTION_SEED:
        given->seed = parse_number("--seed", argument, state);
        return 0;
    case OPTION_STREAM:
        given->stream = (uint32_t)parse_bounded("--stream", argument, UINT32_MAX, state);
        given->has_stream = true;
        return 0;
    case OPTION_LEVEL:
        given->level = (int)parse_bounded("--level", argument, 22, state);
        if (given->level == 0) argp_error(state, "--level: 1 to 22");
        return 0;
    case OPTION_WHOLE_CHUNKS:
        given->whole_chunks = true;
        return 0;
    case OPTION_TIER:
        given->tier = parse_tier(argument, state);
        return 0;
    case OPTION_FILTER_SETS:
        given->filter_sets = (uint32_t)parse_bounded("--filter-sets", argument, UINT32_MAX, state);
        if (given->filter_sets == 0) argp_error(state, "--filter-sets: at least 1");
        return 0;
    case OPTION_WITH_GPA:
        given->with_gpa = true;
        return 0;
    case OPTION_REGION:
        take_region(given, argument, state);
        return 0;
    case OPTION_TRANSLATIONS:
        given->translations = true;
        return 0;
    case OPTION_SVG:
        given->svg = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (given->operand_count == TRACE_OPERANDS_MAX) argp_error(state, "more than %d operands", TRACE_OPERANDS_MAX);
        given->operands[given->operand_count++] = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no action: info, view, check, cut, gen, import, pack, reach or record");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "cut, gen, import, pack, record: the .vxt file to write", 0},
    {"skip", OPTION_SKIP, "N", 0, "view, cut, gen, import, reach: leave out the first N instructions", 0},
    {"max", OPTION_MAX, "N", 0, "cut, gen, import, record: N instructions at most", 0},
    {"from", OPTION_FROM, "WHAT", 0, "import: the format; view: the number of the first record to show", 0},
    {"count", OPTION_COUNT, "N", 0, "view: records to show (40); 1: all entries of a new table", 0},
    {"set", OPTION_SET, "NAME=VALUE", 0, "gen: a parameter of the generator", 0},
    {"seed", OPTION_SEED, "N", 0, "gen, view, reach: seed of a generator (1)", 0},
    {"stream", OPTION_STREAM, "N", 0, "info, view, reach: the vCPU whose stream to read (0)", 0},
    {"level", OPTION_LEVEL, "N", 0, "what is written: zstd level, 1 to 22 (9; pack: 19; record: 1)", 0},
    {"whole-chunks", OPTION_WHOLE_CHUNKS, NULL, 0, "read a cut or damaged file up to its last whole chunk", 0},
    {"tier", OPTION_TIER, "F|S|E", 0, "what is written: all references, those that miss a filter, or events only", 0},
    {"filter-sets", OPTION_FILTER_SETS, "N", 0, "what is written: sets of tier S's filter (16)", 0},
    {"with-gpa", OPTION_WITH_GPA, NULL, 0, "record: each reference's guest-physical address too, for check", 0},
    {"region", OPTION_REGION, "K[-L]", 0, "record: from the guest's mark K to its next mark, or to mark L, alone", 0},
    {"translations", OPTION_TRANSLATIONS, NULL, 0, "check: walk each reference and compare with its recorded address",
     0},
    {"svg", OPTION_SVG, "FILE", 0, "reach: draw the curves", 0},
    {"json", OPTION_JSON, "FILE", 0, "info, check, reach: write JSON; - for standard output, then no text there", 0},
    {0},
};

static const struct argp argument_parser = {
    .options = options,
    .parser = parse_option,
    .args_doc =
        "info FILE\nview FILE|gen:NAME\ncheck FILE...\ncut FILE -o OUT\ngen NAME[:ARGUMENTS] -o OUT\n"
        "import --from FORMAT FILE -o OUT\npack FILE -o OUT\nreach FILE|gen:NAME\nrecord -o OUT -- [QEMU] QEMU-OPTIONS",
    .doc = "Shows, checks, cuts, makes, imports, records and measures traces.\v"
           "Numbers may end in k, m or g. `vexit list importers` names the formats, `vexit list generators` the "
           "generators with their parameters.",
};

static const struct action *find_action(const char *word)
{
    const char *names[ACTIONS];
    for (size_t i = 0; i < ACTIONS; i++) names[i] = actions[i].name;
    int found =
        verb_action("trace", word, names, ACTIONS, "info, view, check, cut, gen, import, pack, reach or record");
    return found < 0 ? NULL : &actions[found];
}

/* An option that the action would not heed is an error. */
static bool heeds(const struct action *action, const trace_given *given)
{
    for (const struct argp_option *option = options; option->name; option++) {
        if (!(given->options & ~action->options & BIT(option->key))) continue;
        fprintf(stderr, "vexit trace: %s takes no --%s\n", action->name, option->name);
        return false;
    }
    if ((given->options & BIT(OPTION_FILTER_SETS)) && given->tier != VX_TIER_FILTERED) {
        fprintf(stderr, "vexit trace: --filter-sets is for --tier S\n");
        return false;
    }
    return true;
}

/* The first operand is the action itself. */
static bool fits(const struct action *action, trace_given *given)
{
    memmove(given->operands, given->operands + 1, --given->operand_count * sizeof *given->operands);
    if (given->operand_count < action->operands_min || given->operand_count > action->operands_max) {
        fprintf(stderr, "vexit trace: %s takes %s\n", action->name, action->operands);
        return false;
    }
    if ((action->options & BIT('o')) && !given->output) {
        fprintf(stderr, "vexit trace: %s needs -o FILE\n", action->name);
        return false;
    }
    return true;
}

/* What is read is not written over, and what is written can be: known before anything is done. */
static vx_status check_outputs(const trace_given *given, vx_msg *msg)
{
    bool packs = given->output && given->operand_count == 1; /* an old file may be packed under its own name */
    const output_files reports = {
        {given->json, given->svg, packs ? NULL : given->output}, given->operands, given->operand_count};
    const output_files trace = {{given->output}, NULL, 0};
    vx_status status = output_files_check(&reports, msg);
    return status ? status : output_files_check(&trace, msg);
}

static int perform(const struct action *action, trace_given *given)
{
    vx_msg msg = {""};
    vx_status status = check_outputs(given, &msg);
    if (status) return verb_failed("trace", status, &msg);
    status = action->perform(given, &msg);
    if (status == VX_ERR_INTERRUPTED) return interrupt_exit_code();
    int code = status ? verb_failed("trace", status, &msg) : 0;
    if (given->text && fflush(given->text) != 0 && !status) {
        fprintf(stderr, "vexit trace: cannot write: %s\n", strerror(errno));
        code = EXIT_IO;
    }
    bool told = json_object_size(given->document) > 0;
    if (!told || (status && status != VX_ERR_CHECK)) return code;
    status = output_json(given->document, given->json, &msg);
    return status ? verb_failed("trace", status, &msg) : code;
}

int vx_verb_trace(int argc, char **argv)
{
    trace_given given = {.seed = 1, .count = 40, .text = stdout};
    argp_err_exit_status = EXIT_USAGE;
    char name[] = "vexit trace";
    argv[0] = name;
    if (argp_parse(&argument_parser, argc, argv, 0, NULL, &given) != 0) return EXIT_USAGE;
    const struct action *action = find_action(given.operands[0]);
    if (!action || !fits(action, &given) || !heeds(action, &given)) return EXIT_USAGE;
    if (given.json) {
        if (strcmp(given.json, "-") == 0) given.text = NULL;
        given.document = verb_document("trace");
        if (!given.document) return verb_failed("trace", VX_ERR_NOMEM, &(vx_msg){"out of memory"});
    }
    int code = perform(action, &given);
    json_decref(given.document);
    return code;
}
