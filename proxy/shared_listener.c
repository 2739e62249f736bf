/* See shared_listener.h. */
#include "proxy/shared_listener.h"

#include <stdlib.h>

#include "base/alloc.h"

int shared_listener_open(struct shared_listener **ret_listener, const char *bind, unsigned workers,
                         char **ret_why)
{
    struct shared_listener *listener = xcalloc(1, sizeof(*listener));
    int rc = listen_open(&listener->set, bind, workers, ret_why);

    if (rc != EG_OK) {
        free(listener);
        return rc;
    }
    atomic_init(&listener->refs, 1);
    listener->bind = xstrdup(bind);
    *ret_listener = listener;
    return EG_OK;
}

struct shared_listener *shared_listener_ref(struct shared_listener *listener)
{
    atomic_fetch_add_explicit(&listener->refs, 1, memory_order_relaxed);
    return listener;
}

void shared_listener_unref(struct shared_listener *listener)
{
    if (atomic_fetch_sub_explicit(&listener->refs, 1, memory_order_acq_rel) > 1)
        return;
    free((char *)listener->bind);
    free(listener);
}

void shared_listener_close(struct shared_listener *listener)
{
    if (listener->set.count > 0)
        listen_close(&listener->set);
}
