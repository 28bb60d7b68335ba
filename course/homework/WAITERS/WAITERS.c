/* WAITERS.c - the exercise WAITERS: the checks of CROWD, on another chapter. */
#include "../CROWD/CROWD.h"

const struct exercise WAITERS = {
    .name = "WAITERS",
    .options = "",
    .checks = crowd_checks,
    .reused = {"half-close", "50 resets"},
};
