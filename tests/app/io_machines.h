/* Machines of guests, card and wire for tests: the usual options, and a run that must succeed. */
#ifndef IO_MACHINES_H
#define IO_MACHINES_H

#include "test_support.h"

#include <string.h>

#include "vexit.h"

static const vx_io_path every_path[] = {VX_IO_PATH_NATIVE,      VX_IO_PATH_EMULATED, VX_IO_PATH_PARA,
                                        VX_IO_PATH_PASSTHROUGH, VX_IO_PATH_SRIOV,    VX_IO_PATH_VMDQ};
enum { EVERY_PATH = sizeof every_path / sizeof *every_path };

static inline vx_io_path_options usual(const vx_io_path *path, unsigned guests)
{
    return (vx_io_path_options){.cpu = "nehalem",
                                .chipset = "intel-5520",
                                .nic = "82599",
                                .paths = path,
                                .path_count = 1,
                                .guests = guests,
                                .payload = 1448,
                                .window = 45,
                                .seed = 1,
                                .milliseconds = 5};
}

static inline json_t *run(const vx_io_path_options *options)
{
    json_t *document = NULL;
    vx_msg msg = {""};
    if (vx_io_paths_document(&document, options, &msg)) fail_msg("%s", msg.text);
    json_t *only = json_incref(json_array_get(json_object_get(document, "runs"), 0));
    json_decref(document);
    assert_string_equal(json_string_value(json_object_get(only, "identities")), "ok");
    return only;
}

#endif
