/* CROWD.h - the checks that CROWD and WAITERS share: a server of 200 clients at the same time. */
#ifndef CROWD_H
#define CROWD_H

#include "../../../tests/service_checks.h"

enum { CROWD_SIZE = 200 };
extern SOCKET crowd[CROWD_SIZE];

/* Most of the clients leave and others come, again and again; 300 come; the summary counts also
 * those that have left. */
extern const struct check crowd_checks[];

#endif
