/* One question and what its answer says. */
#include "discovery/dns_query.h"

#include <stdio.h>

#include "client/words.h"

const char *dns_type_name(enum dns_type type)
{
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_AAAA:
        return "AAAA";
    case DNS_SRV:
        return "SRV";
    default:
        return "records";
    }
}

static void fail(struct dns_query *query, const char *why)
{
    query->outcome = DNS_FAILED;
    snprintf(query->why, sizeof(query->why), "%s of %s: %s", dns_type_name(query->type),
             query->name, why);
}

/* RFC 2308: an answer without records need not have a message at all, once it went through the
 * search list. */
static void read_answer(struct dns_query *query, enum resolver_outcome outcome,
                        struct slice message)
{
    const struct dns_answer *answer = &query->answer;

    query->outcome = DNS_NOTHING;
    if (message.n > 0 && dns_answer_read(&query->answer, message, query->type) != 0) {
        query->answer.ttl_s = DNS_TTL_UNKNOWN;
        if (outcome == RESOLVER_ANSWERED)
            fail(query, "the answer is malformed");
    } else if (answer->ips.count + answer->services.count > 0) {
        query->outcome = DNS_FOUND;
    }
}

static void on_answer(void *arg, enum resolver_outcome outcome, struct slice message,
                      const char *failure)
{
    struct dns_query *query = arg;

    query->asking = NULL;
    if (outcome == RESOLVER_FAILED)
        fail(query, failure);
    else
        read_answer(query, outcome, message);
    query->on_done(query);
}

void dns_query_start(struct dns_query *query, struct resolver *resolver, const char *name,
                     enum dns_type type, void (*on_done)(struct dns_query *query))
{
    dns_query_fini(query);
    query->type = type;
    query->outcome = DNS_UNASKED;
    query->answer = (struct dns_answer){.ttl_s = DNS_TTL_UNKNOWN};
    query->on_done = on_done;
    snprintf(query->name, sizeof(query->name), "%s", name);
    query->asking = resolver_query_start(resolver, query->name, (uint16_t)type, on_answer, query);
}

void dns_query_give_up(struct dns_query *query, uint64_t waited_ms)
{
    char span[WORDS_SPAN_BYTES], why[64];

    resolver_query_stop(&query->asking);
    snprintf(why, sizeof(why), "no answer within %s of the other one", words_span(span, waited_ms));
    fail(query, why);
}

void dns_query_fini(struct dns_query *query)
{
    resolver_query_stop(&query->asking);
    dns_answer_fini(&query->answer);
}
