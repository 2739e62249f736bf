/* Times as text: see timestamp.h. */
#include "base/timestamp.h"

#include <string.h>
#include <time.h>

static void put_digits(char *out, unsigned value, unsigned digits)
{
    while (digits-- > 0) {
        out[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void calendar_of(struct tm *tm, uint64_t wall_s)
{
    time_t t = (time_t)wall_s;

    gmtime_r(&t, tm);
}

/* "2026-11-21T10:26:00" */
static void write_calendar(char out[19], uint64_t wall_s)
{
    struct tm tm;

    calendar_of(&tm, wall_s);
    memcpy(out, "0000-00-00T00:00:00", 19);
    put_digits(out, (unsigned)tm.tm_year + 1900, 4);
    put_digits(out + 5, (unsigned)tm.tm_mon + 1, 2);
    put_digits(out + 8, (unsigned)tm.tm_mday, 2);
    put_digits(out + 11, (unsigned)tm.tm_hour, 2);
    put_digits(out + 14, (unsigned)tm.tm_min, 2);
    put_digits(out + 17, (unsigned)tm.tm_sec, 2);
}

void timestamp_log(char *out, uint64_t wall_us)
{
    static _Thread_local uint64_t cached_s = UINT64_MAX;
    static _Thread_local char cached[19];
    uint64_t wall_s = wall_us / 1000000;

    if (wall_s != cached_s) {
        write_calendar(cached, wall_s);
        cached_s = wall_s;
    }
    memcpy(out, cached, sizeof(cached));
    out[19] = '.';
    put_digits(out + 20, (unsigned)(wall_us % 1000000 / 1000), 3);
    out[23] = 'Z';
}

void timestamp_http(char *out, uint64_t wall_s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;

    calendar_of(&tm, wall_s);
    memcpy(out, "Sun, 00 Jan 0000 00:00:00 GMT", TIMESTAMP_HTTP_BYTES);
    memcpy(out, days + tm.tm_wday * 3, 3);
    put_digits(out + 5, (unsigned)tm.tm_mday, 2);
    memcpy(out + 8, months + tm.tm_mon * 3, 3);
    put_digits(out + 12, (unsigned)tm.tm_year + 1900, 4);
    put_digits(out + 17, (unsigned)tm.tm_hour, 2);
    put_digits(out + 20, (unsigned)tm.tm_min, 2);
    put_digits(out + 23, (unsigned)tm.tm_sec, 2);
}
