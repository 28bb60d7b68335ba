/* IDLE.h - the checks that IDLE and TIMER share. */
#ifndef IDLE_H
#define IDLE_H

#include "../../../tests/service_checks.h"

extern const struct check idle_checks[];

#endif
