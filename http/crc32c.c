/* Bit by bit: it runs once per connection over at most some hundred bytes, and only when the sender
 * adds a checksum, so a table would cost more cache than it saves time. */
#include "http/crc32c.h"

enum { POLYNOMIAL_REFLECTED = 0x82f63b78 };

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    const unsigned char *bytes = p;

    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? (uint32_t)POLYNOMIAL_REFLECTED : 0);
    }
    return ~crc;
}
