/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "looked_places.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1024 };

static uint64_t hash(uint64_t address) { return address * 0x9E3779B97F4A7C15ULL >> 32; }

/* Where the address is, or would be. */
static uint64_t *find(uint64_t *slot, uint32_t room, uint64_t address)
{
    uint64_t i = hash(address) & (room - 1);
    while (slot[i] && slot[i] != address + 1) i = (i + 1) & (room - 1);
    return &slot[i];
}

static bool grow(vxr_places *places)
{
    uint32_t room = places->room ? 2 * places->room : FIRST_ROOM;
    uint64_t *slot = calloc(room, sizeof *slot);
    if (!slot) return false;
    for (uint32_t i = 0; i < places->room; i++)
        if (places->slot[i]) *find(slot, room, places->slot[i] - 1) = places->slot[i];
    free(places->slot);
    places->slot = slot;
    places->room = room;
    return true;
}

bool vxr_places_add(vxr_places *places, uint64_t address)
{
    if (vxr_places_hold(places, address)) return false;
    if (2 * places->count >= places->room && !grow(places)) return false;
    *find(places->slot, places->room, address) = address + 1;
    places->count++;
    return true;
}

bool vxr_places_hold(const vxr_places *places, uint64_t address)
{
    return places->room && *find(places->slot, places->room, address);
}

static void set_bit(uint64_t *words, uint64_t bit) { words[bit / 64] |= 1ULL << bit % 64; }

static bool has_bit(const uint64_t *words, uint64_t bit) { return words[bit / 64] >> bit % 64 & 1; }

static uint64_t first_bit(uint64_t address) { return hash(address) % TRANSLATED_BITS; }

static uint64_t second_bit(uint64_t address) { return (address * 0xC2B2AE3D27D4EB4FULL >> 32) % TRANSLATED_BITS; }

void vxr_places_translated(vxr_places *places, uint64_t address)
{
    set_bit(places->translated, first_bit(address));
    set_bit(places->translated, second_bit(address));
}

void vxr_places_forget(vxr_places *places) { memset(places->translated, 0, sizeof places->translated); }

bool vxr_places_may_be_translated(const vxr_places *places, uint64_t address)
{
    return has_bit(places->translated, first_bit(address)) && has_bit(places->translated, second_bit(address));
}
