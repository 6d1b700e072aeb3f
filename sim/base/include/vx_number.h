/* Whole numbers as people write them in options, models and tables. */
#ifndef VX_NUMBER_H
#define VX_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Reads decimal digits, or "0x" and hexadecimal ones, at the start of `text`; *end is what follows them. No blanks, no
 * sign, and a leading 0 means nothing: "010" is ten. False, with *end and *value as they were: no digit, or 2^64 or
 * more. */
bool vx_number_begin(const char *text, const char **end, uint64_t *value);

/* The same with nothing behind it. */
bool vx_number_whole(const char *text, uint64_t *value);

/* The same, times unit, unit^2, unit^3 or unit^4 where it ends in k, m, g or t (either case): unit is 1000 for counts,
 * 1024 for bytes. False also where the product is 2^64 or more. */
bool vx_number_scaled(const char *text, uint64_t unit, uint64_t *value);

#endif
