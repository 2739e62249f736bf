/*
 * What a Kubernetes API server says: a list and events of a watch, one JSON text per line.
 * Properties: whatever comes, the set has each id and each address once, every endpoint has what it
 * must have, and the same slices make the same set whatever order they came in.
 *
 * The first byte says which port is wanted.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "discovery/json_lines.h"
#include "discovery/kube_api.h"
#include "discovery/kube_slices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS = 64 };

static void check_text(const json_t *endpoint, const char *key, bool wanted)
{
    const json_t *value = json_object_get(endpoint, key);
    const char *text = json_string_value(value);

    CHECK(text || (!value && !wanted));
    CHECK(!text || (json_string_length(value) > 0 && json_string_length(value) <= KUBE_NAME_BYTES));
    for (; text && *text; text++)
        CHECK(*text > ' ' && (unsigned char)*text < 0x7f);
}

static void check_set(const json_t *endpoints)
{
    json_t *ids = json_object(), *addresses = json_object();
    const json_t *endpoint;
    size_t i;

    json_array_foreach(endpoints, i, endpoint)
    {
        check_text(endpoint, "id", true);
        check_text(endpoint, "address", true);
        check_text(endpoint, "reported", true);
        check_text(endpoint, "zone", false);
        check_text(endpoint, "region", false);
        json_object_set_new(ids, json_string_value(json_object_get(endpoint, "id")), json_null());
        json_object_set_new(addresses, json_string_value(json_object_get(endpoint, "address")),
                            json_null());
    }
    CHECK(json_object_size(ids) == json_array_size(endpoints));
    CHECK(json_object_size(addresses) == json_array_size(endpoints));
    json_decref(ids);
    json_decref(addresses);
}

static void on_refused(void *arg, const char *sentence)
{
    json_t *text = json_string(sentence); /* UTF-8, or it could not be told */

    CHECK(text != NULL && strlen(sentence) < 1000);
    json_decref(text);
}

static void take(struct kube_slices *slices, const json_t *json)
{
    const json_t *items = json_object_get(json, "items"), *item;
    struct kube_event event = kube_event_read(json);
    const char *version = kube_version_of(event.object), *next_page = kube_continue_of(json);
    const struct kube_scope scope = {"", "n", "s"};
    char out[KUBE_PROBLEM_BYTES];
    size_t i;

    json_array_foreach(items, i, item) kube_slices_put(slices, item);
    if (event.type == KUBE_EVENT_PUT)
        kube_slices_put(slices, event.object);
    else if (event.type == KUBE_EVENT_DELETED)
        kube_slices_remove(slices, event.object);
    else if (event.type == KUBE_EVENT_ERROR)
        kube_problem(out, 403, event.object,
                     &(struct kube_asker){"list", &scope, true, false, NULL});
    char *target = kube_watch_target(&scope, version ? version : "", 1);
    char *page = kube_list_target(&scope, next_page);
    CHECK(!strpbrk(target, " \r\n") && !strpbrk(page, " \r\n"));
    free(target);
    free(page);
}

/* The other way round, so that what comes last is there first. What is in both stays the same. */
static void check_order(const struct kube_selection *selection, json_t *const *slices, size_t count)
{
    struct kube_slices *forth = kube_slices_new(selection), *back = kube_slices_new(selection);
    json_t *names = json_object();

    for (size_t i = 0; i < count; i++) {
        const char *name = kube_slice_name(slices[i]);
        if (!name || json_object_get(names, name))
            continue; /* the later one of a name would count */
        json_object_set_new(names, name, json_integer((json_int_t)i));
        kube_slices_put(forth, slices[i]);
    }
    for (size_t i = count; i-- > 0;) {
        const char *name = kube_slice_name(slices[i]);
        if (name && json_integer_value(json_object_get(names, name)) == (json_int_t)i)
            kube_slices_put(back, slices[i]);
    }
    json_t *one = kube_slices_endpoints(forth), *other = kube_slices_endpoints(back);
    CHECK(json_equal(one, other));
    json_decref(one);
    json_decref(other);
    json_decref(names);
    kube_slices_free(forth);
    kube_slices_free(back);
}

/* The texts, at most EVENTS of them. */
static size_t read_texts(const uint8_t *data, size_t size, json_t **out)
{
    struct json_lines lines;
    size_t at = 0, used = 0, count = 0;

    json_lines_init(&lines, 64 * 1024);
    while (count < EVENTS && json_lines_next(&lines, (const char *)data + at, size - at, &used,
                                             &out[count]) == EG_OK) {
        at += used;
        count++;
    }
    json_lines_fini(&lines);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ports[] = {"", "http", "8080"};
    json_t *texts[EVENTS], *objects[EVENTS];
    size_t object_count = 0;

    if (size == 0 || size > 64 * 1024)
        return 0;
    const struct kube_selection selection = {ports[data[0] % 3], "a", "r"};
    struct kube_slices *slices = kube_slices_new(&selection);
    size_t count = read_texts(data + 1, size - 1, texts);

    for (size_t i = 0; i < count; i++) {
        json_t *object = json_object_get(texts[i], "object");

        take(slices, texts[i]);
        if (object)
            objects[object_count++] = object;
    }
    json_t *endpoints = kube_slices_endpoints(slices);
    check_set(endpoints);
    json_decref(endpoints);
    kube_slices_refused(slices, on_refused, NULL);
    kube_slices_free(slices);
    check_order(&selection, objects, object_count);
    for (size_t i = 0; i < count; i++)
        json_decref(texts[i]);
    return 0;
}
