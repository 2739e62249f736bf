/* See sentinels.h. */
#include "checks/sentinels.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { SENTINEL_PORT = 26379 };

static void on_addresses(void *arg, const struct address *addresses, size_t count,
                         const char *failure)
{
    struct sentinel *sentinel = arg;

    if (count == 0)
        return; /* the last good answer is kept */
    sentinel->address = addresses[0];
    sentinel->known = true;
}

static int refuse(const char *text, char **ret_why)
{
    *ret_why = xasprintf("sentinel \"%s\" is no address; write HOST:PORT", text);
    return EG_E_INTERNAL;
}

/* "name:port"; the port may be left out. */
static int split_name(const char *text, char **ret_host, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    unsigned long long port = SENTINEL_PORT;

    if (colon && (!slice_to_u64(slice_str(colon + 1), &port) || port == 0 || port > UINT16_MAX))
        return EG_E_INTERNAL;
    *ret_host = xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));
    *ret_port = (uint16_t)port;
    return 0;
}

static int watch(struct sentinels *sentinels, struct loop *loop, struct sentinel *sentinel,
                 char **ret_why)
{
    uint16_t port;

    if (split_name(sentinel->text, &sentinel->host, &port) != 0)
        return refuse(sentinel->text, ret_why);
    if (!sentinels->resolver && resolver_new(&sentinels->resolver, loop) != 0) {
        *ret_why =
            xasprintf("sentinel \"%s\": names cannot be resolved on this machine", sentinel->text);
        return EG_E_INTERNAL;
    }
    sentinel->watch =
        resolver_watch_start(sentinels->resolver, sentinel->host, port, on_addresses, sentinel);
    return 0;
}

int sentinels_init(struct sentinels *sentinels, struct loop *loop, const char *const *texts,
                   char **ret_why)
{
    size_t count = 0;

    memset(sentinels, 0, sizeof(*sentinels));
    while (texts && texts[count])
        count++;
    sentinels->v = xcalloc(count + 1, sizeof(*sentinels->v));
    for (size_t i = 0; i < count; i++) {
        struct sentinel *sentinel = &sentinels->v[sentinels->count++];
        int err;

        sentinel->text = xstrdup(texts[i]);
        err = address_parse(&sentinel->address, slice_str(texts[i]));
        sentinel->known = err == 0;
        if (err == EG_E_RESOLVE)
            err = watch(sentinels, loop, sentinel, ret_why);
        else if (err != 0)
            err = refuse(texts[i], ret_why);
        if (err != 0)
            return err;
    }
    return 0;
}

void sentinels_fini(struct sentinels *sentinels)
{
    for (unsigned i = 0; i < sentinels->count; i++) {
        resolver_watch_stop(&sentinels->v[i].watch);
        free(sentinels->v[i].host);
        free(sentinels->v[i].text);
    }
    resolver_free(sentinels->resolver);
    free(sentinels->v);
    memset(sentinels, 0, sizeof(*sentinels));
}

const struct sentinel *sentinels_in_turn(const struct sentinels *sentinels, unsigned first,
                                         unsigned turn)
{
    if (turn >= sentinels->count)
        return NULL;
    return &sentinels->v[(first + turn) % sentinels->count];
}

void sentinels_note_answer(struct sentinels *sentinels, const struct sentinel *sentinel)
{
    sentinels->last = (unsigned)(sentinel - sentinels->v);
}
