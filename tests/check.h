/*
 * check.h - what the checks share: how one is reported, and peers that talk to a server.
 *
 * A check is a function. It notes trouble; the first trouble is the one that is reported, and a check
 * without trouble has passed. Every wait in it is bounded.
 */
#ifndef CHECK_H
#define CHECK_H

#include "../tools/harness.h"

enum verdict {
    PASSED,
    FAILED,    /* the program under test is wrong */
    TIMED_OUT, /* it did not do in time what it should */
    NO_CHANCE, /* the machine is in the way: a taken port, a missing file */
    SKIPPED    /* this cannot be checked here */
};

/* The program under test, for example build\ch21_event_select\server.exe. */
extern char program_path[300];

/* What else a server is started with, for example "--threads 1"; how long the mixed storm lasts. */
enum { DEFAULT_STORM_SECONDS = 3 };
extern const char *server_options;
extern int storm_seconds;

/* Notes trouble, used like printf. hint says where to look. Only the first one counts. Any thread
 * may call it. */
void trouble(enum verdict verdict, const char *hint, const char *what, ...)
    FORMAT_LIKE_PRINTF(3, 4);
bool in_trouble(void);

struct check {
    const char *name;
    void (*run)(void);                              /* does all of it by itself; or NULL: */
    void (*talk)(struct process *server, int port); /* to a server that has been started */
    const char *options;                            /* with these, and is stopped afterwards */
};

/* All arrays of checks end with {NULL, NULL, NULL, NULL}. */
extern const struct check server_checks[];
extern const struct check client_checks[];
extern const struct check load_checks[]; /* only if client_makes_load */

/* Whether the client in program_path offers --connections. */
bool client_makes_load(void);

/* ---- the program under test ---------------------------------------------------------------- */

/* Starts program_path with the arguments (a server also gets a free port as the last one) and
 * waits until it listens. In trouble the result is false. */
bool start_server(struct process *server, const char *options, int *port);

/* Ctrl+C: it must end with status 0 within 2 seconds, and say that 0 operations are pending. */
void stop_server(struct process *server);

/* ---- peers: blocking calls with a deadline on non-blocking sockets ------------------------- */

/* Bytes for the peers to send: random, but the same in each run. */
enum { PATTERN_SIZE = 16 * 1024 * 1024 };
extern unsigned char pattern[PATTERN_SIZE];
void fill_pattern(void);

/* A connected socket, or INVALID_SOCKET and trouble. */
SOCKET connect_peer(int port);

/* The first SHOWN_BYTES, for a message: those that are no letters, digits or signs as \n or \x00.
 * The text has SHOWN_SIZE bytes; returns it. */
enum { SHOWN_BYTES = 24, SHOWN_SIZE = 4 * SHOWN_BYTES + 1 };
const char *show_bytes(char *text, const char *bytes, size_t length);

/* Each returns false after noting trouble. */
bool send_all(SOCKET peer, const unsigned char *bytes, size_t length);
bool receive_exactly(SOCKET peer, const unsigned char *expected, size_t length);
bool receive_end(SOCKET peer); /* the other side has closed in order, and sent nothing more */

/* Sends the bytes in pieces of at most so many bytes and receives the same bytes meanwhile, or as
 * many others. */
bool exchange(SOCKET peer, const unsigned char *bytes, size_t length, size_t piece);
bool exchange_for(SOCKET peer, const unsigned char *bytes, const unsigned char *expected,
                  size_t length, size_t piece);

/* Connects, exchanges, shuts down, and receives the end. */
void converse(int port, const unsigned char *bytes, size_t length, size_t piece);

/* Closes with a reset. */
void reset_peer(SOCKET peer);

/* Waits at most so many milliseconds; select for one socket. Returns the bits that are true. */
enum { READABLE = 1, WRITABLE = 2 };
int wait_for_socket(SOCKET peer, int wanted, DWORD milliseconds);

/* How long a peer waits for any one thing, in milliseconds: 10,000; for an exercise 3,000. */
extern int patience_ms;

/* Connects count peers; those that could not be connected become INVALID_SOCKET, with trouble. */
void connect_peers(int port, SOCKET *peers, int count);

/* All peers are connected before the first one sends; then all talk, twice. */
void talk_all(int port, SOCKET *peers, int count);
void end_peers(SOCKET *peers, int count);

/* How often the program has printed the text so far. */
int count_text(struct process *process, const char *text);

/* Notes that the server cannot be measured, or has ended by itself. */
void cannot_measure(const struct process *server);

/* Notes trouble if one of the server's threads does anything during so many milliseconds. */
void expect_sleep(const struct process *server, DWORD milliseconds);

/* ---- what is reported ------------------------------------------------------------------------ */

/* Prints, like printf, to standard output and to the report. */
void say(const char *text, ...) FORMAT_LIKE_PRINTF(1, 2);

#endif
