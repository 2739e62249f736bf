/*
 * The demo's backends: three real HTTP servers (evhttp) on loopback ports of their own, on one
 * thread, and a fourth that controls them:
 *
 *   GET  /backends                 what each is doing
 *   POST /backends/ID/stop         its port is closed, its connections are cut
 *   POST /backends/ID/start        back to normal
 *   POST /backends/ID/break        it answers 500, though its health check stays fine
 *   POST /backends/ID/hang         it accepts and never answers
 *
 * Each backend serves the demo's page at /, and at every other path tells who it is and what
 * arrived; /health is for health checks, /slow?ms=N answers after N milliseconds, /flaky?fail=1
 * with 500.
 */
#ifndef EVERGATE_CLI_DEMO_BACKENDS_H
#define EVERGATE_CLI_DEMO_BACKENDS_H

#include <stdint.h>

#include "base/error.h"

enum { DEMO_BACKENDS = 3 };

struct demo_backends;

/* Binds and starts the thread. 0 or EG_E_INTERNAL. */
int demo_backends_start(struct demo_backends **ret_backends) WARN_UNUSED;
void demo_backends_stop(struct demo_backends **backends);

const char *demo_backend_id(unsigned index);
uint16_t demo_backend_port(const struct demo_backends *backends, unsigned index);
uint16_t demo_control_port(const struct demo_backends *backends);

/* cli/demo_page.c */
extern const char demo_page[];

#endif
