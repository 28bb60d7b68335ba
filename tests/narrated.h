/*
 * narrated.h - for the exercises whose statement fixes a line of the narration: reads such lines.
 */
#ifndef NARRATED_H
#define NARRATED_H

#include "exercise_checks.h"

/* The next line of the narration about this call, from *place on, which begins with 0. client is 0
 * for "-". Other bytes of any value may be before, after and between such lines. False: there is
 * none so far. */
enum { NARRATED_SIZE = 400 };
struct narrated {
    int client;
    char what[NARRATED_SIZE];
};
bool next_narrated(struct server *server, const char *call, size_t *place,
                   struct narrated *narrated);

#endif
