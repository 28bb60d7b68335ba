/* load_client_checks.h - what load_client promises. */
#ifndef LOAD_CLIENT_CHECKS_H
#define LOAD_CLIENT_CHECKS_H

#include "check.h"

extern const struct check load_client_checks[];

#endif
