/* CROWD.h - the checks that CROWD and WAITERS share: a server of 200 clients at the same time. */
#ifndef CROWD_H
#define CROWD_H

#include "../../../tests/service_checks.h"

enum { CROWD_SIZE = 200 };
extern SOCKET crowd[CROWD_SIZE];

/* Most of the clients leave and others come, again and again: all are served, nothing piles up. */
void crowd_changes(struct server *server);

/* The summary counts also the clients that have left, and the bytes of groups that have ended. */
void crowd_summary(struct server *server);

/* 300 clients come; those for which there is no place are served when others leave. */
void crowd_beyond_the_limit(struct server *server);

#endif
