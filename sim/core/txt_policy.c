/* The launch policy's file, and what it allows. The format is Vexit's own; a launch control policy of Intel's holds the
 * same lists of digests beside much else. */
#include <stdio.h>
#include <string.h>

#include "vx_txt.h"

static const char heading[] = "vexit launch policy 1";
enum { LINE_MAX = 128 };

typedef struct policy_text {
    const char *name;
    unsigned line;
    vx_txt_policy policy;
} policy_text;

static vx_status refuse(const policy_text *text, vx_msg *msg, const char *what)
{
    return vx_fail(msg, VX_ERR_INPUT, "%s:%u: %s", text->name, text->line, what);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* As many digits as the bank's digests have, and nothing behind them. */
static bool take_digest(const char *digits, unsigned bytes, uint8_t digest[VX_TPM_DIGEST_MAX])
{
    for (unsigned i = 0; i < bytes; i++) {
        int high = digit(digits[2 * i]), low = high < 0 ? -1 : digit(digits[2 * i + 1]);
        if (low < 0) return false;
        digest[i] = (uint8_t)(high << 4 | low);
    }
    return digits[2 * (size_t)bytes] == '\0';
}

static bool is_known(const vx_txt_policy *policy, vx_tpm_bank bank, const uint8_t *digest)
{
    for (unsigned i = 0; i < policy->count; i++)
        if (policy->allowed[i].bank == bank && memcmp(policy->allowed[i].digest, digest, VX_TPM_DIGEST_MAX) == 0)
            return true;
    return false;
}

static vx_status take_measurement(policy_text *text, const char *line, vx_msg *msg)
{
    vx_txt_policy *policy = &text->policy;
    size_t word = strcspn(line, " ");
    unsigned bank = 0;
    while (bank < VX_TPM_BANKS && (strlen(vx_tpm_bank_name((vx_tpm_bank)bank)) != word ||
                                   memcmp(vx_tpm_bank_name((vx_tpm_bank)bank), line, word) != 0))
        bank++;
    if (bank == VX_TPM_BANKS) return refuse(text, msg, "neither 'sha256 DIGITS' nor 'sha1 DIGITS'");
    unsigned bytes = vx_tpm_digest_bytes((vx_tpm_bank)bank);
    uint8_t digest[VX_TPM_DIGEST_MAX] = {0};
    const char *digits = line + word + strspn(line + word, " ");
    if (!take_digest(digits, bytes, digest))
        return vx_fail(msg, VX_ERR_INPUT, "%s:%u: %s takes %u hexadecimal digits and nothing else", text->name,
                       text->line, vx_tpm_bank_name((vx_tpm_bank)bank), 2 * bytes);
    if (is_known(policy, (vx_tpm_bank)bank, digest)) return refuse(text, msg, "this measurement stands there already");
    if (policy->count == VX_TXT_ALLOWED_MAX) return refuse(text, msg, "more than 256 measurements");
    policy->allowed[policy->count].bank = (vx_tpm_bank)bank;
    memcpy(policy->allowed[policy->count++].digest, digest, sizeof digest);
    return VX_OK;
}

static vx_status take_line(policy_text *text, const char *line, vx_msg *msg)
{
    if (text->line == 1)
        return strcmp(line, heading) == 0
                   ? VX_OK
                   : refuse(text, msg, "no policy: its first line is not 'vexit launch policy 1'");
    if (line[0] == '\0' || line[0] == '#') return VX_OK;
    return take_measurement(text, line, msg);
}

static vx_status take_lines(policy_text *text, const char *from, size_t bytes, vx_msg *msg)
{
    const char *end = from + bytes;
    do {
        const char *stop = from < end ? memchr(from, '\n', (size_t)(end - from)) : NULL;
        size_t length = (size_t)((stop ? stop : end) - from);
        char line[LINE_MAX];
        text->line++;
        if (length > 0 && from[length - 1] == '\r') length--;
        if (length >= sizeof line) return refuse(text, msg, "line too long");
        if (memchr(from, '\0', length)) return refuse(text, msg, "a NUL byte");
        memcpy(line, from, length);
        line[length] = '\0';
        vx_status status = take_line(text, line, msg);
        if (status != VX_OK) return status;
        from = stop ? stop + 1 : end;
    } while (from < end);
    return text->policy.count ? VX_OK : refuse(text, msg, "the policy allows nothing");
}

vx_status vx_txt_policy_parse(vx_txt_policy *policy, const char *bytes, size_t size, const char *name, vx_msg *msg)
{
    policy_text text = {.name = name};
    vx_status status = take_lines(&text, bytes, size, msg);
    if (status == VX_OK) *policy = text.policy;
    return status;
}

bool vx_txt_policy_allows(const vx_txt_policy *policy, const vx_tpm_digests *image)
{
    bool listed[VX_TPM_BANKS] = {false}, found[VX_TPM_BANKS] = {false};
    for (unsigned i = 0; i < policy->count; i++) {
        vx_tpm_bank bank = policy->allowed[i].bank;
        listed[bank] = true;
        found[bank] |= memcmp(policy->allowed[i].digest, image->bank[bank], vx_tpm_digest_bytes(bank)) == 0;
    }
    bool allowed = policy->count > 0;
    for (unsigned b = 0; b < VX_TPM_BANKS; b++) allowed &= !listed[b] || found[b];
    return allowed;
}

void vx_txt_policy_print(const vx_tpm_digests *image, char text[VX_TXT_POLICY_TEXT])
{
    int at = snprintf(text, VX_TXT_POLICY_TEXT, "%s\n", heading);
    for (unsigned b = VX_TPM_BANKS; b-- > 0;) {
        at += snprintf(text + at, (size_t)(VX_TXT_POLICY_TEXT - at), "%s ", vx_tpm_bank_name((vx_tpm_bank)b));
        for (unsigned i = 0; i < vx_tpm_digest_bytes((vx_tpm_bank)b); i++)
            at += snprintf(text + at, (size_t)(VX_TXT_POLICY_TEXT - at), "%02x", image->bank[b][i]);
        at += snprintf(text + at, (size_t)(VX_TXT_POLICY_TEXT - at), "\n");
    }
}
