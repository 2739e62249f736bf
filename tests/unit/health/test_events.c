/* The ring of events, their lines, and how many of those are written. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "health/events_internal.h"

enum { LINES = 80, S = 1000000 };

static struct log {
    char lines[LINES][EVENT_LINE_BYTES + 32];
    enum event_severity severities[LINES];
    unsigned count;
} logged;

static void log_line(void *arg, enum event_severity severity, const char *line)
{
    struct log *log = arg;

    cr_assert_lt(log->count, LINES);
    log->severities[log->count] = severity;
    snprintf(log->lines[log->count++], sizeof(log->lines[0]), "%s", line);
}

static struct events *ring(unsigned capacity)
{
    struct events *events = events_new(capacity);

    logged.count = 0;
    events_set_log(events, log_line, &logged);
    return events;
}

static struct health_event event(const char *endpoint, const char *to)
{
    struct health_event e = {.type = EVENT_BREAKER, .pool = "api"};

    snprintf(e.endpoint, sizeof(e.endpoint), "%s", endpoint);
    snprintf(e.to, sizeof(e.to), "%s", to);
    return e;
}

static void add(struct events *events, const char *endpoint, const char *to, uint64_t now_us)
{
    struct health_event e = event(endpoint, to);

    events_add_at(events, &e, now_us + 5, now_us);
}

static void add_of_process(struct events *events, enum event_type type, const char *to,
                           uint64_t now_us)
{
    struct health_event e = {.type = type};

    snprintf(e.to, sizeof(e.to), "%s", to);
    events_add_at(events, &e, now_us + 5, now_us);
}

/* ---- The ring ---- */

Test(events, have_ids_from_one_upwards_and_the_time_of_their_adding)
{
    struct events *events = ring(4);
    struct health_event out[4];

    cr_assert_eq(events_last_id(events), 0);
    cr_assert_eq(events_read(events, 0, out, 4), 0);
    add(events, "a", "open", 10);
    add(events, "a", "closed", 20);
    cr_assert_eq(events_read(events, 0, out, 4), 2);
    cr_assert_eq(out[0].id, 1);
    cr_assert_eq(out[0].wall_us, 15);
    cr_assert_eq(out[1].id, 2);
    cr_assert_str_eq(out[1].to, "closed");
    cr_assert_eq(events_last_id(events), 2);
    events_free(events);
}

Test(events, the_ring_keeps_the_last_ones)
{
    struct events *events = ring(4);
    struct health_event out[8];

    for (unsigned i = 0; i < 11; i++)
        add(events, "a", "open", i);
    cr_assert_eq(events_read(events, 0, out, 8), 4);
    cr_assert_eq(out[0].id, 8);
    cr_assert_eq(out[3].id, 11);
    cr_assert_eq(events_read(events, 9, out, 8), 2);
    cr_assert_eq(out[0].id, 10);
    cr_assert_eq(events_read(events, 8, out, 1), 1, "oldest first, and no more than asked for");
    cr_assert_eq(out[0].id, 9);
    cr_assert_eq(events_read(events, 11, out, 8), 0);
    cr_assert_eq(events_read(events, 99, out, 8), 0, "an id of another process");
    events_free(events);
}

Test(events, a_ring_without_capacity_has_room_for_one)
{
    struct events *events = ring(0);
    struct health_event out[2];

    add(events, "a", "open", 1);
    add(events, "a", "closed", 2);
    cr_assert_eq(events_read(events, 0, out, 2), 1);
    cr_assert_eq(out[0].id, 2);
    events_free(events);
}

Test(events, are_counted_by_type_since_the_start)
{
    struct events *events = ring(2);
    struct health_event e = event("a", "x");

    for (unsigned i = 0; i < 5; i++)
        add(events, "a", "open", i);
    e.type = EVENT_STALL;
    events_add_at(events, &e, 1, 1);
    cr_assert_eq(events_count(events, EVENT_BREAKER), 5);
    cr_assert_eq(events_count(events, EVENT_STALL), 1);
    cr_assert_eq(events_count(events, EVENT_PANIC), 0);
    cr_assert_eq(events_count(events, EVENT_TYPE_COUNT), 0);
    events_free(events);
}

Test(events, texts_without_an_end_are_ended)
{
    struct events *events = ring(2);
    struct health_event e = event("a", "x"), out;

    memset(e.why, 'w', sizeof(e.why));
    memset(e.pool, 'p', sizeof(e.pool));
    events_add_at(events, &e, 1, 1);
    cr_assert_eq(events_read(events, 0, &out, 1), 1);
    cr_assert_eq(strlen(out.why), sizeof(out.why) - 1);
    cr_assert_eq(strlen(out.pool), sizeof(out.pool) - 1);
    events_free(events);
}

/* ---- The log ---- */

Test(events, at_most_one_line_per_second_and_endpoint)
{
    struct events *events = ring(64);

    add(events, "a", "open", 10 * S);
    add(events, "a", "half_open", 10 * S + 1);
    add(events, "b", "open", 10 * S + 2);
    add(events, "a", "closed", 10 * S + 999999);
    cr_assert_eq(logged.count, 2, "one of each");
    add(events, "a", "open", 11 * S);
    cr_assert_eq(logged.count, 3);
    cr_assert_str_eq(logged.lines[2], "pool \"api\": endpoint \"a\": breaker open "
                                      "(2 more held back)");
    add(events, "a", "closed", 12 * S);
    cr_assert_str_eq(logged.lines[3], "pool \"api\": endpoint \"a\": breaker closed");
    events_free(events);
}

Test(events, the_last_line_that_was_held_back_is_written_when_its_second_is_over)
{
    struct events *events = ring(64);

    cr_assert_eq(events_keep(events, S), 0, "nothing to do");
    add(events, "a", "open", 10 * S);
    cr_assert_eq(events_keep(events, 10 * S), 0);
    add(events, "a", "half_open", 10 * S + 1);
    add(events, "a", "closed", 10 * S + 2);
    cr_assert_eq(events_keep(events, 10 * S + 3), 11 * S, "then");
    cr_assert_eq(logged.count, 1);
    cr_assert_eq(events_keep(events, 11 * S), 0);
    cr_assert_eq(logged.count, 2);
    cr_assert_str_eq(logged.lines[1], "pool \"api\": endpoint \"a\": breaker closed "
                                      "(1 more held back)");
    add(events, "a", "open", 11 * S + 1);
    cr_assert_eq(logged.count, 2, "that line was one as well");
    cr_assert_eq(events_keep(events, 11 * S + 2), 12 * S);
    events_free(events);
}

Test(events, what_the_ring_has_forgotten_meanwhile_is_not_written)
{
    struct events *events = ring(2);

    add(events, "a", "open", 10 * S);
    add(events, "a", "closed", 10 * S + 1);
    add(events, "b", "open", 10 * S + 2);
    add(events, "c", "open", 10 * S + 3);
    cr_assert_eq(events_keep(events, 12 * S), 0);
    cr_assert_eq(logged.count, 3);
    events_free(events);
}

Test(events, endpoints_of_the_same_name_in_two_pools_are_two)
{
    struct events *events = ring(8);
    struct health_event e = event("a", "open");

    events_add_at(events, &e, 1, 1);
    snprintf(e.pool, sizeof(e.pool), "web");
    events_add_at(events, &e, 1, 1);
    cr_assert_eq(logged.count, 2);
    events_free(events);
}

Test(events, thousands_of_endpoints_at_once_are_all_logged)
{
    struct events *events = ring(8);
    char id[16];

    for (unsigned i = 0; i < 10000; i++) {
        snprintf(id, sizeof(id), "e%u", i);
        add(events, id, "open", 10 * S);
        cr_assert_eq(logged.count, 1, "endpoint %s", id);
        logged.count = 0;
    }
    events_free(events);
}

Test(events, of_the_process_do_not_hold_each_other_back)
{
    struct events *events = ring(8);

    add_of_process(events, EVENT_CONFIG, "done", 1 * S);
    add_of_process(events, EVENT_UPGRADE, "begun", 1 * S);
    add_of_process(events, EVENT_CONFIG, "refused", 1 * S);
    cr_assert_eq(logged.count, 2);
    cr_assert_str_eq(logged.lines[0], "config: done");
    cr_assert_str_eq(logged.lines[1], "upgrade: begun");
    events_keep(events, 2 * S);
    cr_assert_str_eq(logged.lines[2], "config: refused");
    events_free(events);
}

Test(events, severity_is_the_level_of_the_line)
{
    struct events *events = ring(8);
    struct health_event e = event("a", "open");

    e.severity = EVENT_ERROR;
    events_add_at(events, &e, 1, 1);
    cr_assert_eq(logged.severities[0], EVENT_ERROR);
    events_free(events);
}

static void add_comers(struct events *events, unsigned first, unsigned count, uint64_t now_us)
{
    for (unsigned i = first; i < first + count; i++) {
        struct health_event e = {.type = EVENT_ENDPOINT, .pool = "api", .to = "registered"};

        snprintf(e.endpoint, sizeof(e.endpoint), "%u", i);
        events_add_at(events, &e, 1, now_us);
    }
}

Test(events, of_a_crowd_that_comes_the_first_are_logged_and_then_their_number)
{
    struct events *events = ring(1000);

    add_comers(events, 0, 500, 1 * S);
    cr_assert_eq(logged.count, 64);
    cr_assert_eq(events_count(events, EVENT_ENDPOINT), 500, "none is forgotten");
    cr_assert_eq(events_keep(events, 1 * S), 2 * S);
    add_comers(events, 500, 1, 2 * S);
    cr_assert_eq(logged.count, 64, "the number comes first");
    events_keep(events, 2 * S);
    cr_assert_eq(logged.count, 65);
    cr_assert_str_eq(logged.lines[64],
                     "437 more endpoints came, changed or went: the events name them");
    add_comers(events, 501, 1, 2 * S);
    cr_assert_str_eq(logged.lines[65], "pool \"api\": endpoint \"501\": registered");
    events_free(events);
}

Test(events, endpoints_that_come_again_and_again_hold_no_lost_source_back)
{
    struct events *events = ring(1000);
    struct health_event e = {.type = EVENT_DISCOVERY, .pool = "api", .to = "3 endpoints"};

    for (unsigned i = 0; i < 5; i++)
        events_add_at(events, &e, 1, 1 * S);
    cr_assert_eq(logged.count, 1);
    snprintf(e.to, sizeof(e.to), "failing");
    e.severity = EVENT_WARN;
    events_add_at(events, &e, 1, 1 * S);
    cr_assert_eq(logged.count, 2);
    e.type = EVENT_FAILOVER;
    events_add_at(events, &e, 1, 1 * S);
    cr_assert_eq(logged.count, 3);
    events_free(events);
}

Test(events, a_crowd_holds_nothing_back_that_is_no_coming_and_going)
{
    struct events *events = ring(1000);
    struct health_event e = event("a", "open");

    add_comers(events, 0, 65, 1 * S);
    events_add_at(events, &e, 1, 1 * S);
    cr_assert_eq(logged.count, 65);
    events_free(events);
}

/* ---- The line ---- */

static struct health_event whole(void)
{
    return (struct health_event){.type = EVENT_BREAKER,
                                 .pool = "api",
                                 .endpoint = "a",
                                 .address = "127.0.0.1:8081",
                                 .from = "closed",
                                 .to = "open",
                                 .why = "5 failures in a row",
                                 .was_us = 11520ull * S,
                                 .next = "no requests for 10 s"};
}

Test(event_format, says_who_from_to_why_since_when_and_what_next)
{
    struct health_event e = whole();
    char line[EVENT_LINE_BYTES];
    size_t size = event_format(&e, line, sizeof(line));

    cr_assert_str_eq(line, "pool \"api\": endpoint \"a\" (127.0.0.1:8081): breaker closed -> open: "
                           "5 failures in a row; was closed for 3 h 12 m; no requests for 10 s");
    cr_assert_eq(size, strlen(line));
}

Test(event_format, leaves_out_what_there_is_not)
{
    struct health_event e = {.type = EVENT_OVERLOAD, .pool = "api", .to = "refusing"};
    char line[EVENT_LINE_BYTES];

    event_format(&e, line, sizeof(line));
    cr_assert_str_eq(line, "pool \"api\": overload refusing");
    e = whole();
    snprintf(e.endpoint, sizeof(e.endpoint), "%s", e.address);
    e.was_us = 0;
    e.next[0] = '\0';
    event_format(&e, line, sizeof(line));
    cr_assert_str_eq(line, "pool \"api\": endpoint \"127.0.0.1:8081\": breaker closed -> open: "
                           "5 failures in a row");
}

Test(event_format, control_characters_do_not_get_through)
{
    struct health_event e = whole();
    char line[EVENT_LINE_BYTES];

    snprintf(e.why, sizeof(e.why), "status\r\n2026 error\x1b[31m\x7f\t");
    event_format(&e, line, sizeof(line));
    for (const char *p = line; *p != '\0'; p++)
        cr_assert((unsigned char)*p >= 0x20 && *p != 0x7f);
    cr_assert_not_null(strstr(line, "status??2026 error?[31m??; was"));
}

Test(event_format, is_cut_to_any_capacity)
{
    struct health_event e = whole();
    char line[EVENT_LINE_BYTES], full[EVENT_LINE_BYTES];
    size_t size = event_format(&e, full, sizeof(full));

    for (size_t capacity = 1; capacity <= size + 1; capacity++) {
        memset(line, '#', sizeof(line));
        cr_assert_eq(event_format(&e, line, capacity), capacity - 1);
        cr_assert_eq(line[capacity - 1], '\0');
        cr_assert_eq(line[capacity], '#');
        cr_assert_eq(strncmp(line, full, capacity - 1), 0);
    }
    cr_assert_eq(event_format(&e, line, 0), 0);
}

Test(event_format, the_longest_event_has_room)
{
    struct health_event e = {.type = EVENT_FAILOVER, .was_us = UINT64_MAX};
    char line[EVENT_LINE_BYTES];

    memset(e.pool, 'p', sizeof(e.pool) - 1);
    memset(e.endpoint, 'e', sizeof(e.endpoint) - 1);
    memset(e.address, 'a', sizeof(e.address) - 1);
    memset(e.from, 'f', sizeof(e.from) - 1);
    memset(e.to, 't', sizeof(e.to) - 1);
    memset(e.why, 'w', sizeof(e.why) - 1);
    memset(e.next, 'n', sizeof(e.next) - 1);
    cr_assert_lt(event_format(&e, line, sizeof(line)), sizeof(line) - 1);
}

Test(event_format, every_type_has_a_name)
{
    for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++)
        cr_assert_str_neq(event_type_name(i), "unknown");
    cr_assert_str_eq(event_type_name(EVENT_TYPE_COUNT), "unknown");
}
