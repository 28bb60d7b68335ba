/* CHAT.h - the checks that CHAT and ROOM share. */
#ifndef CHAT_H
#define CHAT_H

#include "../../../tests/exercise_checks.h"

extern const struct check chat_checks[];

/* Waits until all of these peers are accepted: each one hears the first one. Returns how many bytes
 * they have heard altogether. */
int gather_chat(const SOCKET *peers, int count);

#endif
