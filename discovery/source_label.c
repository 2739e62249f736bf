/* How a source is called: for people (events, logs) and as a label (metrics, GET /providers). No
 * key that may hold a secret is looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "discovery/source.h"

/* The key that says what is looked for. */
static const char *label_subject(const struct config_discovery *block)
{
    switch (block->type) {
    case CONFIG_DISCOVERY_FILE:
        return block->path;
    case CONFIG_DISCOVERY_DNS:
        return block->name;
    case CONFIG_DISCOVERY_ETCD:
        return block->prefix;
    default:
        return block->service;
    }
}

static void label_append(char **text, const char *between, const char *more)
{
    char *longer = xasprintf("%s%s%s", *text, between, more);

    free(*text);
    *text = longer;
}

/* Where it is looked for; heap, "" when the type says it. */
static char *label_place(const struct config_discovery *block)
{
    char *place = xstrdup("");

    if (block->type == CONFIG_DISCOVERY_KUBERNETES) {
        if (block->namespace != NULL && block->namespace[0] != '\0')
            label_append(&place, "namespace ", block->namespace);
        return place;
    }
    for (const char **address = block->addresses; address != NULL && *address != NULL; address++)
        label_append(&place, place[0] != '\0' ? ", " : "", *address);
    return place;
}

static const char *label_preposition(const struct config_discovery *block)
{
    return block->type == CONFIG_DISCOVERY_KUBERNETES ? " in " : " at ";
}

static const char *label_type(const struct config_discovery *block)
{
    return config_discovery_type_name(block->type);
}

char *source_title(const struct config_discovery *block)
{
    const char *subject = label_subject(block);
    char *place = label_place(block);
    char *title = xasprintf(
        "%s%s \"%s\"%s%s", label_type(block),
        block->type == CONFIG_DISCOVERY_DNS && block->record == CONFIG_DNS_SRV ? " SRV" : "",
        subject != NULL ? subject : "", place[0] != '\0' ? label_preposition(block) : "", place);

    free(place);
    return title;
}

void source_label(const struct config_discovery *block, char *out, size_t capacity)
{
    const char *subject = label_subject(block);
    char *place = label_place(block);
    size_t n;

    n = (size_t)snprintf(out, capacity, "%s%s%s", subject != NULL ? subject : "",
                         place[0] != '\0' ? label_preposition(block) : "", place);
    free(place);
    if (n < capacity)
        return;
    /* Not within a character: 10xxxxxx continues one (RFC 3629 section 3). */
    for (n = capacity - 1; n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0x80;)
        n--;
    if (n > 0 && ((unsigned char)out[n - 1] & 0x80) != 0)
        n--;
    out[n] = '\0';
}
