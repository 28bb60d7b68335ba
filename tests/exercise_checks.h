/*
 * exercise_checks.h - what an exercise is, and what the checks of several exercises share.
 *
 * The checks of the exercise NAME are in course/homework/NAME/NAME.c, which defines
 *     const struct exercise NAME = {.name = "NAME", ...};
 * Its goal, level, chapter and hints are in README.md next to it.
 */
#ifndef EXERCISE_CHECKS_H
#define EXERCISE_CHECKS_H

#include "check.h"
#include "peers.h"

/* In place of a number of a summary: any is right. */
enum { ANY_NUMBER = -1 };

enum { MOST_REUSED = 16 };

struct exercise {
    const char *name;                /* as on the command line, and as its folder: CHAT */
    const char *options;             /* the options that the server is started with */
    void (*prepare)(void);           /* called before all checks, perhaps several times; or NULL */
    const struct check *checks;      /* of the exercise itself */
    const struct check *more;        /* more of them, if it shares checks; or NULL */
    const char *reused[MOST_REUSED]; /* parts of names in server_checks that must hold as well;
                                        then NULL */
};

/* Each returns false after noting trouble, and immediately if peer is INVALID_SOCKET. */
bool send_text(SOCKET peer, const char *text);
bool receive_text(SOCKET peer, const char *text);

/* Nothing may come for this many milliseconds; reason says why. False after noting trouble. */
bool receive_nothing(SOCKET peer, DWORD milliseconds, const char *hint, const char *reason);

/* How many milliseconds it takes until the server closes the connection; -1: longer than most. */
double wait_for_end(SOCKET peer, int most);

/* Receives until the server ends the connection. Returns how many bytes came, or -1 if it was
 * reset, so that some may have been lost: under Wine that looks like an end, but the socket is no
 * longer connected. For a peer that has not shut down. */
long long count_to_end(SOCKET peer);

/* Starts a server with the options. Many clients come and go: visit is called for each of them,
 * with a number from 1 on. What they do must leave nothing allocated or open afterwards. */
void expect_no_leak(const char *options, void (*visit)(int port, int number));

/* A check: the same with clients that send, and get the same back; some leave with a reset. */
void echo_leaks_nothing(void);

/* A check: one client sends, and gets the same back, so often that anything not freed after a
 * receive shows. */
void receives_leak_nothing(struct server *server);

/* A check: a few clients stay, and send so often that even a few bytes lost per receive show. */
void messages_leak_nothing(void);

/* A check: there are more clients than one wait has places for. Each of them must be served, at the
 * latest when others have left: the first ones with a reset, then with a reset, an orderly close,
 * or an orderly close without reading the echo. What the server prints does not matter. */
void places_are_given_back(struct server *server);

#endif
