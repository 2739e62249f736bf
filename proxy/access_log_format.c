/*
 * One access log line as text or JSON: see access_log.h and docs/logs.md.
 *
 * Runs on the worker for every request, so there is no printf here: numbers are written digit by
 * digit, and every put fails softly by setting `full`, which is looked at once, at the end.
 */
#include "base/json.h"
#include "base/timestamp.h"
#include "proxy/access_log.h"

struct line_out {
    char *p;
    const char *end;
    bool full;
};

static void put_bytes(struct line_out *out, const char *p, size_t n)
{
    if ((size_t)(out->end - out->p) < n) {
        out->full = true;
        return;
    }
    memcpy(out->p, p, n);
    out->p += n;
}

/* A literal: its length is known when compiled. */
#define PUT(out, literal) put_bytes(out, literal, sizeof(literal) - 1)

static void put_u64(struct line_out *out, uint64_t value)
{
    char digits[20];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put_bytes(out, digits + i, sizeof(digits) - i);
}

/* Seconds with six decimals. */
static void put_seconds(struct line_out *out, uint64_t us)
{
    char fraction[7] = ".000000";
    uint64_t rest = us % 1000000;

    put_u64(out, us / 1000000);
    for (size_t i = sizeof(fraction) - 1; i > 0; i--) {
        fraction[i] = (char)('0' + rest % 10);
        rest /= 10;
    }
    put_bytes(out, fraction, sizeof(fraction));
}

static void put_time(struct line_out *out, uint64_t time_us)
{
    char text[TIMESTAMP_LOG_BYTES];

    timestamp_log(text, time_us);
    put_bytes(out, text, sizeof(text));
}

static void json_text(struct line_out *out, struct slice s)
{
    char *p;

    if (s.n == 0) {
        PUT(out, "null");
        return;
    }
    PUT(out, "\"");
    p = out->full ? NULL : json_escape(out->p, out->end, s);
    if (!p) {
        out->full = true;
        return;
    }
    out->p = p;
    PUT(out, "\"");
}

static void json_seconds(struct line_out *out, int64_t us)
{
    if (us < 0)
        PUT(out, "null");
    else
        put_seconds(out, (uint64_t)us);
}

static void format_json(struct line_out *out, const struct access_log_line *l)
{
    PUT(out, "{\"time\":\"");
    put_time(out, l->time_us);
    PUT(out, "\",\"request_id\":");
    json_text(out, l->request_id);
    PUT(out, ",\"client\":");
    json_text(out, l->client);
    PUT(out, ",\"listener\":");
    json_text(out, l->listener);
    PUT(out, ",\"route\":");
    json_text(out, l->route);
    PUT(out, ",\"pool\":");
    json_text(out, l->pool);
    PUT(out, ",\"endpoint\":");
    json_text(out, l->endpoint);
    PUT(out, ",\"attempts\":");
    put_u64(out, l->attempts);
    PUT(out, ",\"method\":");
    json_text(out, l->method);
    PUT(out, ",\"host\":");
    json_text(out, l->host);
    PUT(out, ",\"path\":");
    json_text(out, l->path);
    PUT(out, ",\"protocol\":");
    json_text(out, l->protocol);
    PUT(out, ",\"status\":");
    put_u64(out, (uint64_t)l->status);
    PUT(out, ",\"error_type\":");
    json_text(out, l->error_type);
    PUT(out, ",\"error\":");
    json_text(out, l->error);
    PUT(out, ",\"bytes_in\":");
    put_u64(out, l->bytes_in);
    PUT(out, ",\"bytes_out\":");
    put_u64(out, l->bytes_out);
    PUT(out, ",\"time_total\":");
    put_seconds(out, l->total_us);
    PUT(out, ",\"time_connect\":");
    json_seconds(out, l->connect_us);
    PUT(out, ",\"time_first_byte\":");
    json_seconds(out, l->first_byte_us);
    PUT(out, ",\"user_agent\":");
    json_text(out, l->user_agent);
    PUT(out, ",\"trace_id\":");
    json_text(out, l->trace_id);
    PUT(out, "}\n");
}

/* What could end a field or a line, or reach a terminal, is written \xHH. */
static void put_escaped(struct line_out *out, struct slice s, bool quoted)
{
    static const char hex[] = "0123456789abcdef";

    while (s.n > 0) {
        size_t run = json_plain_prefix(s);
        const char *space = quoted || run == 0 ? NULL : memchr(s.p, ' ', run);

        if (space)
            run = (size_t)(space - s.p);
        put_bytes(out, s.p, run);
        s = slice_from(s.p + run, s.n - run);
        if (s.n > 0) {
            unsigned char c = (unsigned char)s.p[0];
            char escaped[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};

            put_bytes(out, escaped, sizeof(escaped));
            s = slice_from(s.p + 1, s.n - 1);
        }
    }
}

static void text_word(struct line_out *out, struct slice s)
{
    if (s.n == 0)
        PUT(out, "-");
    else
        put_escaped(out, s, false);
    PUT(out, " ");
}

static void text_quoted(struct line_out *out, struct slice s)
{
    if (s.n == 0) {
        PUT(out, "- ");
        return;
    }
    PUT(out, "\"");
    put_escaped(out, s, true);
    PUT(out, "\" ");
}

static void text_u64(struct line_out *out, uint64_t value)
{
    put_u64(out, value);
    PUT(out, " ");
}

static void text_seconds(struct line_out *out, int64_t us)
{
    if (us < 0)
        PUT(out, "-");
    else
        put_seconds(out, (uint64_t)us);
    PUT(out, " ");
}

static void format_text(struct line_out *out, const struct access_log_line *l)
{
    put_time(out, l->time_us);
    PUT(out, " ");
    text_word(out, l->request_id);
    text_word(out, l->client);
    text_word(out, l->listener);
    text_word(out, l->route);
    text_word(out, l->pool);
    text_word(out, l->endpoint);
    text_u64(out, l->attempts);
    text_word(out, l->method);
    text_word(out, l->host);
    text_word(out, l->path);
    text_word(out, l->protocol);
    text_u64(out, (uint64_t)l->status);
    text_word(out, l->error_type);
    text_quoted(out, l->error);
    text_u64(out, l->bytes_in);
    text_u64(out, l->bytes_out);
    text_seconds(out, (int64_t)l->total_us);
    text_seconds(out, l->connect_us);
    text_seconds(out, l->first_byte_us);
    text_quoted(out, l->user_agent);
    if (l->trace_id.n > 0)
        put_escaped(out, l->trace_id, false);
    else
        PUT(out, "-");
    PUT(out, "\n");
}

size_t access_log_format(const struct access_log_line *line, bool json, char *out, size_t capacity)
{
    struct line_out o = {.p = out, .end = out + capacity};

    if (json)
        format_json(&o, line);
    else
        format_text(&o, line);
    return o.full ? 0 : (size_t)(o.p - out);
}
