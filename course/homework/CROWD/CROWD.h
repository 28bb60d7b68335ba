/* CROWD.h - the checks that CROWD and WAITERS share. */
#ifndef CROWD_H
#define CROWD_H

#include "../../../tests/exercise_checks.h"

extern const struct check crowd_checks[];

#endif
