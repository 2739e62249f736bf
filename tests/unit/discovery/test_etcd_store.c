/* What etcd's gateway answers, and what becomes of it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/base64.h"
#include "discovery/etcd_ask.h"

#define PREFIX "/s/"

static struct etcd_store store;
static char refused[1024];

static void setup(void)
{
    etcd_store_init(&store, PREFIX, 1000);
}

static void teardown(void)
{
    etcd_store_fini(&store);
}

TestSuite(etcd_store, .init = setup, .fini = teardown);

/* Heap. */
static char *encode(const char *text)
{
    return base64_encode(slice_str(text));
}

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);

    cr_assert(json, "%s: %s", text, error.text);
    return json;
}

/* {"key": ..., "value": ...}; heap. */
static char *kv(const char *key, const char *value)
{
    char *k = encode(key), *v = encode(value);
    char *text = xasprintf("{\"key\":\"%s\",\"value\":\"%s\"}", k, v);

    free(k);
    free(v);
    return text;
}

static int take_page(const char *text, bool *ret_more)
{
    json_t *json = parse(text);
    int code = etcd_store_take_page(&store, json, ret_more);

    json_decref(json);
    return code;
}

/* A page with one key. */
static void list_one(const char *key, const char *value, unsigned revision, bool more)
{
    char *pair = kv(key, value);
    char *text = xasprintf("{\"header\":{\"revision\":\"%u\"},\"kvs\":[%s],%s\"count\":\"2\"}",
                           revision, pair, more ? "\"more\":true," : "");
    bool is_more = !more;

    cr_expect_eq(take_page(text, &is_more), EG_OK);
    cr_expect_eq(is_more, more);
    free(text);
    free(pair);
}

static enum etcd_word take(const char *text, char *why)
{
    json_t *json = parse(text);
    enum etcd_word word = etcd_store_take_event(&store, json, why);

    json_decref(json);
    return word;
}

static enum etcd_word put(const char *key, const char *value, unsigned revision)
{
    char *pair = kv(key, value), why[ETCD_WHY_BYTES];
    char *text = xasprintf(
        "{\"result\":{\"header\":{\"revision\":\"%u\"},\"events\":[{\"kv\":%s}]}}", revision, pair);
    enum etcd_word word = take(text, why);

    free(text);
    free(pair);
    return word;
}

static void delete (const char *key, unsigned revision)
{
    char *k = encode(key), why[ETCD_WHY_BYTES];
    char *text = xasprintf("{\"result\":{\"header\":{\"revision\":\"%u\"},\"events\":[{\"type\":"
                           "\"DELETE\",\"kv\":{\"key\":\"%s\"}}]}}",
                           revision, k);

    cr_expect_eq(take(text, why), ETCD_CHANGED);
    free(text);
    free(k);
}

static void on_refused(void *arg, const char *why)
{
    strncat(refused, why, sizeof(refused) - strlen(refused) - 1);
    strncat(refused, ";", sizeof(refused) - strlen(refused) - 1);
}

static void expect(const char *wanted, const char *wanted_refused)
{
    refused[0] = '\0';
    json_t *endpoints = etcd_store_endpoints(&store, on_refused, NULL);
    char *text = json_dumps(endpoints, JSON_COMPACT);

    cr_expect_str_eq(text, wanted);
    cr_expect_str_eq(refused, wanted_refused);
    free(text);
    json_decref(endpoints);
}

#define A "{\"id\":\"a\",\"address\":\"h:1\"}"
#define B "{\"id\":\"b\",\"address\":\"h:2\"}"

Test(etcd_store, pages_then_events)
{
    list_one("/s/a", "h:1", 7, true);
    list_one("/s/b", "h:2", 7, false);
    expect("[" A "," B "]", "");
    delete ("/s/a", 8);
    expect("[" B "]", "");
    cr_expect_eq(put("/s/a", "h:1", 9), ETCD_CHANGED);
    expect("[" B "," A "]", "");
    cr_expect_eq(store.revision, 9u);
    cr_expect_eq(store.bytes, 14u);
}

Test(etcd_store, an_empty_prefix)
{
    bool more = true;

    cr_expect_eq(take_page("{\"header\":{\"revision\":\"3\"}}", &more), EG_OK);
    cr_expect_not(more);
    expect("[]", "");
}

Test(etcd_store, nonsense_is_left_out_alone)
{
    list_one("/s/a", "h:1", 7, false);
    cr_expect_eq(put("/s/b", "{", 8), ETCD_CHANGED);
    expect("[" A "]", "key \"/s/b\": the value is not JSON: string or '}' expected near end of "
                      "file;");
    cr_expect_eq(put("/s/\xff", "h:1", 9), ETCD_CHANGED);
    delete ("/s/b", 10);
    expect("[" A "]", "key \"/s/?\": the key cannot be an id; \"id\" would say one;");
}

Test(etcd_store, what_was_not_asked_for_is_nothing)
{
    cr_expect_eq(put("/other", "h:1", 8), ETCD_CHANGED);
    expect("[]", "");
}

Test(etcd_store, answers_that_are_none)
{
    const char *const answers[] = {
        "{}",
        "[]",
        "{\"header\":{}, \"kvs\":{}}",
        "{\"header\":{\"revision\":-1}}",
        "{\"header\":{\"revision\":\"x\"}}",
        "{\"header\":{\"revision\":[]}}",
        "{\"header\":{},\"kvs\":[{}]}",
        "{\"header\":{},\"kvs\":[7]}",
        "{\"header\":{},\"kvs\":[{\"key\":\"%\"}]}",
        "{\"header\":{},\"kvs\":[{\"key\":\"L3MvYQ==\",\"value\":1}]}",
        "{\"header\":{},\"kvs\":[],\"more\":true}",
    };
    bool more = false;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        cr_expect_eq(take_page(answers[i], &more), EG_E_INTERNAL, "%s", answers[i]);
    cr_expect_not(more);
}

Test(etcd_store, pages_come_to_an_end)
{
    for (unsigned i = 0; i < 4095; i++)
        list_one("/s/a", "h:1", 7, true);
    char *pair = kv("/s/a", "h:1");
    char *text = xasprintf("{\"header\":{},\"kvs\":[%s],\"more\":true}", pair);
    bool more;
    cr_expect_eq(take_page(text, &more), EG_E_INTERNAL);
    free(text);
    free(pair);
}

Test(etcd_store, more_bytes_than_allowed_are_left_out)
{
    char *value = xasprintf("{\"address\":\"h:1\",\"name\":\"%0*d\"}", 600, 0);

    list_one("/s/a", value, 7, false);
    cr_expect_eq(put("/s/b", value, 8), ETCD_CHANGED);
    cr_expect(store.full);
    refused[0] = '\0';
    json_t *endpoints = etcd_store_endpoints(&store, on_refused, NULL);
    cr_expect_eq(json_array_size(endpoints), 1u);
    cr_expect(strstr(refused, "more bytes than max_bytes"));
    json_decref(endpoints);
    /* A value takes the place of the one before. */
    cr_expect_eq(put("/s/a", value, 9), ETCD_CHANGED);
    cr_expect_eq(json_object_size(store.entries), 1u);
    free(value);
}

Test(etcd_store, words_of_a_watch)
{
    static const struct {
        const char *text;
        enum etcd_word word;
        const char *why;
    } cases[] = {
        {"{\"result\":{\"header\":{},\"created\":true}}", ETCD_NOTHING, ""},
        {"{\"result\":{\"header\":{\"revision\":\"9\"}}}", ETCD_NOTHING, ""},
        {"{\"result\":{\"header\":{},\"canceled\":true,\"compact_revision\":\"4\"}}",
         ETCD_COMPACTED, ""},
        {"{\"result\":{\"header\":{},\"canceled\":true,\"cancel_reason\":\"no\"}}", ETCD_CANCELED,
         "etcd ended the watch: no"},
        {"{\"result\":{\"header\":{},\"canceled\":true}}", ETCD_CANCELED, "etcd ended the watch"},
        {"{\"error\":{\"message\":\"etcdserver: no leader\"}}", ETCD_CANCELED,
         "etcd ended the watch: etcdserver: no leader"},
        {"{}", ETCD_NONSENSE, ""},
        {"{\"result\":[]}", ETCD_NONSENSE, ""},
        {"{\"result\":{}}", ETCD_NONSENSE, ""},
        {"{\"result\":{\"header\":{},\"events\":[{}]}}", ETCD_NONSENSE, ""},
        {"{\"result\":{\"header\":{},\"events\":[{\"kv\":{\"key\":3}}]}}", ETCD_NONSENSE, ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[ETCD_WHY_BYTES] = "";
        cr_expect_eq(take(cases[i].text, why), cases[i].word, "%s", cases[i].text);
        cr_expect_str_eq(why, cases[i].why);
    }
    cr_expect_eq(store.revision, 0u);
}

static bool agrees(const char *text)
{
    json_t *json = parse(text);
    bool good = etcd_store_agrees(&store, json);

    json_decref(json);
    return good;
}

Test(etcd_store, knows_whether_it_has_all)
{
    list_one("/s/a", "h:1", 7, true);
    list_one("/s/b", "h:2", 7, false);
    cr_expect(agrees("{\"header\":{\"revision\":\"7\"},\"count\":\"2\"}"));
    cr_expect(agrees("{\"header\":{\"revision\":\"9\"},\"count\":\"2\"}"), "other keys");
    cr_expect_not(agrees("{\"header\":{\"revision\":\"9\"},\"count\":\"1\"}"));
    cr_expect_not(agrees("{\"header\":{\"revision\":\"9\"}}"));
    cr_expect_not(agrees("{\"header\":{\"revision\":\"6\"},\"count\":\"2\"}"), "it lost its data");
    cr_expect_not(agrees("{\"header\":{\"revision\":\"9\"},\"count\":\"2\","
                         "\"kvs\":[{\"mod_revision\":\"9\"}]}"));
    cr_expect_not(agrees("{\"count\":\"2\"}"));
    cr_expect_eq(put("/s/b", "h:3", 9), ETCD_CHANGED);
    cr_expect(agrees("{\"header\":{\"revision\":\"9\"},\"count\":\"2\","
                     "\"kvs\":[{\"mod_revision\":\"9\"}]}"),
              "the event came while it was asked");
}

static void expect_text(char *text, const char *wanted)
{
    cr_expect_str_eq(text, wanted);
    free(text);
}

Test(etcd_store, asks_for_the_prefix)
{
    expect_text(etcd_ask_page(&store),
                "{\"key\":\"L3Mv\",\"range_end\":\"L3Mw\",\"limit\":\"500\"}");
    list_one("/s/a", "h:1", 7, true);
    expect_text(etcd_ask_page(&store), "{\"key\":\"L3MvYQA=\",\"range_end\":\"L3Mw\",\"limit\":"
                                       "\"500\",\"revision\":\"7\"}");
    expect_text(etcd_ask_check(&store), "{\"key\":\"L3Mv\",\"range_end\":\"L3Mw\",\"limit\":\"1\","
                                        "\"min_mod_revision\":\"8\",\"keys_only\":true}");
    expect_text(etcd_ask_watch(&store), "{\"create_request\":{\"key\":\"L3Mv\",\"range_end\":"
                                        "\"L3Mw\",\"start_revision\":\"8\"}}");
}

Test(etcd_store, a_prefix_may_be_any_bytes)
{
    static const struct {
        const char *prefix, *wanted;
    } cases[] = {
        {"", "{\"key\":\"AA==\",\"range_end\":\"AA==\",\"limit\":\"500\"}"},
        {"\xff", "{\"key\":\"/w==\",\"range_end\":\"AA==\",\"limit\":\"500\"}"},
        {"a\xff", "{\"key\":\"Yf8=\",\"range_end\":\"Yg==\",\"limit\":\"500\"}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct etcd_store other;
        etcd_store_init(&other, cases[i].prefix, 1000);
        expect_text(etcd_ask_page(&other), cases[i].wanted);
        etcd_store_fini(&other);
    }
}

Test(etcd_store, asks_for_a_token)
{
    expect_text(etcd_ask_token("root", SLICE_LIT("p\"w")),
                "{\"name\":\"root\",\"password\":\"p\\\"w\"}");
    cr_expect_null(etcd_ask_token("root", SLICE_LIT("\xff")));
}
