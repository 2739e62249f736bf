/* Priority and distance, as numbers: see levels.h. */
#include "balancer/levels.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

enum distance { DISTANCE_ZONE, DISTANCE_REGION, DISTANCE_ELSEWHERE, DISTANCE_COUNT };

/* The priorities of backups do not count: they are one tier. */
enum { TIER_BACKUP = UINT16_MAX };

static const char *const distance_names[DISTANCE_COUNT] = {"zone", "region", "elsewhere"};

static bool place_same(const char *a, const char *b)
{
    return a != NULL && b != NULL && *a != '\0' && strcmp(a, b) == 0;
}

static bool place_said(const char *name)
{
    return name != NULL && *name != '\0';
}

/* Zones of different regions may have the same name; a region that is not said contradicts none. */
static enum distance distance_of(const struct config_place *here, const struct config_place *there)
{
    bool region_differs = place_said(here->region) && place_said(there->region) &&
                          !place_same(here->region, there->region);

    if (place_same(here->zone, there->zone) && !region_differs)
        return DISTANCE_ZONE;
    return place_same(here->region, there->region) ? DISTANCE_REGION : DISTANCE_ELSEWHERE;
}

static bool is_located(const struct levels_input *input)
{
    return input->locality == CONFIG_LOCALITY_PREFER && input->place != NULL;
}

static unsigned key_of(const struct levels_input *input, const struct endpoint *endpoint)
{
    const struct config_backend *backend = atomic_load(&endpoint->backend);
    unsigned tier = backend->backup ? TIER_BACKUP : backend->priority;

    if (!is_located(input))
        return tier * DISTANCE_COUNT;
    return tier * DISTANCE_COUNT + distance_of(input->place, &backend->place);
}

static struct level level_of_key(const struct levels_input *input, unsigned key)
{
    unsigned tier = key / DISTANCE_COUNT;
    bool backup = tier == TIER_BACKUP;

    return (struct level){
        .key = key,
        .backup = backup,
        .priority = backup ? 0 : tier,
        .where = is_located(input) ? distance_names[key % DISTANCE_COUNT] : "",
    };
}

static int key_compare(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return (x > y) - (x < y);
}

/* Sorts and removes repetitions; returns how many are left. */
static unsigned keys_unique(unsigned *keys, unsigned count)
{
    unsigned unique = 0;

    qsort(keys, count, sizeof(*keys), key_compare);
    for (unsigned i = 0; i < count; i++) {
        if (unique == 0 || keys[unique - 1] != keys[i])
            keys[unique++] = keys[i];
    }
    return unique;
}

/* Neighbours mostly are at the same level: that saves the sorting most of its work. */
static unsigned keys_collect(const struct levels_input *input, unsigned *keys)
{
    unsigned count = 0;

    for (unsigned i = 0; i < input->size; i++) {
        unsigned key;

        if (input->endpoints[i] == NULL)
            continue;
        key = key_of(input, input->endpoints[i]);
        if (count == 0 || keys[count - 1] != key)
            keys[count++] = key;
    }
    return keys_unique(keys, count);
}

void levels_init(struct levels *levels, const struct levels_input *input, uint16_t *ret_level_of)
{
    unsigned *keys = xcalloc(input->size, sizeof(*keys));

    *levels = (struct levels){.count = keys_collect(input, keys)};
    CHECK(levels->count < LEVEL_NONE);
    levels->at = xcalloc(levels->count, sizeof(*levels->at));
    for (unsigned i = 0; i < levels->count; i++) {
        levels->at[i] = level_of_key(input, keys[i]);
        levels->regular += !levels->at[i].backup;
    }
    free(keys);
    for (unsigned i = 0; i < input->size; i++) {
        unsigned level;

        ret_level_of[i] = LEVEL_NONE;
        if (input->endpoints[i] == NULL)
            continue;
        level = levels_find(levels, key_of(input, input->endpoints[i]));
        CHECK(level != LEVEL_NONE);
        ret_level_of[i] = (uint16_t)level;
        levels->at[level].endpoints++;
    }
}

void levels_fini(struct levels *levels)
{
    free(levels->at);
}

unsigned levels_find(const struct levels *levels, unsigned key)
{
    unsigned low = 0, high = levels->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (levels->at[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < levels->count && levels->at[low].key == key ? low : LEVEL_NONE;
}
