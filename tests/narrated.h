/*
 * narrated.h - for the exercises whose statement fixes a line of the narration: reads such lines,
 * and looks at the output after the stop.
 */
#ifndef NARRATED_H
#define NARRATED_H

#include "exercise_checks.h"

/* The next line of the narration about this call, from *place on, which begins with 0. client is 0
 * for "-". Other bytes of any value may stand before, after and between such lines. False: there is
 * none so far. */
enum { NARRATED_SIZE = 400 };
struct narrated {
    int client;
    char what[NARRATED_SIZE];
};
bool next_narrated(struct server *server, const char *call, size_t *place,
                   struct narrated *narrated);

/* Ctrl+C and the end of the server, whose output can be looked at afterwards. The caller ends it
 * with end_program. False after noting trouble. */
bool stop_and_keep_output(struct server *server);

/* A check: some clients that stay send so often that a few bytes for each receive would show. */
void messages_leak_nothing(void);

#endif
