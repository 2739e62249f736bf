/*
 * The wire, record by record. Every length is compared with what is left before a byte is read;
 * names are the only part that may point elsewhere.
 */
#include <string.h>

#include "base/list.h"
#include "discovery/dns_answer.h"

enum {
    HEADER_BYTES = 12,
    CLASS_IN = 1,
    LABEL_BYTES = 63,      /* of a label; the two highest bits of a length say what it is */
    POINTER = 0xc0,        /* RFC 1035 section 4.1.4 */
    NAME_WIRE_BYTES = 255, /* section 2.3.4, with the lengths of the labels and the root's */
    POINTERS_MAX = 127,    /* a name has no more labels; a chain of them costs time */
};

static const uint32_t ttl_sign = 0x80000000; /* RFC 2181 section 8: such a TTL is none */

static uint16_t read_u16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)read_u16(p) << 16 | read_u16(p + 2);
}

/* ---- names ---- */

struct name {
    char *text; /* DNS_NAME_BYTES */
    size_t n;
    bool strange; /* it cannot be written as text */
};

/* Hosts are written with letters, digits and hyphens, services with underscores too (RFC 2782);
 * other printable characters are legal (RFC 2181 section 11) and harm nobody here. */
static void name_add_label(struct name *name, const unsigned char *label, size_t n)
{
    if (name->n > 0)
        name->text[name->n++] = '.';
    for (size_t i = 0; i < n; i++) {
        char c = (char)label[i];

        if (c <= ' ' || c >= 0x7f || c == '.' || c == '\\')
            name->strange = true;
        name->text[name->n++] = ascii_lower(c);
    }
}

static void name_end(struct name *name)
{
    if (name->n == 0)
        name->text[name->n++] = '.';
    if (name->strange)
        name->n = 0;
    name->text[name->n] = '\0';
}

/*
 * The name at `at` into `text`; *ret_end is behind its own bytes, not behind those that it points
 * to. A pointer must lead before where the name, or the part of it that it leads to, began: so
 * there are no loops.
 */
static int read_name(const struct dns_reader *reader, size_t at, char *text, size_t *ret_end)
{
    struct name name = {.text = text};
    size_t began = at, wire = 1, end = 0;
    unsigned pointers = 0;

    while (at < reader->size && reader->message[at] != 0) {
        size_t n = reader->message[at];

        if ((n & POINTER) == POINTER) {
            if (reader->size - at < 2)
                return EG_E_INTERNAL;
            size_t to = (size_t)read_u16(reader->message + at) & 0x3fff;

            if (to >= began || to < HEADER_BYTES || ++pointers > POINTERS_MAX)
                return EG_E_INTERNAL;
            end = end ? end : at + 2;
            began = at = to;
            continue;
        }
        wire += n + 1;
        if (n > LABEL_BYTES || reader->size - at <= n || wire > NAME_WIRE_BYTES)
            return EG_E_INTERNAL;
        name_add_label(&name, reader->message + at + 1, n);
        at += n + 1;
    }
    if (at >= reader->size)
        return EG_E_INTERNAL;
    name_end(&name);
    *ret_end = end ? end : at + 1;
    return 0;
}

/* ---- records ---- */

int dns_reader_init(struct dns_reader *reader, struct slice message)
{
    *reader = (struct dns_reader){.message = (const unsigned char *)message.p, .size = message.n};
    if (message.n < HEADER_BYTES)
        return EG_E_INTERNAL;
    for (size_t i = 0; i < 3; i++)
        reader->left[i] = read_u16(reader->message + 6 + 2 * i);
    reader->at = HEADER_BYTES;
    /* Nobody asks more than one question at once (RFC 9619). */
    if (read_u16(reader->message + 4) != 1 ||
        read_name(reader, reader->at, reader->question, &reader->at) != 0 ||
        reader->size - reader->at < 4)
        return EG_E_INTERNAL;
    reader->at += 4;
    return 0;
}

static void set_ip(struct address *address, const unsigned char *p, uint16_t type)
{
    memset(address, 0, sizeof(*address));
    if (type == DNS_A) {
        address->in.sin_family = AF_INET;
        memcpy(&address->in.sin_addr, p, sizeof(address->in.sin_addr));
        address->length = sizeof(address->in);
    } else {
        address->in6.sin6_family = AF_INET6;
        memcpy(&address->in6.sin6_addr, p, sizeof(address->in6.sin6_addr));
        address->length = sizeof(address->in6);
    }
}

static int read_target(const struct dns_reader *reader, size_t at, size_t end, char *target)
{
    size_t after;

    if (read_name(reader, at, target, &after) != 0 || after != end)
        return EG_E_INTERNAL;
    return 0;
}

static int read_soa(const struct dns_reader *reader, size_t at, size_t end,
                    struct dns_record *record)
{
    char skipped[DNS_NAME_BYTES];

    if (read_name(reader, at, skipped, &at) != 0 || at > end ||
        read_name(reader, at, skipped, &at) != 0 || at > end || end - at != 20)
        return EG_E_INTERNAL;
    record->minimum_s = read_u32(reader->message + at + 16);
    return 0;
}

/* What `record` says, in the `n` bytes at `at`. */
static int read_data(const struct dns_reader *reader, size_t at, size_t n,
                     struct dns_record *record)
{
    const unsigned char *p = reader->message + at;

    switch (record->type) {
    case DNS_A:
    case DNS_AAAA:
        if (n != (record->type == DNS_A ? sizeof(struct in_addr) : sizeof(struct in6_addr)))
            return EG_E_INTERNAL;
        set_ip(&record->address, p, record->type);
        return 0;
    case DNS_CNAME:
        return read_target(reader, at, at + n, record->target);
    case DNS_SRV:
        if (n < 7)
            return EG_E_INTERNAL;
        record->priority = read_u16(p);
        record->weight = read_u16(p + 2);
        record->port = read_u16(p + 4);
        return read_target(reader, at + 6, at + n, record->target);
    case DNS_SOA:
        return read_soa(reader, at, at + n, record);
    default:
        return 0;
    }
}

/* The record at reader->at, of whatever class. */
static int read_record(struct dns_reader *reader, struct dns_record *record, uint16_t *ret_class)
{
    const unsigned char *p;
    size_t at, n;

    if (read_name(reader, reader->at, record->owner, &at) != 0 || reader->size - at < 10)
        return EG_E_INTERNAL;
    p = reader->message + at;
    record->type = read_u16(p);
    *ret_class = read_u16(p + 2);
    record->ttl_s = read_u32(p + 4);
    if (record->ttl_s & ttl_sign)
        record->ttl_s = 0;
    n = read_u16(p + 8);
    at += 10;
    if (reader->size - at < n)
        return EG_E_INTERNAL;
    reader->at = at + n;
    return *ret_class == CLASS_IN ? read_data(reader, at, n, record) : 0;
}

int dns_reader_next(struct dns_reader *reader, struct dns_record *ret_record)
{
    uint16_t class = 0;

    for (unsigned section = DNS_ANSWERS; section <= DNS_ADDITIONAL; section++) {
        while (reader->left[section] > 0) {
            reader->left[section]--;
            ret_record->section = section;
            if (read_record(reader, ret_record, &class) != 0)
                return EG_E_INTERNAL;
            if (class == CLASS_IN)
                return 0;
        }
    }
    return EG_E_AGAIN;
}
