/* How a source is called: for people (events, logs) and as a label (metrics, GET /providers). No
 * key that may hold a secret is looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "discovery/source.h"

/* What is looked for; heap. Records of addresses have no ports of their own, SRV records do. */
static char *label_subject(const struct config_discovery *block)
{
    const char *subject = config_discovery_subject(block);

    if (block->type == CONFIG_DISCOVERY_DNS && block->record != CONFIG_DNS_SRV)
        return xasprintf("%s:%u", subject, block->port);
    return xstrdup(subject);
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

char *source_title(const struct config_discovery *block)
{
    bool srv = block->type == CONFIG_DISCOVERY_DNS && block->record == CONFIG_DNS_SRV;
    char *subject = label_subject(block), *place = label_place(block);
    char *title =
        xasprintf("%s%s \"%s\"%s%s", config_discovery_type_name(block->type), srv ? " SRV" : "",
                  subject, place[0] != '\0' ? label_preposition(block) : "", place);

    free(subject);
    free(place);
    return title;
}

void source_label(const struct config_discovery *block, unsigned number, char *out, size_t capacity)
{
    char suffix[16] = "";
    char *subject = label_subject(block), *place = label_place(block);
    char *whole =
        xasprintf("%s%s%s", subject, place[0] != '\0' ? label_preposition(block) : "", place);
    size_t n = strlen(whole), room;

    if (number > 1)
        snprintf(suffix, sizeof(suffix), " #%u", number);
    room = capacity - 1 - strlen(suffix);
    if (n > room)
        n = utf8_whole(whole, room);
    snprintf(out, capacity, "%.*s%s", (int)n, whole, suffix);
    free(whole);
    free(subject);
    free(place);
}
