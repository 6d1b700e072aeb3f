/* A test program over the small world, which is built once for all its tests. */
#ifndef MATRIX_PROGRAM_H
#define MATRIX_PROGRAM_H

#include "matrix_check.h"
#include "test_support.h"

extern matrix_world world;

/* CMocka's group fixtures. */
int matrix_open_intel(void **state);
int matrix_open_amd(void **state);
int matrix_close(void **state);

/* What a run over the operations ends with: what it looked at is printed, and nothing may have failed. */
void matrix_end(const matrix_run *run);

/* The program of a vendor's matrix: `of_variant` for each variant (its state), and a run without any operation.
 * Returns what main does. */
int matrix_main(const char *name, vx_vendor vendor, CMUnitTestFunction of_variant);

#endif
