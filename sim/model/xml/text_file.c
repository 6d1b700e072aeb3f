#include "vx_text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What reading one byte without waiting says of a pipe: 0 is its end. The byte goes back. */
static bool pipe_has_writer(FILE *pipe)
{
    unsigned char byte;
    ssize_t got = read(fileno(pipe), &byte, 1);
    if (got == 1) ungetc(byte, pipe);
    return got != 0;
}

FILE *vx_text_file_open(const char *path, const char **why)
{
    struct stat found;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!file) {
        *why = strerror(errno);
        if (fd >= 0) close(fd);
        return NULL;
    }
    if (fstat(fd, &found) == 0 && S_ISFIFO(found.st_mode) && !pipe_has_writer(file)) {
        *why = "a pipe that nobody writes to";
        fclose(file);
        return NULL;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK); /* a slow writer is waited for */
    return file;
}
