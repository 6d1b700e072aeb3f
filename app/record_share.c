#include "record_share.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Slots of the size that the recorder fills (traces/record/record_stream.h). Few, so that they stay in the caches. */
enum { SLOTS = 4, SLOT_BYTES = 8 << 15 };

static void close_one(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void record_share_pass(record_share *share)
{
    close_one(&share->memory);
    close_one(&share->credit);
}

void record_share_close(vx_trace_pipe *pipe)
{
    if (!pipe->slots) return;
    munmap((void *)(uintptr_t)pipe->slots, (size_t)SLOTS * SLOT_BYTES);
    pipe->slots = NULL;
    close_one(&pipe->credit);
}

/* Memory whose size cannot be changed any more: a recorder that shortened it would end its reader. */
static int make_memory(void)
{
    int fd = memfd_create("vexit-recorder", MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    if (ftruncate(fd, (off_t)SLOTS * SLOT_BYTES) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    close(fd);
    return -1;
}

void record_share_open(record_share *share, vx_trace_pipe *pipe)
{
    static const uint8_t all[SLOTS] = {0, 1, 2, 3};
    int ends[2];
    *share = (record_share){-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    *share = (record_share){make_memory(), ends[1]};
    void *slots = MAP_FAILED;
    if (share->memory >= 0) slots = mmap(NULL, (size_t)SLOTS * SLOT_BYTES, PROT_READ, MAP_SHARED, share->memory, 0);
    if (slots == MAP_FAILED) {
        close(ends[0]);
        record_share_pass(share);
        return;
    }
    *pipe = (vx_trace_pipe){pipe->fd, slots, SLOT_BYTES, SLOTS, ends[0]};
    send(ends[0], all, sizeof all, MSG_NOSIGNAL); /* a new socket holds as much */
}
