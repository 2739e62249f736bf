/* Active checks and recovery: see checks.h. */
#include "checks/checks.h"
