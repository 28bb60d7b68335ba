/*
 * service_checks.h - what every server promises, for exercises whose service is an echo and a
 * little more. Each check works with --quiet and does not rely on the narration.
 */
#ifndef SERVICE_CHECKS_H
#define SERVICE_CHECKS_H

#include "service.h"

/* ---- one client, or a few: service_checks.c -------------------------------------------------- */

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

/* How much of its echo the system keeps for a client that does not read: the summary of a server
 * says it, without a part of an overlapped send that is cancelled. The clients of
 * service_connect_stuck send a little more and do not read: the server has received everything, and
 * cannot send all of it to at least one of them. Its result is false after noting trouble; the
 * caller closes the peers. */
enum { STUCK_PEERS = 6 };
long long service_echoed_unread(const struct service *service);
bool service_connect_stuck(int port, const struct service *service, long long echoed,
                           SOCKET *peers);

/* A client whose echo is refused reads only after Ctrl+C: the summary must not have more bytes than
 * come to it, nor fewer; see counts_parts. */
void service_counts_sent(const struct service *service);

/* Clients that do not read until they have shut down: for some of them the system has just kept the
 * whole echo, and has no room for what comes after it. For a service that ends with something. */
void service_ends_without_room(const struct service *service);

/* 400 clients connect, and reset their connections immediately: nothing may leak. */
void service_quick_resets(struct server *server, const struct service *service);

/* 60 resets, in each state; then the next client is served; then the quick ones. */
void service_resets(struct server *server, const struct service *service);

/* 12 clients whose echo is refused reset their connections, three times: nothing may leak. */
void service_lazy_resets(struct server *server, const struct service *service);

/* The server sleeps before the first client, with silent ones, with one that does not read, and
 * after the last one. */
void service_sleeps(struct server *server, const struct service *service);

/* Nor do clients that have shut down, and do not read what comes back, cost any CPU. */
void service_idle_costs_nothing(const struct service *service);

/* 600 clients in a row, then 1,500 receives on one connection. */
void service_leaks_nothing(const struct service *service);

/* ---- many clients at the same time: service_crowds.c ---------------------------------------- */

/* Some of a client's answers come within milliseconds, also the first one of a new client: nothing
 * waits until a time has passed. */
void service_answers_soon(struct server *server, const struct service *service);

/* The same; a quiet client is answered soon while others send without a pause, and gets its share
 * of the answers beside many that wait for each one; and of a few busy clients none waits long. */
void service_is_fair(struct server *server, const struct service *service);

/* Clients leave in every way; then 60 are served at the same time, and late ones when others have
 * left. */
void service_places(struct server *server, const struct service *service);

/* A way in which a client leaves a full server. If leave closes the socket, it becomes
 * INVALID_SOCKET; the result is false after noting trouble. */
struct leaving {
    const char *how; /* "reset its connection"; NULL: the table ends */
    bool (*leave)(SOCKET *peer, const struct service *service);
};

/* The server has places for at least this many clients, at most 200, and half as many more come,
 * some of which leave while they wait. Each time that one of them has left, in one of these ways
 * after the other, one that waits must be served. NULL: in any way that is good for all services.
 * Then as many come as there are places, and leave, and the next one must be served. Returns
 * whether the server was full: there may be no limit. */
bool service_full(struct server *server, const struct service *service,
                  const struct leaving *leavings, int least);

/* An accept fails because there is no socket left: its client is served when another one has left.
 * Only the verifier lets it fail. */
void service_no_socket_left(const struct service *service);

/* What every server has places for. */
enum { PLACES = 60 };

/* Ctrl+C with clients that are silent, do not read, have shut down, or send without a pause; and
 * while clients wait for each answer. What has come back must be in the summary. */
void service_stops(const struct service *service);

/* ---- anything in any order: service_mix.c ---------------------------------------------------- */

/* 24 clients come, send, receive, shut down and leave in any order, and after each of some rounds
 * everything comes back to those that are there, and the server is at rest; nothing leaks, and the
 * summary has what came back. In each run the same acts are drawn, but the server's speed decides
 * how they meet. For what no other check has thought of. */
void service_any_order(const struct service *service);

#endif
