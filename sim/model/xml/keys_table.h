/* Shorthand for the rows of the key table. A file that includes this defines TYPE, the struct its keys lie in, before
 * each table. */
#ifndef VX_KEYS_TABLE_H
#define VX_KEYS_TABLE_H

#include "keys.h"

/* Of words the list is the limit, not `max`. */
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define FIELD(member) .offset = offsetof(TYPE, member), .size = sizeof(((TYPE *)0)->member)

#define NUMBER(word, member, units, least, most, start, needs, about)                                                  \
    {                                                                                                                  \
        .name = (word), .type = VX_KEY_NUMBER, .need = (needs), FIELD(member), .unit = (units), .min = (least),        \
        .max = (most), .initial = (start), .doc = (about)                                                              \
    }
/* A number without which the model makes no sense. */
#define NEEDED_NUMBER(word, member, units, least, most, needs, about)                                                  \
    {                                                                                                                  \
        .name = (word), .type = VX_KEY_NUMBER, .need = (needs), .required = true, FIELD(member), .unit = (units),      \
        .min = (least), .max = (most), .initial = (least), .doc = (about)                                              \
    }
#define BYTES(word, member, least, most, start, needs, about)                                                          \
    {                                                                                                                  \
        .name = (word), .type = VX_KEY_BYTES, .need = (needs), FIELD(member), .unit = "bytes", .min = (least),         \
        .max = (most), .initial = (start), .doc = (about)                                                              \
    }
#define MILLI(word, member, units, least, most, start, needs, about)                                                   \
    {                                                                                                                  \
        .name = (word), .type = VX_KEY_MILLI, .need = (needs), FIELD(member), .unit = (units), .min = (least),         \
        .max = (most), .initial = (start), .doc = (about)                                                              \
    }
#define SWITCH(word, member, start, needs, about)                                                                      \
    {                                                                                                                  \
        .name = (word), .type = VX_KEY_SWITCH, .need = (needs), FIELD(member), .unit = "", .max = 1,                   \
        .initial = (start), .doc = (about)                                                                             \
    }
#define FEATURE(member, about) SWITCH(#member, member, 0, VX_NEED_FEATURE, about)
#define WORD(word, member, list, start, needs, must, about)                                                            \
    {                                                                                                                  \
        .name = (word), .type = VX_KEY_WORD, .need = (needs), .required = (must), FIELD(member), .unit = "",           \
        .words = (list), .max = UINT32_MAX, .initial = (start), .doc = (about)                                         \
    }
#define WORDS(word, member, list, start, needs, must, about)                                                           \
    {                                                                                                                  \
        .name = (word), .type = VX_KEY_WORDS, .need = (needs), .required = (must), FIELD(member), .unit = "",          \
        .words = (list), .min = 1, .max = UINT32_MAX, .initial = (start), .doc = (about)                               \
    }
#define TEXT(word, member, needs, must, about)                                                                         \
    {                                                                                                                  \
        .name = (word), .type = VX_KEY_TEXT, .need = (needs), .required = (must), FIELD(member), .unit = "",           \
        .doc = (about)                                                                                                 \
    }

#define KEYS(list) .keys = (list), .key_count = COUNT_OF(list)
#define CHILDREN(list) .children = (list), .child_count = COUNT_OF(list)

#endif
