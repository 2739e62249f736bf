/*
 * What a service manager wants to know (sd_notify(3)): one datagram of KEY=value lines to the
 * socket that $NOTIFY_SOCKET names. systemd's Type=notify starts what depends on us when we are
 * ready, and follows us to the next process of an upgrade. Any thread; without the variable, and
 * when nobody listens, nothing happens. A manager that does not read holds the caller up for a
 * second at most.
 */
#ifndef EVERGATE_PROXY_SERVICE_MANAGER_H
#define EVERGATE_PROXY_SERVICE_MANAGER_H

#include <sys/types.h>

/* READY=1 and MAINPID, with a sentence for `systemctl status`. */
void service_manager_ready(const char *status);

/* RELOADING=1; service_manager_ready ends it, whatever came of it. */
void service_manager_reloading(void);

void service_manager_stopping(const char *status);

/* `pid` is the main process from now on. To be said by the one that was: systemd believes no other
 * (NotifyAccess=main). */
void service_manager_main_process(pid_t pid);

#endif
