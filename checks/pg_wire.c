/* See pg_wire.h. */
#include "checks/pg_wire.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/check.h"

enum {
    PROTOCOL_3_0 = 196608,
    TLS_REQUEST_CODE = 80877103, /* "SSLRequest" */
};

/* ---- reading ------------------------------------------------------------------------------ */

static void drop(struct slice *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

int pg_take_u32(struct slice *body, uint32_t *ret_value)
{
    uint32_t wire;

    if (body->n < sizeof(wire))
        return EG_E_UPSTREAM_PROTOCOL;
    memcpy(&wire, body->p, sizeof(wire));
    drop(body, sizeof(wire));
    *ret_value = ntohl(wire);
    return 0;
}

static int take_u16(struct slice *body, uint16_t *ret_value)
{
    uint16_t wire;

    if (body->n < sizeof(wire))
        return EG_E_UPSTREAM_PROTOCOL;
    memcpy(&wire, body->p, sizeof(wire));
    drop(body, sizeof(wire));
    *ret_value = ntohs(wire);
    return 0;
}

int pg_take_text(struct slice *body, struct slice *ret_text)
{
    const char *end = body->n > 0 ? memchr(body->p, '\0', body->n) : NULL;

    if (!end)
        return EG_E_UPSTREAM_PROTOCOL;
    *ret_text = slice_from(body->p, (size_t)(end - body->p));
    drop(body, ret_text->n + 1);
    return 0;
}

/* Types are letters; anything else is not PostgreSQL, and should not have us wait for the end of a
 * message of some gigabytes. */
int pg_message_take(struct slice *data, struct pg_message *ret_message)
{
    struct slice rest = *data;
    uint32_t size;

    if (rest.n == 0)
        return EG_E_AGAIN;
    char type = rest.p[0];
    if (ascii_lower(type) < 'a' || ascii_lower(type) > 'z')
        return EG_E_UPSTREAM_PROTOCOL;
    drop(&rest, 1);
    if (pg_take_u32(&rest, &size) != 0)
        return EG_E_AGAIN;
    if (size < 4 || size > PG_MESSAGE_BYTES)
        return EG_E_UPSTREAM_PROTOCOL;
    size -= 4;
    if (rest.n < size)
        return EG_E_AGAIN;
    *ret_message = (struct pg_message){.type = type, .body = slice_from(rest.p, size)};
    drop(&rest, size);
    *data = rest;
    return 0;
}

struct slice pg_error_field(struct slice body, char field)
{
    struct slice text;

    while (body.n > 0 && body.p[0] != '\0') {
        char code = body.p[0];

        drop(&body, 1);
        if (pg_take_text(&body, &text) != 0)
            break;
        if (code == field)
            return text;
    }
    return SLICE_LIT("");
}

int pg_row_columns(struct slice body, struct slice *columns)
{
    uint16_t count;

    if (take_u16(&body, &count) != 0 || count > PG_COLUMNS)
        return EG_E_UPSTREAM_PROTOCOL;
    for (unsigned i = 0; i < count; i++) {
        uint32_t size;

        if (pg_take_u32(&body, &size) != 0)
            return EG_E_UPSTREAM_PROTOCOL;
        columns[i] = slice_from(NULL, 0);
        if (size == UINT32_MAX) /* -1: NULL */
            continue;
        if (size > body.n)
            return EG_E_UPSTREAM_PROTOCOL;
        columns[i] = slice_from(body.p, size);
        drop(&body, size);
    }
    return count;
}

/* ---- writing ------------------------------------------------------------------------------ */

static void put(struct pg_out *out, const void *p, size_t n)
{
    if (n > sizeof(out->data) - out->size) {
        out->overflow = true;
        return;
    }
    if (n > 0)
        memcpy(out->data + out->size, p, n);
    out->size += n;
}

static void put_u32(struct pg_out *out, uint32_t value)
{
    uint32_t wire = htonl(value);

    put(out, &wire, sizeof(wire));
}

static void put_text(struct pg_out *out, const char *text)
{
    put(out, text, strlen(text) + 1);
}

/* Opens a message; the size is written when it ends. */
static void begin(struct pg_out *out, char type)
{
    out->size = 0;
    out->overflow = false;
    if (type)
        put(out, &type, 1);
    put_u32(out, 0);
}

static void end(struct pg_out *out, bool typed)
{
    uint32_t wire = htonl((uint32_t)(out->size - (typed ? 1 : 0)));

    memcpy(out->data + (typed ? 1 : 0), &wire, sizeof(wire));
}

void pg_out_tls_request(struct pg_out *out)
{
    begin(out, '\0');
    put_u32(out, TLS_REQUEST_CODE);
    end(out, false);
}

void pg_out_startup(struct pg_out *out, const char *user, const char *database)
{
    begin(out, '\0');
    put_u32(out, PROTOCOL_3_0);
    put_text(out, "user");
    put_text(out, user);
    put_text(out, "database");
    put_text(out, database);
    put_text(out, "application_name");
    put_text(out, "evergate");
    put(out, "", 1);
    end(out, false);
}

void pg_out_query(struct pg_out *out, const char *sql)
{
    begin(out, 'Q');
    put_text(out, sql);
    end(out, true);
}

void pg_out_terminate(struct pg_out *out)
{
    begin(out, 'X');
    end(out, true);
}

void pg_out_password(struct pg_out *out, struct slice password)
{
    begin(out, 'p');
    put(out, password.p, password.n);
    put(out, "", 1);
    end(out, true);
}

enum { MD5_BYTES = 16, MD5_HEX = 2 * MD5_BYTES };

/* hex(md5(a b)) into `out` (MD5_HEX + 1). */
static int md5_hex(char *out, struct slice a, struct slice b)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, a.p, a.n) == 1 && EVP_DigestUpdate(ctx, b.p, b.n) == 1 &&
              EVP_DigestFinal_ex(ctx, digest, NULL) == 1;

    EVP_MD_CTX_free(ctx);
    if (!ok)
        return EG_E_INTERNAL;
    for (unsigned i = 0; i < MD5_BYTES; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", digest[i]);
    return 0;
}

int pg_out_md5_password(struct pg_out *out, const char *user, struct slice password,
                        struct slice salt)
{
    char inner[MD5_HEX + 1], outer[MD5_HEX + 1];

    if (md5_hex(inner, password, slice_str(user)) != 0 ||
        md5_hex(outer, slice_str(inner), salt) != 0)
        return EG_E_INTERNAL;
    begin(out, 'p');
    put(out, "md5", 3);
    put_text(out, outer);
    end(out, true);
    return 0;
}

void pg_out_sasl_first(struct pg_out *out, const char *mechanism, struct slice data)
{
    begin(out, 'p');
    put_text(out, mechanism);
    put_u32(out, (uint32_t)data.n);
    put(out, data.p, data.n);
    end(out, true);
}

void pg_out_sasl_next(struct pg_out *out, struct slice data)
{
    begin(out, 'p');
    put(out, data.p, data.n);
    end(out, true);
}
