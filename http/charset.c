/* The table behind http/charset.h: T token, U target (URI), H host, X hex, D digit, I request id.
 */
#include "http/charset.h"

#define T HTTP_CHAR_TOKEN
#define U HTTP_CHAR_TARGET
#define H HTTP_CHAR_HOST
#define X HTTP_CHAR_HEX
#define D HTTP_CHAR_DIGIT
#define I HTTP_CHAR_REQUEST_ID

/* Controls, SP, DEL and everything from 0x80 belong to no class. */
const unsigned char http_char_classes[256] = {
    ['0' ... '9'] = T | U | H | X | D | I,
    ['A' ... 'F'] = T | U | H | X | I,
    ['G' ... 'Z'] = T | U | H | I,
    ['a' ... 'f'] = T | U | H | X | I,
    ['g' ... 'z'] = T | U | H | I,
    ['!'] = T | U | H,
    ['"'] = U,
    ['#'] = T,
    ['$'] = T | U | H,
    ['%'] = T | U,
    ['&'] = T | U | H,
    ['\''] = T | U | H,
    ['('] = U | H,
    [')'] = U | H,
    ['*'] = T | U | H,
    ['+'] = T | U | H | I,
    [','] = U,
    ['-'] = T | U | H | I,
    ['.'] = T | U | H | I,
    ['/'] = U | I,
    [':'] = U | I,
    [';'] = U | H,
    ['<'] = U,
    ['='] = U | H | I,
    ['>'] = U,
    ['?'] = U,
    ['@'] = U | I,
    ['['] = U,
    ['\\'] = U,
    [']'] = U,
    ['^'] = T | U,
    ['_'] = T | U | H | I,
    ['`'] = T | U,
    ['{'] = U,
    ['|'] = T | U,
    ['}'] = U,
    ['~'] = T | U | H | I,
};
