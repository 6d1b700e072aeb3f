/* What a vx_model holds, for the files of this room. */
#ifndef VX_MODEL_STATE_H
#define VX_MODEL_STATE_H

#include "keys.h"

enum {
    VX_MODEL_BASES = 8,           /* most files in a chain of `extends` */
    VX_MODEL_BYTES_MAX = 1 << 20, /* of one file */
    VX_MODEL_PATH = 4096,
};

typedef union vx_model_config {
    vx_cfg_cpu cpu;
    vx_cfg_vmm vmm;
    vx_cfg_guest guest;
    vx_cfg_chipset chipset;
    vx_cfg_nic nic;
} vx_model_config;

/* Where values came from. One origin serves all values of an element. */
typedef struct vx_origin {
    const char *from;   /* "default", "nehalem.xml:17", "--set"; in the arena */
    const char *place;  /* the same for messages, with the path of the file as it was opened */
    const char *source; /* "" where none; in the arena */
    bool assumed;
    uint8_t file; /* 1 for the first file of the chain opened, its base 2, ...; 0: no file */
} vx_origin;

/* The origins that every model has; ROOT, the root element of the file that was asked for, where there is a file. */
enum { VX_ORIGIN_DEFAULT = 0, VX_ORIGIN_SET = 1, VX_ORIGIN_ROOT = 2 };

typedef struct vx_model_listing {
    vx_model_value *values;
    size_t count;
    char *text; /* what the values point into */
} vx_model_listing;

struct vx_model {
    vx_model_kind kind;
    vx_model_config config;
    uint16_t origin_of[sizeof(vx_model_config)]; /* by the offset of a leaf's field: index of `origins` */
    vx_origin *origins;
    size_t origin_count, origin_capacity;
    vx_arena arena; /* strings of the origins */
    vx_model_listing listing;
};

static inline const vx_origin *vx_model_origin(const vx_model *model, size_t offset)
{
    return &model->origins[model->origin_of[offset]];
}

/* ---- model_origin.c ---- */

/* Adds an origin. `line` 0: no line. VX_ERR_NOMEM. */
vx_status vx_origin_add(vx_model *model, uint8_t file, const char *path, int line, const char *source, bool assumed,
                        uint16_t *index, vx_msg *msg);
/* Adds VX_ORIGIN_DEFAULT and VX_ORIGIN_SET. */
vx_status vx_origin_begin(vx_model *model, vx_msg *msg);

/* ---- model_listing.c ---- */

/* Replaces the listing by one of the present configuration; on an error it stays as it was. */
vx_status vx_listing_renew(vx_model *model, vx_msg *msg);
void vx_listing_fini(vx_model_listing *listing);

/* ---- model_search.c ---- */

/* The file of a model's name: a path as it is, or <folder>/<kind>/<name>.xml for the first folder that has it.
 * VX_ERR_INPUT with "did you mean" where there is none. */
vx_status vx_model_search(vx_model_kind kind, const char *name, char path[VX_MODEL_PATH], vx_msg *msg);

/* ---- xml_files.c ---- */

/* Reads a file, and the files it extends, into a model that holds defaults. */
vx_status vx_xml_load_file(vx_model *model, const char *path, vx_msg *msg);
/* The name of the file's root element, cut to the bytes there are. */
vx_status vx_xml_root_name(const char *path, char *name, size_t bytes, vx_msg *msg);
vx_status vx_xml_load_text(vx_model *model, const char *text, size_t bytes, const char *label, vx_msg *msg);

/* ---- check*.c: rules between values ---- */

/* Begins every message with the place of the value that breaks a rule. */
vx_status vx_check_fail(const vx_model *model, const void *field, vx_msg *msg, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
vx_status vx_check_cpu(const vx_model *model, vx_msg *msg);
vx_status vx_check_vmm(const vx_model *model, vx_msg *msg);
vx_status vx_check_chipset(const vx_model *model, vx_msg *msg);

#endif
