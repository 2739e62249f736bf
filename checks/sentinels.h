/*
 * The Sentinels of a pool: where they are, and which of them answered last. Shared by the checks of
 * the pool's endpoints.
 *
 * Names are kept resolved by a resolver of our own on the health thread's loop, since checks must
 * not wait for DNS; a Sentinel whose name is not known (yet) is passed over.
 */
#ifndef EVERGATE_CHECKS_SENTINELS_H
#define EVERGATE_CHECKS_SENTINELS_H

#include <stdbool.h>

#include "net/resolver.h"

struct sentinel {
    char *text; /* as configured; heap */
    char *host; /* heap; NULL: an address, not a name */
    struct address address;
    bool known;
    struct resolver_watch *watch;
};

struct sentinels {
    struct sentinel *v;
    unsigned count;
    unsigned last;             /* who answered last is asked first */
    struct resolver *resolver; /* NULL: all are addresses */
};

/* `texts` is NULL-terminated. On failure, too, sentinels_fini is due; the
 * sentence in *ret_why (heap) names the culprit. */
int sentinels_init(struct sentinels *sentinels, struct loop *loop, const char *const *texts,
                   char **ret_why) WARN_UNUSED;
void sentinels_fini(struct sentinels *sentinels);

/* The one to be asked as number `turn` (from 0), when `first` (->last, as it was then) was the
 * first one; NULL behind the last. */
const struct sentinel *sentinels_in_turn(const struct sentinels *sentinels, unsigned first,
                                         unsigned turn);
void sentinels_note_answer(struct sentinels *sentinels, const struct sentinel *sentinel);

#endif
