/* pools[].discovery: what its keys must be, and which blocks mean the same source. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/plan.h"
#include "support.h"

/* The block stands on line 3. */
#define FOUND(keys)    LISTENER "pools = ( { name = \"app\";\n discovery = { " keys " }; } );\n"
#define CONSUL         "type = \"consul\"; address = \"a:8500\"; service = \"s\"; "
#define ETCD           "type = \"etcd\"; address = \"a:2379\"; prefix = \"/p/\"; "
#define DNS            "type = \"dns\"; name = \"app.internal:80\"; "
#define KUBERNETES     "type = \"kubernetes\"; service = \"app\"; "
#define REGISTER(keys) CONSUL "register = { " keys " };"

static const struct config_discovery *block_of(const struct config *config)
{
    cr_assert_not_null(config->pools[0].discovery);
    return config->pools[0].discovery;
}

Test(discovery, blocks_have_their_defaults)
{
    struct config *config = support_load(FOUND("type = \"file\"; path = \"endpoints.json\";"));
    const struct config_discovery *d = block_of(config);

    cr_expect_eq(d->type, CONFIG_DISCOVERY_FILE);
    cr_expect_str_eq(d->path, "endpoints.json");
    cr_expect_not(d->allow_empty);
    cr_expect_null(d->cache);
    cr_expect_eq(d->max_bytes, 16 << 20);
    cr_expect_eq(d->interval_ms, 60000);
    cr_expect_eq(d->wait_ms, 300000);
    cr_expect_null(d->addresses[0]);
    cr_expect_null(d->service_tags[0]);
    cr_expect_str_empty(d->port_name);
    cr_expect_eq(d->where.line, 3);
    cr_expect_eq(config->pools[0].backend_count, 0, "there need be none in the file");
    cr_expect_eq(config_where_of(&config->pools[0], CONFIG_PART_DISCOVERY)->line, 3);
    config_unref(&config);
}

Test(discovery, types_have_names)
{
    cr_expect_str_eq(config_discovery_type_name(CONFIG_DISCOVERY_FILE), "file");
    cr_expect_str_eq(config_discovery_type_name(CONFIG_DISCOVERY_KUBERNETES), "kubernetes");
}

Test(discovery, a_source_is_asked_for_what_its_type_has)
{
    static const struct {
        const char *text, *subject;
    } table[] = {
        {FOUND("type = \"file\"; path = \"/run/e.json\";"), "/run/e.json"},
        {FOUND(DNS), "app.internal"},
        {FOUND(CONSUL), "s"},
        {FOUND(KUBERNETES), "app"},
        {FOUND(ETCD), "/p/"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct config *config = support_load(table[i].text);

        cr_expect_str_eq(config_discovery_subject(block_of(config)), table[i].subject);
        config_unref(&config);
    }
}

Test(discovery, names_bring_their_port_or_have_it_beside_them)
{
    static const char *const texts[] = {
        FOUND("type = \"dns\"; name = \"app.internal:80\";"),
        FOUND("type = \"dns\"; name = \"app.internal\"; port = 80; record = \"a\";"),
        FOUND("type = \"dns\"; name = \"app.internal\"; port = \"80\";"),
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct config *config = support_load(texts[i]);

        cr_expect_str_eq(block_of(config)->name, "app.internal");
        cr_expect_eq(block_of(config)->port, 80);
        config_unref(&config);
    }
}

Test(discovery, absolute_names_and_those_of_services_are_good)
{
    struct config *a = support_load(FOUND("type = \"dns\"; name = \"app.internal.\"; port = 80;"));
    struct config *srv = support_load(
        FOUND("type = \"dns\"; record = \"srv\"; name = \"_http._tcp.app.internal.\";"));

    cr_expect_str_eq(block_of(a)->name, "app.internal.");
    cr_expect_eq(block_of(srv)->record, CONFIG_DNS_SRV);
    config_unref(&a);
    config_unref(&srv);
}

Test(discovery, addresses_and_tags_may_be_one_or_several)
{
    struct config *config =
        support_load(FOUND("type = \"consul\"; service = \"s\"; address = [ \"a:1\", "
                           "\"unix:/run/consul.sock\" ]; tag = \"blue\";"));
    const struct config_discovery *d = block_of(config);

    cr_expect_str_eq(d->addresses[0], "a:1");
    cr_expect_str_eq(d->addresses[1], "unix:/run/consul.sock");
    cr_expect_null(d->addresses[2]);
    cr_expect_str_eq(d->service_tags[0], "blue");
    cr_expect_null(d->service_tags[1]);
    config_unref(&config);
}

Test(discovery, registrations_are_named_after_their_port)
{
    struct config *config = support_load(FOUND(REGISTER("port = 8080;")));
    const struct config_registration *r = block_of(config)->registration;

    cr_expect_str_eq(r->name, "evergate");
    cr_expect_str_eq(r->id, "evergate-8080");
    cr_expect_str_empty(r->address);
    cr_expect_eq(r->ttl_ms, 15000);
    config_unref(&config);
}

Test(discovery, paths_are_relative_to_the_file)
{
    char *files = support_directory_make();
    char *path = support_write(files, "edge.conf",
                               FOUND(ETCD "user = \"u\"; password_file = \"etcd.password\"; cache "
                                          "= \"app.json\";"));
    char *secret = support_write(files, "etcd.password", "secret\n");
    char *cache = xasprintf("%s/app.json", files);
    struct config *config = NULL;
    struct config_errors errors;
    char *printed;
    int code = config_load(&config, path, &errors);

    printed = support_print(&errors);
    cr_assert_eq(code, 0, "%s", printed);
    cr_expect_str_eq(block_of(config)->password_file, secret);
    cr_expect_str_eq(block_of(config)->cache, cache);
    config_unref(&config);
    config_errors_free(&errors);
    free(printed);
    free(cache);
    free(secret);
    free(path);
    support_directory_remove(&files);
}

Test(discovery, keys_must_be_there)
{
    static const struct support_mistake table[] = {
        {FOUND("path = \"x\";"), 3, "\"type\" is missing; write type = \"file\""},
        {FOUND("type = \"zookeeper\";"), 3, "\"zookeeper\" is not known; write one of \"file\""},
        {FOUND("type = \"file\";"), 3, "\"path\" is missing, which type = \"file\" needs"},
        {FOUND("type = \"file\"; path = \"\";"), 3, "\"path\" is missing"},
        {FOUND("type = \"dns\";"), 3, "\"name\" is missing, which type = \"dns\" needs"},
        {FOUND("type = \"consul\"; service = \"s\";"), 3, "\"address\" is missing"},
        {FOUND("type = \"consul\"; address = [ ]; service = \"s\";"), 3, "\"address\" is missing"},
        {FOUND("type = \"consul\"; address = \"a:1\";"), 3, "\"service\" is missing"},
        {FOUND("type = \"kubernetes\";"), 3, "\"service\" is missing"},
        {FOUND("type = \"etcd\"; prefix = \"p\";"), 3, "\"address\" is missing"},
        {FOUND("type = \"etcd\"; address = \"a:1\";"), 3, "\"prefix\" is missing"},
        {FOUND(REGISTER("name = \"x\";")), 3, "register: \"port\" is missing; write port = 8080"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(discovery, keys_of_another_type_say_whose_they_are)
{
    static const struct support_mistake table[] = {
        {FOUND(DNS "path = \"x\";"), 3,
         "path has no effect with type = \"dns\"; remove it, or write type = \"file\""},
        {FOUND(DNS "service = \"x\";"), 3, "write type = \"consul\" or \"kubernetes\""},
        {FOUND(CONSUL "prefix = \"/x\";"), 3, "write type = \"etcd\""},
        {FOUND(KUBERNETES "tls = { };"), 3, "write type = \"consul\" or \"etcd\""},
        {FOUND(KUBERNETES "register = { port = 80; };"), 3, "write type = \"consul\""},
        {FOUND(ETCD "namespace = \"x\";"), 3, "write type = \"kubernetes\""},
        {FOUND(ETCD "interval = \"5s\";"), 3, "write type = \"dns\""},
        {FOUND(CONSUL "port = 80;"), 3, "write type = \"dns\" or \"kubernetes\""},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(discovery, values_are_checked)
{
    static const struct support_mistake table[] = {
        {FOUND(DNS "interval = \"500ms\";"), 3, "out of range; write \"1s\" to \"1h\""},
        {FOUND(DNS "max_bytes = \"1k\";"), 3, "out of range; write \"64k\" to \"1g\""},
        {FOUND(DNS "port = 81;"), 3, "the name \"app.internal:80\" has one"},
        {FOUND("type = \"dns\"; name = \"app.internal\";"), 3, "name = \"app.internal:8080\""},
        {FOUND("type = \"dns\"; name = \"10.0.0.1:80\";"), 3, "\"10.0.0.1:80\" is not a host name"},
        {FOUND("type = \"dns\"; name = \"a b\"; port = 80;"), 3, "\"a b\" is not a host name"},
        {FOUND("type = \"dns\"; name = \"a:99999\";"), 3, "name: port 99999"},
        {FOUND("type = \"dns\"; name = \"a\"; port = 0;"), 3, "port: 0 is out of range"},
        {FOUND("type = \"dns\"; name = \"a\"; port = \"http\";"), 3, "\"http\" is not a port"},
        {FOUND("type = \"dns\"; name = \"a\"; port = true;"), 3, "port must be an integer or a"},
        {FOUND("type = \"dns\"; name = 3;"), 3, "name must be a string"},
        {FOUND("type = \"dns\"; record = \"srv\"; name = \"a.b\"; port = 80;"), 3,
         "SRV records have their own"},
        {FOUND("type = \"dns\"; record = \"srv\"; name = \"a.b:80\";"), 3, "no name of SRV"},
        {FOUND(CONSUL "wait = \"1h\";"), 3, "out of range; write \"1s\" to \"10m\""},
        {FOUND(CONSUL "token = \"a b\";"), 3, "write it without spaces"},
        {FOUND(CONSUL "token_file = \"/nowhere/t\";"), 3, "token_file: cannot read"},
        {FOUND(CONSUL "token = \"a\"; token_file = \"/dev/null\";"), 3, "write one of them"},
        {FOUND(CONSUL "tag = 3;"), 3, "tag must be a string"},
        {FOUND(CONSUL "datacenter = \"a\\nb\";"), 3, "datacenter has control characters"},
        {FOUND("type = \"consul\"; service = \"s\"; address = \"https://a:1\";"), 3,
         "is a URL; write HOST:PORT, and tls"},
        {FOUND("type = \"consul\"; service = \"s\"; address = \"a\";"), 3, "\"a\" has no port"},
        {FOUND(REGISTER("port = 80; ttl = \"1s\";")), 3, "out of range; write \"3s\" to \"1h\""},
        {FOUND(REGISTER("port = 80; address = \"a:80\";")), 3, "register: address: \"a:80\""},
        {FOUND("type = \"kubernetes\"; service = \"App\";"), 3, "no name of Kubernetes"},
        {FOUND(KUBERNETES "namespace = \"-a\";"), 3, "namespace: \"-a\" is no name"},
        {FOUND(KUBERNETES "context = \"c\";"), 3, "write kubeconfig = \"FILE\""},
        {FOUND(ETCD "user = \"u\";"), 3, "write password_file = \"FILE\" beside it"},
        {FOUND(DNS "cache = \"/nowhere/at/all\";"), 3, "cache: the directory \"/nowhere/at\""},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        /* /dev/null is no file: that is a second mistake of the same line. */
        struct config_errors errors = support_refuse(table[i].text);
        char *printed = support_print(&errors);

        cr_expect_not_null(strstr(errors.v[0].message, table[i].says), "%s: %s", table[i].says,
                           printed);
        cr_expect_eq(errors.v[0].line, table[i].line);
        free(printed);
        config_errors_free(&errors);
    }
}

#define TWO(a, b)                                                                                  \
    LISTENER "pools = ( { name = \"p\"; discovery = { " a " }; },\n { name = \"q\"; discovery = "  \
             "{ " b " }; } );\nroutes = ( { pool = \"p\"; } );\n"

static bool same_source(const char *text)
{
    struct config *config = support_load(text);
    bool same = strcmp(config->pools[0].discovery->key, config->pools[1].discovery->key) == 0;

    config_unref(&config);
    return same;
}

Test(discovery, blocks_that_say_the_same_are_one_source)
{
    cr_expect(same_source(TWO(CONSUL, CONSUL)));
    cr_expect(same_source(TWO(CONSUL, CONSUL "allow_empty = true;")));
    cr_expect(same_source(TWO(CONSUL, CONSUL "wait = \"300s\"; tag = [ ];")));
    cr_expect(same_source(TWO(CONSUL "tag = \"a\";", CONSUL "tag = [ \"a\" ];")));
    cr_expect(same_source(
        TWO(DNS, "type = \"dns\"; name = \"app.internal\"; port = 80; record = \"a\";")));
    cr_expect_not(same_source(TWO(CONSUL, CONSUL "tag = \"a\";")));
    cr_expect_not(same_source(TWO(CONSUL, CONSUL "token = \"a\";")));
    cr_expect_not(same_source(TWO(CONSUL "token = \"a\";", CONSUL "token = \"b\";")));
    cr_expect_not(same_source(TWO(CONSUL, CONSUL "tls = { };")));
    cr_expect_not(same_source(TWO(CONSUL, CONSUL "max_bytes = \"1m\";")));
    cr_expect_not(same_source(TWO(CONSUL, DNS)));
}

Test(discovery, the_key_holds_no_secret)
{
    struct config *config = support_load(FOUND(CONSUL "token = \"hunter2\";"));

    cr_expect_null(strstr(block_of(config)->key, "hunter2"));
    config_unref(&config);
}

static bool depends_on_zone(const char *here, const char *there)
{
    struct config *a = support_load(here), *b = support_load(there);
    bool differs = strcmp(block_of(a)->key, block_of(b)->key) != 0;

    config_unref(&a);
    config_unref(&b);
    return differs;
}

Test(discovery, only_kubernetes_is_asked_anew_from_another_zone)
{
    cr_expect(depends_on_zone("zone = \"z1\";\n" FOUND(KUBERNETES),
                              "zone = \"z2\";\n" FOUND(KUBERNETES)));
    cr_expect_not(depends_on_zone("zone = \"z1\";\n" FOUND(ETCD), "zone = \"z2\";\n" FOUND(ETCD)));
}

Test(discovery, the_key_changes_with_what_the_named_files_hold)
{
    char *files = support_directory_make();
    char *path = support_write(files, "edge.conf",
                               FOUND(ETCD "user = \"u\"; password_file = \"etcd.password\";"));
    struct config *config[2] = {NULL, NULL};
    struct config_errors errors;

    for (int i = 0; i < 2; i++) {
        free(support_write(files, "etcd.password", i == 0 ? "one\n" : "two\n"));
        cr_assert_eq(config_load(&config[i], path, &errors), 0);
        config_errors_free(&errors);
    }
    cr_expect_str_neq(block_of(config[0])->key, block_of(config[1])->key);
    cr_expect_eq(config_pool_differences(config[0], config[0]->pools, config[1], config[1]->pools),
                 CONFIG_PART_DISCOVERY);
    config_unref(&config[0]);
    config_unref(&config[1]);
    free(path);
    support_directory_remove(&files);
}

Test(discovery, two_sources_do_not_share_a_cache)
{
    struct config_errors errors =
        support_refuse(TWO(DNS "cache = \"/tmp/app.json\";", CONSUL "cache = \"/tmp/app.json\";"));
    struct config *config =
        support_load(TWO(DNS "cache = \"/tmp/app.json\";", DNS "cache = \"/tmp/app.json\";"));

    cr_expect_eq(errors.count, 1);
    cr_expect_eq(errors.v[0].line, 3);
    cr_expect_not_null(strstr(errors.v[0].message, "is the file of pool \"p\" too"));
    config_errors_free(&errors);
    config_unref(&config);
}

/* evergate writes it, and what is read is somebody else's to write. */
Test(discovery, a_cache_is_no_file_that_is_read)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {TWO("type = \"file\"; path = \"/tmp/app.json\"; cache = \"/tmp/app.json\";", DNS),
         "pool \"p\": discovery: cache: \"/tmp/app.json\" is the path of pool \"p\""},
        {TWO(DNS "cache = \"/tmp/app.json\";", "type = \"file\"; path = \"/tmp/app.json\";"),
         "pool \"p\": discovery: cache: \"/tmp/app.json\" is the path of pool \"q\""},
        {TWO(CONSUL "token_file = \"/dev/null\";", DNS "cache = \"/dev/null\";"),
         "is the token_file of pool \"p\", and would be replaced; write another file"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_errors errors = support_refuse(cases[i].text);
        bool told = false;

        for (size_t k = 0; k < errors.count; k++)
            told |= strstr(errors.v[k].message, cases[i].words) != NULL;
        cr_expect(told, "%s", errors.v[0].message);
        config_errors_free(&errors);
    }
}

static void check_words(const char *before, const char *after, const char *words)
{
    struct config *from = support_load(before), *to = support_load(after);
    struct config_plan *plan = config_plan_new(from, to);

    cr_assert_eq(plan->count, 1);
    cr_expect_eq(plan->changes[0].of, CONFIG_OF_POOL);
    cr_expect_str_eq(plan->changes[0].detail, words);
    cr_expect_eq(plan->risk, CONFIG_RISK_MEDIUM);
    config_plan_free(plan);
    config_unref(&from);
    config_unref(&to);
}

Test(discovery, the_plan_tells_what_changes)
{
    check_words(FOUND(CONSUL), FOUND(CONSUL "tag = \"blue\";"), "discovery: tag none -> blue");
    check_words(FOUND(CONSUL "token = \"a\";"), FOUND(CONSUL "token = \"b\";"),
                "discovery: other content in token");
    check_words(FOUND(CONSUL), LISTENER "pools = ( { name = \"app\"; } );\n", "discovery: removed");
}
