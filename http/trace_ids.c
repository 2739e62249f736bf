/* X-Request-Id and W3C traceparent: which of the client's are taken over, and how ours are made. */
#include "http/charset.h"
#include "http/forward.h"

enum { REQUEST_ID_MAX = 128 };

static void hex_put(char *out, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

bool http_request_id_valid(struct slice id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!http_char_is(id.p[i], HTTP_CHAR_REQUEST_ID))
            return false;
    return id.n > 0 && id.n <= REQUEST_ID_MAX;
}

void http_request_id_make(char out[HTTP_REQUEST_ID_BYTES], const unsigned char random[16])
{
    hex_put(out, random, 16);
}

/* Lower-case hexadecimal digits, not all zero unless that is allowed. */
static bool is_hex_id(const char *p, size_t n, bool zero_allowed)
{
    bool zero = true;

    for (size_t i = 0; i < n; i++) {
        if (!http_char_is(p[i], HTTP_CHAR_HEX) || (p[i] >= 'A' && p[i] <= 'F'))
            return false;
        zero = zero && p[i] == '0';
    }
    return zero_allowed || !zero;
}

/* 00-<32 hex trace-id>-<16 hex parent-id>-<2 hex flags> */
bool http_traceparent_valid(struct slice value)
{
    const char *p = value.p;

    return value.n == HTTP_TRACEPARENT_BYTES && memcmp(p, "00-", 3) == 0 && p[35] == '-' &&
           p[52] == '-' && is_hex_id(p + 3, 32, false) && is_hex_id(p + 36, 16, false) &&
           is_hex_id(p + 53, 2, true);
}

void http_traceparent_make(char out[HTTP_TRACEPARENT_BYTES], const unsigned char random[24])
{
    memcpy(out, "00-", 3);
    hex_put(out + 3, random, 16);
    out[35] = '-';
    hex_put(out + 36, random + 16, 8);
    memcpy(out + 52, "-01", 3);
    /* All zeros is "no id": one chance in 2^64, and with a broken source of randomness. */
    if (!is_hex_id(out + 3, 32, false))
        out[34] = '1';
    if (!is_hex_id(out + 36, 16, false))
        out[51] = '1';
}
