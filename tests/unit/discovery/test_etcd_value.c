/* What stands under one of etcd's keys. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/etcd_value.h"

static void expect(const char *rest, const char *value, const char *wanted)
{
    char why[ETCD_WHY_BYTES] = "";
    json_t *endpoint = etcd_value_read(slice_str(rest), slice_str(value), why);
    char *text = endpoint ? json_dumps(endpoint, JSON_COMPACT | JSON_SORT_KEYS) : xstrdup(why);

    cr_expect_str_eq(text, wanted);
    free(text);
    json_decref(endpoint);
}

Test(etcd_value, an_object_is_an_endpoint_whose_id_is_the_keys_rest)
{
    expect("a", "{\"address\":\"10.0.0.1:80\",\"weight\":3}",
           "{\"address\":\"10.0.0.1:80\",\"id\":\"a\",\"weight\":3}");
    expect("a", " {\"address\":\"10.0.0.1:80\",\"id\":\"b\"}\n",
           "{\"address\":\"10.0.0.1:80\",\"id\":\"b\"}");
}

Test(etcd_value, an_address_is_one_too)
{
    expect("a", "10.0.0.1:80\n", "{\"address\":\"10.0.0.1:80\",\"id\":\"a\"}");
    expect("a", "\"10.0.0.1:80\"", "{\"address\":\"10.0.0.1:80\",\"id\":\"a\"}");
    expect("a", "unix:/run/app.sock", "{\"address\":\"unix:/run/app.sock\",\"id\":\"a\"}");
    expect("a", "[::1]:80", "{\"address\":\"[::1]:80\",\"id\":\"a\"}");
}

Test(etcd_value, slashes_within_the_key_become_colons)
{
    expect("/zone/a", "b:80", "{\"address\":\"b:80\",\"id\":\"zone:a\"}");
}

Test(etcd_value, a_key_that_is_no_id_needs_one_in_the_object)
{
    const char *why = "the key cannot be an id; \"id\" would say one";
    char *long_key = xasprintf("%0254d", 0);

    expect("", "b:80", why);
    expect("/", "b:80", why);
    expect("a b", "{\"address\":\"b:80\"}", why);
    expect("\xc3\xa4", "b:80", why);
    expect(long_key, "b:80", why);
    expect("a b", "{\"id\":\"c\"}", "{\"id\":\"c\"}");
    free(long_key);
}

Test(etcd_value, what_is_neither)
{
    const char *why = "neither an endpoint object nor \"HOST:PORT\"";

    expect("a", "", why);
    expect("a", "two words", why);
    expect("a", "\x01", why);
    expect("a", "\"\"", why);
}

Test(etcd_value, a_value_has_a_limit)
{
    char *value = xasprintf("{\"a\":\"%0*d\"}", ETCD_VALUE_BYTES, 0);

    expect("a", value, "the value has more than 65536 bytes");
    free(value);
}
