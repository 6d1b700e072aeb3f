/* Any bytes as a workload's parameters: a refused text changes nothing; an accepted one is a guest that runs and either
 * makes a whole trace or is told to have died. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oracle_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 127, REPETITIONS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1] = "", path[64];
    memcpy(text, data, size < TEXT_MAX ? size : TEXT_MAX);
    workload work = {.number = WL_MAX};
    if (!oracle_workload_parse(&work, text)) {
        assert(work.number == WL_MAX);
        return 0;
    }
    assert(work.number < WL_MAX && work.n <= 1000000);
    if (work.n > REPETITIONS || !oracle_guest_expresses(&work)) return 0;
    snprintf(path, sizeof path, "fuzz_oracle_workload.%ld.vxt", (long)getpid());
    vx_msg msg = {{0}};
    vx_status status = oracle_guest_write(&work, path, &msg);
    assert(status == VX_OK || (status == VX_ERR_INPUT && strstr(msg.text, "the guest died")));
    unlink(path);
    return 0;
}
