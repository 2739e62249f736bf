/* Starting threads: see thread.h. */
#include "base/thread.h"

#include <signal.h>
#include <stdio.h>

int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg), void *arg)
{
    char cut[16]; /* TASK_COMM_LEN of the kernel */
    sigset_t all, before;
    int rc;

    /* The new thread inherits the mask, so there is no moment in which it could take a signal. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(ret_thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return EG_E_NOMEM;
    snprintf(cut, sizeof(cut), "%s", name);
    pthread_setname_np(*ret_thread, cut);
    return EG_OK;
}
