/* Descriptors 0, 1 and 2: whoever starts a program may have closed them. */
#ifndef EVERGATE_BASE_STANDARD_STREAMS_H
#define EVERGATE_BASE_STANDARD_STREAMS_H

/* Those that are closed become /dev/null, also for programs that are started. Before anything is
 * opened: a socket that got such a number would be sent the log. */
void standard_streams_fill(void);

#endif
