/*
 * File descriptors: how many the process may have, and how many clients that allows for. When
 * clients take the last one, no request can be sent on: so they get at most half of what is left.
 */
#ifndef EVERGATE_PROXY_DESCRIPTORS_H
#define EVERGATE_PROXY_DESCRIPTORS_H

/* Raises the soft limit to the hard one; logs when it cannot. */
void descriptors_raise_limit(void);

/* With everything open that is open before traffic: clients that can be served at once, each with a
 * connection to a backend. At least 1. Reads /proc/self/fd. */
unsigned descriptors_client_limit(void);

/* The same as a pure function: `limit` of the process, `open` now. */
unsigned descriptors_clients_of(unsigned long long limit, unsigned open);

#endif
