/* CHAT.h - what the checks of CHAT and of ROOM share. */
#ifndef CHAT_H
#define CHAT_H

#include "../../../tests/exercise_checks.h"

extern const struct check chat_checks[];

/* A line has at most this many bytes, with its \n; most chats here have this many clients. */
enum { CHAT_LINE = 4096, CHAT_PEERS = 3 };

/* Waits until all of these peers are accepted: each one hears the first one. Returns how many bytes
 * they have heard altogether. */
int gather_chat(const SOCKET *peers, int count);

/* Starts a server and connects that many peers, all of which are accepted: each gets what the
 * others send. False after noting trouble. close_chat stops the server and closes the peers. */
bool open_chat(struct server *server, SOCKET *peers, int count);
void close_chat(struct server *server, SOCKET *peers, int count);

/* The same, but some of them may have to wait for a place. */
bool open_full_chat(struct server *server, SOCKET *peers, int count);

/* ---- checks: one client reads slowly, late or never: chat_queues.c --------------------------- */

/* What it does not take must neither stop the others nor pile up. */
void chat_lazy(void);

/* It gets everything if that is less than a queue takes. */
void chat_late(void);

/* What comes next goes behind what is in its queue. */
void chat_slow(void);

/* The server sleeps while lines are in a queue, also when its client has shut down. */
void chat_queues_sleep(void);
void chat_shut_queues_sleep(void);

/* The summary counts what was sent, and not what was only queued. */
void chat_counts_sent(void);

/* Clients that are disconnected with full queues leave nothing behind, nor keep their places. */
void chat_queues_leak_nothing(void);
void chat_place_of_lazy(void);

/* ---- checks: clients come and go: chat_visits.c ---------------------------------------------- */

/* More come than one wait has places for, and leave in each way; or while others talk. */
void chat_places(void);
void chat_leaving(void);

/* Nothing leaks: visits in order, with a reset, with half a line; lines of a client alone. */
void chat_leaks_nothing(void);
void chat_resets_leak_nothing(void);
void chat_half_lines_leak_nothing(void);
void chat_alone(void);

/* ---- checks: anything in any order: chat_mix.c ----------------------------------------------- */

/* 12 clients come, say lines and parts of lines, listen or not, and leave. Each one must hear every
 * line of the others, whole and in the order of its talker, unless its queue may have been full;
 * and then the server is at rest, and nothing leaks. */
void chat_any_order(void);

#endif
