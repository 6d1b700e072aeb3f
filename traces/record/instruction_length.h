/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether bytes hold a whole instruction. Pure: no QEMU. */
#ifndef INSTRUCTION_LENGTH_H
#define INSTRUCTION_LENGTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `bits`: 16, 32 or 64, the code segment's default. False where the instruction that begins with these bytes needs more
 * of them; opcodes that no processor has are taken for instructions of the kind that stands beside them. */
bool vxr_is_whole(const uint8_t *bytes, size_t size, unsigned bits);

#endif
