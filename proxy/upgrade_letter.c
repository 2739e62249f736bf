/* The letter from one binary to the next: see upgrade_letter.h. */
#include "proxy/upgrade_letter.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

/* ---- Bytes as text ---- */

static void set_hex(json_t *object, const char *key, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * TLS_TICKETS_BYTES];

    CHECK(2 * size <= sizeof(text));
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_object_set_new(object, key, json_stringn(text, 2 * size));
    explicit_bzero(text, sizeof(text));
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes were read; 0 when it is no text of digits, or more than fit. */
static size_t get_hex(const json_t *text, unsigned char *out, size_t capacity)
{
    const char *p = json_string_value(text);
    size_t n = json_string_length(text);

    if (p == NULL || n % 2 != 0 || n / 2 > capacity)
        return 0;
    for (size_t i = 0; i < n; i += 2) {
        int high = digit_value(p[i]), low = digit_value(p[i + 1]);

        if (high < 0 || low < 0)
            return 0;
        out[i / 2] = (unsigned char)(high << 4 | low);
    }
    return n / 2;
}

/* ---- Writing ---- */

void upgrade_letter_add_sockets(struct upgrade_letter *letter, const char *bind, unsigned count,
                                uint64_t device, uint64_t inode)
{
    letter->sockets =
        xrealloc(letter->sockets, (letter->socket_count + 1) * sizeof(*letter->sockets));
    letter->sockets[letter->socket_count++] = (struct upgrade_sockets){
        .bind = xstrdup(bind), .count = count, .device = device, .inode = inode};
}

size_t upgrade_letter_descriptors(const struct upgrade_letter *letter)
{
    size_t count = 0;

    for (size_t i = 0; i < letter->socket_count; i++)
        count += letter->sockets[i].count;
    return count;
}

static json_t *sockets_json(const struct upgrade_letter *letter)
{
    json_t *list = json_array();

    for (size_t i = 0; i < letter->socket_count; i++) {
        const struct upgrade_sockets *sockets = &letter->sockets[i];
        json_t *one = json_object();

        json_object_set_new(one, "bind", json_string(sockets->bind));
        json_object_set_new(one, "count", json_integer(sockets->count));
        if (sockets->inode != 0) {
            json_object_set_new(one, "device", json_integer((json_int_t)sockets->device));
            json_object_set_new(one, "inode", json_integer((json_int_t)sockets->inode));
        }
        json_array_append_new(list, one);
    }
    return list;
}

char *upgrade_letter_write(const struct upgrade_letter *letter)
{
    json_t *object = json_object();
    char *text;

    json_object_set_new(object, "form", json_integer(UPGRADE_LETTER_FORM));
    json_object_set_new(object, "pid", json_integer(letter->pid));
    json_object_set_new(object, "evergate", json_string(EVERGATE_VERSION));
    json_object_set_new(object, "sockets", sockets_json(letter));
    if (letter->has_secret)
        set_hex(object, "sticky_secret", letter->secret, sizeof(letter->secret));
    if (letter->ticket_bytes > 0) {
        json_t *tickets = json_object();

        set_hex(tickets, "keys", letter->tickets, letter->ticket_bytes);
        json_object_set_new(tickets, "rotate_ms",
                            json_integer((json_int_t)letter->ticket_rotate_ms));
        json_object_set_new(object, "tickets", tickets);
    }
    if (letter->overlay != NULL)
        json_object_set(object, "overlay", letter->overlay);
    if (letter->discovered != NULL)
        json_object_set(object, "discovered", letter->discovered);
    text = json_dumps(object, JSON_COMPACT);
    CHECK(text != NULL);
    json_decref(object);
    return text;
}

/* ---- Reading ---- */

static uint64_t get_number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    return value > 0 ? (uint64_t)value : 0;
}

static bool read_sockets(struct upgrade_letter *letter, const json_t *list)
{
    const json_t *one;
    size_t i, total = 0;

    json_array_foreach(list, i, one)
    {
        const char *bind = json_string_value(json_object_get(one, "bind"));
        uint64_t count = get_number(one, "count");

        if (bind == NULL || count == 0 || count > UPGRADE_SOCKETS_MAX)
            return false;
        total += count;
        if (total > UPGRADE_SOCKETS_MAX)
            return false;
        upgrade_letter_add_sockets(letter, bind, (unsigned)count, get_number(one, "device"),
                                   get_number(one, "inode"));
    }
    return json_is_array(list);
}

static void read_tickets(struct upgrade_letter *letter, const json_t *tickets)
{
    letter->ticket_bytes =
        get_hex(json_object_get(tickets, "keys"), letter->tickets, sizeof(letter->tickets));
    letter->ticket_rotate_ms = get_number(tickets, "rotate_ms");
}

/* A reference; NULL where there is no object. */
static json_t *get_object(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_object(value) ? json_incref(value) : NULL;
}

static int read_object(struct upgrade_letter *letter, const json_t *object, char **ret_why)
{
    const json_t *form = json_object_get(object, "form");

    letter->pid = (int)get_number(object, "pid");
    if (json_integer_value(form) != UPGRADE_LETTER_FORM) {
        *ret_why =
            xasprintf("process %d (evergate %s) hands over in form %lld, and this is "
                      "evergate %s, which reads form %d: stop that process and start "
                      "this one instead",
                      letter->pid,
                      json_is_string(json_object_get(object, "evergate"))
                          ? json_string_value(json_object_get(object, "evergate"))
                          : "?",
                      (long long)json_integer_value(form), EVERGATE_VERSION, UPGRADE_LETTER_FORM);
        return EG_E_INTERNAL;
    }
    if (!read_sockets(letter, json_object_get(object, "sockets"))) {
        *ret_why = xstrdup("what the process before left does not say which sockets there are");
        return EG_E_INTERNAL;
    }
    letter->has_secret = get_hex(json_object_get(object, "sticky_secret"), letter->secret,
                                 sizeof(letter->secret)) == sizeof(letter->secret);
    read_tickets(letter, json_object_get(object, "tickets"));
    letter->overlay = get_object(object, "overlay");
    letter->discovered = get_object(object, "discovered");
    return EG_OK;
}

int upgrade_letter_read(struct upgrade_letter *ret_letter, const char *text, size_t size,
                        char **ret_why)
{
    struct upgrade_letter letter = {0};
    json_error_t error;
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    int rc;

    if (!json_is_object(object)) {
        json_decref(object);
        *ret_why = xstrdup("what the process before left is no JSON object");
        return EG_E_INTERNAL;
    }
    rc = read_object(&letter, object, ret_why);
    json_decref(object);
    if (rc == EG_OK)
        *ret_letter = letter;
    else
        upgrade_letter_fini(&letter);
    return rc;
}

void upgrade_letter_fini(struct upgrade_letter *letter)
{
    for (size_t i = 0; i < letter->socket_count; i++)
        free(letter->sockets[i].bind);
    free(letter->sockets);
    json_decref(letter->overlay);
    json_decref(letter->discovered);
    explicit_bzero(letter, sizeof(*letter));
}
