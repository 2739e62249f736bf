/*
 * chaos_load PORT RATE CONNECTIONS SECONDS FILE [PATH [close]]
 *
 * GETs to 127.0.0.1:PORT until SECONDS have passed or SIGTERM comes; then every request's due time,
 * latency, status and backend goes to FILE as JSON. With "close", each comes on a connection of its
 * own. "sending" on standard output says that it has begun. See load.h.
 */
#include "tests/chaos/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum { LIMIT_S = 15, EVENTS = 256, EXPIRE_EVERY_US = 100 * 1000 };

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    stopping = 1;
}

uint64_t load_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t load_due_us(const struct load *load, size_t number)
{
    return load->start_us + number * 1000000 / load->rate;
}

static void load_mark_due(struct load *load)
{
    uint64_t now_us = load_now_us();

    while (load->due < load->request_count && load_due_us(load, load->due) <= now_us) {
        load->requests[load->due].due_us = load_due_us(load, load->due);
        load->due++;
    }
}

static void load_turn(struct load *load, uint64_t wake_us)
{
    struct epoll_event events[EVENTS];
    uint64_t now_us = load_now_us(), wait_us = wake_us > now_us ? wake_us - now_us : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait_us / 1000000),
                               .tv_nsec = (long)(wait_us % 1000000) * 1000};
    int count = epoll_pwait2(load->epoll, events, EVENTS, &timeout, NULL);

    for (int i = 0; i < count; i++)
        load_connection_event(load, events[i].data.ptr, events[i].events);
}

static void load_run(struct load *load)
{
    uint64_t expire_us = load->start_us + EXPIRE_EVERY_US;

    while (!stopping && load->due < load->request_count) {
        uint64_t next_us = load_due_us(load, load->due);

        load_turn(load, next_us < expire_us ? next_us : expire_us);
        load_mark_due(load);
        load_connection_dispatch(load);
        if (load_now_us() >= expire_us) {
            load_connection_expire(load, false);
            expire_us += EXPIRE_EVERY_US;
        }
    }
}

/* What was due is still sent and answered, within its time limit. */
static void load_finish(struct load *load)
{
    while (load->in_flight > 0 || load->sent < load->due) {
        load_turn(load, load_now_us() + EXPIRE_EVERY_US);
        load_connection_dispatch(load);
        load_connection_expire(load, false);
    }
}

static bool load_write(const struct load *load, const char *path)
{
    FILE *file = fopen(path, "w");

    if (file == NULL)
        return false;
    fprintf(file, "{\"rate\": %lu, \"worst_delay_us\": %lu, \"requests\": [",
            (unsigned long)load->rate, (unsigned long)load->worst_delay_us);
    for (size_t i = 0; i < load->due; i++) {
        const struct load_request *r = &load->requests[i];

        fprintf(file, "%s\n[%lu, %u, %u, \"%c\", \"%c\"]", i > 0 ? "," : "",
                (unsigned long)r->due_us, r->latency_us, r->status, r->backend, r->result);
    }
    fprintf(file, "]}\n");
    return fclose(file) == 0;
}

static unsigned long number_of(const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value == 0 || value > max) {
        fprintf(stderr, "chaos_load: \"%s\": a number from 1 to %lu is wanted\n", text, max);
        exit(2);
    }
    return value;
}

static void load_init(struct load *load, char **argv, const char *path, bool close)
{
    *load = (struct load){
        .target = {.sin_family = AF_INET,
                   .sin_port = htons((uint16_t)number_of(argv[1], 65535)),
                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .rate = number_of(argv[2], 1000000),
        .connection_count = number_of(argv[3], 20000),
        .limit_us = (uint64_t)LIMIT_S * 1000000,
        .epoll = epoll_create1(EPOLL_CLOEXEC),
    };
    load->request_count = load->rate * number_of(argv[4], 3600);
    load->requests = calloc(load->request_count, sizeof(*load->requests));
    load->connections = calloc(load->connection_count, sizeof(*load->connections));
    if (load->requests == NULL || load->connections == NULL || load->epoll < 0) {
        perror("chaos_load");
        exit(1);
    }
    for (size_t i = 0; i < load->request_count; i++)
        load->requests[i] = (struct load_request){.backend = '-', .result = LOAD_NOTHING};
    load->text_bytes = (size_t)snprintf(load->text, sizeof(load->text),
                                        "GET %s HTTP/1.1\r\nHost: chaos.test\r\n"
                                        "User-Agent: chaos\r\nAccept: */*\r\n%s\r\n",
                                        path, close ? "Connection: close\r\n" : "");
    load->start_us = load_now_us();
}

int main(int argc, char **argv)
{
    static struct load load;
    struct sigaction action = {.sa_handler = on_signal};

    if (argc < 6 || argc > 8 || (argc == 8 && strcmp(argv[7], "close") != 0)) {
        fprintf(stderr, "usage: chaos_load PORT RATE CONNECTIONS SECONDS FILE [PATH [close]]\n");
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    load_init(&load, argv, argc >= 7 ? argv[6] : "/", argc == 8);
    load_mark_due(&load); /* the first one, however soon SIGTERM comes */
    puts("sending");
    fflush(stdout);
    load_run(&load);
    load_finish(&load);
    if (!load_write(&load, argv[5])) {
        perror(argv[5]);
        return 1;
    }
    return 0;
}
