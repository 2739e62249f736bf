/*
 * Which Kubernetes API server is asked, and who asks: out of a kubeconfig, or, within a cluster,
 * out of what the kubelet puts into each container.
 *
 *   kubeconfig ──────────┐
 *                        ├─► address, certificates, Authorization, namespace
 *   service account ─────┘
 *     KUBERNETES_SERVICE_HOST and _PORT
 *     /var/run/secrets/kubernetes.io/serviceaccount/{token,ca.crt,namespace}
 *
 * Certificates and tokens are texts here, whatever they came from, and the account remembers the
 * files: tokens are exchanged every hour or so, CAs some day, and then another account is opened.
 * The discovery thread's; reading a few local files is all that blocks.
 */
#ifndef EVERGATE_DISCOVERY_KUBE_ACCOUNT_H
#define EVERGATE_DISCOVERY_KUBE_ACCOUNT_H

#include <stdbool.h>

#include "base/error.h"

/* Another place for token, ca.crt and namespace: for tests. */
#define KUBE_ACCOUNT_DIRECTORY_VARIABLE "EVERGATE_SERVICE_ACCOUNT_DIR"

struct kube_account {
    char *server;    /* for people: "https://10.0.0.1:6443" */
    char *address;   /* "10.0.0.1:6443", "[fd00::1]:443", "api.example:443" */
    char *host;      /* for Host: as the server's URL has it */
    char *path;      /* what every target begins with: "", or "/k8s/clusters/c-1" */
    char *namespace; /* that of the service account or context; "default" where none is said */
    bool in_cluster; /* a service account's */

    bool tls, verify;
    char *server_name;                 /* sent as SNI, and verified */
    char *ca_pem, *cert_pem, *key_pem; /* NULL: the system's CAs; no client certificate */
    char *authorization;               /* the header's value; NULL: none */
    bool withheld;                     /* there is one, but the server's URL is no https */

    struct kube_files *files; /* what all of it was read from */
};

/* `kubeconfig` NULL: the service account. `context`: "" is the kubeconfig's current one. 0, or
 * EG_E_INTERNAL with a sentence in *ret_why (heap). */
int kube_account_open(struct kube_account **ret_account, const char *kubeconfig,
                      const char *context, char **ret_why) WARN_UNUSED;
void kube_account_free(struct kube_account *account); /* overwrites secrets; NULL is fine */

/* One of its files is not the one any more that was read: to be opened anew. */
bool kube_account_is_stale(const struct kube_account *account);

#endif
