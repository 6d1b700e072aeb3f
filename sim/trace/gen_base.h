/* What all generators share: arguments, the loop that "executes" them, stores, batches.
 *
 * A generator models a program that runs one small loop: each turn fetches the loop's body (`body` instructions of 4
 * bytes at one place), then makes its loads and stores. A generator's file supplies only the addresses. */
#ifndef GEN_BASE_H
#define GEN_BASE_H

#include "vx_random.h"
#include "vx_trace.h"

enum {
    GEN_BATCH = 8192,    /* records a batch at most */
    GEN_TURN_RECORDS = 8 /* records one turn makes at most */
};

#define GEN_DATA_BASE 0x100000000000ULL /* where the data starts: canonical, user half, 1 GiB-aligned */
#define GEN_CODE_BASE 0x400000ULL       /* where the loop is */

/* One parameter: a name, where its value goes and its range. Exactly one of number and real is set. */
typedef struct gen_parameter {
    const char *name;
    uint64_t *number; /* digits and k, m or g: powers of 1000, or of 1024 where `bytes` */
    double *real;
    uint64_t min, max; /* of number */
    double real_min, real_max;
    bool bytes;
} gen_parameter;

/* Sets the parameters from `defaults` and then from `arguments` (NULL or "": none), both "name=value,...". VX_ERR_INPUT
 * names the generator and the argument. */
vx_status vx_gen_arguments(const char *generator, const char *defaults, const char *arguments,
                           const gen_parameter *parameters, size_t count, vx_msg *msg);

typedef struct gen gen;

struct gen {
    vx_source source;
    uint64_t refs, body, size; /* common parameters: loads and stores in all, instructions a turn, bytes a reference */
    double stores;             /* which part of the references stores */
    uint64_t seed;
    vx_random random;
    uint64_t left;                  /* loads and stores to come */
    void (*before_turn)(gen *self); /* NULL, or makes records before the turn's fetch */
    void (*turn)(gen *self);        /* makes one turn's references with vx_gen_reference */
    void (*fini)(gen *self);        /* NULL: nothing to free but the struct */
    size_t count;
    vx_record records[GEN_BATCH];
};

/* The common parameters, for a generator's table. */
#define GEN_PARAMETERS(self)                                                                                           \
    {.name = "refs", .number = &(self)->refs, .min = 1, .max = 1ULL << 60},                                            \
        {.name = "body", .number = &(self)->body, .min = 0, .max = 1000},                                              \
        {.name = "size", .number = &(self)->size, .min = 1, .max = 64, .bytes = true},                                 \
    {                                                                                                                  \
        .name = "stores", .real = &(self)->stores, .real_min = 0, .real_max = 1                                        \
    }

/* Completes a generator whose parameters are set: header, recipe, random stream. `turn_refs`: loads and stores a turn.
 * `generator`, `defaults` and `arguments` go into the recipe. */
void vx_gen_start(gen *self, const char *generator, const char *defaults, const char *arguments, uint64_t seed,
                  unsigned turn_refs, void (*turn)(gen *self), void (*fini)(gen *self));

/* Appends one record that is no reference. */
void vx_gen_record(gen *self, vx_record_kind kind, uint64_t addr);

/* Appends one load or store to the turn, unless all have been made. */
void vx_gen_access(gen *self, uint64_t address, vx_record_kind kind);

/* A load, or a store with the probability `stores`. */
void vx_gen_reference(gen *self, uint64_t address);

/* One entry a generator: its file defines these, the table in generators.c names them. */
#define GEN_DECLARE(name)                                                                                              \
    extern const char vx_gen_##name##_doc[], vx_gen_##name##_parameters[];                                             \
    vx_status vx_gen_##name##_open(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg)
GEN_DECLARE(random);
GEN_DECLARE(sequential);
GEN_DECLARE(zipf);
GEN_DECLARE(chase);
GEN_DECLARE(mix);
GEN_DECLARE(nic);
GEN_DECLARE(nvme);
GEN_DECLARE(tenants);

#endif
