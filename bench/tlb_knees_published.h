/* Knees and penalties measured on real processors: random pointer chase, one line a page (github.com/InstLatx64,
 * 2026-07, and the vendors' optimization manuals). Ranges where the sources give one; -1: not separable. */
#ifndef TLB_KNEES_PUBLISHED_H
#define TLB_KNEES_PUBLISHED_H

typedef struct published_knees {
    const char *cpu; /* the model that stands for the core */
    const char *core;
    unsigned knee1;                 /* pages the first level reaches */
    double second_low, second_high; /* cycles a first-level miss adds where the second level hits */
    unsigned knee2;                 /* pages the second level reaches */
    double walk_low, walk_high;     /* cycles a cached walk adds to that */
} published_knees;

static const published_knees published[] = {
    {"penryn", "Penryn", 16, 2, 2, 256, 7, 8},
    {"nehalem", "Nehalem", 64, 7, 7, 512, 9, 9},
    {"sandy-bridge", "Sandy Bridge", 64, 7, 7, 512, 9, 9},
    {"ivy-bridge", "Ivy Bridge", 64, 7, 7, 512, 10, 10},
    {"haswell", "Haswell", 64, 7, 9, 1024, 13, 13},
    {"skylake", "Skylake-X", 64, 9, 9, 1536, 10, 10},
    {"ice-lake", "Sunny Cove", 64, 7, 7, 2048, 4, 15}, /* "4 or more" */
    {"sapphire-rapids", "Golden Cove", 96, 7, 7, 2048, 3, 15},
    {"arrow-lake", "Lion Cove", 128, 7, 7, 2048, -1, -1},
    {"barcelona", "K10", 48, 3, 4, 512, 19, 25},
    {"zen", "Zen", 64, 8, 8, 1536, -1, -1},
};
enum { PUBLISHED = sizeof published / sizeof *published };

#endif
