/* What a Redis server or a Sentinel says about itself, understood. Pure. */
#ifndef EVERGATE_CHECKS_REDIS_WORDS_H
#define EVERGATE_CHECKS_REDIS_WORDS_H

#include <stdbool.h>

#include "checks/resp.h"
#include "config/config.h"
#include "net/address.h"

/* An error's text. */
bool redis_error_read(struct slice *ret_text, struct slice reply);

/* The answer to ROLE. */
struct redis_standing {
    bool standby;
    bool linked;                          /* a standby that follows its master */
    struct slice master_host, link_state; /* a standby's: "10.0.0.1", "connecting" */
    long long master_port;
};

/* False when it is no such answer: a Sentinel's own, for one. `reply` was measured. */
bool redis_standing_read(struct redis_standing *ret_standing, struct slice reply);

/* The answer to SENTINEL get-master-addr-by-name: false when it knows no such master. */
bool redis_master_read(struct slice *ret_host, struct slice *ret_port, struct slice reply);

/* Whether `host` (an address or a name) and `port` are the endpoint's: its address, or the name
 * that the configuration gives it. */
bool redis_master_is(struct slice host, struct slice port, const struct address *address,
                     const struct config_backend *backend);

#endif
