/* Text of a document for the terminal: control characters never reach it, numbers have their thousands marked. */
#include "report_private.h"

#include <inttypes.h>

static char plain_letter(char letter) { return letter >= 0x20 && letter < 0x7f ? letter : '?'; }

const char *report_plain(const char *text, char plain[REPORT_WORD])
{
    size_t i = 0;
    for (; text[i] && i < REPORT_WORD - 1; i++) plain[i] = plain_letter(text[i]);
    plain[i] = '\0';
    return plain;
}

const char *report_word(const json_t *object, const char *path, const char *missing, char plain[REPORT_WORD])
{
    const char *text = json_string_value(report_at(object, path));
    return report_plain(text ? text : missing, plain);
}

void report_put(FILE *out, const char *text)
{
    for (; *text; text++) fputc(plain_letter(*text), out);
}

const char *report_grouped(uint64_t value, char text[REPORT_NUMBER])
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *to = text;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

const char *report_figure(const json_t *value, char text[REPORT_NUMBER])
{
    char digits[REPORT_NUMBER];
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
        snprintf(text, REPORT_NUMBER, "%s%s", number < 0 ? "-" : "", report_grouped(size, digits));
    } else if (json_is_real(value)) {
        snprintf(text, REPORT_NUMBER, "%.3f", json_real_value(value));
    } else {
        snprintf(text, REPORT_NUMBER, "-");
    }
    return text;
}

const char *report_percent(double part, double whole, char text[REPORT_NUMBER])
{
    if (whole > 0.0)
        snprintf(text, REPORT_NUMBER, "%.1f%%", 100.0 * part / whole);
    else
        snprintf(text, REPORT_NUMBER, "-");
    return text;
}

void report_heading(FILE *out, const char *text) { fprintf(out, "\n%s\n", text); }
