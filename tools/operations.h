/*
 * operations.h - what happened in a run: the waits, the work and the calls of each thread, and the
 * operations of each connection, from the call to the moment when the program learns that it is
 * complete. For timeline and replay.
 */
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include "log.h"

enum { MAX_LANES = 64, MAX_SHAPES = 3 * MAX_LINES };

enum kind { WAIT, WORK, CALL, RECEIVE, SEND, TOLD };
extern const char *const kind_names[];

/* A bar on a lane from one moment to another, or, with TOLD, a mark at one moment. */
struct shape {
    enum kind kind;
    int lane;
    double from, to;
    int first, last; /* the same as indexes of lines; last is line_count if it is open */
    bool open;       /* the log ends before it does */
    char text[100];
};

struct lane {
    int log;
    long thread; /* 0: the lane of a connection */
    int client;
    struct shape *wait, *receive, *send; /* what is in progress */
    bool early_receive, early_send;      /* another thread narrated the result before the call */
    const struct line *last;             /* of this thread; NULL: there was none */
};

extern struct shape shapes[MAX_SHAPES];
extern int shape_count;
extern struct lane lanes[MAX_LANES];
extern int lane_count;
extern bool lanes_left_out; /* there were too many */

/* Finds shapes and lanes in lines, which are sorted. Those still open are drawn up to end. */
void find_operations(double end);

/* Whether call is one of the names, which are separated by spaces. */
bool is_one_of(const char *call, const char *names);

#endif
