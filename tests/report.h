/*
 * report.h - what a check finds, and how it is reported.
 *
 * A check notes trouble. The first trouble is the one that is reported, unless a later one is the
 * cause; a check without trouble has passed. Everything reported goes to standard output and also
 * to a report in build\FOLDER.
 */
#ifndef REPORT_H
#define REPORT_H

#include "../tools/process.h"

enum verdict {
    PASSED,
    FAILED,    /* the program under test is wrong */
    TIMED_OUT, /* it did not do in time what it should */
    NO_CHANCE, /* the machine prevented the check: a taken port, a missing file */
    SKIPPED,   /* this cannot be checked here */
    /* Each of these is the cause, whichever of those above has been noted: */
    ENDED,      /* the program under test ended without being stopped */
    CRASHED,    /* the same, with a status that the system gave it */
    RULE_BROKEN /* the verifier saw it break a rule */
};

/* ---- trouble ------------------------------------------------------------------------------- */

/* Notes trouble, used like printf. hint says where to look; it must be a constant. Only the first
 * trouble of a check counts, unless this one is the cause. Any thread may call it. */
void trouble(enum verdict verdict, const char *hint, const char *what, ...)
    FORMAT_LIKE_PRINTF(3, 4);

/* Whether trouble has been noted. Any thread may ask. */
bool in_trouble(void);

/* Begins a new check, in which nothing has been noted yet. */
void forget_trouble(void);

/* How long ago that was, in the time of a quiet machine; see pace.h. */
double check_age_ms(void);

struct noted {
    enum verdict verdict; /* PASSED: nothing, and the rest is empty */
    char what[1000];      /* one line */
    const char *hint;
};

/* What has been noted, once all threads of the check have ended. */
const struct noted *noted_trouble(void);

/* ---- for messages -------------------------------------------------------------------------- */

/* Writes the first SHOWN_BYTES for a message: bytes that cannot be printed as \n or \x00, and the
 * two that could be mistaken in quotes as \" and \\. text has SHOWN_SIZE bytes. Returns text. */
enum { SHOWN_BYTES = 24, SHOWN_SIZE = 4 * SHOWN_BYTES + 1 };
const char *show_bytes(char *text, const char *bytes, size_t length);

/* The same for what a program has printed so far, in letters of any language: its beginning and its
 * end. text has OUTPUT_SIZE bytes. Returns text. */
enum { SHOWN_PART = 120, OUTPUT_SIZE = 2 * (SHOWN_PART + 5) + 10 };
const char *show_output(char *text, struct capture *capture);

/* ---- what is said -------------------------------------------------------------------------- */

/* Prints, like printf, to standard output and to the report. */
void say(const char *text, ...) FORMAT_LIKE_PRINTF(1, 2);

/* Begins the report FOLDER\NAME.txt. If it cannot be written, there is none: another check may be
 * writing it. name is "checks" or an exercise; the chapter has the server.c that is checked. */
void begin_report(const char *folder, const char *name, const char *compiler, const char *chapter);

/* Writes the last line, used like printf, and closes the report. */
void end_report(const char *last_line, ...) FORMAT_LIKE_PRINTF(1, 2);

#endif
