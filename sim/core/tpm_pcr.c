/* The PCRs of a TPM: who may reset and extend which, and what an extension makes of one (vx_tpm.h). */
#include "vx_tpm.h"

#include <string.h>

static const struct {
    const char *name;
    unsigned bytes;
} banks[VX_TPM_BANKS] = {[VX_TPM_SHA1] = {"sha1", 20}, [VX_TPM_SHA256] = {"sha256", 32}};

/* Bit n: locality n may. */
static const struct {
    uint8_t reset, extend;
} attributes[VX_TPM_PCRS] = {
    [0] = {0x00, 0x1F},  [1] = {0x00, 0x1F},  [2] = {0x00, 0x1F},  [3] = {0x00, 0x1F},  [4] = {0x00, 0x1F},
    [5] = {0x00, 0x1F},  [6] = {0x00, 0x1F},  [7] = {0x00, 0x1F},  [8] = {0x00, 0x1F},  [9] = {0x00, 0x1F},
    [10] = {0x00, 0x1F}, [11] = {0x00, 0x1F}, [12] = {0x00, 0x1F}, [13] = {0x00, 0x1F}, [14] = {0x00, 0x1F},
    [15] = {0x00, 0x1F}, [16] = {0x0F, 0x1F}, /* debug */
    [17] = {0x10, 0x1C}, [18] = {0x10, 0x1C}, [19] = {0x10, 0x0C}, [20] = {0x14, 0x0E}, [21] = {0x14, 0x04},
    [22] = {0x14, 0x04}, [23] = {0x0F, 0x1F}, /* application */
};

const char *vx_tpm_bank_name(vx_tpm_bank bank) { return banks[bank].name; }
unsigned vx_tpm_digest_bytes(vx_tpm_bank bank) { return banks[bank].bytes; }

static bool may(unsigned mask, unsigned locality)
{
    return locality <= VX_TPM_LOCALITY_HARDWARE && mask >> locality & 1;
}

/* Those that the hardware's locality resets. */
static bool is_dynamic(unsigned pcr) { return may(attributes[pcr].reset, VX_TPM_LOCALITY_HARDWARE); }

void vx_tpm_startup(vx_tpm *tpm, const vx_tpm_hash hash[VX_TPM_BANKS])
{
    memset(tpm, 0, sizeof *tpm);
    for (unsigned b = 0; b < VX_TPM_BANKS; b++) {
        tpm->hash[b] = hash[b];
        for (unsigned i = 0; i < VX_TPM_PCRS; i++)
            if (is_dynamic(i)) memset(tpm->pcr[i].bank[b], 0xFF, banks[b].bytes);
    }
}

void vx_tpm_measure(const vx_tpm *tpm, const void *data, size_t bytes, vx_tpm_digests *digests)
{
    memset(digests, 0, sizeof *digests);
    for (unsigned b = 0; b < VX_TPM_BANKS; b++) tpm->hash[b](data, bytes, digests->bank[b]);
}

static void extend(vx_tpm *tpm, unsigned pcr, const vx_tpm_digests *digests)
{
    for (unsigned b = 0; b < VX_TPM_BANKS; b++) {
        uint8_t both[2 * VX_TPM_DIGEST_MAX];
        memcpy(both, tpm->pcr[pcr].bank[b], banks[b].bytes);
        memcpy(both + banks[b].bytes, digests->bank[b], banks[b].bytes);
        tpm->hash[b](both, 2 * (size_t)banks[b].bytes, tpm->pcr[pcr].bank[b]);
    }
}

bool vx_tpm_extend(vx_tpm *tpm, unsigned locality, unsigned pcr, const vx_tpm_digests *digests)
{
    if (pcr >= VX_TPM_PCRS || !may(attributes[pcr].extend, locality)) return false;
    extend(tpm, pcr, digests);
    return true;
}

bool vx_tpm_reset(vx_tpm *tpm, unsigned locality, unsigned pcr)
{
    if (pcr >= VX_TPM_PCRS || !may(attributes[pcr].reset, locality)) return false;
    tpm->pcr[pcr] = (vx_tpm_digests){0};
    return true;
}

bool vx_tpm_hash_sequence(vx_tpm *tpm, unsigned locality, const void *data, size_t bytes)
{
    if (locality != VX_TPM_LOCALITY_HARDWARE) return false;
    vx_tpm_digests digests;
    for (unsigned i = 0; i < VX_TPM_PCRS; i++)
        if (is_dynamic(i)) tpm->pcr[i] = (vx_tpm_digests){0};
    vx_tpm_measure(tpm, data, bytes, &digests);
    extend(tpm, VX_TPM_PCR_DRTM, &digests);
    return true;
}
