/* ROOM.c - the exercise ROOM: the checks of CHAT, on another chapter. */
#include "../CHAT/CHAT.h"

const struct exercise ROOM = {
    .name = "ROOM",
    .options = "--threads 4",
    .checks = chat_checks,
};
