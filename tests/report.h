/*
 * report.h - what a check finds out, and how it is reported.
 *
 * A check notes trouble. The first trouble is the one that is reported; a check without trouble
 * has passed. What is said goes to standard output and to a report in build\FOLDER as well.
 */
#ifndef REPORT_H
#define REPORT_H

#include "../tools/process.h"

enum verdict {
    PASSED,
    FAILED,      /* the program under test is wrong */
    TIMED_OUT,   /* it did not do in time what it should */
    RULE_BROKEN, /* the verifier saw it break a rule: the cause, whatever else was noted */
    NO_CHANCE,   /* the machine is in the way: a taken port, a missing file */
    SKIPPED      /* this cannot be checked here */
};

/* ---- trouble ------------------------------------------------------------------------------- */

/* Notes trouble, used like printf. hint says where to look; it must be a constant. Only the first
 * trouble of a check counts, unless a rule was broken. Any thread may call it. */
void trouble(enum verdict verdict, const char *hint, const char *what, ...)
    FORMAT_LIKE_PRINTF(3, 4);

/* Whether trouble has been noted. Any thread may ask. */
bool in_trouble(void);

/* Begins a new check: nothing has been noted. */
void forget_trouble(void);

struct noted {
    enum verdict verdict; /* PASSED: nothing, and the rest is empty */
    char what[600];
    const char *hint;
};

/* What has been noted, once all threads of the check have ended. */
const struct noted *noted_trouble(void);

/* ---- what is said -------------------------------------------------------------------------- */

/* Prints, like printf, to standard output and to the report. */
void say(const char *text, ...) FORMAT_LIKE_PRINTF(1, 2);

/* Begins the report build_folder\NAME.txt; if it cannot be written, there is none. name is "checks"
 * or an exercise. */
void begin_report(const char *build_folder, const char *name, const char *compiler);

/* Writes the last line, used like printf, and closes the report. */
void end_report(const char *last_line, ...) FORMAT_LIKE_PRINTF(1, 2);

#endif
