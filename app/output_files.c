#include "output_files.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vx_report.h"

static bool is_file(const char *path) { return path && strcmp(path, "-") != 0; }

/* The part of the path before its last name: "." where there is none. */
static const char *folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int length = !slash ? 0 : slash == path ? 1 : (int)(slash - path);
    snprintf(folder, PATH_MAX, "%.*s", length ? length : 1, length ? path : ".");
    return folder;
}

/* A file comes into its folder by way of a temporary one: what must be writable is the folder. */
static vx_status check_folder(const char *path, vx_msg *msg)
{
    char folder[PATH_MAX];
    struct stat found;
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return vx_fail(msg, VX_ERR_IO, "cannot write %s: %s", path, strerror(EISDIR));
    if (strlen(path) >= PATH_MAX) errno = ENAMETOOLONG;
    if (strlen(path) >= PATH_MAX || access(folder_of(path, folder), W_OK) != 0)
        return vx_fail(msg, VX_ERR_IO, "cannot create %s: %s", path, strerror(errno));
    if (path[0] == '\0' || path[strlen(path) - 1] == '/')
        return vx_fail(msg, VX_ERR_IO, "cannot create '%s': no file is named", path);
    return VX_OK;
}

/* The path without links, of a file that need not exist yet; false where there is none, or it is no regular file. */
static bool resolve(const char *path, char whole[PATH_MAX])
{
    char folder[PATH_MAX];
    struct stat found;
    if (strlen(path) >= PATH_MAX) return false;
    if (stat(path, &found) == 0) return S_ISREG(found.st_mode) && realpath(path, whole);
    if (!realpath(folder_of(path, folder), whole)) return false;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t used = strlen(whole);
    int length = snprintf(whole + used, PATH_MAX - used, "/%s", name);
    return length > 0 && (size_t)length < PATH_MAX - used;
}

static bool same_file(const char *a, const char *b)
{
    char whole_a[PATH_MAX], whole_b[PATH_MAX];
    struct stat one, other;
    if (!resolve(a, whole_a) || !resolve(b, whole_b)) return false;
    if (strcmp(whole_a, whole_b) == 0) return true;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static vx_status spare_inputs(const output_files *files, const char *path, vx_msg *msg)
{
    for (unsigned i = 0; i < files->read_count; i++)
        if (files->read[i] && same_file(path, files->read[i]))
            return vx_fail(msg, VX_ERR_INPUT, "%s: is read, and would be written over", path);
    return VX_OK;
}

static vx_status check_pair(const char *a, const char *b, vx_msg *msg)
{
    if (!is_file(a) && !is_file(b))
        return vx_fail(msg, VX_ERR_INPUT, "two reports for standard output: it can hold one");
    if (is_file(a) && is_file(b) && same_file(a, b)) return vx_fail(msg, VX_ERR_INPUT, "%s: is to be written twice", b);
    return VX_OK;
}

vx_status output_files_check(const output_files *files, vx_msg *msg)
{
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i < OUTPUT_FILES_MAX; i++) {
        const char *path = files->written[i];
        if (!path) continue;
        if (is_file(path)) status = check_folder(path, msg);
        if (status == VX_OK && is_file(path)) status = spare_inputs(files, path, msg);
        for (unsigned j = 0; status == VX_OK && j < i; j++)
            if (files->written[j]) status = check_pair(files->written[j], path, msg);
    }
    return status;
}

vx_status output_json(const json_t *document, const char *path, vx_msg *msg)
{
    return vx_report_save(document, path, vx_report_write_json, msg);
}
