/* The hash functions that the tests hand to the TPM. */
#ifndef NETTLE_HASH_H
#define NETTLE_HASH_H

#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdio.h>

#include "vx_tpm.h"

static inline void test_sha1(const void *data, size_t bytes, uint8_t *digest)
{
    struct sha1_ctx context;
    sha1_init(&context);
    sha1_update(&context, bytes, data);
    sha1_digest(&context, SHA1_DIGEST_SIZE, digest);
}

static inline void test_sha256(const void *data, size_t bytes, uint8_t *digest)
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, bytes, data);
    sha256_digest(&context, SHA256_DIGEST_SIZE, digest);
}

static const vx_tpm_hash test_hashes[VX_TPM_BANKS] = {[VX_TPM_SHA1] = test_sha1, [VX_TPM_SHA256] = test_sha256};

static inline const char *test_hex(const vx_tpm_digests *digests, vx_tpm_bank bank)
{
    static char text[2 * VX_TPM_DIGEST_MAX + 1];
    for (unsigned i = 0; i < vx_tpm_digest_bytes(bank); i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", digests->bank[bank][i]);
    return text;
}

#endif
