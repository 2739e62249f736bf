/* See sentinel_query.h. */
#include "checks/sentinel_query.h"

#include <stdio.h>

#include "checks/redis_words.h"
#include "client/words.h"
#include "net/tls.h"

enum { SHARE_LEAST_MS = 20 };

static struct sentinel_query *query_of(struct redis_link *link)
{
    return container_of(link, struct sentinel_query, link);
}

/* On to the next one, when this turn is over. */
static void give_up(struct sentinel_query *query, const char *why)
{
    snprintf(query->failure, sizeof(query->failure), "%s: %s", query->sentinel->text, why);
    loop_timer_cancel(&query->share);
    redis_link_close(&query->link);
    loop_soon(query->loop, &query->next);
}

static void send_question(struct sentinel_query *query)
{
    redis_link_command(&query->link,
                       (const char *const[]){"SENTINEL", "get-master-addr-by-name",
                                             query->config->health->master_name, NULL});
}

/* ---- answers ------------------------------------------------------------------------------ */

static void on_connected(struct redis_link *link)
{
    send_question(query_of(link));
}

/* It wants a password: the servers' may be its as well. False when that is not the matter. */
static bool authenticate(struct sentinel_query *query, struct slice error)
{
    if (query->authenticated || !query->password->text ||
        !slice_starts_with(error, SLICE_LIT("NOAUTH")))
        return false;
    query->authenticated = true;
    redis_link_auth(&query->link, query->config->health->user, query->password->text);
    send_question(query);
    return true;
}

static void on_reply(struct redis_link *link, struct slice reply)
{
    struct sentinel_query *query = query_of(link);
    char quote[WORDS_QUOTE_BYTES];
    struct slice error, host, port;

    if (redis_error_read(&error, reply)) {
        if (!authenticate(query, error))
            give_up(query, words_quote(quote, error));
    } else if (redis_master_read(&host, &port, reply)) {
        loop_timer_cancel(&query->share);
        sentinels_note_answer(query->sentinels, query->sentinel);
        query->ops->on_named(query, host, port);
    } else if (reply.p[0] != '+') { /* AUTH's OK is followed by the answer */
        give_up(query, "knows no such master");
    }
}

static void on_failed(struct redis_link *link, int code, const char *why)
{
    char text[WORDS_ERROR_BYTES];

    if (code != 0)
        why = words_transport_error(text, &link->transport, code);
    query_of(link)->no_descriptors = code == EG_E_OVERLOAD;
    give_up(query_of(link), why);
}

static const struct redis_link_ops link_ops = {
    .on_connected = on_connected,
    .on_reply = on_reply,
    .on_failed = on_failed,
};

/* ---- asking ------------------------------------------------------------------------------- */

static void on_share_over(struct loop_timer *timer)
{
    give_up(container_of(timer, struct sentinel_query, share), "no answer in time");
}

/* What is left, in equal parts for those not asked yet and for what follows. */
static uint64_t share_ms(const struct sentinel_query *query)
{
    uint64_t now_us = query->loop->now_us;
    uint64_t left_ms = now_us < query->end_us ? (query->end_us - now_us) / 1000 : 0;
    uint64_t share = left_ms / (query->sentinels->count - query->turn + 1);

    return share > SHARE_LEAST_MS ? share : SHARE_LEAST_MS;
}

/* What its certificate must prove, as for endpoints: the configured name, its own, or its address
 * (into `text`, ADDRESS_TEXT_BYTES). */
static const char *certificate_name(const struct sentinel_query *query, char *text)
{
    const struct config_pool_tls *tls = query->config->tls;

    if (tls && tls->sni)
        return tls->sni;
    if (query->sentinel->host)
        return query->sentinel->host;
    return address_format_host(&query->sentinel->address, text);
}

static void ask(struct sentinel_query *query)
{
    const struct address *address = &query->sentinel->address;
    char text[ADDRESS_TEXT_BYTES];

    query->authenticated = false;
    query->no_descriptors = false;
    loop_timer_set(query->loop, &query->share, share_ms(query));
    int err = redis_link_open(&query->link, query->loop, address, query->tls,
                              certificate_name(query, text), &link_ops);
    if (err != 0)
        on_failed(&query->link, err, NULL);
}

static void ask_next(struct sentinel_query *query)
{
    query->sentinel = sentinels_in_turn(query->sentinels, query->first, query->turn);
    if (!query->sentinel) {
        query->ops->on_nobody(query, query->failure);
        return;
    }
    if (query->sentinel->known)
        ask(query);
    else
        give_up(query, "its name is not resolved");
    query->turn++;
}

static void on_next(struct loop_task *task)
{
    ask_next(container_of(task, struct sentinel_query, next));
}

void sentinel_query_start(struct sentinel_query *query, uint64_t time_ms)
{
    loop_timer_init(&query->share, on_share_over);
    loop_task_init(&query->next, on_next);
    query->end_us = query->loop->now_us + time_ms * 1000;
    query->first = query->sentinels->last;
    ask_next(query);
}

void sentinel_query_stop(struct sentinel_query *query)
{
    if (!query->loop)
        return;
    loop_timer_cancel(&query->share);
    loop_task_cancel(&query->next);
    redis_link_close(&query->link);
}
