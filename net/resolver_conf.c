/*
 * resolv.conf changes while we run: another network, a VPN, a kubelet. c-ares reads it when a
 * channel is made, so another file makes another channel. It is looked at when there is something
 * to ask, and then not more often than every few seconds.
 *
 * A file that is gone, or cannot be read, changes nothing: it may be just being replaced. One that
 * was read half written has another identity once it is whole.
 */
#include "net/resolver_internal.h"

enum { CHECK_MS = 5000 };

void resolver_conf_follow(struct resolver *resolver)
{
    struct resolver_conf *conf = &resolver->conf;
    uint64_t now_ms = resolver->loop->now_ms;
    struct file_identity identity;

    if (!conf->path || now_ms < conf->check_ms)
        return;
    conf->check_ms = now_ms + CHECK_MS;
    identity = file_identity_of_path(conf->path);
    if (identity.error != 0 || file_identity_equal(&identity, &conf->identity))
        return;
    if (resolver_channel_renew(resolver) == 0)
        conf->identity = identity;
}
