/* The launch policy: what it allows, and which files are none. */
#include <string.h>

#include "nettle_hash.h"
#include "test_support.h"
#include "vx_txt.h"

#define HEAD "vexit launch policy 1\n"
#define SHA1 "0e76292794888d4f1fa75fb3aff4ca27c58f56a6"
#define SHA256 "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"
#define OTHER256 "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"
#define OTHER1 "00112233445566778899aabbccddeeff00112233"

static vx_tpm_digests measure(const char *image)
{
    vx_tpm tpm;
    vx_tpm_digests digests;
    vx_tpm_startup(&tpm, test_hashes);
    vx_tpm_measure(&tpm, image, strlen(image), &digests);
    return digests;
}

static void what_it_allows(void **state)
{
    static const struct {
        const char *text;
        bool allowed;
    } rows[] = {
        {HEAD "sha256 " SHA256 "\n", true},
        {HEAD "sha1 " SHA1, true},
        {HEAD "sha256 " SHA256 "\nsha1 " SHA1 "\n", true},
        {HEAD "\n# two releases\r\nsha256   " OTHER256 "\r\nsha256 " SHA256 "\r\n", true},
        {HEAD "sha256 " OTHER256 "\n", false},
        {HEAD "sha256 " SHA256 "\nsha1 " OTHER1 "\n", false}, /* each bank that is listed counts */
        {HEAD "sha256 " OTHER256 "\nsha1 " SHA1 "\n", false},
    };
    (void)state;
    const vx_tpm_digests image = measure("image"), other = measure("other");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_txt_policy policy;
        vx_msg msg;
        assert_int_equal(vx_txt_policy_parse(&policy, rows[i].text, strlen(rows[i].text), "p", &msg), VX_OK);
        assert_int_equal(vx_txt_policy_allows(&policy, &image), rows[i].allowed);
        assert_false(vx_txt_policy_allows(&policy, &other));
    }
    assert_false(vx_txt_policy_allows(&(vx_txt_policy){0}, &image));
}

static void what_is_printed_is_read(void **state)
{
    (void)state;
    const vx_tpm_digests image = measure("image");
    char text[VX_TXT_POLICY_TEXT];
    vx_txt_policy policy;
    vx_msg msg;
    vx_txt_policy_print(&image, text);
    assert_string_equal(text, HEAD "sha256 " SHA256 "\nsha1 " SHA1 "\n");
    assert_int_equal(vx_txt_policy_parse(&policy, text, strlen(text), "p", &msg), VX_OK);
    assert_int_equal(policy.count, 2);
    assert_true(vx_txt_policy_allows(&policy, &image));
}

static void refused(const char *text, size_t bytes, const char *error)
{
    vx_txt_policy policy = {.count = 77};
    vx_msg msg;
    assert_int_equal(vx_txt_policy_parse(&policy, text, bytes, "p", &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, error);
    assert_int_equal(policy.count, 77);
}

static void what_is_no_policy(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "p:1: no policy: its first line is not 'vexit launch policy 1'"},
        {"sha256 " SHA256, "p:1: no policy: its first line is not 'vexit launch policy 1'"},
        {"vexit launch policy 2\n", "p:1: no policy: its first line is not 'vexit launch policy 1'"},
        {HEAD, "p:1: the policy allows nothing"},
        {HEAD "# nothing\n\n", "p:3: the policy allows nothing"},
        {HEAD "md5 0011\n", "p:2: neither 'sha256 DIGITS' nor 'sha1 DIGITS'"},
        {HEAD "sha2567 " SHA256, "p:2: neither 'sha256 DIGITS' nor 'sha1 DIGITS'"},
        {HEAD " sha1 " SHA1, "p:2: neither 'sha256 DIGITS' nor 'sha1 DIGITS'"},
        {HEAD "sha256", "p:2: sha256 takes 64 hexadecimal digits and nothing else"},
        {HEAD "sha256 " SHA1, "p:2: sha256 takes 64 hexadecimal digits and nothing else"},
        {HEAD "sha1 " SHA256, "p:2: sha1 takes 40 hexadecimal digits and nothing else"},
        {HEAD "sha1 " SHA1 " image", "p:2: sha1 takes 40 hexadecimal digits and nothing else"},
        {HEAD "sha1 0e76292794888d4f1fa75fb3aff4ca27c58f56ag",
         "p:2: sha1 takes 40 hexadecimal digits and nothing else"},
        {HEAD "sha1 " SHA1 "\n\nsha1 " SHA1, "p:4: this measurement stands there already"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) refused(rows[i].text, strlen(rows[i].text), rows[i].error);
    refused(HEAD "sha1\0 ", sizeof HEAD "sha1\0 " - 1, "p:2: a NUL byte");
    char text[4096];
    memset(text, '#', sizeof text);
    memcpy(text, HEAD, sizeof HEAD - 1);
    refused(text, sizeof text, "p:2: line too long");
}

static void too_many(void **state)
{
    (void)state;
    static char text[64 + 80 * (VX_TXT_ALLOWED_MAX + 1)];
    size_t at = (size_t)snprintf(text, sizeof text, HEAD);
    for (unsigned i = 0; i <= VX_TXT_ALLOWED_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "sha1 %040x\n", i);
    refused(text, at, "p:258: more than 256 measurements");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_allows),
        cmocka_unit_test(what_is_printed_is_read),
        cmocka_unit_test(what_is_no_policy),
        cmocka_unit_test(too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
