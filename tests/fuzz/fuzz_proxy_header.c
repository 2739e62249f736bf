/* PROXY protocol headers. Properties: a longer input never changes what a shorter one settled, and
 * the size lies within the input and the limit. */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "http/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_protocol whole, prefix;
    size_t whole_size = 0, prefix_size = 0;
    int code = proxy_protocol_parse(&whole, (const char *)data, size, &whole_size);

    if (code == EG_OK)
        CHECK(whole_size > 0 && whole_size <= size && whole_size <= PROXY_PROTOCOL_MAX_BYTES);
    for (size_t n = 0; n < size; n++) {
        int early = proxy_protocol_parse(&prefix, (const char *)data, n, &prefix_size);

        CHECK(early == EG_E_AGAIN || early == code);
        if (early == EG_OK)
            CHECK(prefix_size == whole_size && prefix.has_addresses == whole.has_addresses &&
                  prefix.source_length == whole.source_length);
        if (early != EG_E_AGAIN)
            break;
    }
    return 0;
}
