/* See utf8.h. */
#include "base/utf8.h"

enum { UTF8_LONGEST = 4 };

/* RFC 3629 section 3: 10xxxxxx continues a character, the byte before says how long it is. */
static size_t character_bytes(unsigned char first)
{
    if (first >= 0xf0)
        return 4;
    if (first >= 0xe0)
        return 3;
    return first >= 0xc0 ? 2 : 1;
}

size_t utf8_whole(const char *text, size_t n)
{
    for (size_t back = 1; back <= UTF8_LONGEST && back <= n; back++) {
        unsigned char byte = (unsigned char)text[n - back];

        if ((byte & 0xc0) != 0x80)
            return character_bytes(byte) > back ? n - back : n;
    }
    return n;
}
