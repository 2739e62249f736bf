/*
 * HTTP dates, read by pattern: each form has fixed columns, so one walk over a template checks the
 * punctuation and collects the parts.
 *
 *   IMF-fixdate  Sun, 06 Nov 1994 08:49:37 GMT
 *   RFC 850      Sunday, 06-Nov-94 08:49:37 GMT
 *   asctime      Sun Nov  6 08:49:37 1994
 */
#include "http/date.h"

#include "http/charset.h"

struct calendar {
    int64_t year, month, day, hour, minute, second; /* month 1 to 12 */
};

static const char weekdays[][10] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                    "Friday", "Saturday", "Sunday"};
enum { WEEKDAYS = sizeof(weekdays) / sizeof(*weekdays) };

static bool take_digits(struct slice *rest, unsigned count, int64_t *ret_value)
{
    int64_t value = 0;

    if (rest->n < count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (!http_char_is(rest->p[i], HTTP_CHAR_DIGIT))
            return false;
        value = value * 10 + (rest->p[i] - '0');
    }
    *rest = slice_from(rest->p + count, rest->n - count);
    *ret_value = value;
    return true;
}

static bool take_text(struct slice *rest, struct slice text)
{
    if (!slice_starts_with(*rest, text))
        return false;
    *rest = slice_from(rest->p + text.n, rest->n - text.n);
    return true;
}

/* "asctime" pads days below 10 with a space. */
static bool take_padded_day(struct slice *rest, int64_t *ret_day)
{
    return take_text(rest, SLICE_LIT(" ")) ? take_digits(rest, 1, ret_day)
                                           : take_digits(rest, 2, ret_day);
}

static bool take_month(struct slice *rest, int64_t *ret_month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int64_t i = 0; i < 12; i++)
        if (take_text(rest, slice_from(names + i * 3, 3))) {
            *ret_month = i + 1;
            return true;
        }
    return false;
}

static bool take_time(struct slice *rest, struct calendar *c)
{
    return take_digits(rest, 2, &c->hour) && take_text(rest, SLICE_LIT(":")) &&
           take_digits(rest, 2, &c->minute) && take_text(rest, SLICE_LIT(":")) &&
           take_digits(rest, 2, &c->second);
}

static bool read_imf(struct slice rest, struct calendar *c)
{
    return take_text(&rest, SLICE_LIT(", ")) && take_digits(&rest, 2, &c->day) &&
           take_text(&rest, SLICE_LIT(" ")) && take_month(&rest, &c->month) &&
           take_text(&rest, SLICE_LIT(" ")) && take_digits(&rest, 4, &c->year) &&
           take_text(&rest, SLICE_LIT(" ")) && take_time(&rest, c) &&
           slice_eq(rest, SLICE_LIT(" GMT"));
}

/* The year is left as its two digits. */
static bool read_rfc850(struct slice rest, struct calendar *c)
{
    return take_text(&rest, SLICE_LIT(", ")) && take_digits(&rest, 2, &c->day) &&
           take_text(&rest, SLICE_LIT("-")) && take_month(&rest, &c->month) &&
           take_text(&rest, SLICE_LIT("-")) && take_digits(&rest, 2, &c->year) &&
           take_text(&rest, SLICE_LIT(" ")) && take_time(&rest, c) &&
           slice_eq(rest, SLICE_LIT(" GMT"));
}

static bool read_asctime(struct slice rest, struct calendar *c)
{
    return take_text(&rest, SLICE_LIT(" ")) && take_month(&rest, &c->month) &&
           take_text(&rest, SLICE_LIT(" ")) && take_padded_day(&rest, &c->day) &&
           take_text(&rest, SLICE_LIT(" ")) && take_time(&rest, c) &&
           take_text(&rest, SLICE_LIT(" ")) && take_digits(&rest, 4, &c->year) && rest.n == 0;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_before_year(int64_t year)
{
    int64_t past = year - 1;

    return past * 365 + floor_divide(past, 4) - floor_divide(past, 100) + floor_divide(past, 400);
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t seconds_of(const struct calendar *c)
{
    static const int16_t before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t days = days_before_year(c->year) - days_before_year(1970) + before_month[c->month - 1] +
                   (c->month > 2 && is_leap(c->year)) + c->day - 1;

    return days * 86400 + c->hour * 3600 + c->minute * 60 + c->second;
}

/* Second 60 is a leap second's (section 5.6.7 takes it from RFC 5322). */
static bool is_possible(const struct calendar *c)
{
    static const char lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return c->day >= 1 && c->day <= lengths[c->month - 1] &&
           (c->month != 2 || c->day < 29 || is_leap(c->year)) && c->hour < 24 && c->minute < 60 &&
           c->second <= 60;
}

/* Section 5.6.7: more than 50 years in the future means the last year with those digits. */
static void settle_century(struct calendar *c, int64_t wall_s)
{
    int64_t digits = c->year, this_year = 1970 + floor_divide(wall_s, 31556952);

    c->year = digits + floor_divide(this_year + 50 - digits, 100) * 100;
    if (is_possible(c) && seconds_of(c) > wall_s + (int64_t)50 * 31556952)
        c->year -= 100;
}

bool http_date_parse(struct slice text, int64_t wall_s, int64_t *ret_wall_s)
{
    struct calendar c;

    for (unsigned i = 0; i < WEEKDAYS; i++) {
        struct slice rest = text;

        if (take_text(&rest, slice_str(weekdays[i]))) {
            if (!read_rfc850(rest, &c))
                return false;
            settle_century(&c, wall_s);
        } else if (!take_text(&rest, slice_from(weekdays[i], 3))) {
            continue;
        } else if (!read_imf(rest, &c) && !read_asctime(rest, &c)) {
            return false;
        }
        if (!is_possible(&c))
            return false;
        *ret_wall_s = seconds_of(&c);
        return true;
    }
    return false;
}
