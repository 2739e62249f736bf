/* Durations as people say them: "850 ms", "10 s", "3 m 20 s", "3 h 12 m", "2 d 4 h". Two units at
 * most, rounded down, no unit that is 0. */
#ifndef EVERGATE_HEALTH_DURATION_H
#define EVERGATE_HEALTH_DURATION_H

#include <stdint.h>

struct duration_text {
    char text[32]; /* room for the largest number of days */
};

/* By value, so that several can stand in one call of snprintf: duration_text(us).text. */
struct duration_text duration_text(uint64_t us);

#endif
