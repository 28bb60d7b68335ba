/* server_checks.h - what every server promises. */
#ifndef SERVER_CHECKS_H
#define SERVER_CHECKS_H

#include "check.h"

extern const struct check server_checks[];

/* How many seconds the mixed storm lasts. If it lasts longer than usual, the check also prints what
 * the server needed before and after. */
enum { DEFAULT_STORM_SECONDS = 3 };
extern int storm_seconds;

#endif
