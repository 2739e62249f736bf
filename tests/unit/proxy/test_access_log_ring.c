#include <criterion/criterion.h>

#include "proxy/access_log_ring.h"

static struct access_log_ring ring;

static void setup(void)
{
    access_log_ring_init(&ring, NULL, 1); /* the least: 4096 */
}

static void teardown(void)
{
    access_log_ring_fini(&ring);
}

TestSuite(access_log_ring, .init = setup, .fini = teardown);

static bool put(char c, size_t n)
{
    static char line[8192];

    memset(line, c, n - 1);
    line[n - 1] = '\n';
    return access_log_ring_put(&ring, slice_from(line, n));
}

static size_t stored(void)
{
    struct access_log_pieces p = access_log_ring_peek(&ring);

    return p.v[0].n + p.v[1].n;
}

Test(access_log_ring, what_goes_in_comes_out)
{
    struct access_log_pieces p;

    cr_assert_eq(stored(), 0u);
    cr_assert(put('a', 10));
    cr_assert(put('b', 20));
    p = access_log_ring_peek(&ring);
    cr_assert_eq(p.v[0].n, 30u);
    cr_assert_eq(p.v[1].n, 0u);
    cr_assert_arr_eq(p.v[0].p, "aaaaaaaaa\nbbb", 13);
    access_log_ring_consume(&ring, 30);
    cr_assert_eq(stored(), 0u);
}

Test(access_log_ring, a_line_over_the_edge_comes_in_two_pieces)
{
    struct access_log_pieces p;

    cr_assert(put('a', 4000));
    access_log_ring_consume(&ring, 4000);
    cr_assert(put('b', 200));
    p = access_log_ring_peek(&ring);
    cr_assert_eq(p.v[0].n, 96u);
    cr_assert_eq(p.v[1].n, 104u);
    cr_assert_eq(p.v[0].p[95], 'b');
    cr_assert_eq(p.v[1].p[0], 'b');
    cr_assert_eq(p.v[1].p[103], '\n');
}

Test(access_log_ring, a_full_ring_drops_whole_lines_and_counts_them)
{
    cr_assert(put('a', 4000));
    cr_assert_not(put('b', 97));
    cr_assert_not(put('b', 4097));
    cr_assert_eq(atomic_load(&ring.dropped), 2u);
    cr_assert(put('c', 96), "exactly full");
    cr_assert_eq(stored(), 4096u);
    cr_assert_not(put('d', 1));
    access_log_ring_consume(&ring, 4096);
    cr_assert(put('e', 4096));
    cr_assert_eq(atomic_load(&ring.dropped), 3u);
}

Test(access_log_ring, half_full_looks_at_the_consumer_again)
{
    cr_assert(put('a', 2048));
    cr_assert_not(access_log_ring_half_full(&ring));
    cr_assert(put('a', 1));
    cr_assert(access_log_ring_half_full(&ring));
    access_log_ring_consume(&ring, 2049);
    cr_assert_not(access_log_ring_half_full(&ring));
}

Test(access_log_ring, many_rounds_lose_nothing)
{
    size_t in = 0, out = 0;

    for (size_t i = 1; i < 20000; i++) {
        size_t n = i * 7 % 900 + 1;

        if (put('x', n))
            in += n;
        if (i % 3 == 0) {
            size_t now = stored();

            access_log_ring_consume(&ring, now);
            out += now;
        }
    }
    cr_assert_eq(in, out + stored());
}
