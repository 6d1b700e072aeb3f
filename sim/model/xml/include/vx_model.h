/* A model: configuration structs read from XML, with the provenance of every value.
 *
 * `extends` is resolved here; no XInclude, no DTD, no entities. Hostile XML is refused. Every error names file and
 * line. Ownership: a vx_model is opened and closed by the caller; strings it hands out live as long as it. */
#ifndef VX_MODEL_H
#define VX_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "vx_config.h"
#include "vx_config_io.h"
#include "vx_status.h"

typedef enum vx_model_kind {
    VX_MODEL_CPU,
    VX_MODEL_VMM,
    VX_MODEL_VM,
    VX_MODEL_CHIPSET,
    VX_MODEL_NIC,
    VX_MODEL_KINDS
} vx_model_kind; /* "cpu" "vmm" "vm" "chipset" "nic" */

typedef struct vx_model vx_model;

/* Opens a model by name ("nehalem": <dir>/<kind>/nehalem.xml, for each folder of the search path) or by file name (has
 * a '/' or ends in .xml). The search path is $VEXIT_MODELS where set, else the installed and the source folder. An
 * unknown name is VX_ERR_INPUT with "did you mean". VX_MODEL_VM with name NULL: the built-in defaults of the guest. */
vx_status vx_model_open(vx_model **model, vx_model_kind kind, const char *name, vx_msg *msg);
void vx_model_close(vx_model *model);

/* Whether a model's name is that of a file. */
bool vx_model_is_path(const char *name);

/* The kind of a model that is named without one: that of a file's root element, or the first kind that has the name.
 * VX_ERR_INPUT where there is none, with "did you mean". */
vx_status vx_model_kind_of(vx_model_kind *kind, const char *name, vx_msg *msg);

/* "cpu", "vmm", "vm", "chipset", "nic": folder of the search path, root element and first component of paths. */
const char *vx_model_kind_name(vx_model_kind kind);

/* The validated structs; each is NULL where the model is of another kind. */
const vx_cfg_cpu *vx_model_cpu(const vx_model *model);
const vx_cfg_vmm *vx_model_vmm(const vx_model *model);
const vx_cfg_guest *vx_model_guest(const vx_model *model);
const vx_cfg_chipset *vx_model_chipset(const vx_model *model);
const vx_cfg_nic *vx_model_nic(const vx_model *model);

/* Sets one value, "path=value", as `--set` does; paths begin with the kind ("cpu.", "vmm.", "vm.", "chipset.", "nic.").
 * Checked for range at once; cross-field rules are checked by vx_model_check. A path of another kind is VX_ERR_INPUT,
 * an unknown one has "did you mean". */
vx_status vx_model_set(vx_model *model, const char *assignment, vx_msg *msg);

/* The same where another option ("--vcpus") implies the value: provenance names it instead of `--set`. */
vx_status vx_model_imply(vx_model *model, const char *assignment, const char *option, vx_msg *msg);

/* Whether an assignment's path begins with this kind's prefix. */
bool vx_model_takes(vx_model_kind kind, const char *assignment);

/* Cross-field rules: ways divide entries, sets are powers of two, features that require others, ... vx_model_open has
 * checked; call again after vx_model_set. */
vx_status vx_model_check(const vx_model *model, vx_msg *msg);

/* One leaf of the effective configuration. Strings live until the model is closed or set again. */
typedef struct vx_model_value {
    const char *path;  /* "cpu.tlb.l2.hit_ticks" */
    const char *value; /* as --set would take it */
    const char *unit;  /* "ticks", "entries", "" */
    const char *from;  /* "default", "nehalem.xml:17" or "--set" */
    const char
        *source;  /* paper, manual, commit; "" where there is none. With `assumed`: what the assumption rests on */
    bool assumed; /* no source gives the value itself; the default of a cost or a geometry is assumed too */
    bool numeric; /* value is a number */
} vx_model_value;

/* All leaves, in a fixed order. Stops where `each` returns false. */
void vx_model_each(const vx_model *model, bool (*each)(void *context, const vx_model_value *value), void *context);

/* Names of the models of a kind that the search path holds, sorted, one call each. */
vx_status vx_model_list(vx_model_kind kind, bool (*each)(void *context, const char *name, const char *title),
                        void *context, vx_msg *msg);

/* One key of the table, for the reference that `vexit model keys` prints. */
typedef struct vx_model_key {
    const char *path;    /* with <name> and <n> for instances: "cpu.tlb.<name>.array.<n>.ways" */
    const char *expects; /* "a number from 0 to 1000 (ticks)" */
    const char *initial; /* the default; "" where a model must state it */
    const char *doc;
    bool needs_source;
} vx_model_key;

/* All keys of a kind, in the order of vx_model_each. The strings live during the call. */
void vx_model_keys(vx_model_kind kind, bool (*each)(void *context, const vx_model_key *key), void *context);

/* Reads a model from memory (tests, fuzzers); `label` stands for the file name in messages. `extends` is refused. */
vx_status vx_model_parse(vx_model **model, vx_model_kind kind, const char *text, size_t bytes, const char *label,
                         vx_msg *msg);

#endif
