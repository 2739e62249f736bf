/*
 * A configuration read by whom it is for: the few keys that say what a process gives up first, then
 * the process gives it up, and then all of the file is read. What that user may not read is a
 * mistake like any other, for `run` and `check` alike.
 */
#ifndef EVERGATE_CLI_CONFINED_H
#define EVERGATE_CLI_CONFINED_H

#include "config/config.h"

enum cli_confine {
    CLI_CONFINE_TO_SERVE, /* all of confine_begin, to be followed by confine_end */
    CLI_CONFINE_TO_JUDGE, /* the user and the chroot, as far as we may */
    CLI_CONFINE_TO_VISIT, /* the chroot only: we judge as who we are */
};

/* While there is one thread; once. One reference, or NULL after every mistake was printed or
 * logged. With a chroot, the configuration's path is the one inside. */
struct config *cli_config_load_confined(const char *path, enum cli_confine how);

#endif
