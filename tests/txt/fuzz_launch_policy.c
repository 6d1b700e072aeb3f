/* Any bytes as a launch policy: an accepted one allows something, a refused one names a line. */
#include <assert.h>
#include <string.h>

#include "vx_txt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vx_txt_policy policy;
    vx_msg msg = {{0}};
    vx_status status = vx_txt_policy_parse(&policy, (const char *)data, size, "fuzz", &msg);
    if (status != VX_OK) {
        assert(status == VX_ERR_INPUT && strncmp(msg.text, "fuzz:", 5) == 0);
        return 0;
    }
    assert(policy.count > 0 && policy.count <= VX_TXT_ALLOWED_MAX);
    vx_tpm_digests image = {0};
    for (unsigned b = 0; b < VX_TPM_BANKS; b++) /* the first measurement of each bank is allowed */
        for (unsigned i = policy.count; i-- > 0;)
            if (policy.allowed[i].bank == (vx_tpm_bank)b)
                memcpy(image.bank[b], policy.allowed[i].digest, VX_TPM_DIGEST_MAX);
    assert(vx_txt_policy_allows(&policy, &image));
    return 0;
}
