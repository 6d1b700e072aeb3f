/* Where values came from. */
#include "model_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vx_arena.h"

static const char *keep(vx_model *model, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = vx_arena_alloc(&model->arena, bytes);
    if (copy != NULL) memcpy(copy, text, bytes);
    return copy;
}

static bool has_room(vx_model *model)
{
    if (model->origin_count < model->origin_capacity) return true;
    size_t capacity = model->origin_capacity ? model->origin_capacity * 2 : 64;
    vx_origin *origins = realloc(model->origins, capacity * sizeof *origins);
    if (origins == NULL) return false;
    model->origins = origins;
    model->origin_capacity = capacity;
    return true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *keep_place(vx_model *model, const char *path, int line)
{
    char place[VX_MODEL_PATH + 16];
    if (line > 0)
        snprintf(place, sizeof place, "%s:%d", path, line);
    else
        snprintf(place, sizeof place, "%s", path);
    return keep(model, place);
}

vx_status vx_origin_add(vx_model *model, uint8_t file, const char *path, int line, const char *source, bool assumed,
                        uint16_t *index, vx_msg *msg)
{
    /* An origin sets a leaf that its file had not set before, or is a root: leaves x files bounds their number. */
    assert(model->origin_count < UINT16_MAX);
    if (!has_room(model)) return vx_fail_nomem(msg);
    vx_origin origin = {.file = file, .assumed = assumed};
    origin.place = keep_place(model, path, line);
    origin.from = keep_place(model, base_name(path), line);
    origin.source = keep(model, source);
    if (!origin.place || !origin.from || !origin.source) return vx_fail_nomem(msg);
    *index = (uint16_t)model->origin_count;
    model->origins[model->origin_count++] = origin;
    return VX_OK;
}

vx_status vx_origin_begin(vx_model *model, vx_msg *msg)
{
    uint16_t index = 0;
    vx_status status = vx_origin_add(model, 0, "default", 0, "", false, &index, msg);
    assert(status != VX_OK || index == VX_ORIGIN_DEFAULT);
    if (status == VX_OK) status = vx_origin_add(model, 0, "--set", 0, "", false, &index, msg);
    assert(status != VX_OK || index == VX_ORIGIN_SET);
    return status;
}
