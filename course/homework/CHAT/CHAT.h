/* CHAT.h - the checks that CHAT and ROOM share. */
#ifndef CHAT_H
#define CHAT_H

#include "../../../tests/exercise_checks.h"

extern const struct check chat_checks[];

#endif
