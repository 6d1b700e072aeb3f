#include "fuzz_import.h"

#include <stdlib.h>
#include <string.h>

enum { BATCHES_MAX = 64 }; /* a packed bomb would take the fuzzer's time, not find more */

static void check_batch(const vx_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (!vx_record_valid(&batch->records[i], batch->words)) abort();
    }
}

int fuzz_import(vx_status (*open)(vx_source **source, vx_input *input, vx_msg *msg), const uint8_t *data, size_t size)
{
    vx_input *input = NULL;
    vx_source *source = NULL;
    vx_msg msg = {""};
    vx_status status = vx_input_open_memory(&input, "fuzz", data, size, &msg);
    if (!status) status = open(&source, input, &msg);
    vx_batch batch = {0};
    for (unsigned i = 0; !status && i < BATCHES_MAX; i++) {
        status = vx_source_next(source, &batch, &msg);
        if (!status) check_batch(&batch);
        if (!status && batch.count == 0) break;
    }
    if (status && strlen(msg.text) == 0) abort(); /* an error without a message */
    vx_source_close(source);
    return 0;
}
