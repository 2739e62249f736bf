/* The text side of the error table: see error.h. */
#include "base/error.h"

struct error_entry {
    const char *name;
    const char *text;
    int http_status;
    enum error_type type;
};

#define X(name_, status_, type_, text_) {#name_, text_, status_, ERROR_TYPE_##type_},
static const struct error_entry error_entries[] = {ERROR_TABLE(X)};
#undef X

static const struct error_entry *error_entry_of(int code)
{
    static const struct error_entry ok = {"OK", "no error", 200, ERROR_TYPE_NONE};
    static const struct error_entry unknown = {"UNKNOWN", "unknown error", 500,
                                               ERROR_TYPE_INTERNAL};

    if (code == EG_OK)
        return &ok;
    if (code > 0 || code < -(int)ERROR_INDEX_COUNT)
        return &unknown;
    return &error_entries[-code - 1];
}

const char *error_text(int code)
{
    return error_entry_of(code)->text;
}

const char *error_name(int code)
{
    return error_entry_of(code)->name;
}

int error_http_status(int code)
{
    return error_entry_of(code)->http_status;
}

enum error_type error_type_of(int code)
{
    return error_entry_of(code)->type;
}

const char *error_type_name(enum error_type type)
{
    switch (type) {
    case ERROR_TYPE_CONNECTION:
        return "connection";
    case ERROR_TYPE_VALIDATION:
        return "validation";
    case ERROR_TYPE_NOT_FOUND:
        return "not_found";
    case ERROR_TYPE_TIMEOUT:
        return "timeout";
    case ERROR_TYPE_CIRCUIT_BREAKER:
        return "circuit_breaker";
    case ERROR_TYPE_OVERLOAD:
        return "overload";
    case ERROR_TYPE_INTERNAL:
        return "internal";
    case ERROR_TYPE_NONE:
        break;
    }
    return NULL;
}
