/* The fallback's cache: see cache.h. */
#include "cache/cache.h"
