/*
 * target.h - the program under test: how it is started, stopped and watched.
 *
 * Every wait is bounded. What goes wrong is noted as trouble.
 */
#ifndef TARGET_H
#define TARGET_H

#include "pace.h"

/* The program under test, for example build\ch21_event_select\server.exe. */
extern char program_path[300];

/* More arguments with which each server is started, for example "--threads 1". */
extern const char *server_options;

/* A check takes at most this long on a quiet machine: a server that always does a little, but too
 * little, is not waited for. 90 s, under the verifier 120 s; a longer storm makes it longer. */
extern int most_check_ms;

/* Servers are not stopped with Ctrl+C, but killed: for a step of a server that cannot stop yet. */
extern bool kill_servers;

/* The program was built with the verifier (tests/verifier): a rule that it breaks is trouble, and
 * its times, memory and processor time mean nothing. */
extern bool verified;

/* A server that has been started, and where it listens. */
struct server {
    struct process process;
    int port;
};

/* Starts the program under test with the arguments, and nothing else. False after noting trouble.
 * The caller ends it with end_process. */
bool start_program(struct process *process, const char *arguments);

/* Starts the program under test as a server, with server_options, the options and a free port, and
 * waits until it listens. False after noting trouble. The caller ends it with stop_server. */
bool start_server(struct server *server, const char *options);

/* The same with a program that was built with the verifier, which does only these kinds of
 * unkindness (tests/verifier/unkindness.h). */
bool start_unkind_server(struct server *server, const char *options, const char *kinds);

/* Like end_process, after checking what the verifier printed, and whether the program has crashed.
 * when says at which point of its life, for example "before it listened". */
void end_program(struct process *process, const char *when);

/* Writes "0xC0000005 (access violation: ...)", or "3", for a message. text has STATUS_SIZE bytes.
 * Returns text. */
enum { STATUS_SIZE = 200 };
const char *status_text(char *text, DWORD status);

/* The server must still be running. Presses Ctrl+C: it must end with status 0 within 2 seconds (6
 * if verified; more on a busy machine), and print that 0 operations are pending; with kill_servers
 * it is only killed. Does nothing if it has already been stopped. */
void stop_server(struct server *server);

/* The same, but it may take its time, within patience_ms, and what it has printed can be examined
 * afterwards: the caller ends it with end_program. False after noting trouble. */
bool stop_and_keep(struct server *server);

/* The same, but it must end as soon as with stop_server. */
bool stop_soon_and_keep(struct server *server);

/* The numbers in the last line "summary: ..." of its output; bytes of any value may come before it.
 * False: there is no such line. */
struct summary {
    int clients;     /* served */
    long long bytes; /* echoed */
    int pending;     /* operations */
};
bool find_summary(struct process *process, struct summary *summary);

/* Stops the server as stop_and_keep does, and ends it; the summary must have these numbers. */
void stop_and_count(struct server *server, int clients, long long bytes);

/* How often the server has printed the text so far. */
int count_text(struct server *server, const char *text);

/* Like measure. Under the verifier memory and activity are 0, so that no comparison finds a
 * difference: it remembers what is closed and freed, and works itself. */
bool measure_server(const struct server *server, struct measurement *measurement);

/* The same, once it has closed what it has to close: when its handles stay as they are. */
bool measure_at_rest(const struct server *server, struct measurement *measurement);

/* Notes that the server cannot be measured. */
void cannot_measure(const struct server *server);

/* Notes trouble if the server has more handles or threads, or more memory by most_memory bytes,
 * than it had before; NULL: it could not be measured then. look_at says where to look, after_what
 * what has happened since, for example "after 300 clients". */
void expect_no_growth(const struct server *server, const struct measurement *before,
                      unsigned long long most_memory, const char *look_at, const char *after_what);

/* Notes trouble if one of the server's threads does anything during this many milliseconds. Under
 * the verifier it checks nothing. */
void expect_sleep(const struct server *server, DWORD milliseconds);

#endif
