/* vexit launch: files in, the document of a measured launch out. The launch itself is sim/core/txt_launch.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vexit.h"
#include "vx_report.h"
#include "vx_text_file.h"
#include "vx_txt.h"

enum { IMAGE_BYTES_MAX = 1 << 30, POLICY_BYTES_MAX = 1 << 16 };

typedef struct file_bytes {
    char *data;
    size_t bytes;
} file_bytes;

static vx_status too_large(const char *path, size_t most, vx_msg *msg)
{
    return vx_fail(msg, VX_ERR_INPUT, "%s: larger than %zu bytes", path, most);
}

static vx_status read_stream(FILE *file, const char *path, size_t most, file_bytes *got, vx_msg *msg)
{
    size_t room = 0;
    while (got->bytes <= most) {
        if (got->bytes == room) {
            room = room ? 2 * room : 1 << 16;
            if (room > most + 1) room = most + 1;
            char *grown = realloc(got->data, room);
            if (!grown) return vx_fail_nomem(msg);
            got->data = grown;
        }
        size_t more = fread(got->data + got->bytes, 1, room - got->bytes, file);
        got->bytes += more;
        if (more == 0) break;
    }
    if (ferror(file)) return vx_fail(msg, VX_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    return got->bytes > most ? too_large(path, most, msg) : VX_OK;
}

/* The whole file; the caller frees got->data, on errors too. */
static vx_status read_file(const char *path, size_t most, file_bytes *got, vx_msg *msg)
{
    const char *why;
    FILE *file = vx_text_file_open(path, &why);
    if (!file) return vx_fail(msg, VX_ERR_IO, "cannot open %s: %s", path, why);
    vx_status status = read_stream(file, path, most, got, msg);
    fclose(file);
    return status;
}

/* ---- the document ---- */

/* Takes the value, whether it succeeds or not; a NULL object or value is a failure. */
static bool set(json_t *object, const char *key, json_t *value) { return json_object_set_new(object, key, value) == 0; }

static json_t *hexadecimal(const vx_tpm_digests *digests, vx_tpm_bank bank)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * VX_TPM_DIGEST_MAX + 1];
    unsigned bytes = vx_tpm_digest_bytes(bank);
    for (unsigned i = 0; i < bytes; i++) {
        text[2 * i] = digits[digests->bank[bank][i] >> 4];
        text[2 * i + 1] = digits[digests->bank[bank][i] & 15];
    }
    text[2 * bytes] = '\0';
    return json_string(text);
}

static bool add_digests(json_t *object, const vx_tpm_digests *digests)
{
    bool done = object != NULL;
    for (unsigned b = 0; done && b < VX_TPM_BANKS; b++)
        done = set(object, vx_tpm_bank_name((vx_tpm_bank)b), hexadecimal(digests, (vx_tpm_bank)b));
    return done;
}

static json_t *finished(json_t *object, bool done)
{
    if (done) return object;
    json_decref(object);
    return NULL;
}

static json_t *event_json(const vx_txt_event *event)
{
    json_t *object = json_object();
    bool done = set(object, "step", json_string(event->step)) &&
                set(object, "locality", json_integer(event->locality)) && set(object, "pcr", json_integer(event->pcr));
    return finished(object, done && add_digests(object, &event->digests));
}

static json_t *events_json(const vx_txt_launch *launch)
{
    json_t *events = json_array();
    bool done = events != NULL;
    for (unsigned i = 0; done && i < launch->events; i++)
        done = json_array_append_new(events, event_json(&launch->event[i])) == 0;
    return finished(events, done);
}

/* Those of the dynamic root of trust. */
static json_t *pcrs_json(const vx_tpm *tpm)
{
    enum { FIRST = 17, LAST = 22 };
    json_t *pcrs = json_object();
    bool done = pcrs != NULL;
    for (unsigned i = FIRST; done && i <= LAST; i++) {
        json_t *pcr = json_object();
        char number[8];
        snprintf(number, sizeof number, "%u", i);
        pcr = finished(pcr, add_digests(pcr, &tpm->pcr[i]));
        done = set(pcrs, number, pcr);
    }
    return finished(pcrs, done);
}

static json_t *file_json(const char *path, size_t bytes)
{
    json_t *object = json_object(), *name = json_string(path);
    if (!name) name = json_string("?"); /* not UTF-8 */
    bool done = set(object, "path", name) && set(object, "bytes", json_integer((json_int_t)bytes));
    return finished(object, done);
}

static json_t *launch_json(const vx_launch_options *options, const vx_txt_setup *setup, const vx_txt_launch *launch)
{
    json_t *object = json_object(), *image = file_json(options->image, setup->image.bytes);
    image = finished(image, add_digests(image, &launch->image));
    bool done =
        set(object, "image", image) && set(object, "policy", file_json(options->policy, setup->policy_file.bytes)) &&
        set(object, "module", options->module ? file_json(options->module, setup->module.bytes) : json_null()) &&
        set(object, "verdict", json_string(launch->launched ? "launched" : "refused")) &&
        set(object, "events", events_json(launch)) && set(object, "pcrs", pcrs_json(&launch->tpm));
    return finished(object, done);
}

static vx_status make_document(json_t **made, const vx_launch_options *options, const vx_txt_setup *setup,
                               const vx_txt_launch *launch, vx_msg *msg)
{
    json_t *runs = json_array();
    json_t *document = runs ? vx_report_document("launch", true, NULL, 0, runs, msg) : NULL;
    if (!document) return vx_fail_nomem(msg);
    if (!set(document, "launch", launch_json(options, setup, launch))) {
        json_decref(document);
        return vx_fail_nomem(msg);
    }
    *made = document;
    return VX_OK;
}

/* ---- the verb's two acts ---- */

static vx_txt_bytes bytes_of(const file_bytes *file) { return (vx_txt_bytes){file->data, file->bytes}; }

vx_status vx_launch_document(json_t **document, bool *launched, const vx_launch_options *options, vx_msg *msg)
{
    file_bytes image = {0}, policy_file = {0}, module = {0};
    vx_txt_policy policy;
    vx_txt_launch launch;
    vx_status status = read_file(options->policy, POLICY_BYTES_MAX, &policy_file, msg);
    if (status == VX_OK)
        status = vx_txt_policy_parse(&policy, policy_file.data, policy_file.bytes, options->policy, msg);
    if (status == VX_OK && options->module) status = read_file(options->module, VX_TXT_ACM_BYTES_MAX, &module, msg);
    if (status == VX_OK) status = read_file(options->image, IMAGE_BYTES_MAX, &image, msg);
    if (status == VX_OK) {
        vx_txt_setup setup = {.module = bytes_of(&module),
                              .policy_file = bytes_of(&policy_file),
                              .policy = &policy,
                              .image = bytes_of(&image)};
        memcpy(setup.hash, options->hash, sizeof setup.hash);
        vx_txt_launch_image(&launch, &setup);
        status = make_document(document, options, &setup, &launch, msg);
        if (status == VX_OK) *launched = launch.launched;
    }
    free(image.data);
    free(policy_file.data);
    free(module.data);
    return status;
}

static vx_status print_policy(const json_t *text, FILE *out, vx_msg *msg)
{
    if (fputs(json_string_value(text), out) >= 0 && fflush(out) == 0) return VX_OK;
    return vx_fail(msg, VX_ERR_IO, "cannot write: %s", strerror(errno));
}

/* As reports are saved: whole, or not at all. */
static vx_status write_policy(const char *path, const char *text, vx_msg *msg)
{
    json_t *document = json_string(text);
    vx_status status = document ? vx_report_save(document, path, print_policy, msg) : vx_fail_nomem(msg);
    json_decref(document);
    return status;
}

vx_status vx_launch_make_policy(const vx_launch_options *options, vx_msg *msg)
{
    file_bytes image = {0};
    vx_status status = read_file(options->image, IMAGE_BYTES_MAX, &image, msg);
    if (status == VX_OK) {
        vx_tpm tpm;
        vx_tpm_digests digests;
        char text[VX_TXT_POLICY_TEXT];
        vx_tpm_startup(&tpm, options->hash);
        vx_tpm_measure(&tpm, image.data, image.bytes, &digests);
        vx_txt_policy_print(&digests, text);
        status = write_policy(options->policy, text, msg);
    }
    free(image.data);
    return status;
}
