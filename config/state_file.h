/* The file that keeps the overlay over a restart. Control thread. */
#ifndef EVERGATE_CONFIG_STATE_FILE_H
#define EVERGATE_CONFIG_STATE_FILE_H

#include "config/overlay.h"

/* 0 and what the file holds, an empty overlay when it is not there; or EG_E_INTERNAL and a sentence
 * in *ret_why (heap) that names the file and says what to do. */
int state_file_load(struct config_overlay **ret_overlay, const char *path,
                    char **ret_why) WARN_UNUSED;

/* 0 when the file holds the overlay and nothing else could be found there after a crash; or
 * EG_E_INTERNAL and a sentence in *ret_why (heap): then it is as it was. */
int state_file_save(const struct config_overlay *overlay, const char *path,
                    char **ret_why) WARN_UNUSED;

#endif
