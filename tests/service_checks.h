/*
 * service_checks.h - what every server promises, for exercises whose service is an echo and a
 * little more: something comes before the echo, something after it, or not every byte comes back
 * immediately.
 *
 * Each check works with --quiet and does not rely on the narration.
 */
#ifndef SERVICE_CHECKS_H
#define SERVICE_CHECKS_H

#include "exercise_checks.h"

/* What a client of the exercise sends and receives. */
struct service {
    bool (*opens)(SOCKET peer);               /* receives what comes first; NULL: nothing does */
    bool (*ends)(SOCKET peer, size_t echoed); /* after the shutdown; NULL: the end comes */
    const unsigned char *(*bytes)(void);      /* at least SERVICE_SIZE to send; NULL: pattern */
    size_t unit;                              /* this many bytes come back together; 0: one */
};

enum { SERVICE_SIZE = 12 * 1024 * 1024 };

/* Connects, sends at least this many bytes in pieces, receives the same, shuts down, receives the
 * end, closes. Returns how many bytes came back, or 0 after noting trouble. */
size_t service_visit(int port, const struct service *service, size_t length, size_t piece);

/* 8 clients at the same time, in small and large pieces. The summary must count all clients and
 * bytes. */
void service_load(const struct service *service);

/* Bytes and shutdown come together, also while the client does not read yet. */
void service_half_close(struct server *server, const struct service *service);

/* A client that does not read costs little, delays no other, and gets everything when it reads. */
void service_reads_late(struct server *server, const struct service *service);

/* 6 clients that fill all buffers, shut down, and only then read: every whole unit comes back, and
 * then the end. */
void service_reads_later(struct server *server, const struct service *service);

/* 60 resets, in each state; then the next client is served. */
void service_resets(struct server *server, const struct service *service);

/* 12 clients whose echo is refused reset their connections, twice: nothing may leak. */
void service_lazy_resets(struct server *server, const struct service *service);

/* A quiet client is answered soon while others are busy. */
void service_is_fair(struct server *server, const struct service *service);

/* Clients leave in every way; then 60 are served at the same time, and late ones when others have
 * left. */
void service_places(struct server *server, const struct service *service);

/* 60 clients are served, and more wait: each time one of the first has left, one more must be
 * served. leaves makes it leave, and closes it; number counts from 0; the result is false after
 * noting trouble. how says what those clients did: "left with a reset". */
void service_full(struct server *server, const struct service *service,
                  bool (*leaves)(SOCKET peer, const struct service *service, int number),
                  const char *how);

/* The same with clients that leave with a reset: for servers that have a limit. */
void service_full_resets(struct server *server, const struct service *service);

/* The server sleeps before the first client, with silent ones, and after the last one. */
void service_sleeps(struct server *server, const struct service *service);

/* 600 clients in a row, then 1,500 receives on one connection. */
void service_leaks_nothing(const struct service *service);

/* Ctrl+C with clients that are silent, send, do not read, or have shut down. */
void service_stops(const struct service *service);

#endif
