/* PCRs: what power-on leaves, who may extend and reset which, and the hash sequence of a launch. */
#include <string.h>

#include "nettle_hash.h"
#include "test_support.h"

static bool all(const vx_tpm_digests *pcr, uint8_t byte)
{
    for (unsigned b = 0; b < VX_TPM_BANKS; b++)
        for (unsigned i = 0; i < vx_tpm_digest_bytes((vx_tpm_bank)b); i++)
            if (pcr->bank[b][i] != byte) return false;
    return true;
}

static void power_on(void **state)
{
    (void)state;
    vx_tpm tpm;
    vx_tpm_startup(&tpm, test_hashes);
    for (unsigned i = 0; i < VX_TPM_PCRS; i++) assert_true(all(&tpm.pcr[i], i >= 17 && i <= 22 ? 0xFF : 0));
}

/* TCG PC Client Platform TPM Profile: a row a PCR, a column a locality, 4 to 0. */
static void who_may(void **state)
{
    static const struct {
        unsigned first, last;
        const char *reset, *extend;
    } rows[] = {{0, 15, "00000", "11111"},  {16, 16, "01111", "11111"}, {17, 18, "10000", "11100"},
                {19, 19, "10000", "01100"}, {20, 20, "10100", "01110"}, {21, 22, "10100", "00100"},
                {23, 23, "01111", "11111"}};
    (void)state;
    unsigned covered = 0;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (unsigned pcr = rows[r].first; pcr <= rows[r].last; pcr++, covered++)
            for (unsigned locality = 0; locality <= 5; locality++) {
                vx_tpm tpm, before;
                vx_tpm_digests digests;
                vx_tpm_startup(&tpm, test_hashes);
                vx_tpm_measure(&tpm, "x", 1, &digests);
                before = tpm;
                bool extends = locality < 5 && rows[r].extend[4 - locality] == '1';
                bool resets = locality < 5 && rows[r].reset[4 - locality] == '1';
                assert_int_equal(vx_tpm_extend(&tpm, locality, pcr, &digests), extends);
                assert_int_equal(memcmp(&tpm, &before, sizeof tpm) != 0, extends);
                before = tpm;
                assert_int_equal(vx_tpm_reset(&tpm, locality, pcr), resets);
                if (resets)
                    assert_true(all(&tpm.pcr[pcr], 0));
                else
                    assert_memory_equal(&tpm, &before, sizeof tpm);
            }
    assert_int_equal(covered, VX_TPM_PCRS);
    vx_tpm tpm;
    vx_tpm_digests digests = {0};
    vx_tpm_startup(&tpm, test_hashes);
    assert_false(vx_tpm_extend(&tpm, 4, VX_TPM_PCRS, &digests) || vx_tpm_reset(&tpm, 4, VX_TPM_PCRS));
}

/* Digests by Python's hashlib. */
static void a_hash_sequence(void **state)
{
    (void)state;
    vx_tpm tpm;
    vx_tpm_startup(&tpm, test_hashes);
    vx_tpm before = tpm;
    for (unsigned locality = 0; locality < 4; locality++)
        assert_false(vx_tpm_hash_sequence(&tpm, locality, "module", 6));
    assert_memory_equal(&tpm, &before, sizeof tpm);
    assert_true(vx_tpm_hash_sequence(&tpm, 4, "module", 6));
    assert_string_equal(test_hex(&tpm.pcr[17], VX_TPM_SHA1), "d2dc4887fea1c0fe3c2ea7ba2f3374897eccbd98");
    assert_string_equal(test_hex(&tpm.pcr[17], VX_TPM_SHA256),
                        "7573692a5c9522d07b761cc63bcbc5fdb57aacc197a0eb463dde01133db94a6c");
    for (unsigned i = 18; i <= 22; i++) assert_true(all(&tpm.pcr[i], 0));
    vx_tpm_digests policy;
    vx_tpm_measure(&tpm, "policy", 6, &policy);
    assert_true(vx_tpm_extend(&tpm, 3, 17, &policy));
    assert_string_equal(test_hex(&tpm.pcr[17], VX_TPM_SHA1), "e728cf1b22dbe7191b39237f1eae457ec3f4090a");
    assert_string_equal(test_hex(&tpm.pcr[17], VX_TPM_SHA256),
                        "9c8c1395516671a9ac68bd83ecd0a923b47a6bc53ef231fe210196b79cd85a7c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_on),
        cmocka_unit_test(who_may),
        cmocka_unit_test(a_hash_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
