/* Durations, sizes, percentages and names: see values_internal.h. */
#include "config/values_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { VALUE_NAME_MAX = 128 };

struct value_unit {
    const char *name;
    uint64_t factor;
};

/* Ascending; the formatter takes the largest that divides. */
static const struct value_unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};
static const struct value_unit size_units[] = {
    {"b", 1}, {"k", 1024}, {"m", 1024 * 1024}, {"g", 1024 * 1024 * 1024}, {NULL, 0},
};

static const struct value_unit percent_units[] = {{"%", 1}, {NULL, 0}};

static enum config_value_result value_parse(struct slice text, const struct value_unit *units,
                                            uint64_t *ret_value)
{
    unsigned long long number;
    size_t digits = 0;
    struct slice unit;

    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    if (digits == 0 || (digits < text.n && strchr(".,", text.p[digits]) != NULL))
        return CONFIG_VALUE_NOT_A_NUMBER;
    if (!slice_to_u64(slice_from(text.p, digits), &number))
        return CONFIG_VALUE_TOO_LARGE;
    unit = slice_from(text.p + digits, text.n - digits);
    if (unit.n == 0 && number == 0) {
        *ret_value = 0;
        return CONFIG_VALUE_OK;
    }
    if (unit.n == 0)
        return CONFIG_VALUE_NO_UNIT;
    for (; units->name != NULL; units++) {
        if (!slice_ieq(unit, slice_str(units->name)))
            continue;
        if (number > INT64_MAX / units->factor)
            return CONFIG_VALUE_TOO_LARGE;
        *ret_value = number * units->factor;
        return CONFIG_VALUE_OK;
    }
    return CONFIG_VALUE_BAD_UNIT;
}

enum config_value_result config_value_duration(struct slice text, uint64_t *ret_ms)
{
    return value_parse(text, duration_units, ret_ms);
}

enum config_value_result config_value_size(struct slice text, uint64_t *ret_bytes)
{
    return value_parse(text, size_units, ret_bytes);
}

enum config_value_result config_value_percent(struct slice text, uint64_t *ret_percent)
{
    return value_parse(text, percent_units, ret_percent);
}

static const char *value_format(uint64_t value, const struct value_unit *units, char *out)
{
    const struct value_unit *best = units;

    for (; units->name != NULL; units++) {
        if (value % units->factor == 0)
            best = units;
    }
    if (value == 0)
        snprintf(out, CONFIG_VALUE_TEXT_BYTES, "0");
    else
        snprintf(out, CONFIG_VALUE_TEXT_BYTES, "%" PRIu64 "%s", value / best->factor, best->name);
    return out;
}

const char *config_value_format_duration(uint64_t ms, char *out)
{
    return value_format(ms, duration_units, out);
}

const char *config_value_format_size(uint64_t bytes, char *out)
{
    return value_format(bytes, size_units, out);
}

const char *config_value_format_percent(uint64_t percent, char *out)
{
    return value_format(percent, percent_units, out);
}

bool config_value_is_name(const char *text)
{
    size_t n = strlen(text);

    for (const char *p = text; *p != '\0'; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("\"\\/?#%", *p) != NULL)
            return false;
    }
    return n > 0 && n <= VALUE_NAME_MAX;
}
