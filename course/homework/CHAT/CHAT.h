/* CHAT.h - the checks that CHAT and ROOM share. */
#ifndef CHAT_H
#define CHAT_H

#include "../../../tests/exercise_checks.h"

extern const struct check chat_checks[];

/* A line has at most this many bytes, with its \n. */
enum { CHAT_LINE = 4096 };

/* Waits until all of these peers are accepted: each one hears the first one. Returns how many bytes
 * they have heard altogether. */
int gather_chat(const SOCKET *peers, int count);

/* A check: 12 clients come, say lines and parts of lines, listen or not, and leave, in any order.
 * Each one must hear every line of the others, whole and in the order of its talker, unless its
 * queue may have been full; and then the server is at rest, and nothing leaks. */
void chat_any_order(void);

#endif
