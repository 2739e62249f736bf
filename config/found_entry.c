/* One found endpoint: an object of the API's keys and "reported", read by the tables that read the
 * API, and kept in one piece of memory: there may be tens of thousands. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/endpoint_internal.h"
#include "config/found_internal.h"
#include "config/overlay.h"

enum { ENTRY_TEXTS_MAX_BYTES = 64 * 1024 }; /* tags, metadata: far more than anybody says */

static const char reported_key[] = "reported";

/* ---- how its source judges it ---- */

static const struct {
    const char *word;
    enum config_reported reported;
    bool drain;
} reported_words[] = {
    {"healthy", CONFIG_REPORTED_HEALTHY, false},
    {"degraded", CONFIG_REPORTED_DEGRADED, false},
    {"unhealthy", CONFIG_REPORTED_UNHEALTHY, false},
    {"draining", CONFIG_REPORTED_NOTHING, true},
};
enum { REPORTED_WORDS = sizeof(reported_words) / sizeof(reported_words[0]) };

const char *config_reported_name(enum config_reported reported)
{
    for (size_t i = 0; i < REPORTED_WORDS; i++) {
        if (reported_words[i].reported == reported && !reported_words[i].drain)
            return reported_words[i].word;
    }
    return "";
}

static void entry_read_reported(struct config_backend *backend, const json_t *fields,
                                struct config_diag *diag)
{
    const json_t *said = json_object_get(fields, reported_key);
    const char *text = json_string_value(said);

    if (said == NULL)
        return;
    for (size_t i = 0; text != NULL && i < REPORTED_WORDS; i++) {
        if (strcmp(text, reported_words[i].word) != 0)
            continue;
        backend->reported = reported_words[i].reported;
        backend->drain = backend->drain || reported_words[i].drain;
        return;
    }
    config_diag_add(diag, 0,
                    "reported must be one of \"healthy\", \"degraded\", \"unhealthy\", "
                    "\"draining\"%s%s%s",
                    text != NULL ? ", not \"" : "", text != NULL ? text : "",
                    text != NULL ? "\"" : "");
}

/* ---- the object ---- */

static bool member_is_kept(const char *key, const json_t *value)
{
    return !json_is_null(value) &&
           (strcmp(key, reported_key) == 0 || !config_endpoint_is_read_only(key));
}

static bool object_is_as_kept(json_t *object)
{
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        if (!member_is_kept(json_object_iter_key(at), json_object_iter_value(at)))
            return false;
    }
    return json_object_get(object, "id") != NULL;
}

json_t *config_found_entry_fields(const json_t *object)
{
    json_t *members = (json_t *)object, *kept; /* jansson's iterators take no const */
    char *id;

    if (object_is_as_kept(members))
        return json_incref(members);
    kept = json_object();
    for (void *at = json_object_iter(members); at != NULL;
         at = json_object_iter_next(members, at)) {
        if (member_is_kept(json_object_iter_key(at), json_object_iter_value(at)))
            json_object_set(kept, json_object_iter_key(at), json_object_iter_value(at));
    }
    if (json_object_get(kept, "id") == NULL) {
        id = config_endpoint_id(kept);
        if (id != NULL)
            json_object_set_new(kept, "id", json_string(id));
        free(id);
    }
    return kept;
}

/* ---- one piece of memory ---- */

static const char *pack_text(struct found_pack *pack, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return text != NULL ? "" : NULL;
    return config_found_pack_bytes(pack, text, strlen(text) + 1);
}

/* Arrays first, since they are of pointers. */
static void pack_lists(struct found_pack *pack, const struct config_backend *from,
                       struct config_backend *to)
{
    size_t tags = 0;

    while (from->tags[tags] != NULL)
        tags++;
    to->tags = config_found_pack_bytes(pack, from->tags, (tags + 1) * sizeof(*from->tags));
    to->metadata = config_found_pack_bytes(pack, from->metadata,
                                           from->metadata_count * sizeof(*from->metadata));
    for (size_t i = 0; i < tags; i++) {
        const char *tag = pack_text(pack, from->tags[i]);

        if (pack->at != NULL)
            to->tags[i] = tag;
    }
    for (size_t i = 0; i < from->metadata_count; i++) {
        const char *key = pack_text(pack, from->metadata[i].key);
        const char *value = pack_text(pack, from->metadata[i].value);

        if (pack->at != NULL)
            to->metadata[i] = (struct config_metadata){key, value};
    }
}

static void pack_backend(struct found_pack *pack, const struct config_backend *from,
                         struct config_backend *to)
{
    pack_lists(pack, from, to);
    to->address = pack_text(pack, from->address);
    to->id = strcmp(from->id, from->address) == 0 ? to->address : pack_text(pack, from->id);
    to->name = pack_text(pack, from->name);
    to->host = pack_text(pack, from->host);
    to->place.region = pack_text(pack, from->place.region);
    to->place.zone = pack_text(pack, from->place.zone);
    to->check_address = pack_text(pack, from->check_address);
}

static size_t entry_texts_bytes(const struct config_backend *backend)
{
    struct config_backend scratch;
    struct found_pack pack = {0};

    pack_backend(&pack, backend, &scratch);
    return pack.used;
}

static void pack_entry(struct found_pack *pack, const struct config_backend *backend,
                       const json_t *fields, struct found_entry *entry)
{
    size_t before;

    pack_backend(pack, backend, &entry->backend);
    before = pack->used;
    entry->fields = config_found_pack_bytes(pack, NULL, 0);
    config_found_pack_json(pack, fields);
    entry->fields_bytes = pack->used - before;
}

static struct found_entry *entry_new(const struct config_backend *backend, const json_t *fields)
{
    struct found_entry scratch = {0}, *entry;
    struct found_pack pack = {0};

    pack_entry(&pack, backend, fields, &scratch);
    entry = xmalloc(sizeof(*entry) + pack.used);
    memset(entry, 0, sizeof(*entry));
    entry->refs = 1;
    entry->backend = *backend;
    pack = (struct found_pack){.at = (char *)entry->room};
    pack_entry(&pack, backend, fields, entry);
    return entry;
}

struct found_entry *config_found_entry_ref(struct found_entry *entry)
{
    atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
    return entry;
}

/* Acquire and release: what other threads read of it happens before it is freed. */
void config_found_entry_unref(struct found_entry *entry)
{
    if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(entry);
}

bool config_found_entry_equal(const struct found_entry *a, const struct found_entry *b)
{
    json_t *fields;
    bool equal;

    if (a == b)
        return true;
    if (a->fields_bytes != b->fields_bytes)
        return false;
    if (memcmp(a->fields, b->fields, a->fields_bytes) == 0)
        return true;
    fields = config_found_packed_json(b->fields); /* their members may stand in another order */
    equal = config_found_packed_equal(a->fields, fields);
    json_decref(fields);
    return equal;
}

/* ---- reading ---- */

/* As in the file, an address may be the id of what was not given another. */
static void entry_check(const struct config_backend *backend, struct config_diag *diag)
{
    if (backend->address[0] == '\0')
        config_diag_add(diag, 0, "\"address\" is missing; write address = \"10.0.0.1:8080\"");
    else if (strcmp(backend->id, backend->address) != 0 && !config_value_is_name(backend->id))
        config_diag_add(diag, 0,
                        "id: \"%s\" cannot be a name; write 1 to 128 letters, digits and marks "
                        "without spaces, quotes, / \\ ? # %%",
                        backend->id);
    if (entry_texts_bytes(backend) > ENTRY_TEXTS_MAX_BYTES)
        config_diag_add(diag, 0, "it has more than 64k of text; write fewer tags and metadata");
}

/* "reported" is not one of the API's keys: it is read beside them. */
static json_t *entry_api_fields(json_t *fields)
{
    json_t *others;

    if (json_object_get(fields, reported_key) == NULL)
        return json_incref(fields);
    others = json_copy(fields);
    json_object_del(others, reported_key);
    return others;
}

struct found_entry *config_found_entry_read(json_t *fields, struct config_diag *diag)
{
    json_t *api_fields = entry_api_fields(fields);
    struct found_entry *entry = NULL;
    struct config_backend backend;
    struct config_endpoint said;
    size_t before = diag->count;
    struct arena arena;

    arena_init(&arena);
    config_endpoint_defaults(&backend, &arena);
    if (config_endpoint_read(&said, api_fields, &arena, diag) &&
        config_endpoint_lay(&backend, &said, api_fields, &arena, diag)) {
        backend.id = said.id != NULL ? said.id : "";
        backend.where = (struct config_where){"discovery", 0};
        entry_check(&backend, diag);
        entry_read_reported(&backend, fields, diag);
    }
    if (diag->count == before)
        entry = entry_new(&backend, fields);
    arena_fini(&arena);
    json_decref(api_fields);
    return entry;
}
