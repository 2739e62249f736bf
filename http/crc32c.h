/* CRC-32C (Castagnoli), as the PROXY protocol's checksum TLV uses it. */
#ifndef EVERGATE_HTTP_CRC32C_H
#define EVERGATE_HTTP_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin) over p[0..n). */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#endif
