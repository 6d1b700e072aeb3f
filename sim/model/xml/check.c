/* Rules between values, and values that a model must state. */
#include "model_state.h"

#include <stdarg.h>
#include <stdio.h>

vx_status vx_check_fail(const vx_model *model, const void *field, vx_msg *msg, const char *format, ...)
{
    char text[sizeof(vx_msg)];
    size_t offset = (size_t)((const unsigned char *)field - (const unsigned char *)&model->config);
    uint16_t origin = model->origin_of[offset];
    /* A default that does not fit what a file states is that file's business. */
    if (origin == VX_ORIGIN_DEFAULT && model->origin_count > VX_ORIGIN_ROOT) origin = VX_ORIGIN_ROOT;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return vx_fail(msg, VX_ERR_INPUT, "%s: %s", model->origins[origin].place, text);
}

typedef struct missing_search {
    const vx_model *model;
    vx_leaf leaf;
    bool found;
} missing_search;

static bool find_missing(void *context, const vx_leaf *leaf)
{
    missing_search *search = context;
    if (!leaf->key->required || search->model->origin_of[leaf->offset] != VX_ORIGIN_DEFAULT) return true;
    search->leaf = *leaf;
    search->found = true;
    return false;
}

/* Where the group that lacks a value is: the place of another of its values, or else of the file's root element. */
static const char *place_of_group(const vx_model *model, const vx_leaf *leaf)
{
    for (size_t i = 0; i < leaf->group->key_count; i++) {
        uint16_t origin = model->origin_of[leaf->base + leaf->group->keys[i].offset];
        if (origin > VX_ORIGIN_SET) return model->origins[origin].place;
    }
    return model->origins[VX_ORIGIN_ROOT].place;
}

static vx_status check_required(const vx_model *model, vx_msg *msg)
{
    missing_search search = {.model = model};
    vx_keys_each(vx_keys_root(model->kind), &model->config, find_missing, &search);
    if (!search.found) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT, "%s: %s is missing", place_of_group(model, &search.leaf), search.leaf.path);
}

static vx_status check_guest(const vx_model *model, vx_msg *msg)
{
    const vx_cfg_guest *guest = &model->config.guest;
    if (guest->page == VX_PAGE_4M && guest->levels != 2)
        return vx_check_fail(model, &guest->page, msg, "vm.page 4m needs vm.levels 2");
    if (guest->page == VX_PAGE_2M && guest->levels < 3)
        return vx_check_fail(model, &guest->page, msg, "vm.page 2m needs vm.levels 3, 4 or 5");
    if (guest->page == VX_PAGE_1G && guest->levels < 4)
        return vx_check_fail(model, &guest->page, msg, "vm.page 1g needs vm.levels 4 or 5");
    if (guest->pcid && guest->levels < 4)
        return vx_check_fail(model, &guest->pcid, msg, "vm.pcid needs vm.levels 4 or 5 (IA-32e paging)");
    if (guest->ram_bytes % VX_PAGE_BYTES != 0)
        return vx_check_fail(model, &guest->ram_bytes, msg, "vm.ram_bytes is not a multiple of 4096");
    return VX_OK;
}

vx_status vx_model_check(const vx_model *model, vx_msg *msg)
{
    /* The built-in guest states nothing. */
    bool built_in = model->kind == VX_MODEL_VM && model->origin_count == VX_ORIGIN_ROOT;
    vx_status status = built_in ? VX_OK : check_required(model, msg);
    if (status != VX_OK) return status;
    switch (model->kind) {
    case VX_MODEL_CPU:
        return vx_check_cpu(model, msg);
    case VX_MODEL_VMM:
        return vx_check_vmm(model, msg);
    case VX_MODEL_CHIPSET:
        return vx_check_chipset(model, msg);
    case VX_MODEL_NIC:
        return VX_OK; /* ranges alone */
    default:
        return check_guest(model, msg);
    }
}
