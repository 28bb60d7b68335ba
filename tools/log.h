/*
 * log.h - reads the narrations of a server and of its clients, for timeline and replay.
 *
 * A log is what a program prints, or what it writes to the file that NARRATION_LOG names: then each
 * line ends with a tab and its place in the source. Lines that do not begin with a time are no
 * narration (the address, the summary, echoes) and are skipped.
 */
#ifndef LOG_H
#define LOG_H

#include "../common/common.h"

enum {
    MAX_LOGS = 8,
    MAX_LINES = 20000 /* of all logs */
};

/* A line of a narration. */
struct line {
    int order; /* as it was read: the times of two lines may be the same */
    int log;   /* 0: the server's; 1, 2, ...: the clients' */
    double ms; /* on the machine's counter, which is the same for all logs */
    long thread;
    int client; /* 0: none */
    char call[32];
    char what[160];
    char file[40]; /* where it was narrated; empty: the log does not say */
    int number;    /* of the line in that file */
};

extern struct line lines[MAX_LINES];
extern int line_count;

/* What to do with a log that has more lines than there is space for. */
enum long_log { REFUSE_LONG_LOG, CUT_LONG_LOG };

/* Adds the lines of a file to lines; their times become those of the machine's counter. log is its
 * number, log_count the number of logs that share the space. If the file cannot be read, is no
 * narration or is damaged behind the time, the program ends with status 1; the message names the
 * line. Returns false if the log was cut. */
bool read_log(const char *file, int log, int log_count, enum long_log long_log);

/* Sorts lines by time. */
void sort_lines(void);

#endif
