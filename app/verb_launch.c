/* vexit launch: a measured launch of a hypervisor's image, and the policy for it. */
#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "options.h"
#include "output_files.h"
#include "verbs.h"

enum { KEY_IMAGE = 1024, KEY_POLICY, KEY_MODULE, KEY_MAKE_POLICY };

typedef struct launch_options {
    vx_launch_options launch;
    machine_options output; /* --json alone */
    const char *make_policy;
} launch_options;

static const struct argp_option option_list[] = {
    {"image", KEY_IMAGE, "FILE", 0, "the hypervisor's image", 0},
    {"policy", KEY_POLICY, "FILE", 0, "which measurements may be launched", 0},
    {"module", KEY_MODULE, "FILE", 0, "the authenticated code module (default: an empty one)", 0},
    {"make-policy", KEY_MAKE_POLICY, "FILE", 0, "write the policy that allows the image alone, and launch nothing", 0},
    {"json", KEY_JSON, "FILE", 0, "write the report as JSON; - is standard output, without the text", 2},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    launch_options *o = state->input;
    switch (key) {
    case KEY_IMAGE:
        o->launch.image = arg;
        return 0;
    case KEY_POLICY:
        o->launch.policy = arg;
        return 0;
    case KEY_MODULE:
        o->launch.module = arg;
        return 0;
    case KEY_MAKE_POLICY:
        o->make_policy = arg;
        return 0;
    case KEY_JSON:
        o->output.json = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->launch.image) argp_error(state, "no image given: --image FILE");
        if (!o->launch.policy == !o->make_policy) argp_error(state, "either --policy FILE or --make-policy FILE");
        if (o->make_policy && (o->output.json || o->launch.module))
            argp_error(state, "--make-policy launches nothing: no --json, no --module");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp launch_argp = {
    .options = option_list,
    .parser = parse,
    .doc = "Measure a hypervisor's image as GETSEC[SENTER] and SINIT do, and launch it if the policy allows it."};

static void sha1_of(const void *data, size_t bytes, uint8_t *digest)
{
    struct sha1_ctx context;
    sha1_init(&context);
    sha1_update(&context, bytes, data);
    sha1_digest(&context, SHA1_DIGEST_SIZE, digest);
}

static void sha256_of(const void *data, size_t bytes, uint8_t *digest)
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, bytes, data);
    sha256_digest(&context, SHA256_DIGEST_SIZE, digest);
}

static vx_status launch(const launch_options *o, vx_msg *msg)
{
    json_t *document = NULL;
    bool launched = false;
    vx_status status = vx_launch_document(&document, &launched, &o->launch, msg);
    if (status == VX_OK) status = verb_output(&o->output, document, msg);
    json_decref(document);
    if (status != VX_OK || launched) return status;
    return vx_fail(msg, VX_ERR_CHECK, "%s: refused: %s does not allow its measurements", o->launch.image,
                   o->launch.policy);
}

int vx_verb_launch(int argc, char **argv)
{
    launch_options o = {.launch = {.hash = {[VX_TPM_SHA1] = sha1_of, [VX_TPM_SHA256] = sha256_of}}};
    char name[] = "vexit launch";
    argv[0] = name;
    argp_parse(&launch_argp, argc, argv, 0, NULL, &o);
    vx_msg msg = {{0}};
    const char *const read[] = {o.launch.image, o.launch.policy, o.launch.module};
    const output_files files = {{o.output.json, o.make_policy}, read, sizeof read / sizeof *read};
    vx_status status = output_files_check(&files, &msg);
    if (status != VX_OK) return verb_failed("launch", status, &msg);
    if (o.make_policy) {
        o.launch.policy = o.make_policy;
        status = vx_launch_make_policy(&o.launch, &msg);
    } else {
        status = launch(&o, &msg);
    }
    return status == VX_OK ? 0 : verb_failed("launch", status, &msg);
}
