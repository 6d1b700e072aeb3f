/* What comes down the recorder's pipe made by an enemy: a guest that has taken over QEMU. Read twice: record by record,
 * and by the check of translations, which rebuilds page tables from it. */
#include <sys/mman.h>
#include <unistd.h>

#include "vx_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vx_source *open_pipe(int fd)
{
    const vx_trace_header header = {
        .tier = VX_TIER_FULL, .kind = VX_TRACE_SYSTEM, .ram_ranges = 1, .ram = {{0, 64 << 20}}};
    vx_source *source;
    vx_msg msg;
    if (lseek(fd, 0, SEEK_SET) != 0 || vx_trace_pipe_open(&source, fd, &header, &msg)) return NULL;
    return source;
}

static int is_reference(const vx_record *record)
{
    return record->kind == VX_REC_FETCH || record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE;
}

static void read_all(vx_source *source)
{
    vx_batch batch;
    vx_msg msg;
    while (vx_source_next(source, &batch, &msg) == VX_OK && batch.count)
        for (size_t i = 0; i < batch.count; i++)
            if (!is_reference(&batch.records[i]) && !vx_record_valid(&batch.records[i], batch.words)) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("pipe", 0); /* read as a pipe is: from its start to its end, once */
    if (fd < 0) return 0;
    if (write(fd, data, size) == (ssize_t)size) {
        vx_source *source = open_pipe(fd);
        if (source) read_all(source);
        vx_source_close(source);
        vx_translations found;
        vx_msg msg;
        source = open_pipe(fd);
        if (source) vx_trace_check_translations(source, &found, &msg);
        vx_source_close(source);
    }
    close(fd);
    return 0;
}
