/*
 * A kubeconfig: which API server, and who we are to it. Of its contexts, one is read.
 *
 * https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ and the
 * reference "kubeconfig (v1)". Refused is what would have to run a program (`exec`), what is gone
 * from Kubernetes (`auth-provider`), and what would go another way or as somebody else than the
 * file seems to say (`proxy-url`, `as`): all of it with a sentence. Pure, but for kubeconfig_read
 * being given the bytes of a file.
 */
#ifndef EVERGATE_DISCOVERY_KUBECONFIG_H
#define EVERGATE_DISCOVERY_KUBECONFIG_H

#include <stdbool.h>

#include "base/error.h"
#include "base/slice.h"

enum { KUBECONFIG_BYTES = 1024 * 1024 };

/* Heap, all of it; NULL: not said. Paths are relative to nothing any more. Where there are both a
 * text and a path, only the text is kept. */
struct kubeconfig {
    char *server; /* "https://10.0.0.1:6443"; never NULL */
    char *namespace;
    char *tls_server_name;
    bool insecure;
    char *ca_path, *ca_pem;
    char *cert_path, *cert_pem;
    char *key_path, *key_pem;
    char *token, *token_path; /* both: the file's, as long as it can be read */
    char *username, *password;
};

/*
 * `path` names the file in sentences, and its directory is where relative paths begin. `context`:
 * "" is the current one. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap); then there is
 * nothing to fini.
 */
int kubeconfig_read(struct kubeconfig *ret_kubeconfig, struct slice text, const char *path,
                    const char *context, char **ret_why) WARN_UNUSED;

void kubeconfig_fini(struct kubeconfig *kubeconfig); /* overwrites what is secret */

#endif
