#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net_fixture.h"

enum { IN_LIMIT = 32 * 1024, MEGABYTES = 10 };

static struct loop loop;

static void setup(void)
{
    cr_assert_eq(loop_init(&loop), 0);
}

static void teardown(void)
{
    loop_fini(&loop);
}

TestSuite(transport, .init = setup, .fini = teardown);

static void write_in_turn(struct peer *p, const char *data, size_t n)
{
    loop_enter(&loop);
    transport_write(&p->t, data, n);
    loop_leave(&loop);
}

struct wait {
    const size_t *size;
    const unsigned *count;
    size_t want;
};

static bool reached(void *arg)
{
    struct wait *w = arg;

    return w->size ? *w->size >= w->want : *w->count >= w->want;
}

static void wait_size(const size_t *size, size_t want)
{
    cr_assert(fixture_run_until(&loop, reached, &(struct wait){.size = size, .want = want}));
}

static void wait_count(const unsigned *count, size_t want)
{
    cr_assert(fixture_run_until(&loop, reached, &(struct wait){.count = count, .want = want}));
}

Test(transport, carries_bytes_both_ways)
{
    struct peer a, b;

    peer_pair(&loop, &a, &b, IN_LIMIT);
    write_in_turn(&a, "hello", 5);
    wait_size(&b.received_size, 5);
    write_in_turn(&b, "world", 5);
    wait_size(&a.received_size, 5);
    cr_expect_str_eq(b.received, "hello");
    cr_expect_str_eq(a.received, "world");
    cr_expect_eq(a.t.bytes_out, 5);
    cr_expect_eq(a.t.bytes_in, 5);
    peer_fini(&a);
    peer_fini(&b);
}

static int option_of(int fd, int level, int name)
{
    int value = 0;
    socklen_t size = sizeof(value);

    cr_assert_eq(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

Test(transport, a_peer_that_is_watched_is_asked_whether_it_is_still_there)
{
    struct peer p;
    int fds[2];

    peer_init(&p);
    tcp_pair(fds);
    transport_init_accepted(&p.t, &loop, fds[0], NULL, 1024, &peer_ops);
    cr_expect_eq(option_of(fds[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    transport_watch_peer(&p.t);
    cr_expect_eq(option_of(fds[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    int idle_s = option_of(fds[0], IPPROTO_TCP, TCP_KEEPIDLE);
    int asked_s =
        option_of(fds[0], IPPROTO_TCP, TCP_KEEPINTVL) * option_of(fds[0], IPPROTO_TCP, TCP_KEEPCNT);
    cr_expect_eq(idle_s + asked_s, TRANSPORT_LOST_S);
    cr_expect_eq(option_of(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), TRANSPORT_LOST_S * 1000);
    peer_fini(&p);
    close(fds[1]);
}

Test(transport, many_pieces_of_a_turn_arrive_in_order)
{
    struct peer a, b;
    char digits[100], want[100];

    peer_pair(&loop, &a, &b, IN_LIMIT);
    loop_enter(&loop);
    for (int i = 0; i < 100; i++) {
        /* From behind, so that no two pieces are adjacent in memory. */
        digits[99 - i] = want[i] = (char)('0' + i % 10);
        transport_write(&a.t, &digits[99 - i], 1);
    }
    loop_leave(&loop);
    wait_size(&b.received_size, 100);
    cr_expect_arr_eq(b.received, want, 100);
    peer_fini(&a);
    peer_fini(&b);
}

/* source ─► (relay_in, relay_out) ─► sink, where the raw sink reads slowly. */
Test(transport, ten_megabytes_pass_through_in_bounded_memory)
{
    struct peer in, out;
    int source = peer_with_raw(&loop, &in, IN_LIMIT);
    int sink = peer_with_raw(&loop, &out, IN_LIMIT);
    const size_t total = (size_t)MEGABYTES * 1024 * 1024;
    size_t written = 0, read_back = 0;
    unsigned char chunk[3001];

    in.echo_to = &out;
    out.echo_to = &in; /* on_drained of `out` resumes `in` */
    while (read_back < total) {
        ssize_t n = 0;
        for (size_t i = 0; i < sizeof(chunk); i++)
            chunk[i] = (unsigned char)((written + i) % 251);
        for (int burst = 0; burst < 40 && n >= 0 && written < total; burst++) {
            size_t want = total - written < sizeof(chunk) ? total - written : sizeof(chunk);
            n = write(source, chunk, want);
            if (n > 0)
                written += (size_t)n;
            for (size_t i = 0; i < sizeof(chunk); i++)
                chunk[i] = (unsigned char)((written + i) % 251);
        }
        event_base_loop(loop.base, EVLOOP_NONBLOCK);
        n = read(sink, chunk, sizeof(chunk));
        for (ssize_t i = 0; i < n; i++)
            cr_assert_eq(chunk[i], (read_back + (size_t)i) % 251);
        if (n > 0)
            read_back += (size_t)n;
    }
    cr_expect_eq(read_back, total);
    cr_expect_gt(out.drains, 0, "back-pressure was at work");
    cr_expect_leq(in.out_peak, TRANSPORT_HIGH_WATER + LOOP_READ_BYTES);
    peer_fini(&in);
    peer_fini(&out);
    close(source);
    close(sink);
}

Test(transport, bytes_one_at_a_time_are_kept_until_the_owner_takes_them)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);
    const char *text = "one byte at a time";

    p.consume_prefix = 1; /* takes one, then nothing */
    for (const char *c = text; *c; c++) {
        cr_assert_eq(write(raw, c, 1), 1);
        fixture_settle(&loop);
    }
    cr_expect_eq(p.received_size, 1);
    cr_expect_eq(p.t.in.size, strlen(text) - 1);
    p.consume_prefix = 0;
    transport_resume(&p.t);
    wait_size(&p.received_size, strlen(text));
    cr_expect_str_eq(p.received, text);
    cr_expect_null(p.t.in.data, "an empty queue holds no memory");
    peer_fini(&p);
    close(raw);
}

/* What is written by reference out of the kept bytes leaves before they move or go. */
Test(transport, references_into_kept_bytes_are_sent_in_time)
{
    struct peer in, out;
    int source = peer_with_raw(&loop, &in, IN_LIMIT);
    int sink = peer_with_raw(&loop, &out, IN_LIMIT);
    char buffer[64] = "";

    in.echo_to = &out;
    in.consume_at_most = 3;
    cr_assert_eq(write(source, "abcdefgh", 8), 8);
    fixture_settle(&loop);
    cr_assert_eq(write(source, "ijk", 3), 3);
    fixture_settle(&loop);
    cr_expect_eq(read(sink, buffer, sizeof(buffer)), 6);
    cr_expect_str_eq(buffer, "abcdef");

    in.consume_at_most = 0; /* all that was kept goes at once, and its memory with it */
    transport_resume(&in.t);
    fixture_settle(&loop);
    cr_expect_eq(read(sink, buffer, sizeof(buffer)), 5);
    cr_expect_arr_eq(buffer, "ghijk", 5);
    in.consume_at_most = 1;
    cr_assert_eq(write(source, "lmnopq", 6), 6);
    fixture_settle(&loop);
    cr_expect_eq(read(sink, buffer, sizeof(buffer)), 1);

    loop_enter(&loop);
    transport_write(&out.t, bytes_data(&in.t.in), in.t.in.size);
    transport_fini(&in.t, false); /* frees what was referred to */
    loop_leave(&loop);
    cr_expect_eq(read(sink, buffer, sizeof(buffer)), 5);
    cr_expect_arr_eq(buffer, "mnopq", 5);
    peer_fini(&in);
    peer_fini(&out);
    close(source);
    close(sink);
}

Test(transport, pause_and_resume_keep_the_order)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);

    p.pause_in_data = true;
    p.consume_at_most = 3;
    cr_assert_eq(write(raw, "abcdefgh", 8), 8);
    wait_size(&p.received_size, 3);
    cr_assert_eq(write(raw, "ijk", 3), 3);
    fixture_settle(&loop);
    cr_expect_eq(p.received_size, 3, "paused");
    while (p.received_size < 11) {
        size_t before = p.received_size;
        transport_resume(&p.t);
        wait_size(&p.received_size, before + 1);
        cr_expect_leq(p.received_size, before + 3, "one on_data per resume");
    }
    cr_expect_str_eq(p.received, "abcdefghijk");
    peer_fini(&p);
    close(raw);
}

Test(transport, reading_stops_at_the_limit_of_unconsumed_bytes)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, 1000);
    char block[4000];

    memset(block, 'x', sizeof(block));
    p.consume_prefix = 1;
    cr_assert_eq(write(raw, block, sizeof(block)), (ssize_t)sizeof(block));
    fixture_settle(&loop);
    cr_expect_eq(p.t.in.size, 1000);
    p.consume_prefix = 0;
    transport_resume(&p.t);
    wait_size(&p.received_size, 4000);
    peer_fini(&p);
    close(raw);
}

Test(transport, half_closed_peers_still_get_their_answer)
{
    struct peer a, b;

    peer_pair(&loop, &a, &b, IN_LIMIT);
    loop_enter(&loop);
    transport_write(&a.t, "request", 7);
    transport_shutdown_write(&a.t);
    cr_expect_not(transport_flushed(&a.t));
    loop_leave(&loop);
    wait_count(&b.eofs, 1);
    cr_expect_str_eq(b.received, "request");
    cr_expect(transport_flushed(&a.t));
    write_in_turn(&b, "answer", 6);
    wait_size(&a.received_size, 6);
    fixture_settle(&loop);
    cr_expect_eq(b.eofs, 1);
    cr_expect_eq(a.errors + b.errors, 0);
    peer_fini(&a);
    peer_fini(&b);
}

Test(transport, a_fin_that_came_with_bytes_is_seen_at_once)
{
    struct peer p;
    int fds[2];

    tcp_pair(fds);
    peer_init(&p);
    transport_init_accepted(&p.t, &loop, fds[0], NULL, IN_LIMIT, &peer_ops);
    cr_assert_eq(write(fds[1], "all", 3), 3);
    close(fds[1]);
    event_base_loop(loop.base, EVLOOP_ONCE);
    cr_expect_eq(p.received_size, 3);
    cr_expect_eq(p.eofs, 1, "not by the late look");
    peer_fini(&p);
}

Test(transport, shutdown_waits_for_output_that_the_kernel_has_not_taken)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);
    const size_t size = 2 * 1024 * 1024;
    char *big = xmalloc(size), buffer[65536];
    size_t got = 0;
    ssize_t n;

    memset(big, 'b', size);
    loop_enter(&loop);
    transport_write(&p.t, big, size);
    transport_shutdown_write(&p.t);
    loop_leave(&loop);
    cr_expect(transport_congested(&p.t));
    for (;;) {
        n = read(raw, buffer, sizeof(buffer));
        if (n == 0)
            break;
        if (n > 0)
            got += (size_t)n;
        event_base_loop(loop.base, EVLOOP_NONBLOCK);
    }
    cr_expect_eq(got, size);
    cr_expect_eq(p.drains, 1);
    peer_fini(&p);
    close(raw);
    free(big);
}

Test(transport, eof_waits_for_resume_but_is_announced)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);

    transport_pause(&p.t);
    cr_assert_eq(write(raw, "pipelined", 9), 9);
    close(raw);
    wait_count(&p.closeds, 1);
    cr_expect_eq(p.eofs, 0);
    cr_expect_eq(p.datas, 0);
    transport_resume(&p.t);
    wait_count(&p.eofs, 1);
    cr_expect_str_eq(p.received, "pipelined");
    cr_expect_eq(p.closeds, 1);
    peer_fini(&p);
}

Test(transport, eof_waits_for_kept_bytes_too)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);

    p.pause_in_data = true;
    p.consume_at_most = 3;
    cr_assert_eq(write(raw, "abcde", 5), 5);
    wait_size(&p.received_size, 3);
    close(raw);
    wait_count(&p.closeds, 1);
    cr_expect_eq(p.eofs, 0);
    p.pause_in_data = false;
    transport_resume(&p.t);
    wait_count(&p.eofs, 1);
    cr_expect_str_eq(p.received, "abcde");
    peer_fini(&p);
}

Test(transport, eof_with_nothing_before_it_is_told_while_paused)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);

    transport_pause(&p.t);
    close(raw);
    wait_count(&p.eofs, 1);
    cr_expect_eq(p.closeds, 0);
    peer_fini(&p);
}

static void reset_by_linger(int fd)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(fd);
}

Test(transport, a_reset_is_reported_once)
{
    struct peer p;
    int fds[2];

    tcp_pair(fds);
    peer_init(&p);
    transport_init_accepted(&p.t, &loop, fds[0], NULL, IN_LIMIT, &peer_ops);
    fixture_settle(&loop);
    reset_by_linger(fds[1]);
    wait_count(&p.errors, 1);
    write_in_turn(&p, "into the void", 13);
    fixture_settle(&loop);
    cr_expect_eq(p.errors, 1);
    cr_expect_eq(p.error, EG_E_UPSTREAM_RESET);
    cr_expect_str_eq(p.error_text, "Connection reset by peer");
    peer_fini(&p);
}

Test(transport, a_reset_is_reported_to_an_accepted_transport_that_is_paused)
{
    struct peer p;
    int fds[2];

    tcp_pair(fds);
    peer_init(&p);
    transport_init_accepted(&p.t, &loop, fds[0], NULL, IN_LIMIT, &peer_ops);
    transport_pause(&p.t);
    fixture_settle(&loop);
    cr_assert_eq(write(fds[1], "unread", 6), 6);
    fixture_settle(&loop);
    reset_by_linger(fds[1]);
    wait_count(&p.errors, 1);
    cr_expect_eq(p.datas, 0);
    peer_fini(&p);
}

/* libevent tells of both with one EV_READ, and the bytes hide the reset. */
Test(transport, a_reset_that_came_together_with_bytes_is_reported)
{
    struct peer p;
    int fds[2];

    tcp_pair(fds);
    peer_init(&p);
    transport_init_accepted(&p.t, &loop, fds[0], NULL, IN_LIMIT, &peer_ops);
    cr_assert_eq(write(fds[1], "last words", 10), 10);
    reset_by_linger(fds[1]);
    wait_count(&p.errors, 1);
    cr_expect_str_eq(p.received, "last words");
    cr_expect_eq(p.error, EG_E_UPSTREAM_RESET);
    peer_fini(&p);
}

Test(transport, a_reset_after_a_half_close_is_reported)
{
    struct peer p;
    int fds[2];

    tcp_pair(fds);
    peer_init(&p);
    transport_init_accepted(&p.t, &loop, fds[0], NULL, IN_LIMIT, &peer_ops);
    cr_assert_eq(shutdown(fds[1], SHUT_WR), 0);
    wait_count(&p.eofs, 1);
    reset_by_linger(fds[1]);
    wait_count(&p.errors, 1);
    peer_fini(&p);
}

/* A backend that answers early and closes with our request unread resets us behind its answer. */
Test(transport, an_answer_before_a_reset_is_read_first)
{
    struct address address;
    int listener = tcp_listen(&address), fd;
    struct peer p;
    char junk[1000] = "request";

    peer_init(&p);
    cr_assert_eq(transport_init_connect(&p.t, &loop, &address, NULL, IN_LIMIT, &peer_ops), 0);
    wait_count(&p.connected, 1);
    transport_pause(&p.t);
    write_in_turn(&p, junk, sizeof(junk));
    fd = accept(listener, NULL, NULL);
    cr_assert_eq(write(fd, "early answer", 12), 12);
    close(fd); /* unread bytes: RST */
    fixture_settle(&loop);
    cr_expect_eq(p.errors, 0);
    transport_resume(&p.t);
    wait_count(&p.errors, 1);
    cr_expect_str_eq(p.received, "early answer");
    cr_expect_eq(p.eofs, 0);
    peer_fini(&p);
    close(listener);
}

Test(transport, connects_and_sends_what_was_written_before)
{
    struct address address;
    int listener = tcp_listen(&address), fd;
    struct peer p;
    char buffer[16] = "";

    peer_init(&p);
    loop_enter(&loop);
    cr_assert_eq(transport_init_connect(&p.t, &loop, &address, NULL, IN_LIMIT, &peer_ops), 0);
    transport_write(&p.t, "early", 5);
    loop_leave(&loop);
    cr_expect_eq(p.connected, 0);
    wait_count(&p.connected, 1);
    fd = accept(listener, NULL, NULL);
    cr_expect_eq(read(fd, buffer, sizeof(buffer)), 5);
    cr_expect_str_eq(buffer, "early");
    cr_expect(transport_alive(&p.t));
    cr_assert_eq(write(fd, "x", 1), 1);
    cr_expect_not(transport_alive(&p.t), "something unasked");
    close(fd);
    peer_fini(&p);
    close(listener);
}

Test(transport, a_closed_idle_connection_is_not_alive)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);

    fixture_settle(&loop);
    cr_expect(transport_alive(&p.t));
    close(raw);
    cr_expect_not(transport_alive(&p.t));
    peer_fini(&p);
}

Test(transport, a_refused_connection_is_an_error_and_never_from_within)
{
    struct address address;
    struct peer p;

    close(tcp_listen(&address));
    peer_init(&p);
    p.fini_in_error = true;
    cr_assert_eq(transport_init_connect(&p.t, &loop, &address, NULL, IN_LIMIT, &peer_ops), 0);
    cr_expect_eq(p.errors, 0);
    wait_count(&p.errors, 1);
    cr_expect_eq(p.error, EG_E_CONNECT);
    cr_expect_str_eq(p.error_text, "Connection refused");
    peer_fini(&p);

    cr_assert_eq(address_parse(&address, SLICE_LIT("unix:/nonexistent/evergate.sock")), 0);
    peer_init(&p);
    cr_assert_eq(transport_init_connect(&p.t, &loop, &address, NULL, IN_LIMIT, &peer_ops), 0);
    cr_expect_eq(p.errors, 0);
    wait_count(&p.errors, 1);
    cr_expect_eq(p.error, EG_E_CONNECT);
    peer_fini(&p);
}

Test(transport, may_be_finished_in_any_callback)
{
    struct peer p, q;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);
    size_t size = 4 * 1024 * 1024;
    char *big = xcalloc(1, size);

    p.fini_in_data = true;
    cr_assert_eq(write(raw, "abc", 3), 3);
    close(raw);
    wait_count(&p.datas, 1);
    fixture_settle(&loop);
    cr_expect_eq(p.eofs, 0, "no callback after transport_fini");
    peer_fini(&p);

    raw = peer_with_raw(&loop, &p, IN_LIMIT); /* in on_data while it looks at what was kept */
    p.consume_prefix = 1;
    cr_assert_eq(write(raw, "abc", 3), 3);
    wait_count(&p.datas, 1);
    p.fini_in_data = true;
    transport_resume(&p.t);
    wait_count(&p.datas, 2);
    peer_fini(&p);
    close(raw);

    raw = peer_with_raw(&loop, &p, IN_LIMIT);
    p.fini_in_eof = true;
    close(raw);
    wait_count(&p.eofs, 1);
    peer_fini(&p);

    peer_pair(&loop, &p, &q, IN_LIMIT);
    p.fini_in_drained = true;
    write_in_turn(&p, big, size);
    wait_count(&p.drains, 1);
    peer_fini(&p);
    peer_fini(&q);
    free(big);
}

/* What a turn wrote before it ended the transport leaves with one last sendmsg. */
Test(transport, fini_sends_what_the_turn_has_written)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);
    char buffer[16] = "";

    loop_enter(&loop);
    transport_write(&p.t, "bye", 3);
    transport_fini(&p.t, false);
    transport_fini(&p.t, false);
    loop_leave(&loop);
    cr_expect_eq(read(raw, buffer, sizeof(buffer)), 3);
    cr_expect_eq(read(raw, buffer, sizeof(buffer)), 0);
    peer_fini(&p);
    close(raw);
}

Test(transport, keep_fd_leaves_the_descriptor_open)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT), fd = p.t.fd;

    transport_fini(&p.t, true);
    cr_expect_geq(fcntl(fd, F_GETFD), 0);
    close(fd);
    close(raw);
    peer_fini(&p);
}

/* More pieces than one sendmsg takes, of which the kernel takes few: the owner had no chance to
 * notice before the turn ends. */
Test(transport, what_a_turn_writes_in_many_large_pieces_is_accepted)
{
    enum { PIECES = 200 };
    static char blocks[2][16 * 1024];
    struct peer p, q;

    peer_pair(&loop, &p, &q, IN_LIMIT);
    loop_enter(&loop);
    for (unsigned i = 0; i < PIECES; i++)
        transport_write(&p.t, blocks[i % 2], sizeof(blocks[0]));
    loop_leave(&loop);
    cr_assert_eq(p.t.error, 0);
    wait_size(&q.received_size, PIECES * sizeof(blocks[0]));
    peer_fini(&p);
    peer_fini(&q);
}

Test(transport, an_owner_that_ignores_congestion_is_cut_off)
{
    struct peer p;
    int raw = peer_with_raw(&loop, &p, IN_LIMIT);
    static char block[64 * 1024];

    for (int i = 0; i < 100 && !p.t.error; i++) {
        write_in_turn(&p, block, sizeof(block));
        cr_assert_leq(transport_pending_out(&p.t), TRANSPORT_OUT_LIMIT);
    }
    cr_expect_eq(p.t.error, EG_E_OVERLOAD);
    wait_count(&p.errors, 1);
    peer_fini(&p);
    close(raw);
}
