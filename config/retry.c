/* pools[].retry: when a request may be sent again. */
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "config/sections_internal.h"

static const struct {
    const char *word;
    enum config_retry_on on;
} retry_words[] = {
    {"connect", CONFIG_RETRY_CONNECT},
    {"reset", CONFIG_RETRY_RESET},
    {"timeout", CONFIG_RETRY_TIMEOUT},
    {"stall", CONFIG_RETRY_STALL},
};
enum { RETRY_WORD_COUNT = sizeof(retry_words) / sizeof(retry_words[0]) };

static void retry_report(struct schema_walk *walk, unsigned line, struct slice item)
{
    const char *text = arena_dup(walk->arena, item).p, *words[RETRY_WORD_COUNT], *nearest;

    for (size_t i = 0; i < RETRY_WORD_COUNT; i++)
        words[i] = retry_words[i].word;
    nearest = nearest_word(text, words, RETRY_WORD_COUNT);
    if (nearest != NULL)
        config_diag_add(walk->diag, line, "on: \"%s\" is not known; did you mean \"%s\"?", text,
                        nearest);
    else
        config_diag_add(walk->diag, line,
                        "on: \"%s\" is not known; write \"connect\", \"reset\", \"timeout\", "
                        "\"stall\", or statuses such as \"502\", \"500-504\" or \"5xx\"",
                        text);
}

static void retry_add(struct schema_walk *walk, unsigned line, struct slice item,
                      struct config_retry *retry)
{
    char *why;

    for (size_t i = 0; i < RETRY_WORD_COUNT; i++) {
        if (slice_eq(item, slice_str(retry_words[i].word))) {
            retry->on |= retry_words[i].on;
            return;
        }
    }
    if (item.n == 0 || item.p[0] < '0' || item.p[0] > '9') {
        retry_report(walk, line, item);
        return;
    }
    why = config_statuses_add(&retry->on_status, item);
    if (why != NULL)
        config_diag_add(walk->diag, line, "on: %s", why);
    free(why);
}

static void retry_add_node(struct schema_walk *walk, const struct config_node *node,
                           struct config_retry *retry)
{
    struct slice rest, item;

    if (node->type == CONFIG_NODE_INTEGER) {
        const char *text = config_schema_format(walk, "%lld", (long long)node->integer);

        retry_add(walk, node->line, slice_str(text), retry);
    } else if (node->type != CONFIG_NODE_STRING) {
        config_schema_wrong_type(walk, node, "a word or a status", "\"connect\"");
    } else {
        rest = slice_str(node->string);
        while (config_value_next_item(&rest, &item))
            retry_add(walk, node->line, item, retry);
    }
}

/* The list says all: what it does not name, the default's words included, is not retried. */
static void retry_read_on(struct schema_walk *walk, const struct config_node *node, void *out)
{
    struct config_retry *retry = out;

    retry->on = 0;
    retry->on_status = (struct config_statuses){0};
    if (node->type != CONFIG_NODE_LIST) {
        retry_add_node(walk, node, retry);
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        retry_add_node(walk, &node->children[i], retry);
}

static json_t *retry_show_on(const struct config *config, const void *in)
{
    const struct config_retry *retry = in;
    struct slice rest, item;
    json_t *list = json_array();
    char *statuses;

    for (size_t i = 0; i < RETRY_WORD_COUNT; i++) {
        if ((retry->on & retry_words[i].on) != 0)
            json_array_append_new(list, json_string(retry_words[i].word));
    }
    statuses = config_statuses_format(&retry->on_status);
    rest = statuses[0] != '\0' ? slice_str(statuses) : (struct slice){0};
    while (config_value_next_item(&rest, &item))
        json_array_append_new(list, json_stringn(item.p, item.n));
    free(statuses);
    return list;
}

static void retry_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_retry *retry = out;

    config_check_order(walk, group, "backoff", &retry->backoff_ms, "max_backoff",
                       &retry->max_backoff_ms);
    if (retry->hedge_percentile != 0 && retry->hedge_percentile < 50)
        config_diag_add(walk->diag, config_node_line(group, "hedge_percentile"),
                        "hedge_percentile: %u would double most requests; write 50 to 99, or 0 "
                        "for none",
                        retry->hedge_percentile);
}

static const struct schema_key retry_keys[] = {
    {"attempts", SCHEMA_INTEGER, "2", SCHEMA_AT(struct config_retry, attempts), .min = 1,
     .max = 16},
    {"on", SCHEMA_CUSTOM, "connect, reset, timeout, stall, 502-504", .read = retry_read_on,
     .show = retry_show_on},
    {"backoff", SCHEMA_DURATION, "25ms", SCHEMA_AT(struct config_retry, backoff_ms), .min = 0,
     .max = CONFIG_DURATION_LONGEST_MS},
    {"max_backoff", SCHEMA_DURATION, "250ms", SCHEMA_AT(struct config_retry, max_backoff_ms),
     .min = 0, .max = CONFIG_DURATION_LONGEST_MS},
    {"budget_percent", SCHEMA_INTEGER, "20", SCHEMA_AT(struct config_retry, budget_percent),
     .min = 0, .max = 100},
    {"budget_min", SCHEMA_INTEGER, "3", SCHEMA_AT(struct config_retry, budget_min), .min = 0,
     .max = 1000000},
    {"non_idempotent", SCHEMA_BOOL, "false", SCHEMA_AT(struct config_retry, non_idempotent)},
    {"body_buffer", SCHEMA_SIZE, "64k", SCHEMA_AT(struct config_retry, body_buffer_bytes), .min = 0,
     .max = 64 * 1024 * 1024},
    {"hedge_percentile", SCHEMA_INTEGER, "0", SCHEMA_AT(struct config_retry, hedge_percentile),
     .min = 0, .max = 99},
};

const struct schema_section config_retry_section = {
    .title = "pools.retry",
    .struct_bytes = sizeof(struct config_retry),
    SCHEMA_KEYS(retry_keys),
    .check = retry_check,
};
