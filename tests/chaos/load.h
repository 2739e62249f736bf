/*
 * An open-loop load: request N is due at start + N / rate, whatever became of those before it, and
 * its latency counts from there. A proxy that stands still for a second is therefore charged with
 * every request of that second, not with one per connection (closed-loop generators measure
 * themselves waiting: "coordinated omission").
 *
 * Connections are kept alive and used last in, first out; a request that finds none idle opens one
 * up to the limit, then waits for one.
 *
 * One thread, epoll, no library.
 */
#ifndef EVERGATE_TESTS_CHAOS_LOAD_H
#define EVERGATE_TESTS_CHAOS_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOAD_BUFFER_BYTES = 16 * 1024, LOAD_REQUEST_BYTES = 512 };

/* What became of a request; the letter stands in the output. */
enum load_result {
    LOAD_NOTHING = '-', /* the run ended before it was sent or answered */
    LOAD_ANSWERED = 'a',
    LOAD_REFUSED = 'r', /* no connection */
    LOAD_CLOSED = 'c',  /* the connection ended before an answer began */
    LOAD_CUT = 't',     /* it ended in the middle of one, or the answer is no HTTP */
    LOAD_LATE = 'l',    /* no complete answer within the time limit */
};

struct load_request {
    uint64_t due_us; /* CLOCK_MONOTONIC */
    uint32_t latency_us;
    uint16_t status;
    char backend; /* of the answer's X-Backend; '-': none */
    char result;  /* enum load_result */
};

enum load_state { LOAD_FREE, LOAD_CONNECTING, LOAD_IDLE, LOAD_BUSY };

struct load_connection {
    int fd;
    enum load_state state;
    size_t request; /* CONNECTING, BUSY */
    size_t used;    /* of the buffer */
    struct load_connection *next_idle;
    char buffer[LOAD_BUFFER_BYTES];
};

struct load {
    struct sockaddr_in target;
    uint64_t rate, start_us, limit_us;
    int epoll;
    char text[LOAD_REQUEST_BYTES]; /* the request */
    size_t text_bytes;
    struct load_request *requests;
    size_t request_count, due, sent; /* of `requests`, the first `due` are due, `sent` are sent */
    size_t in_flight;
    struct load_connection *connections;
    size_t connection_count;
    struct load_connection *idle;
    uint64_t worst_delay_us; /* how late this program itself was at most */
};

uint64_t load_now_us(void);

/* Sends what is due, as far as there are connections. */
void load_connection_dispatch(struct load *load);
void load_connection_event(struct load *load, struct load_connection *connection, uint32_t events);
/* Gives up requests that are over the time limit; with `all`, every one. */
void load_connection_expire(struct load *load, bool all);

/* How much of an answer has come. */
enum load_answer_state { LOAD_ANSWER_INCOMPLETE, LOAD_ANSWER_COMPLETE, LOAD_ANSWER_WRONG };
struct load_answer {
    uint16_t status;
    char backend;
    bool close; /* the server will close */
};
enum load_answer_state load_answer_read(const char *data, size_t size, struct load_answer *answer);

#endif
