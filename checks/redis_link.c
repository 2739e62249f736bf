/* See redis_link.h. */
#include "checks/redis_link.h"

#include "base/check.h"
#include "client/secret.h"
#include "net/tls.h"

enum {
    LINK_IN_BYTES = 2 * RESP_REPLY_BYTES,
    LINK_WORDS = 4,
    LINK_COMMAND_BYTES = (LINK_WORDS + 1) * SECRET_MAX_BYTES,
};

static struct redis_link *link_of(struct transport *t)
{
    return container_of(t, struct redis_link, transport);
}

static void link_on_connected(struct transport *t)
{
    struct redis_link *link = link_of(t);

    link->ops->on_connected(link);
}

static size_t link_on_data(struct transport *t, const char *data, size_t size)
{
    struct redis_link *link = link_of(t);
    size_t used = 0, reply_size;

    while (link->open && used < size) {
        struct slice rest = slice_from(data + used, size - used);
        int err = resp_measure(rest, &reply_size);

        if (err == EG_E_AGAIN) {
            transport_expect_more(t);
            break;
        }
        if (err != 0) {
            link->ops->on_failed(link, 0, "does not speak the protocol of Redis");
            break;
        }
        used += reply_size;
        link->ops->on_reply(link, slice_from(rest.p, reply_size));
    }
    return used;
}

static void link_on_eof(struct transport *t)
{
    struct redis_link *link = link_of(t);

    link->ops->on_failed(link, 0, "closed the connection without an answer");
}

static void link_on_error(struct transport *t, int code)
{
    struct redis_link *link = link_of(t);

    link->ops->on_failed(link, code, NULL);
}

/* Commands are short: nobody waits for the output to drain. */
static void link_on_drained(struct transport *t)
{
}

static const struct transport_ops link_transport_ops = {
    .on_connected = link_on_connected,
    .on_data = link_on_data,
    .on_eof = link_on_eof,
    .on_error = link_on_error,
    .on_drained = link_on_drained,
};

int redis_link_open(struct redis_link *link, struct loop *loop, const struct address *to,
                    struct tls_context *tls, const char *server_name,
                    const struct redis_link_ops *ops)
{
    struct tls_session *session =
        tls && to->sa.sa_family != AF_UNIX ? tls_session_new_client(tls, server_name, NULL) : NULL;

    link->ops = ops;
    link->open = true;
    return transport_init_connect(&link->transport, loop, to, session, LINK_IN_BYTES,
                                  &link_transport_ops);
}

void redis_link_command(struct redis_link *link, const char *const *words)
{
    char *out = loop_scratch(link->transport.loop, LINK_COMMAND_BYTES);
    struct slice slices[LINK_WORDS];
    size_t count = 0;

    CHECK(link->open && out != NULL);
    for (; words[count]; count++) {
        CHECK(count < LINK_WORDS);
        slices[count] = slice_str(words[count]);
    }
    size_t size = resp_write_command(out, LINK_COMMAND_BYTES, slices, count);
    CHECK(size <= LINK_COMMAND_BYTES);
    loop_scratch_shrink(link->transport.loop, out + size);
    transport_write(&link->transport, out, size);
}

void redis_link_auth(struct redis_link *link, const char *user, const char *password)
{
    if (user[0])
        redis_link_command(link, (const char *const[]){"AUTH", user, password, NULL});
    else
        redis_link_command(link, (const char *const[]){"AUTH", password, NULL});
}

void redis_link_close(struct redis_link *link)
{
    if (!link->open)
        return;
    link->open = false;
    transport_fini(&link->transport, false);
}
