/* What of a request decides where it belongs. */
#include <criterion/criterion.h>

#include "proxy/request_key.h"

static struct http_field fields[2];
static struct http_request_head head;

static void give(const char *name, const char *value)
{
    struct slice n = slice_str(name);

    fields[0] = (struct http_field){n, slice_str(value), http_field_id_of(n)};
    head = (struct http_request_head){
        .path = SLICE_LIT("/a?b"),
        .fields = {.v = fields, .count = 1, .capacity = 2, .present = (uint64_t)1 << fields[0].id},
    };
}

static struct slice key(enum config_algorithm algorithm, enum config_hash_key by, const char *name)
{
    struct config_pool pool = {.algorithm = algorithm, .hash_key = by, .hash_name = name};

    return request_key_of(&pool, &head, SLICE_LIT("10.0.0.1"));
}

static void expect(struct slice got, const char *want)
{
    cr_expect(slice_eq(got, slice_str(want)), "\"%.*s\", not \"%s\"", SLICE_FMT(got), want);
}

Test(request_key, is_what_the_pool_hashes)
{
    give("X-User", "u1");
    expect(key(CONFIG_CONSISTENT_HASH, CONFIG_HASH_IP, ""), "10.0.0.1");
    expect(key(CONFIG_CONSISTENT_HASH, CONFIG_HASH_URI, ""), "/a?b");
    expect(key(CONFIG_CONSISTENT_HASH, CONFIG_HASH_HEADER, "x-user"), "u1");
    give("Cookie", "a=1; id=u2; b=3");
    expect(key(CONFIG_CONSISTENT_HASH, CONFIG_HASH_COOKIE, "id"), "u2");
}

Test(request_key, is_the_client_where_the_request_has_none)
{
    give("X-Other", "1");
    expect(key(CONFIG_CONSISTENT_HASH, CONFIG_HASH_HEADER, "x-user"), "10.0.0.1");
    expect(key(CONFIG_CONSISTENT_HASH, CONFIG_HASH_COOKIE, "id"), "10.0.0.1");
    expect(key(CONFIG_IP_HASH, CONFIG_HASH_URI, ""), "10.0.0.1");
}

Test(request_key, a_cookie_is_found_by_its_whole_name)
{
    static const struct {
        const char *cookies, *value;
    } cases[] = {
        {"id=1", "1"},
        {" id=1 ; x=2", "1"},
        {"xid=1; id=2", "2"},
        {"id=1; id=2", "1"},
        {"idx=1", ""},
        {"id", ""},
        {"", ""},
        {";;id=1", "1"},
        {"ID=1", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        give("Cookie", cases[i].cookies);
        expect(request_cookie(&head.fields, SLICE_LIT("id")), cases[i].value);
    }
}
