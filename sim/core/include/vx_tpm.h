/* The platform configuration registers of a TPM: what a measured launch is recorded in.
 *
 * Source: TCG PC Client Platform TPM Profile, table of PCR attributes (which locality may reset and extend which PCR),
 * as the TPM 2.0 reference code has it (PCR.c: s_initAttributes, PCRResetDynamics). Hash functions are the caller's:
 * this room links libc alone.
 *
 * NOT MODELLED: commands and sessions, PCR 24 and above, other banks than SHA-1 and SHA-256, saved state. */
#ifndef VX_TPM_H
#define VX_TPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VX_TPM_PCRS = 24,
    VX_TPM_DIGEST_MAX = 32,
    VX_TPM_LOCALITY_OS = 2,       /* the launched environment */
    VX_TPM_LOCALITY_ACM = 3,      /* authenticated code */
    VX_TPM_LOCALITY_HARDWARE = 4, /* the processor alone */
    VX_TPM_PCR_DRTM = 17,         /* what the dynamic root of trust measured first */
    VX_TPM_PCR_LAUNCHED = 18
};

typedef enum vx_tpm_bank { VX_TPM_SHA1, VX_TPM_SHA256, VX_TPM_BANKS } vx_tpm_bank;

/* "sha1", "sha256"; 20 and 32 bytes. */
const char *vx_tpm_bank_name(vx_tpm_bank bank);
unsigned vx_tpm_digest_bytes(vx_tpm_bank bank);

/* Hashes `bytes` bytes into as many as the bank's digests have. */
typedef void (*vx_tpm_hash)(const void *data, size_t bytes, uint8_t *digest);

/* One digest a bank. */
typedef struct vx_tpm_digests {
    uint8_t bank[VX_TPM_BANKS][VX_TPM_DIGEST_MAX];
} vx_tpm_digests;

typedef struct vx_tpm {
    vx_tpm_hash hash[VX_TPM_BANKS];
    vx_tpm_digests pcr[VX_TPM_PCRS];
} vx_tpm;

/* Power-on: static PCRs are 0, those of the dynamic root of trust (17 to 22) all ones, so that nobody can take one for
 * a launch. */
void vx_tpm_startup(vx_tpm *tpm, const vx_tpm_hash hash[VX_TPM_BANKS]);

/* The digests of some bytes in every bank, by the hash functions given at start-up. Changes no PCR. */
void vx_tpm_measure(const vx_tpm *tpm, const void *data, size_t bytes, vx_tpm_digests *digests);

/* PCR := H(PCR, digest), in each bank. False: the locality may not (TPM_RC_LOCALITY), or there is no such PCR; nothing
 * changes then. */
bool vx_tpm_extend(vx_tpm *tpm, unsigned locality, unsigned pcr, const vx_tpm_digests *digests);

/* PCR := 0. False as above. */
bool vx_tpm_reset(vx_tpm *tpm, unsigned locality, unsigned pcr);

/* _TPM_Hash_Start, _TPM_Hash_Data, _TPM_Hash_End: the dynamic PCRs become 0, PCR 17 is extended with the digest of the
 * data. False at any locality but 4. */
bool vx_tpm_hash_sequence(vx_tpm *tpm, unsigned locality, const void *data, size_t bytes);

#endif
