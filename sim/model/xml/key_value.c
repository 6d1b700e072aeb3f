/* One value: text to field and back, by its key. */
#include "keys.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vx_number.h"

static void field_write(const vx_key *key, void *field, uint64_t value)
{
    if (key->type == VX_KEY_SWITCH) {
        *(bool *)field = value != 0;
        return;
    }
    switch (key->size) {
    case 1:
        *(uint8_t *)field = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)field = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)field = (uint32_t)value;
        break;
    default:
        assert(key->size == 8);
        *(uint64_t *)field = value;
        break;
    }
}

static uint64_t number_of(const vx_key *key, const void *field)
{
    assert(key->type != VX_KEY_TEXT);
    if (key->type == VX_KEY_SWITCH) return *(const bool *)field;
    switch (key->size) {
    case 1:
        return *(const uint8_t *)field;
    case 2:
        return *(const uint16_t *)field;
    case 4:
        return *(const uint32_t *)field;
    default:
        return *(const uint64_t *)field;
    }
}

static bool read_bytes(const char *text, uint64_t *value)
{
    const char *end;
    if (!vx_number_begin(text, &end, value)) return false;
    unsigned shift = *end == 'k' ? 10 : *end == 'm' ? 20 : *end == 'g' ? 30 : 0;
    if (shift != 0) end++;
    if (*end != '\0' || *value > UINT64_MAX >> shift) return false;
    *value <<= shift;
    return true;
}

/* "0.75" to 750. No double: 0.29 must be 290. */
static bool read_milli(const char *text, uint64_t *value)
{
    const char *end;
    if (!vx_number_begin(text, &end, value) || *value > UINT64_MAX / 1000 - 1) return false;
    *value *= 1000;
    if (*end == '.') {
        uint64_t place = 100;
        end++;
        if (!isdigit((unsigned char)*end)) return false;
        for (; isdigit((unsigned char)*end) && place > 0; end++, place /= 10) *value += (uint64_t)(*end - '0') * place;
    }
    return *end == '\0';
}

static bool read_word(const char *const *words, const char *text, size_t length, uint64_t *value)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0) {
            *value = i;
            return true;
        }
    }
    return false;
}

static bool read_words(const char *const *words, const char *text, uint64_t *value)
{
    uint64_t bits = 0, bit;
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        if (!read_word(words, text, length, &bit)) return false;
        bits |= 1ULL << bit;
        text += length;
    }
    *value = bits;
    return true;
}

static bool read_switch(const char *text, uint64_t *value)
{
    *value = strcmp(text, "yes") == 0;
    return *value != 0 || strcmp(text, "no") == 0;
}

static bool read_field(const vx_key *key, const char *text, uint64_t *value)
{
    switch (key->type) {
    case VX_KEY_NUMBER:
    case VX_KEY_HEX:
        return vx_number_whole(text, value);
    case VX_KEY_BYTES:
        return read_bytes(text, value);
    case VX_KEY_MILLI:
        return read_milli(text, value);
    case VX_KEY_SWITCH:
        return read_switch(text, value);
    case VX_KEY_WORD:
        return read_word(key->words, text, strlen(text), value);
    default:
        return read_words(key->words, text, value);
    }
}

/* Names become parts of paths, file names and JSON keys. */
static bool name_is_plain(const char *text)
{
    if (*text == '\0') return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr("_-+.", *text) == NULL) return false;
    return true;
}

static bool read_text(const vx_key *key, const char *text, char *field)
{
    size_t length = strlen(text);
    if (length == 0 || length >= key->size) return false;
    if (key->need == VX_NEED_NAME && !name_is_plain(text)) return false;
    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)text[i])) return false;
    memset(field, 0, key->size);
    memcpy(field, text, length + 1);
    return true;
}

static void expects_words(const vx_key *key, char text[VX_KEY_WHY])
{
    int used = snprintf(text, VX_KEY_WHY, "%s", key->type == VX_KEY_WORD ? "one of:" : "one or more of:");
    for (size_t i = 0; key->words[i] != NULL && used < VX_KEY_WHY; i++)
        used += snprintf(text + used, (size_t)(VX_KEY_WHY - used), " %s", key->words[i]);
}

static void expects_number(const vx_key *key, char text[VX_KEY_WHY])
{
    char least[32], most[32];
    vx_key plain = *key;
    plain.size = sizeof(uint64_t);
    vx_key_format(&plain, &key->min, least, sizeof least);
    vx_key_format(&plain, &key->max, most, sizeof most);
    snprintf(text, VX_KEY_WHY, "%s from %s to %s%s%s%s", key->type == VX_KEY_MILLI ? "a decimal number" : "a number",
             least, most, *key->unit ? " (" : "", key->unit, *key->unit ? ")" : "");
}

void vx_key_expects(const vx_key *key, char text[VX_KEY_WHY])
{
    switch (key->type) {
    case VX_KEY_SWITCH:
        snprintf(text, VX_KEY_WHY, "yes or no");
        break;
    case VX_KEY_WORD:
    case VX_KEY_WORDS:
        expects_words(key, text);
        break;
    case VX_KEY_TEXT:
        snprintf(text, VX_KEY_WHY, "1 to %u characters%s", key->size - 1U,
                 key->need == VX_NEED_NAME ? " (letters, digits, '_', '-', '+', '.')" : "");
        break;
    default:
        expects_number(key, text);
        break;
    }
}

bool vx_key_parse(const vx_key *key, const char *text, void *field, char why[VX_KEY_WHY])
{
    if (key->type == VX_KEY_TEXT) {
        if (read_text(key, text, field)) return true;
    } else {
        uint64_t value;
        if (read_field(key, text, &value) && value >= key->min && value <= key->max) {
            field_write(key, field, value);
            return true;
        }
    }
    vx_key_expects(key, why);
    return false;
}

static int format_words(const vx_key *key, uint64_t bits, char *text, size_t bytes)
{
    int used = 0;
    if (bytes > 0) text[0] = '\0';
    for (size_t i = 0; key->words[i] != NULL; i++) {
        if ((bits >> i & 1) == 0) continue;
        size_t room = (size_t)used < bytes ? bytes - (size_t)used : 0;
        used += snprintf(room ? text + used : NULL, room, "%s%s", used ? " " : "", key->words[i]);
    }
    return used;
}

static int format_milli(uint64_t value, char *text, size_t bytes)
{
    unsigned long long whole = value / 1000, rest = value % 1000;
    if (rest == 0) return snprintf(text, bytes, "%llu", whole);
    if (rest % 100 == 0) return snprintf(text, bytes, "%llu.%llu", whole, rest / 100);
    if (rest % 10 == 0) return snprintf(text, bytes, "%llu.%02llu", whole, rest / 10);
    return snprintf(text, bytes, "%llu.%03llu", whole, rest);
}

int vx_key_format(const vx_key *key, const void *field, char *text, size_t bytes)
{
    if (key->type == VX_KEY_TEXT) return snprintf(text, bytes, "%s", (const char *)field);
    uint64_t value = number_of(key, field);
    switch (key->type) {
    case VX_KEY_SWITCH:
        return snprintf(text, bytes, "%s", value ? "yes" : "no");
    case VX_KEY_WORD:
        return snprintf(text, bytes, "%s", key->words[value]);
    case VX_KEY_WORDS:
        return format_words(key, value, text, bytes);
    case VX_KEY_HEX:
        return snprintf(text, bytes, "0x%llx", (unsigned long long)value);
    case VX_KEY_MILLI:
        return format_milli(value, text, bytes);
    default:
        return snprintf(text, bytes, "%llu", (unsigned long long)value);
    }
}
