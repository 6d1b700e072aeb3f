/* The members of a zip archive read as one stream, in the order of the archive's directory: so DynamoRIO splits its
 * traces (chunk.0000, chunk.0001, ...). libzip inflates as it reads and checks each member's CRC. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "input_raw.h"

struct vx_zip {
    zip_t *archive;
    zip_file_t *member; /* open one, or NULL between members */
    zip_int64_t next, members;
    const char *name;
};

static vx_status zip_fault(vx_msg *msg, const char *name, zip_error_t *error)
{
    vx_status status = zip_error_code_zip(error) == ZIP_ER_MEMORY ? VX_ERR_NOMEM : VX_ERR_INPUT;
    vx_fail(msg, status, "%s: zip archive: %s", name, zip_error_strerror(error));
    return status;
}

/* libzip owns what it opens: a descriptor of its own, so that closing the archive leaves ours alone. */
static zip_source_t *source_of(const vx_raw *raw, zip_error_t *error)
{
    if (raw->fd < 0) return zip_source_buffer_create(raw->memory, raw->memory_bytes, 0, error);
    int fd = fcntl(raw->fd, F_DUPFD_CLOEXEC, 0);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!file) {
        if (fd >= 0) close(fd);
        zip_error_set(error, ZIP_ER_OPEN, 0);
        return NULL;
    }
    zip_source_t *source = zip_source_filep_create(file, 0, -1, error);
    if (!source) fclose(file);
    return source;
}

vx_status vx_zip_open(vx_zip **zip, const vx_raw *raw, vx_msg *msg)
{
    vx_zip *opened = calloc(1, sizeof *opened);
    if (!opened) return vx_fail_nomem(msg);
    opened->name = raw->name;
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = source_of(raw, &error);
    if (source) opened->archive = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (!opened->archive) {
        vx_status status = zip_fault(msg, raw->name, &error);
        if (source) zip_source_free(source);
        zip_error_fini(&error);
        free(opened);
        return status;
    }
    zip_error_fini(&error);
    opened->members = zip_get_num_entries(opened->archive, 0);
    *zip = opened;
    return VX_OK;
}

static vx_status next_member(vx_zip *zip, vx_msg *msg)
{
    zip_uint64_t index = (zip_uint64_t)zip->next++;
    const char *name = zip_get_name(zip->archive, index, 0);
    if (name && name[0] && name[strlen(name) - 1] == '/') return VX_OK; /* a folder holds no bytes */
    zip->member = zip_fopen_index(zip->archive, index, 0);
    return zip->member ? VX_OK : zip_fault(msg, zip->name, zip_get_error(zip->archive));
}

vx_status vx_zip_read(vx_zip *zip, uint8_t *out, size_t bytes, size_t *got, vx_msg *msg)
{
    for (;;) {
        while (!zip->member) {
            if (zip->next >= zip->members) {
                *got = 0;
                return VX_OK;
            }
            vx_status status = next_member(zip, msg);
            if (status) return status;
        }
        zip_int64_t read = zip_fread(zip->member, out, bytes);
        if (read < 0) return zip_fault(msg, zip->name, zip_file_get_error(zip->member));
        if (read > 0) {
            *got = (size_t)read;
            return VX_OK;
        }
        zip_fclose(zip->member);
        zip->member = NULL;
    }
}

void vx_zip_close(vx_zip *zip)
{
    if (!zip) return;
    if (zip->member) zip_fclose(zip->member);
    zip_discard(zip->archive);
    free(zip);
}
