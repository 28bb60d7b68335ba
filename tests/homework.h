/*
 * homework.h - the exercises: what they are called, what checks them, what helps.
 */
#ifndef HOMEWORK_H
#define HOMEWORK_H

#include "check.h"

enum { MOST_HINTS = 4, MOST_REUSED = 9 };

struct exercise {
    const char *name;    /* as on the command line: CHAT */
    const char *chapter; /* whose server is to be changed */
    int level;           /* 1 to 3 */
    const char *goal;
    const char *options; /* what the server is started with */
    const struct check *checks;
    const char *reused[MOST_REUSED]; /* beginnings of names in server_checks; then NULL */
    const char *hints[MOST_HINTS];   /* each gives away more; then NULL */
};

extern const struct exercise exercises[]; /* ends with a name NULL */

/* NULL: there is none of that name. */
const struct exercise *find_exercise(const char *name);

/* Prints one hint, and how to get the next one. folder is where the student works. False: there is
 * no such hint, and it has said so. */
bool print_hint(const struct exercise *exercise, int number, const char *folder);

/* Prints each chapter and each exercise, and what the reports in the folder build say of them. */
void print_exercises(void);

/* The name of the command that the user has typed: build.bat, or what stands for it. */
const char *build_command(void);

/* ---- reports: what say says, in build\FOLDER\checks.txt or build\FOLDER\EXERCISE.txt ---------- */

/* Begins a report; without a folder to write to there is none. */
void begin_report(const char *build_folder, const char *exercise, const char *compiler);
void end_report(const char *last_line, ...) FORMAT_LIKE_PRINTF(1, 2);

/* ---- the checks of each exercise: homework_checks.c ------------------------------------------ */

extern const struct check upper_checks[];
extern const struct check idle_checks[];  /* also of TIMER */
extern const struct check chat_checks[];  /* also of ROOM */
extern const struct check crowd_checks[]; /* also of WAITERS */
extern const struct check greeting_checks[];
extern const struct check frame_checks[];
extern const struct check farewell_checks[];
extern const struct check duplex_checks[];
extern const struct check count_checks[];
extern const struct check batch_checks[];

#endif
