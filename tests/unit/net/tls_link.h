/* A TLS connection between two peers on one loop, with contexts and certificates that a test may
 * change between links. There is one of it: Criterion runs every test in a process of its own. */
#ifndef EVERGATE_TESTS_TLS_LINK_H
#define EVERGATE_TESTS_TLS_LINK_H

#include <openssl/ssl.h>

#include "net/tls.h"
#include "net_fixture.h"
#include "test_certs.h"

enum { LINK_IN_LIMIT = 32 * 1024 };

struct tls_link {
    struct loop loop;
    struct test_ca *ca; /* has issued "a": a.test, *.wild.test and 127.0.0.1 */
    struct peer server, client;
    struct tls_context *server_context, *client_context;
    struct tls_resume_slot slot; /* of the client: the next link resumes what is in it */
};

extern struct tls_link tls_link;

/* TestSuite's .init and .fini. */
void link_setup(void);
void link_teardown(void);

/* NAME.pem and NAME.key of the link's authority. */
struct tls_certificate link_files(const char *name);
/* The contexts of the links that follow. The server's certificate is "a" if none is given. */
void link_serve(struct tls_server_params params);
void link_call(struct tls_client_params params);
void link_call_verifying(void); /* trusts the link's authority and nothing else */

/* Both, as most tests have them: the server asks for nothing, the client verifies. */
void link_contexts(void);

/* Starts a connection to `server_name` (NULL: none is sent); the one before it ends. */
void link_up(const char *server_name);
/* The same, until both ends are connected. */
void link_handshake(const char *server_name);
/* link_contexts and a handshake for "a.test": where most tests begin. */
void link_open(void);

/* Each runs the loop until it is so; false after the guard. */
bool link_connects(void);
bool link_client_fails(void);
bool link_server_fails(void);
bool link_gets_ticket(void);
bool link_receives(struct peer *p,
                   size_t in_all); /* `p` has received so many bytes since link_up */
void link_settle(void);

/* One end writes; link_send waits until the other has received `n` bytes in all. */
void link_write(struct peer *from, const char *data, size_t n);
void link_send(struct peer *from, const char *data, size_t n);

/* What the product keeps to itself: handshakes that it would not make are asked of OpenSSL. */
SSL *link_ssl(const struct peer *p);

#endif
