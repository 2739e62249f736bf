/* Writing a whole file so that at any moment it is the old one or the new one, whole. */
#ifndef EVERGATE_BASE_FILE_REPLACE_H
#define EVERGATE_BASE_FILE_REPLACE_H

#include <stdbool.h>

#include "base/slice.h"

/* Written beside `path`, synced, and renamed over it: after true the content survives a crash.
 * False with errno: the file is as it was; or, where only its directory could not be synced, it is
 * the new one and a crash may bring the old one back. Readable for its owner only (0600). A link
 * stays one: what it leads to is replaced. Takes as long as the disk does. */
bool file_replace(const char *path, struct slice content);

#endif
