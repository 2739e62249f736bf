/* Answers of evhttp servers inside evergate: management, and the demo's backends. */
#ifndef EVERGATE_ADMIN_ADMIN_REPLY_H
#define EVERGATE_ADMIN_ADMIN_REPLY_H

#include <event2/buffer.h>
#include <event2/http.h>

#include "admin/admin_json.h"

/* `body` is drained; for HEAD only its length is told. */
void admin_reply(struct evhttp_request *request, int status, const char *content_type,
                 struct evbuffer *body);

/* One JSON value; takes the reference. */
void admin_reply_json(struct evhttp_request *request, int status, json_t *value);

/* {"error":{"type","message"}}, the contract's section 4. The caller's reference. */
json_t *admin_error_json(const char *type, const char *message);
void admin_reply_error(struct evhttp_request *request, int status, const char *type,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
