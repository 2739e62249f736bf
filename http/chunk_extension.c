/* The state machine of chunk_extension.h, a byte a step. */
#include "http/chunk_extension.h"

#include "http/charset.h"

#define STATE(name) HTTP_CHUNK_EXTENSION_##name

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_text(char c)
{
    return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

static enum http_chunk_extension in_name(enum http_chunk_extension state, char c)
{
    if (http_char_is(c, HTTP_CHAR_TOKEN))
        return state == STATE(AFTER_NAME) ? STATE(WRONG) : STATE(NAME);
    if (is_blank(c))
        return state == STATE(BEFORE_NAME) ? state : STATE(AFTER_NAME);
    if (state == STATE(BEFORE_NAME))
        return STATE(WRONG);
    if (c == '=')
        return STATE(BEFORE_VALUE);
    return c == ';' ? STATE(BEFORE_NAME) : STATE(WRONG);
}

static enum http_chunk_extension in_value(enum http_chunk_extension state, char c)
{
    bool before = state == STATE(BEFORE_VALUE);

    if (c == '"')
        return before ? STATE(QUOTED) : STATE(WRONG);
    if (is_blank(c))
        return before ? state : STATE(AFTER_VALUE);
    if (c == ';')
        return before ? STATE(WRONG) : STATE(BEFORE_NAME);
    if (state != STATE(BEFORE_VALUE) && state != STATE(TOKEN))
        return STATE(WRONG);
    return http_char_is(c, HTTP_CHAR_TOKEN) ? STATE(TOKEN) : STATE(WRONG);
}

enum http_chunk_extension http_chunk_extension_next(enum http_chunk_extension state, char c)
{
    switch (state) {
    case STATE(BEFORE_NAME):
    case STATE(NAME):
    case STATE(AFTER_NAME):
        return in_name(state, c);
    case STATE(QUOTED):
        if (!is_text(c))
            return STATE(WRONG);
        return c == '"' ? STATE(CLOSED) : c == '\\' ? STATE(QUOTED_PAIR) : STATE(QUOTED);
    case STATE(QUOTED_PAIR):
        return is_text(c) ? STATE(QUOTED) : STATE(WRONG);
    case STATE(WRONG):
        return state;
    default:
        return in_value(state, c);
    }
}

bool http_chunk_extension_may_end(enum http_chunk_extension state)
{
    return state == STATE(NAME) || state == STATE(TOKEN) || state == STATE(CLOSED);
}
