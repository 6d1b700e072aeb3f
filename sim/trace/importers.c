#include "importers.h"

#include <stdio.h>
#include <string.h>

typedef vx_status import_from(vx_source **source, vx_input *input, vx_msg *msg);

static vx_status open_path(vx_source **source, const char *path, import_from *from, vx_msg *msg)
{
    vx_input *input = NULL;
    vx_status status = vx_input_open(&input, path, msg);
    return status ? status : from(source, input, msg);
}

static vx_status open_lackey(vx_source **source, const char *path, vx_msg *msg)
{
    return open_path(source, path, vx_import_lackey, msg);
}
static vx_status open_champsim(vx_source **source, const char *path, vx_msg *msg)
{
    return open_path(source, path, vx_import_champsim, msg);
}
static vx_status open_cloudsuite(vx_source **source, const char *path, vx_msg *msg)
{
    return open_path(source, path, vx_import_cloudsuite, msg);
}
static vx_status open_drmemtrace(vx_source **source, const char *path, vx_msg *msg)
{
    return open_path(source, path, vx_import_drmemtrace, msg);
}
static vx_status open_vxt0(vx_source **source, const char *path, vx_msg *msg)
{
    return open_path(source, path, vx_import_vxt0, msg);
}

static vx_status open_qemu_vtd(vx_source **source, const char *path, vx_msg *msg)
{
    return open_path(source, path, vx_import_qemu_vtd, msg);
}

const vx_importer vx_importers[] = {
    {"lackey", "Valgrind lackey --trace-mem=yes text", open_lackey},
    {"champsim", "ChampSim 64-byte instruction records", open_champsim},
    {"champsim-cloudsuite", "ChampSim 96-byte instruction records (CloudSuite)", open_cloudsuite},
    {"drmemtrace", "DynamoRIO drmemtrace offline traces", open_drmemtrace},
    {"vxt0", "recordings of the prototype QEMU recorder", open_vxt0},
    {"qemu-vtd", "QEMU's log of its vtd_* trace events: DMA through VT-d", open_qemu_vtd},
    {NULL, NULL, NULL},
};

static bool begins(const uint8_t *head, size_t bytes, const char *text)
{
    size_t length = strlen(text);
    return bytes >= length && memcmp(head, text, length) == 0;
}

static bool looks_like_lackey(const uint8_t *head, size_t bytes)
{
    return begins(head, bytes, "==") || begins(head, bytes, "I  ") || begins(head, bytes, " L ") ||
           begins(head, bytes, " S ") || begins(head, bytes, " M ");
}

/* A header entry (type 25, size 0, a small version number) begins every offline file: trace_entry.h of DynamoRIO. */
static bool looks_like_drmemtrace(const uint8_t *head, size_t bytes)
{
    return bytes >= 12 && memcmp(head, "\x19\0\0\0", 4) == 0 && memcmp(head + 5, "\0\0\0\0\0\0", 7) == 0;
}

const char *vx_import_hint(const uint8_t *head, size_t bytes, const char *wanted)
{
    if (begins(head, bytes, "VXT1")) return "; it is a .vxt trace: no import is needed";
    if (begins(head, bytes, "VXT0")) return strcmp(wanted, "vxt0") == 0 ? "" : "; it looks like vxt0: use --from vxt0";
    if (looks_like_lackey(head, bytes))
        return strcmp(wanted, "lackey") == 0 ? "" : "; it looks like lackey text: use --from lackey";
    if (looks_like_drmemtrace(head, bytes))
        return strcmp(wanted, "drmemtrace") == 0 ? "" : "; it looks like drmemtrace: use --from drmemtrace";
    return "";
}

void vx_import_user_header(vx_trace_header *header, const char *recipe)
{
    *header = (vx_trace_header){.tier = VX_TIER_FULL, .kind = VX_TRACE_USER, .paging = VX_PAGING_4LEVEL};
    snprintf(header->recipe, sizeof header->recipe, "%s", recipe);
}
