/*
 * service.h - clients of an exercise whose service is an echo and a little more: something comes
 * before the echo, something after it, or not every byte comes back immediately.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "exercise_checks.h"

/* What a client of the exercise sends and receives. */
struct service {
    bool (*opens)(SOCKET peer);               /* receives what comes first; NULL: nothing does */
    bool (*ends)(SOCKET peer, size_t echoed); /* after the shutdown; NULL: the end comes */
    const unsigned char *(*bytes)(void);      /* at least SERVICE_SIZE to send; NULL: pattern */
    size_t unit;                              /* this many bytes come back together; 0: one */
    bool counts_parts; /* what send took is counted exactly; an overlapped send that is cancelled
                          counts nothing, although a part of it may have come back */
};

enum { SERVICE_SIZE = 12 * 1024 * 1024 };

/* What a client sends first: little, and it gets an answer; and what is more than a few bytes. */
enum { FIRST_LENGTH = 100, SOME_BYTES = 5000 };

/* How much a server of this course receives, or sends, with one call. */
enum { BUFFER = 131072 };

/* What a client sends: SERVICE_SIZE bytes, made once. */
const unsigned char *service_bytes(const struct service *service);

/* At least this many bytes, in whole units. */
size_t service_units(const struct service *service, size_t length);

/* Connects and receives what comes first. INVALID_SOCKET after noting trouble. */
SOCKET service_connect(int port, const struct service *service);

/* After the shutdown: what comes behind that many echoed bytes. False after noting trouble. */
bool service_receive_end(SOCKET peer, const struct service *service, size_t echoed);

/* Connects, sends at least this many bytes in pieces, receives the same, shuts down, receives the
 * end, closes. Returns how many bytes came back, or 0 after noting trouble. */
size_t service_visit(int port, const struct service *service, size_t length, size_t piece);

/* The same with more bytes than 31 bits can count, in pieces as large as the server takes. If this
 * machine is so slow that it would take more than half a minute, the check is skipped. */
size_t service_long_visit(int port, const struct service *service);

/* How many milliseconds a visit with 64 KiB takes. On a busy machine it may take long now and then:
 * the shortest of at most three, and no other one when one has taken at most enough_ms. */
double service_shortest_visit(int port, const struct service *service, double enough_ms);

/* Sends until nothing is taken for a while, at most this many bytes. Returns how many. */
size_t service_fill(SOCKET peer, const unsigned char *bytes, size_t most);

/* Connects and leaves without waiting for anything, in one of 12 ways: with some bytes or none,
 * with a shutdown, with a reset. */
void service_leave(int port, const struct service *service, int way);

#endif
