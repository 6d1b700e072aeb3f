/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where blocks begin that are to be looked at before they run, of code whose other blocks do not call back at all:
 * linear addresses, as many as come. And which addresses QEMU may have translated blocks for that do not call back yet.
 */
#ifndef LOOKED_PLACES_H
#define LOOKED_PLACES_H

#include <stdbool.h>
#include <stdint.h>

enum { TRANSLATED_BITS = 1 << 20 };

typedef struct vxr_places {
    uint64_t *slot; /* address + 1; 0: empty */
    uint32_t count, room;
    uint64_t translated[TRANSLATED_BITS / 64]; /* two bits for each, by its hash, so that others may have both set */
} vxr_places;

/* False where it is there already, and without memory. */
bool vxr_places_add(vxr_places *places, uint64_t address);
bool vxr_places_hold(const vxr_places *places, uint64_t address);

/* A block that begins there has been translated. */
void vxr_places_translated(vxr_places *places, uint64_t address);
/* QEMU has forgotten its translations. */
void vxr_places_forget(vxr_places *places);
/* False: no such block has been translated since. */
bool vxr_places_may_be_translated(const vxr_places *places, uint64_t address);

#endif
