/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vexit trace record` asks of the plugin: name=number. app/record_qemu.c puts them on QEMU's command line. */
#include <stdlib.h>
#include <string.h>

#include "recorder.h"

static bool is_named(const char *option, size_t length, const char *name)
{
    return strlen(name) == length && strncmp(option, name, length) == 0;
}

static bool take_number(vxr_recorder *r, const char *option, size_t length, uint64_t number)
{
    const struct {
        const char *name;
        uint64_t *place;
    } numbers[] = {{"max", &r->max},       {"ram_low", &r->ram.low}, {"ram_high", &r->ram.high},
                   {"region", &r->region}, {"until", &r->until},     {"slots", &r->slots}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!is_named(option, length, numbers[i].name)) continue;
        *numbers[i].place = number;
        r->by_region |= numbers[i].place == &r->region;
        return true;
    }
    return false;
}

static bool take_descriptor(vxr_recorder *r, const char *option, size_t length, uint64_t number)
{
    const struct {
        const char *name;
        int *place;
    } descriptors[] = {{"fd", &r->fd}, {"memory", &r->memory}, {"credit", &r->credit}};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (!is_named(option, length, descriptors[i].name)) continue;
        *descriptors[i].place = (int)number;
        return true;
    }
    return false;
}

static bool take_switch(vxr_recorder *r, const char *option, size_t length, uint64_t number)
{
    bool *place = is_named(option, length, "references") ? &r->want_references
                  : is_named(option, length, "gpa")      ? &r->with_gpa
                                                         : NULL;
    if (place) *place = number != 0;
    return place != NULL;
}

bool vxr_take_option(vxr_recorder *r, const char *option)
{
    const char *value = strchr(option, '=');
    if (!value) return false;
    size_t length = (size_t)(value++ - option);
    char *end;
    uint64_t number = strtoull(value, &end, 0);
    return !*end && (take_number(r, option, length, number) || take_descriptor(r, option, length, number) ||
                     take_switch(r, option, length, number));
}
