/* check.h - what a check is. check.c runs them. */
#ifndef CHECK_H
#define CHECK_H

#include "target.h"

/* A check has either talk or run. A table of checks ends with {0}. */
struct check {
    const char *name;
    void (*talk)(struct server *server); /* talks to a server that is started with options, */
    const char *options;                 /* and stopped afterwards */
    void (*run)(void);                   /* starts and stops everything that it needs */
    bool plain_only;                     /* what it counts is different under the verifier */
};

#endif
