/* See words.h. */
#include "client/words.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/utf8.h"

const char *words_span(char *out, uint64_t span_ms)
{
    if (span_ms < 1000)
        snprintf(out, WORDS_SPAN_BYTES, "%" PRIu64 " ms", span_ms);
    else if (span_ms >= 120 * 1000 && span_ms % (60 * 1000) == 0)
        snprintf(out, WORDS_SPAN_BYTES, "%" PRIu64 " min", span_ms / (60 * 1000));
    else if (span_ms % 1000 < 100)
        snprintf(out, WORDS_SPAN_BYTES, "%" PRIu64 " s", span_ms / 1000);
    else
        snprintf(out, WORDS_SPAN_BYTES, "%" PRIu64 ".%" PRIu64 " s", span_ms / 1000,
                 span_ms % 1000 / 100);
    return out;
}

/* The kernel's sentences begin with a capital; ours stand in the middle of one. "TLS" and "SSL"
 * stay as they are. */
static void lower_first(char *text)
{
    if (text[0] >= 'A' && text[0] <= 'Z' && !(text[1] >= 'A' && text[1] <= 'Z'))
        text[0] = ascii_lower(text[0]);
}

const char *words_transport_error(char *out, const struct transport *transport, int code)
{
    const char *detail = transport_error_text(transport);

    snprintf(out, WORDS_ERROR_BYTES, "%s", detail && detail[0] ? detail : error_text(code));
    lower_first(out);
    if (code == EG_E_UPSTREAM_TLS) {
        char plain[WORDS_ERROR_BYTES];

        snprintf(plain, sizeof(plain), "%s", out);
        snprintf(out, WORDS_ERROR_BYTES, "TLS: %.*s", WORDS_ERROR_BYTES - 6, plain);
    }
    return out;
}

const char *words_quote(char *out, struct slice text)
{
    size_t n = text.n;

    if (n >= WORDS_QUOTE_BYTES)
        n = utf8_whole(text.p, WORDS_QUOTE_BYTES - 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        out[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    out[n] = '\0';
    return out;
}
