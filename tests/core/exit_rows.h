/* A row of the exit tables: one record under one setting of the controls, and what the manual says happens. Bits are
 * written as numbers, from the manual's tables, not with the simulator's names. */
#ifndef VX_TEST_EXIT_ROWS_H
#define VX_TEST_EXIT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_record.h"

#define B(n) (1U << (n))
#define SECONDARY B(31) /* primary control "activate secondary controls" */

/* Is the setting the one that makes this kind exit (ON), one that does not (OFF), or a further case? Every kind must
 * have an ON and an OFF row; where the two expect the same, the kind is unconditional, or never exits. */
typedef enum exit_row_role { OFF, ON, CASE } exit_row_role;

typedef struct exit_row {
    exit_row_role role;
    vx_record_kind kind;
    uint8_t size;
    uint64_t addr;
    uint64_t payload[2];
    uint32_t pin, cpu, cpu2; /* Intel; all ones: every control */
    bool exits;
    uint32_t reason;
    uint64_t qualification;
    uint32_t interruption, error_code;
} exit_row;

#endif
