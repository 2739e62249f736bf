/* Found endpoints, laid between a file and what operators said: what tests of it share. */
#ifndef EVERGATE_TESTS_CONFIG_LAYING_H
#define EVERGATE_TESTS_CONFIG_LAYING_H

#include <jansson.h>

#include "config/found.h"
#include "config/overlay.h"

/* Pool "api" has the file's "a" and a discovery block, pool "web" a backend. */
extern const char laying_base_text[];

struct laying {
    struct config *base;
    struct config_overlay *overlay;
    struct config_discovered *discovered;
    struct config *config; /* laid last */
};

/* Ids "b" and "c", as a source tells of them. */
#define LAYING_B "{\"id\": \"b\", \"address\": \"10.0.0.2:80\"}"
#define LAYING_C "{\"id\": \"c\", \"address\": \"10.0.0.3:80\", \"tags\": [\"t\"], \"zone\": \"z\"}"

/* Fails the test where `text` is no JSON. The caller's reference. */
json_t *laying_json(const char *text);
/* Reads an array's text as the set that follows `before`. */
struct config_found *laying_read(const char *text, struct config_found *before,
                                 struct config_refused *ret_refused);

/* `endpoints` are found for "api" now, and all is laid anew: no mistake may come of it. */
void laying_lay(struct laying *l, const char *endpoints);
/* An operator speaks of one of "api"; `fields` NULL: it is taken out. */
void laying_say(struct laying *l, const char *id, const char *fields, bool replace);
void laying_forget(struct laying *l, uint64_t now_s);
/* In "api", as it was laid last; NULL: it is not there. */
const struct config_backend *laying_find(const struct laying *l, const char *id);
void laying_fini(struct laying *l);

#endif
