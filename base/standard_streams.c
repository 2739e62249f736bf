/* Filling gaps among the standard streams: see standard_streams.h. */
#include "base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

void standard_streams_fill(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR); /* the lowest number that is free: open(2) */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}
