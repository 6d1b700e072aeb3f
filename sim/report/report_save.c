/* Writing a report to a file so that no half of one is ever found under its name: beside it, synced, renamed. Pipes and
 * devices are written in place. */
#include "report_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef vx_status (*report_writer)(const json_t *document, FILE *out, vx_msg *msg);

/* Prefixes the file's name to what went wrong. */
static vx_status name_failure(vx_status status, const char *path, vx_msg *msg)
{
    if (!msg) return status;
    vx_msg inner = *msg;
    return vx_fail(msg, status, "%s: %s", path, inner.text);
}

static vx_status cannot(const char *what, const char *path, vx_msg *msg)
{
    return vx_fail(msg, VX_ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

static vx_status write_in_place(const json_t *document, const char *path, report_writer write, vx_msg *msg)
{
    FILE *out = fopen(path, "w");
    if (!out) return cannot("open", path, msg);
    vx_status status = write(document, out, msg);
    if (fclose(out) != 0 && status == VX_OK) return cannot("write", path, msg);
    return status == VX_OK ? VX_OK : name_failure(status, path, msg);
}

/* A file of its own beside the target, so that rename stays within one file system; the umask applies. */
static int open_temporary(char *name, size_t bytes, const char *path)
{
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        snprintf(name, bytes, "%s.%ld-%u.tmp", path, (long)getpid(), attempt);
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0 || errno != EEXIST) return file;
    }
    return -1;
}

static vx_status write_temporary(const json_t *document, int file, const char *path, report_writer write, vx_msg *msg)
{
    FILE *out = fdopen(file, "w");
    if (!out) {
        vx_status failed = cannot("write", path, msg);
        close(file);
        return failed;
    }
    vx_status status = write(document, out, msg);
    if (status != VX_OK)
        status = name_failure(status, path, msg);
    else if (fflush(out) != 0 || fsync(file) != 0)
        status = cannot("write", path, msg);
    if (fclose(out) != 0 && status == VX_OK) status = cannot("write", path, msg);
    return status;
}

static vx_status replace_file(const json_t *document, const char *path, report_writer write, vx_msg *msg)
{
    size_t bytes = strlen(path) + 48;
    char *name = malloc(bytes);
    if (!name) return vx_fail_nomem(msg);
    int file = open_temporary(name, bytes, path);
    vx_status status = file < 0 ? cannot("create", path, msg) : write_temporary(document, file, path, write, msg);
    if (status == VX_OK && rename(name, path) != 0) status = cannot("replace", path, msg);
    if (status != VX_OK && file >= 0) unlink(name);
    free(name);
    return status;
}

vx_status vx_report_save(const json_t *document, const char *path, report_writer write, vx_msg *msg)
{
    if (strcmp(path, "-") == 0) return write(document, stdout, msg);
    struct stat found;
    if (stat(path, &found) != 0) return replace_file(document, path, write, msg);
    if (S_ISDIR(found.st_mode)) return vx_fail(msg, VX_ERR_IO, "cannot write %s: %s", path, strerror(EISDIR));
    if (!S_ISREG(found.st_mode)) return write_in_place(document, path, write, msg);
    char target[PATH_MAX]; /* a symbolic link stays one */
    if (!realpath(path, target)) return cannot("open", path, msg);
    return replace_file(document, target, write, msg);
}
