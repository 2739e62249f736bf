/* Another resolv.conf: other name servers, at 127.0.0.1 and .2, and nobody who was asking is
 * forgotten. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/resolver_internal.h"
#include "net/resolver_query.h"
#include "net_fixture.h"

enum { TYPE_A = 1 };

struct name_server {
    int fd;
    struct event *event;
    unsigned char number; /* it answers 10.0.0.NUMBER to whatever is asked */
    bool silent;
    unsigned queries;
};

static struct {
    struct loop loop;
    struct resolver *resolver;
    struct name_server servers[2];
    uint16_t port;
    char directory[32], path[64];
    char told[64]; /* the watch's last word */
    unsigned tellings, answers;
} f;

/* RFC 1035 section 4: the question as it came, and of type A one answer that points to it. */
static void on_query(evutil_socket_t fd, short what, void *arg)
{
    struct name_server *server = arg;
    unsigned char m[512];
    struct sockaddr_in from;
    socklen_t from_size = sizeof(from);
    ssize_t n = recvfrom(fd, m, 256, 0, (struct sockaddr *)&from, &from_size);
    size_t end = 12;

    cr_assert_gt(n, 12);
    server->queries++;
    if (server->silent)
        return;
    while (m[end] != 0)
        end += m[end] + 1u;
    bool is_a = m[end + 2] == TYPE_A;
    end += 5;
    const unsigned char record[] = {0xc0, 12, 0, 1, 0,  1, 0, 0,
                                    0,    1,  0, 4, 10, 0, 0, server->number};
    m[2] = 0x85; /* response, authoritative, recursion desired */
    m[3] = 0x80;
    memset(m + 6, 0, 6);
    m[7] = is_a;
    memcpy(m + end, record, sizeof(record));
    sendto(fd, m, end + (is_a ? sizeof(record) : 0), 0, (struct sockaddr *)&from, from_size);
}

/* On the port that both have. False: it is taken there. */
static bool server_start(unsigned index)
{
    struct name_server *server = &f.servers[index];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(f.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK + index)};
    socklen_t size = sizeof(address);

    server->number = (unsigned char)(index + 1);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(server->fd, (struct sockaddr *)&address, size) != 0) {
        close(server->fd);
        return false;
    }
    getsockname(server->fd, (struct sockaddr *)&address, &size);
    f.port = ntohs(address.sin_port);
    server->event = event_new(f.loop.base, server->fd, EV_READ | EV_PERSIST, on_query, server);
    event_add(server->event, NULL);
    return true;
}

static void server_stop(unsigned index)
{
    event_free(f.servers[index].event);
    close(f.servers[index].fd);
}

static void write_conf(const char *text)
{
    char fresh[80];
    FILE *out;

    snprintf(fresh, sizeof(fresh), "%s.new", f.path);
    out = fopen(fresh, "we");
    cr_assert_not_null(out);
    fputs(text, out);
    cr_assert_eq(fclose(out), 0);
    cr_assert_eq(rename(fresh, f.path), 0);
}

static void setup(void)
{
    memset(&f, 0, sizeof(f));
    cr_assert_eq(loop_init(&f.loop), 0);
    for (bool both = false; !both; f.port = both ? f.port : 0) {
        cr_assert(server_start(0));
        both = server_start(1);
        if (!both)
            server_stop(0);
    }
    snprintf(f.directory, sizeof(f.directory), "/tmp/resolv.XXXXXX");
    cr_assert_not_null(mkdtemp(f.directory));
    snprintf(f.path, sizeof(f.path), "%s/resolv.conf", f.directory);
    write_conf("nameserver 127.0.0.1\n");
    cr_assert_eq(resolver_new_of(&f.resolver, &f.loop, f.path, f.port), 0);
}

static void teardown(void)
{
    loop_enter(&f.loop);
    resolver_free(f.resolver);
    loop_leave(&f.loop);
    server_stop(0);
    server_stop(1);
    loop_fini(&f.loop);
    remove(f.path);
    remove(f.directory);
}

TestSuite(resolver_conf, .init = setup, .fini = teardown);

static void on_resolved(void *arg, const struct address *addresses, size_t count,
                        const char *failure)
{
    f.tellings++;
    if (count > 0)
        address_format(&addresses[0], f.told);
    else
        snprintf(f.told, sizeof(f.told), "%s", failure);
}

static void on_answer(void *arg, enum resolver_outcome outcome, struct slice message,
                      const char *failure)
{
    cr_expect_eq(outcome, RESOLVER_ANSWERED, "%s", failure);
    f.answers++;
}

static bool is_at_least(void *arg)
{
    const unsigned *const *pair = arg;

    return *pair[0] >= *pair[1];
}

static void wait_for(const unsigned *value, unsigned wanted)
{
    const unsigned *pair[] = {value, &wanted};

    cr_assert(fixture_run_until(&f.loop, is_at_least, pair));
}

static struct resolver_watch *watch(void)
{
    struct resolver_watch *started;

    loop_enter(&f.loop);
    started = resolver_watch_start(f.resolver, "app.test", 80, on_resolved, NULL);
    loop_leave(&f.loop);
    return started;
}

static void query(void)
{
    loop_enter(&f.loop);
    resolver_query_start(f.resolver, "app.test", TYPE_A, on_answer, NULL);
    loop_leave(&f.loop);
}

/* As if the time between two looks at the file were over. */
static void let_it_look(void)
{
    f.resolver->conf.check_ms = 0;
}

Test(resolver_conf, another_file_is_noticed_by_the_next_question)
{
    watch();
    wait_for(&f.tellings, 1);
    cr_expect_str_eq(f.told, "10.0.0.1:80");
    write_conf("nameserver 127.0.0.2\n");
    let_it_look();
    wait_for(&f.tellings, 2); /* when the answer's second is over */
    cr_expect_str_eq(f.told, "10.0.0.2:80");
}

Test(resolver_conf, is_not_looked_at_before_every_question)
{
    query();
    wait_for(&f.answers, 1);
    write_conf("nameserver 127.0.0.2\n");
    query();
    wait_for(&f.answers, 2);
    cr_expect_eq(f.servers[1].queries, 0u);
}

Test(resolver_conf, who_waits_for_the_servers_of_before_is_answered_by_the_new_ones)
{
    f.servers[0].silent = true;
    watch();
    query();
    wait_for(&f.servers[0].queries, 3); /* A and AAAA of the watch, and the query */
    write_conf("nameserver 127.0.0.2\n");
    let_it_look();
    query();
    wait_for(&f.answers, 2);
    wait_for(&f.tellings, 1);
    cr_expect_str_eq(f.told, "10.0.0.2:80");
}

Test(resolver_conf, whoever_stopped_waiting_before_is_not_told)
{
    struct resolver_watch *stopped;

    f.servers[0].silent = true;
    stopped = watch();
    wait_for(&f.servers[0].queries, 2);
    loop_enter(&f.loop);
    resolver_watch_stop(&stopped);
    loop_leave(&f.loop);
    write_conf("nameserver 127.0.0.2\n");
    let_it_look();
    query();
    wait_for(&f.answers, 1);
    fixture_settle(&f.loop);
    cr_expect_eq(f.tellings, 0u);
}

Test(resolver_conf, that_is_gone_or_the_same_changes_nothing)
{
    ares_channel before = f.resolver->channel;

    cr_assert_eq(remove(f.path), 0);
    let_it_look();
    query();
    wait_for(&f.answers, 1);
    cr_expect_eq(f.resolver->channel, before);
    cr_expect_eq(f.servers[0].queries, 1u);
    write_conf("nameserver 127.0.0.2\n");
    let_it_look();
    query();
    wait_for(&f.answers, 2);
    before = f.resolver->channel;
    let_it_look();
    query();
    wait_for(&f.answers, 3);
    cr_expect_eq(f.resolver->channel, before);
    cr_expect_eq(f.servers[1].queries, 2u);
}

Test(resolver_conf, is_not_followed_where_the_servers_are_given)
{
    char servers[32];

    snprintf(servers, sizeof(servers), "127.0.0.1:%u", f.port);
    cr_assert_eq(resolver_set_servers(f.resolver, servers), 0);
    write_conf("nameserver 127.0.0.2\n");
    let_it_look();
    query();
    wait_for(&f.answers, 1);
    cr_expect_eq(f.servers[1].queries, 0u);
}
