/* check.h - what a check is. check.c runs them. */
#ifndef CHECK_H
#define CHECK_H

#include "target.h"

/* A check has either talk or run. A table of checks ends with {0}. */
struct check {
    const char *name;
    void (*talk)(struct server *server); /* talks to a server that has been started */
    const char *options;                 /* with these, and that is stopped afterwards */
    void (*run)(void);                   /* starts and stops by itself what it needs */
    bool plain_only;                     /* what it counts is not the same under the verifier */
};

#endif
