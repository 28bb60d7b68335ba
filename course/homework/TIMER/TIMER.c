/* TIMER.c - the exercise TIMER: the checks of IDLE, on another chapter. */
#include "../IDLE/IDLE.h"

const struct exercise TIMER = {
    .name = "TIMER",
    .options = "",
    .checks = idle_checks,
    .reused = {"half-close", "bytes and end", "50 resets", "400 immediate resets", "12 resets",
               "never reads", "mixed storm", "do not starve a quiet one", "Ctrl+C",
               "wrong arguments"},
};
