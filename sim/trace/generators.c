/* The table of generators: one line each. */
#include "gen_base.h"

#define GENERATOR(name)                                                                                                \
    {                                                                                                                  \
#name, vx_gen_##name##_doc, vx_gen_##name##_parameters, vx_gen_##name##_open                                   \
    }

const vx_generator vx_generators[] = {
    GENERATOR(random), GENERATOR(sequential), GENERATOR(zipf),    GENERATOR(chase),         GENERATOR(mix),
    GENERATOR(nic),    GENERATOR(nvme),       GENERATOR(tenants), {NULL, NULL, NULL, NULL},
};
