/* Many slices, one set: what is in two of them is one endpoint. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/kube_slices.h"

static const struct kube_selection any = {.port = "", .zone = "", .region = ""};

/* One endpoint per "pod@address" or "pod@address!" (not ready) or "~" (draining). */
static json_t *endpoint_of(const char *text)
{
    const char *at = strchr(text, '@');
    size_t n = strlen(at + 1), state = strcspn(at + 1, "!~");
    json_t *conditions = json_object();

    if (state < n) {
        bool draining = at[1 + state] == '~';
        json_object_set_new(conditions, "ready", json_false());
        json_object_set_new(conditions, "serving", json_boolean(draining));
        json_object_set_new(conditions, "terminating", json_boolean(draining));
    }
    return json_pack("{s:[s%], s:o, s:{s:s, s:s%}}", "addresses", at + 1, state, "conditions",
                     conditions, "targetRef", "kind", "Pod", "name", text, (size_t)(at - text));
}

static json_t *slice_of(const char *name, const char *type, const char *const *endpoints)
{
    json_t *array = json_array();

    for (; *endpoints; endpoints++)
        json_array_append_new(array, endpoint_of(*endpoints));
    return json_pack("{s:{s:s, s:s}, s:s, s:o, s:[{s:i}]}", "metadata", "name", name,
                     "resourceVersion", "7", "addressType", type, "endpoints", array, "ports",
                     "port", 80);
}

#define SLICE(name, type, ...) slice_of(name, type, (const char *const[]){__VA_ARGS__, NULL})

static bool put(struct kube_slices *slices, json_t *slice)
{
    bool changed = kube_slices_put(slices, slice);

    json_decref(slice);
    return changed;
}

static bool remove_named(struct kube_slices *slices, const char *name)
{
    json_t *object = json_pack("{s:{s:s}}", "metadata", "name", name);
    bool removed = kube_slices_remove(slices, object);

    json_decref(object);
    return removed;
}

/* "id address reported" of each, with commas. */
static void expect_set(const struct kube_slices *slices, const char *wanted)
{
    json_t *endpoints = kube_slices_endpoints(slices), *endpoint;
    char *text = NULL;
    size_t i, size;
    FILE *out = open_memstream(&text, &size);

    json_array_foreach(endpoints, i, endpoint)
    {
        const char *id, *address, *reported;
        cr_assert_eq(json_unpack(endpoint, "{s:s, s:s, s:s}", "id", &id, "address", &address,
                                 "reported", &reported),
                     0);
        fprintf(out, "%s%s %s %s", i ? ", " : "", id, address, reported);
    }
    fclose(out);
    cr_expect_str_eq(text, wanted);
    free(text);
    json_decref(endpoints);
}

static void count_refused(void *arg, const char *sentence)
{
    cr_assert_not_null(sentence);
    ++*(unsigned *)arg;
}

static unsigned refused(const struct kube_slices *slices)
{
    unsigned count = 0;

    kube_slices_refused(slices, count_refused, &count);
    return count;
}

Test(kube_slices, all_slices_together_are_the_set)
{
    struct kube_slices *slices = kube_slices_new(&any);

    expect_set(slices, "");
    cr_expect(put(slices, SLICE("s2", "IPv4", "c@10.0.0.3")));
    cr_expect(put(slices, SLICE("s1", "IPv4", "b@10.0.0.2!", "a@10.0.0.1")));
    expect_set(slices, "a 10.0.0.1:80 healthy, b 10.0.0.2:80 unhealthy, c 10.0.0.3:80 healthy");
    cr_expect(remove_named(slices, "s1"));
    cr_expect_not(remove_named(slices, "s1"));
    expect_set(slices, "c 10.0.0.3:80 healthy");
    kube_slices_free(slices);
}

Test(kube_slices, what_says_the_same_is_no_change)
{
    struct kube_slices *slices = kube_slices_new(&any);

    cr_expect(put(slices, SLICE("s", "IPv4", "a@10.0.0.1")));
    json_t *again = SLICE("s", "IPv4", "a@10.0.0.1");
    json_object_set_new(json_object_get(again, "metadata"), "resourceVersion", json_string("8"));
    cr_expect_not(put(slices, again));
    cr_expect(put(slices, SLICE("s", "IPv4", "a@10.0.0.1!")));
    kube_slices_free(slices);
}

Test(kube_slices, a_pod_that_moves_between_slices_is_taken_once_and_as_ready_as_anywhere)
{
    struct kube_slices *slices = kube_slices_new(&any);

    put(slices, SLICE("s1", "IPv4", "a@10.0.0.1!"));
    put(slices, SLICE("s2", "IPv4", "a@10.0.0.1"));
    expect_set(slices, "a 10.0.0.1:80 healthy");
    put(slices, SLICE("s2", "IPv4", "a@10.0.0.1~"));
    expect_set(slices, "a 10.0.0.1:80 draining");
    remove_named(slices, "s1");
    expect_set(slices, "a 10.0.0.1:80 draining");
    kube_slices_free(slices);
}

Test(kube_slices, a_pod_that_came_back_with_another_address_is_where_it_is_ready)
{
    struct kube_slices *slices = kube_slices_new(&any);

    put(slices, SLICE("s1", "IPv4", "db-0@10.0.0.1~"));
    put(slices, SLICE("s2", "IPv4", "db-0@10.0.0.2"));
    expect_set(slices, "db-0 10.0.0.2:80 healthy");
    kube_slices_free(slices);
}

Test(kube_slices, a_pod_of_two_families_is_one_endpoint_and_stays_at_its_ipv4_address)
{
    struct kube_slices *slices = kube_slices_new(&any);

    put(slices, SLICE("web-v6", "IPv6", "a@fd00::1", "b@fd00::2"));
    expect_set(slices, "a [fd00::1]:80 healthy, b [fd00::2]:80 healthy");
    put(slices, SLICE("web-v4", "IPv4", "a@10.0.0.1!"));
    expect_set(slices, "a 10.0.0.1:80 unhealthy, b [fd00::2]:80 healthy");
    kube_slices_free(slices);
}

Test(kube_slices, the_set_does_not_depend_on_the_order_of_events)
{
    const char *const names[] = {"s1", "s2", "s3"};
    static const char wanted[] = "a 10.0.0.1:80 healthy, b 10.0.0.2:80 healthy";

    for (unsigned first = 0; first < 3; first++) {
        struct kube_slices *slices = kube_slices_new(&any);

        for (unsigned i = 0; i < 3; i++)
            put(slices, SLICE(names[(first + i) % 3], "IPv4", "a@10.0.0.1", "b@10.0.0.2",
                              "a@10.0.0.1", "c@10.0.0.1"));
        expect_set(slices, wanted);
        kube_slices_free(slices);
    }
}

Test(kube_slices, refusals_stand_as_long_as_their_slice)
{
    struct kube_slices *slices = kube_slices_new(&any);

    put(slices, SLICE("s1", "FQDN", "a@web.local"));
    put(slices, SLICE("s2", "IPv4", "b@10.0.0.2", "c@x", "d@y"));
    cr_expect_eq(refused(slices), 3);
    expect_set(slices, "b 10.0.0.2:80 healthy");
    remove_named(slices, "s1");
    cr_expect_eq(refused(slices), 2);
    put(slices, SLICE("s2", "IPv4", "b@10.0.0.2"));
    cr_expect_eq(refused(slices), 0);
    kube_slices_free(slices);
}

Test(kube_slices, what_has_no_name_is_refused_and_changes_nothing_else)
{
    struct kube_slices *slices = kube_slices_new(&any);

    put(slices, SLICE("s", "IPv4", "a@10.0.0.1"));
    put(slices, json_object());
    put(slices, json_integer(7));
    put(slices, SLICE("a b", "IPv4", "b@10.0.0.2"));
    cr_expect_not(remove_named(slices, ""));
    cr_expect_eq(refused(slices), 1);
    expect_set(slices, "a 10.0.0.1:80 healthy");
    kube_slices_free(slices);
}

Test(kube_slices, slices_beyond_the_limit_are_refused)
{
    struct kube_slices *slices = kube_slices_new(&any);
    char name[32];

    for (int i = 0; i < KUBE_SLICES + 2; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        put(slices, SLICE(name, "IPv4", "a@10.0.0.1"));
    }
    cr_expect_eq(refused(slices), 1);
    cr_expect_not(remove_named(slices, name));
    /* Those that are there go on changing. */
    cr_expect(put(slices, SLICE("s0", "IPv4", "a@10.0.0.1!")));
    kube_slices_free(slices);
}

/* Nonsense costs memory too: a sentence for each. */
Test(kube_slices, endpoints_and_refusals_beyond_the_limit_are_refused_with_their_slice)
{
    enum { SLICES = KUBE_SLICES_ITEMS / KUBE_SLICE_ENDPOINTS + 20 };
    struct kube_slices *slices = kube_slices_new(&any);
    json_t *slice = SLICE("s", "IPv4", NULL);
    json_t *endpoints = json_object_get(slice, "endpoints");
    json_t *metadata = json_object_get(slice, "metadata");
    char name[32];

    for (int i = 0; i < KUBE_SLICE_ENDPOINTS; i++)
        json_array_append_new(endpoints, json_pack("{s:[s]}", "addresses", "x"));
    for (int i = 0; i < SLICES; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        json_object_set_new(metadata, "name", json_string(name));
        kube_slices_put(slices, slice);
    }
    cr_expect_leq(refused(slices), KUBE_SLICES_ITEMS + SLICES);
    cr_expect_leq(kube_slices_size(slices), KUBE_SLICES_ITEMS + SLICES);
    for (int i = 0; i < SLICES; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        remove_named(slices, name);
    }
    cr_expect_eq(kube_slices_size(slices), 0);
    json_decref(slice);
    kube_slices_free(slices);
}
