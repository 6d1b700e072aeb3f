/* Files of models: reading one, and the chain of those that extend one another. The base's values are taken first. */
#include "xml_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vx_text_file.h"
#include "xml_guard.h"

static vx_status read_file(const char *path, char **text, size_t *bytes, vx_msg *msg)
{
    const char *why;
    FILE *stream = vx_text_file_open(path, &why);
    if (stream == NULL) return vx_fail(msg, VX_ERR_IO, "%s: %s", path, why);
    char *buffer = malloc(VX_MODEL_BYTES_MAX + 1);
    if (buffer == NULL) {
        fclose(stream);
        return vx_fail_nomem(msg);
    }
    size_t got = fread(buffer, 1, VX_MODEL_BYTES_MAX + 1, stream);
    bool failed = ferror(stream) != 0;
    int error = errno;
    fclose(stream);
    if (failed) {
        free(buffer);
        return vx_fail(msg, VX_ERR_IO, "%s: %s", path, strerror(error));
    }
    *text = buffer;
    *bytes = got;
    return VX_OK;
}

static vx_status parse_text(xmlDoc **document, const char *text, size_t bytes, const char *path, vx_msg *msg)
{
    if (bytes > VX_MODEL_BYTES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%s: is larger than %d bytes", path, VX_MODEL_BYTES_MAX);
    return vx_xml_parse(document, text, bytes, path, msg);
}

static vx_status parse_and_load(load_file *file, const char *text, size_t bytes)
{
    vx_status status = parse_text(&file->document, text, bytes, file->path, file->msg);
    if (status != VX_OK) return status;
    status = vx_xml_load_document(file);
    xmlFreeDoc(file->document);
    return status;
}

static vx_status open_and_load(load_file *file)
{
    char *text = NULL;
    size_t bytes = 0;
    vx_status status = read_file(file->path, &text, &bytes, file->msg);
    if (status != VX_OK) return status;
    status = parse_and_load(file, text, bytes);
    free(text);
    return status;
}

/* A base named by a path lies relative to the file that names it. */
static vx_status find_base(const load_file *file, const char *name, char path[VX_MODEL_PATH])
{
    if (!vx_model_is_path(name)) return vx_model_search(file->model->kind, name, path, file->msg);
    const char *slash = strrchr(file->path, '/');
    int folder = slash != NULL && name[0] != '/' ? (int)(slash - file->path) + 1 : 0;
    if (snprintf(path, VX_MODEL_PATH, "%.*s%s", folder, file->path, name) >= VX_MODEL_PATH)
        return vx_fail(file->msg, VX_ERR_INPUT, "the path is too long");
    return VX_OK;
}

static bool same_file(const char *a, const char *b)
{
    char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
    bool same = real_a != NULL && real_b != NULL && strcmp(real_a, real_b) == 0;
    free(real_a);
    free(real_b);
    return same;
}

vx_status vx_xml_load_base(load_file *file, const xmlNode *root)
{
    if (xmlHasProp(root, (const xmlChar *)"extends") == NULL) return VX_OK;
    const char *name = vx_xml_attribute(root, "extends");
    if (name == NULL) return vx_xml_fail_at(file, root, "extends is empty");
    if (file->alone) return vx_xml_fail_at(file, root, "a model read from memory cannot extend '%.80s'", name);
    if (file->number >= VX_MODEL_BASES)
        return vx_xml_fail_at(file, root, "more than %d models extend one another", VX_MODEL_BASES);
    char path[VX_MODEL_PATH];
    vx_status status = find_base(file, name, path);
    if (status == VX_ERR_INPUT) {
        vx_msg why = *file->msg;
        return vx_xml_fail_at(file, root, "extends: %s", why.text);
    }
    if (status != VX_OK) return status;
    for (const load_file *above = file; above != NULL; above = above->extended_by)
        if (same_file(above->path, path))
            return vx_xml_fail_at(file, root, "extends '%.80s', which extends it in turn", name);
    load_file base = {.extended_by = file,
                      .model = file->model,
                      .path = path,
                      .number = (uint8_t)(file->number + 1),
                      .msg = file->msg};
    return open_and_load(&base);
}

vx_status vx_xml_load_file(vx_model *model, const char *path, vx_msg *msg)
{
    load_file file = {.model = model, .path = path, .number = 1, .msg = msg};
    return open_and_load(&file);
}

vx_status vx_xml_load_text(vx_model *model, const char *text, size_t bytes, const char *label, vx_msg *msg)
{
    load_file file = {.model = model, .path = label, .number = 1, .alone = true, .msg = msg};
    return parse_and_load(&file, text, bytes);
}

vx_status vx_xml_root_name(const char *path, char *name, size_t bytes, vx_msg *msg)
{
    char *text = NULL;
    size_t text_bytes = 0;
    xmlDoc *document = NULL;
    vx_status status = read_file(path, &text, &text_bytes, msg);
    if (status != VX_OK) return status;
    status = parse_text(&document, text, text_bytes, path, msg);
    free(text);
    if (status != VX_OK) return status;
    snprintf(name, bytes, "%s", (const char *)xmlDocGetRootElement(document)->name);
    xmlFreeDoc(document);
    return VX_OK;
}
