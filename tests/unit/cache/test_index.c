/* The bound on memory and the order in which answers go, also against a simple model. */
#include "cache_fixture.h"

enum { LIMIT = 40000, KEYS = 64, STEPS = 120000 };

static struct cache *small_cache(void)
{
    return cache_new(
        &(struct cache_params){.limit_bytes = LIMIT, .entry_bytes = LIMIT, .stale_ms = 600000});
}

static struct cache_key numbered(unsigned number)
{
    static char target[32];
    int size = snprintf(target, sizeof(target), "/%u", number);

    return (struct cache_key){
        .scheme = SLICE_LIT("http"), .authority = SLICE_LIT("a"), .target = {target, (size_t)size}};
}

static struct cache_recording *begin(struct cache *cache, unsigned number)
{
    struct cache_key key = numbered(number);

    return cache_record(cache, &key, fixture_request("GET", ""),
                        fixture_response(200, "Transfer-Encoding: chunked\r\n"), CAME_S);
}

static bool put(struct cache *cache, unsigned number, size_t size)
{
    static const char zeros[LIMIT];
    struct cache_recording *recording = begin(cache, number);

    if (recording == NULL || !cache_record_data(&recording, slice_from(zeros, size)))
        return false;
    cache_record_end(&recording);
    return true;
}

static struct cache_entry *take(struct cache *cache, unsigned number)
{
    struct cache_key key = numbered(number);

    return cache_find_stale(cache, &key, fixture_request("GET", ""), CAME_S, 0, 0);
}

static bool has(struct cache *cache, unsigned number)
{
    struct cache_entry *entry = take(cache, number);
    bool found = entry != NULL;

    cache_release(&entry);
    return found;
}

Test(index, the_least_recently_stored_or_served_goes_first)
{
    struct cache *cache = small_cache();

    for (unsigned i = 0; i < 4; i++)
        cr_assert(put(cache, i, 7000));
    cr_assert(has(cache, 0)); /* used: now 1 is the oldest */
    cr_assert(put(cache, 4, 7000));
    cr_assert(put(cache, 5, 7000));
    cr_expect(has(cache, 0));
    cr_expect_not(has(cache, 1));
    cr_expect(has(cache, 5));
    cr_expect(cache_stats(cache).bytes <= LIMIT);
    cr_expect(cache_stats(cache).evicted >= 1);
    cache_free(cache);
}

Test(index, what_somebody_reads_is_counted_until_he_has_done)
{
    struct cache *cache = small_cache();
    struct cache_entry *held[4];

    for (unsigned i = 0; i < 4; i++) {
        cr_assert(put(cache, i, 7000));
        held[i] = take(cache, i);
    }
    /* All are read: there is no room to be made, and none is taken beyond the limit. */
    cr_expect_not(put(cache, 4, 14000));
    cr_expect_eq(cache_stats(cache).entries, 4);
    for (unsigned i = 0; i < 4; i++)
        cache_release(&held[i]);
    cr_expect(put(cache, 4, 14000));
    cr_expect(cache_stats(cache).bytes <= LIMIT);
    cache_free(cache);
}

Test(index, recordings_take_half_and_throw_out_no_more_for_it)
{
    struct cache *cache = small_cache();
    struct cache_recording *recordings[16];
    unsigned begun = 0;

    for (unsigned i = 0; i < 4; i++)
        cr_assert(put(cache, i, 4000));
    while (begun < 16 && (recordings[begun] = begin(cache, 100 + begun)) != NULL)
        begun++;
    cr_expect(begun > 1 && begun < 16);
    cr_expect(cache_stats(cache).entries >= 3);
    for (unsigned i = 0; i < begun; i++)
        cache_record_drop(&recordings[i]);
    cr_expect(put(cache, 200, 4000));
    cache_free(cache);
}

Test(index, a_recording_that_is_alone_may_take_all_of_it)
{
    struct cache *cache = small_cache();

    cr_assert(put(cache, 0, 4000));
    cr_expect(put(cache, 1, LIMIT - 2000));
    cr_expect_eq(cache_stats(cache).entries, 1);
    cr_expect_not(put(cache, 2, LIMIT));
    cr_expect(cache_stats(cache).bytes <= LIMIT);
    cache_free(cache);
}

static uint64_t random_state = 88172645463325252u;

static unsigned draw(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % below);
}

/* What was stored and used last, newest first, as numbers. */
struct model {
    unsigned order[KEYS];
    unsigned count;
};

static void model_remove(struct model *model, unsigned number)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < model->count; i++)
        if (model->order[i] != number)
            model->order[kept++] = model->order[i];
    model->count = kept;
}

static void model_use(struct model *model, unsigned number)
{
    model_remove(model, number);
    memmove(model->order + 1, model->order, model->count * sizeof(*model->order));
    model->order[0] = number;
    model->count++;
}

static bool model_has(const struct model *model, unsigned number)
{
    for (unsigned i = 0; i < model->count; i++)
        if (model->order[i] == number)
            return true;
    return false;
}

/* The cache may have thrown out from the model's end only. */
static void model_shrink(struct model *model, uint64_t entries)
{
    cr_assert(entries <= model->count);
    model->count = (unsigned)entries;
}

Test(index, random_steps_agree_with_a_list_that_is_cut_at_its_end)
{
    struct cache *cache = small_cache();
    struct model model = {0};
    unsigned found = 0, missed = 0;

    for (unsigned step = 0; step < STEPS; step++) {
        unsigned number = draw(KEYS), what = draw(8);

        if (what < 4) {
            bool expected = model_has(&model, number);

            cr_assert_eq(has(cache, number), expected, "step %u", step);
            if (expected)
                model_use(&model, number);
            found += expected;
            missed += !expected;
        } else if (what < 7) {
            cr_assert(put(cache, number, draw(3000)));
            model_use(&model, number);
            model_shrink(&model, cache_stats(cache).entries);
        } else {
            struct cache_key key = numbered(number);

            cache_invalidate(cache, &key, fixture_request("DELETE", ""), 204);
            model_remove(&model, number);
        }
        cr_assert(cache_stats(cache).bytes <= LIMIT);
        cr_assert_eq(cache_stats(cache).entries, model.count);
    }
    cr_expect(found > 5000 && missed > 5000, "%u, %u", found, missed);
    cache_free(cache);
}
