/*
 * Values as users write them: durations, sizes, addresses, and the nearest of several words. Pure.
 * Insiders of config/ only.
 */
#ifndef EVERGATE_CONFIG_VALUES_INTERNAL_H
#define EVERGATE_CONFIG_VALUES_INTERNAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "config/config.h"

enum config_value_result {
    CONFIG_VALUE_OK,
    CONFIG_VALUE_NOT_A_NUMBER, /* also: negative, fraction */
    CONFIG_VALUE_NO_UNIT,
    CONFIG_VALUE_BAD_UNIT,
    CONFIG_VALUE_TOO_LARGE, /* does not fit 63 bits */
};

/* A whole number and ms, s, m, h or d; "0" needs no unit. *ret_ms untouched on failure. */
enum config_value_result config_value_duration(struct slice text, uint64_t *ret_ms);

/* A whole number and b, k, m or g (powers of 1024, either case); "0" needs no unit. */
enum config_value_result config_value_size(struct slice text, uint64_t *ret_bytes);

/* A whole number and "%"; "0" needs no unit. The range is the caller's to check. */
enum config_value_result config_value_percent(struct slice text, uint64_t *ret_percent);

enum { CONFIG_VALUE_TEXT_BYTES = 32 };

/* The shortest way to write it, into `out` (CONFIG_VALUE_TEXT_BYTES); returns it. */
const char *config_value_format_duration(uint64_t ms, char *out);
const char *config_value_format_size(uint64_t bytes, char *out);
const char *config_value_format_percent(uint64_t percent, char *out);

/* Adds what one item means, "304", "500-504" or "5xx", to the set. NULL, or what is wrong and what
 * to write (heap); the set is untouched then (statuses.c). */
char *config_statuses_add(struct config_statuses *set, struct slice item);
/* The same for items between commas. The set is what the text says, nothing else; empty for an
 * empty text. */
char *config_statuses_parse(struct config_statuses *ret_set, struct slice text);
/* The shortest text that reads as the set (heap). */
char *config_statuses_format(const struct config_statuses *set);

/* Something that stands in log lines, metric labels and the management API's paths: 1 to 128
 * characters, none that any of those would have to escape. */
bool config_value_is_name(const char *text);

/* The text up to the next comma without white space around it, and *rest behind that comma; false
 * when nothing is left. For lists that may be written as one string. */
bool config_value_next_item(struct slice *rest, struct slice *ret_item);

enum config_address_kind {
    CONFIG_ADDRESS_ANY, /* ":80" */
    CONFIG_ADDRESS_IPV4,
    CONFIG_ADDRESS_IPV6,
    CONFIG_ADDRESS_UNIX,
    CONFIG_ADDRESS_NAME,
};

struct config_address {
    enum config_address_kind kind;
    struct slice host;  /* without brackets; the path of a Unix socket; points into the text */
    struct in6_addr ip; /* IPv4 in the first four bytes */
    uint16_t port;
};

/* NULL, or what is wrong and what to write (heap). Names are checked as host names (RFC 1123
 * section 2.1). What kinds make sense is the caller's to say. `lowest_port` is 0 where the kernel
 * may choose the port, else 1. */
char *config_address_parse(struct config_address *ret_address, struct slice text,
                           unsigned lowest_port);

/* True when both cannot be bound at once. */
bool config_address_conflicts(const struct config_address *a, const struct config_address *b);

/* Letters, digits, "-" and "_" in labels of 1 to 63, 253 in all; no trailing dot. */
bool config_is_host_name(struct slice name);

/* NULL, or why `path` cannot be a Unix socket's (static). */
const char *config_socket_path_problem(struct slice path);

#endif
