/* Certificates made on the spot, in a directory that goes with the test. */
#ifndef EVERGATE_TESTS_CERTS_H
#define EVERGATE_TESTS_CERTS_H

#include <stdbool.h>

struct test_ca;

struct test_ca *test_ca_new(void);
void test_ca_free(struct test_ca *ca); /* removes the directory */

/* Path of DIR/NAME, valid until test_ca_free. "ca.pem" is the authority's own certificate. */
const char *test_ca_path(struct test_ca *ca, const char *name);

/* Writes NAME.pem and NAME.key. `san` in OpenSSL's syntax ("DNS:a.test,IP:127.0.0.1") or NULL: only
 * the common name, which is `cn`. */
void test_ca_issue(struct test_ca *ca, const char *name, const char *cn, const char *san, bool rsa);

#endif
